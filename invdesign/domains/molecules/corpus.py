"""Corpora of molecules: the built-in corpus, ZINC250k, and files of the user."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import platformdirs
import rdkit
from rdkit import Chem
from rdkit.Chem import Descriptors

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.molecules import files, grammar
from invdesign.domains.molecules.smiles import parse
from invdesign.io.corpora import make_corpus
from invdesign.io.corpus_cache import cache_path, cached_corpus, content_sha256
from invdesign.io.datasets import DataFile, DatasetSpec, download_dataset, load_dataset

CACHE_FORMAT = 5
"""Version of the parsed corpora in a cache: increased where parsing changes."""

DATASETS = {
    "zinc250k": DatasetSpec(
        name="zinc250k",
        files=(
            DataFile(
                "zinc250k.smi",
                "df0aa677c770f15c9943684d6600cba8e7076c67be6a090c12f24da3aaa55b70",
                "249,455 molecules",
            ),
        ),
        source="https://github.com/wenhao-gao/mol_opt, commit 2da631b, data/zinc.txt.gz",
        licence="MIT (mol_opt); ZINC is free to use",
        url="https://raw.githubusercontent.com/wenhao-gao/mol_opt/2da631b/data/zinc.txt.gz",
    ),
}


def fragments(
    *,
    n: int = 20_000,
    seed: int = 0,
    weight_range: tuple[float, float] = (150.0, 500.0),
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the built-in corpus: distinct drug-like molecules, sampled from a fragment grammar.

    The same arguments give the same molecules, offline, at about 2,000 molecules per second.

    Args:
        n: Number of molecules; the first `k` of a longer corpus are the corpus of length `k`.
        seed: Seed of the random draws.
        weight_range: Lowest and highest molecular weight [g/mol].
        cache: Folder in which to store the corpus, so that a later command need not generate it again.
        progress: Called with ("generating", done, n).

    Raises:
        InvdesignError: `n` is not positive, or the grammar yields too few molecules in the weight range.

    Example:
        >>> corpus = fragments(n=3, seed=0)
        >>> len(corpus), corpus.name
        (3, 'fragments')
    """
    if n < 1:
        raise InvdesignError(f"fragments: n must be at least 1, got {n!r}")
    cached: Path | None = None
    if cache is not None:
        versions = {"rdkit": rdkit.__version__, "grammar": content_sha256(Path(grammar.__file__))}
        cached = cache_path(cache, "fragments", {"n": n, "seed": seed, "weight_range": list(weight_range), **versions})
    return cached_corpus(
        cached, lambda: _generate_fragments(n, seed, weight_range, progress), to_text=str, from_text=str
    )


def _generate_fragments(n: int, seed: int, weight_range: tuple[float, float], progress: Progress) -> Corpus[str]:
    low, high = weight_range
    rng = random.Random(seed)
    designs: dict[str, None] = {}
    n_drawn = 0
    while len(designs) < n:
        if n_drawn > 1_000 + 50 * n:
            raise InvdesignError(
                f"fragments: expected {n:,} molecules between {low:g} and {high:g} g/mol, got {len(designs):,} after "
                f"{n_drawn:,} draws. Lower n or widen weight_range"
            )
        if n_drawn % 1_000 == 0:
            progress("generating", len(designs), n)
        n_drawn += 1
        mol, _ = parse(grammar.molecule(rng))
        if mol is not None and low <= Descriptors.MolWt(mol) <= high:
            designs.setdefault(Chem.MolToSmiles(mol))
    progress("generating", n, n)
    return make_corpus(tuple(designs), name="fragments")


def table(
    path: str | Path,
    *,
    smiles_column: str | None = None,
    properties: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    labels: Sequence[str] = (),
    on_invalid: files.OnInvalid = "skip",
    salts: files.Salts | None = None,
    standard: bool | None = None,
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the molecules of a file of the user: .smi, .txt, .csv, .tsv, .xlsx or .sdf, plain or gzipped.

    Args:
        path: Path of the file.
        smiles_column: Column of a table that contains SMILES; found by its name where it is not given.
        properties: Measured properties: name -> column (or SD tag).
        weight_column: Column of non-negative training weights.
        labels: Columns of labels, e.g. `[laboratory, assay]`, for a conditional VAE; `vae.condition` names them too.
        on_invalid: `"skip"` reports an invalid row as a rejection, `"error"` stops at the first.
        salts: Treatment of a molecule with several fragments: `"keep"` all; leave out listed counter-ions and solvents
            (`"parent"`); of what remains then take the `"largest"`; or `"reject"` it.
        standard: Whether salts, charge states and tautomers of a compound are one design, written in its neutral form;
            by default where measured values are read.
        max_designs: Largest number of molecules to read.
        cache: Folder for the parsed corpus, keyed by the content of the file and these options. Parsing 250,000
            molecules takes about 100 s, loading them from the cache about 1 s.
        progress: Called with ("reading", rows done, lines of the file).

    Raises:
        InvdesignError: See `files.read`.
    """
    path = Path(path)
    options: dict[str, Any] = {
        "smiles_column": smiles_column,
        "properties": dict(properties or {}),
        "weight_column": weight_column,
        "labels": list(labels),
        "on_invalid": on_invalid,
        "salts": salts,
        "standard": standard,
        "max_designs": max_designs,
    }
    cached: Path | None = None
    if cache is not None:
        versions = {"rdkit": rdkit.__version__, "format": CACHE_FORMAT}
        key = {"file": content_sha256(path), "name": path.name, **versions, **options}
        cached = cache_path(cache, "molecules", key)
    return cached_corpus(cached, lambda: files.read(path, **options, progress=progress), to_text=str, from_text=str)


def zinc250k(
    path: str | Path | None = None,
    *,
    max_designs: int | None = None,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return ZINC250k: 249,455 purchasable drug-like molecules with stereo and charges.

    Args:
        path: File with its SMILES, one per line (.smi, .txt, .gz); downloaded once and checked where it is not given.
        max_designs: Largest number of molecules to read.
        cache: Folder for the download and the parsed corpus; the user's cache folder where it is not given.
        progress: Called with ("reading", rows done, lines of the file).

    Raises:
        InvdesignError: The file does not exist, the download fails, or its checksum differs.

    References:
        Irwin et al., J. Chem. Inf. Model. 2012, doi:10.1021/ci3001277 (ZINC);
        Gomez-Bombarelli et al., ACS Cent. Sci. 2018, doi:10.1021/acscentsci.7b00572 (the subset).
    """
    folder = Path(cache) if cache is not None else platformdirs.user_cache_path("invdesign")

    def read(paths: Sequence[Path]) -> Corpus[str]:
        return table(paths[0], max_designs=max_designs, cache=folder, progress=progress)

    return load_dataset(DATASETS["zinc250k"], path, read, is_pinned=False, cache=folder)


def download_zinc250k(folder: Path) -> Path:
    """Download ZINC250k over https into a folder, check its sha256, and return the path of the file.

    Raises:
        InvdesignError: The download fails, or its checksum differs.
    """
    return download_dataset(DATASETS["zinc250k"], folder)
