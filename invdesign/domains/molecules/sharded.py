"""Molecules of files that do not fit into memory, e.g. 10 million SMILES of a virtual library."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
import rdkit
from rdkit import Chem

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.molecules.files import LINES, SMILES_NAMES
from invdesign.domains.molecules.smiles import check_text, parse
from invdesign.io.corpus_cache import cache_path, content_sha256
from invdesign.io.design_tables import corpus_name
from invdesign.io.process_pools import n_cores
from invdesign.io.shard_writer import LINES_PER_SHARD, LineReader, store_corpus

FORMAT = 1
"""Version of the shards in a cache: increased where reading changes."""

Canonical = Literal["parse", "trust"]


def sharded(
    path: str | Path,
    *,
    canonical: Canonical = "parse",
    check_every: int = 100,
    lines_per_shard: int = LINES_PER_SHARD,
    workers: int = 0,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the molecules of a file of SMILES, or of a folder of such files, that does not fit into memory.

    The designs are read by several processes into shards on disk and stay there. An interrupted reading continues, and
    the same files are read once. A line is a SMILES and, after white space, anything else; measured values are not
    read. Repeated molecules are dropped.

    Args:
        path: A .smi, .smiles, .ism or .txt file, plain or gzipped, or a folder of them.
        canonical: `"parse"` reads every line with RDKit, about 3,000 a second on a core. `"trust"` takes SMILES as they
            are written, about 150,000 a second on a core, and parses some of them: the reading fails where more than
            1 % of these are not canonical SMILES of this version of RDKit. A molecule that is written in two ways is
            then two designs.
        check_every: Of the SMILES that are trusted, every n-th is parsed.
        lines_per_shard: Lines in a shard.
        workers: Number of processes; 0 for one a core.
        cache: Folder of the shards, about 60 bytes a molecule; the user's cache folder where it is not given.
        progress: Called with ("reading [MB]", done, total).

    Raises:
        InvdesignError: A file cannot be read or has no molecule, or trusted lines are not canonical.
    """
    if canonical not in ("parse", "trust"):
        raise InvdesignError(f"corpus: canonical must be 'parse' or 'trust', got {canonical!r}")
    path = Path(path)
    paths = sorted(each for each in path.iterdir() if _is_read(each)) if path.is_dir() else [path]
    if not paths or not all(map(_is_read, paths)):
        raise InvdesignError(
            f"{path}: expected a file that ends in one of {', '.join(LINES)} (or .gz), or a folder of them, got none. "
            "Write one SMILES a line"
        )
    folder = Path(cache) if cache is not None else platformdirs.user_cache_path("invdesign")
    options = {"canonical": canonical, "check_every": check_every, "lines_per_shard": lines_per_shard}
    files = [content_sha256(each) for each in paths]
    key = {"files": files, "name": path.name, "rdkit": rdkit.__version__, "format": FORMAT, **options}
    reader = LineReader(_parse_line, _take_line if canonical == "trust" else None, check_every)
    return store_corpus(
        paths,
        reader,
        cache_path(folder / "corpora", "molecules", key).with_suffix("").with_suffix(""),
        name=corpus_name(path),
        noun="molecule",
        workers=workers or n_cores(),
        lines_per_shard=lines_per_shard,
        progress=progress,
    )


def _is_read(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith(LINES)


def _take_line(line: str) -> tuple[str | None, str]:
    """Return the SMILES of a line as it is written."""
    word = line.split(None, 1)[0] if line else ""
    if not word or word.startswith("#") or word.lower() in SMILES_NAMES:
        return None, ""
    reason = check_text(word)
    return (None, reason) if reason else (word, "")


def _parse_line(line: str) -> tuple[str | None, str]:
    """Return the canonical SMILES of a line."""
    word, reason = _take_line(line)
    if word is None:
        return None, reason
    mol, reason = parse(word)
    return (None, reason) if mol is None else (Chem.MolToSmiles(mol), "")
