"""Sequences of files that do not fit into memory, e.g. a metagenomic library or the reads of a selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import platformdirs

from invdesign.core import Corpus, InvdesignError, Progress, silent
from invdesign.domains.sequences.alphabet import canonical_kind, letters_of
from invdesign.domains.sequences.io.files import MAX_LENGTH, Gaps, RowParser
from invdesign.domains.sequences.io.records import FASTA, LINES
from invdesign.io.corpus_cache import cache_path, content_sha256
from invdesign.io.design_tables import Row, corpus_name
from invdesign.io.process_pools import n_cores
from invdesign.io.shard_writer import LINES_PER_SHARD, LineReader, store_corpus

FORMAT = 1
"""Version of the shards in a cache: increased where reading changes."""


def sharded(
    path: str | Path,
    *,
    kind: str = "protein",
    gaps: Gaps = False,
    min_length: int = 1,
    max_length: int = MAX_LENGTH,
    records_per_shard: int = LINES_PER_SHARD,
    workers: int = 0,
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the sequences of a FASTA file, or of a file of one sequence a line, that does not fit into memory.

    The designs are read by several processes into shards on disk and stay there. An interrupted reading continues, and
    the same files are read once. Names and measured values are not read. Repeated sequences are dropped.

    Args:
        path: A FASTA file (.fasta, .fa, .faa, .fna, .ffn, .fas) or a .txt or .seq file, plain or gzipped, or a folder
            of files of one of these two formats.
        kind: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.
        gaps: Whether `-` is kept as a letter (true), rejected (false), or left out (`"drop"`).
        min_length: Number of letters of the shortest sequence.
        max_length: Number of letters of the longest sequence.
        records_per_shard: Sequences of the file in a shard.
        workers: Number of processes; 0 for one a core.
        cache: Folder of the shards, about as large as the letters; the user's cache folder where it is not given.
        progress: Called with ("reading [MB]", done, total).

    Raises:
        InvdesignError: A file cannot be read or has no sequence, or the formats differ.
    """
    path, kind = Path(path), canonical_kind(kind)
    letters_of(kind)
    paths = sorted(each for each in path.iterdir() if _suffix(each)) if path.is_dir() else [path]
    is_fasta = {_suffix(each) in FASTA for each in paths}
    if not all(map(_suffix, paths)) or len(is_fasta) != 1:
        raise InvdesignError(
            f"{path}: expected files that end in one of {', '.join(FASTA)} (or .gz), or in one of {', '.join(LINES)}, "
            "got others or both formats. Give FASTA, or one sequence a line"
        )
    parser = RowParser(kind, None, gaps, "drop", min_length, max_length)
    options = {"kind": kind, "gaps": gaps, "lengths": [min_length, max_length], "records_per_shard": records_per_shard}
    key = {"files": [content_sha256(each) for each in paths], "name": path.name, "format": FORMAT, **options}
    folder = Path(cache) if cache is not None else platformdirs.user_cache_path("invdesign")
    return store_corpus(
        paths,
        LineReader(partial(_parse_line, parser), join=_join_fasta if is_fasta == {True} else None),
        cache_path(folder / "corpora", "sequences", key).with_suffix("").with_suffix(""),
        name=corpus_name(path),
        noun="sequence",
        workers=workers or n_cores(),
        lines_per_shard=records_per_shard,
        progress=progress,
    )


def _join_fasta(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Return the sequence of each record of a FASTA file as one line."""
    parts: list[bytes] = []
    for line in lines:
        if not line.startswith(b">"):
            parts.append(line.strip())
        elif parts:
            yield b"".join(parts) + b"\n"
            parts = []
    if parts:
        yield b"".join(parts) + b"\n"


def _suffix(path: Path) -> str:
    """Return the suffix of a file that is read, without .gz; empty for other files."""
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return suffix if suffix in (*FASTA, *LINES) else ""


def _parse_line(parser: RowParser, line: str) -> tuple[str | None, str]:
    """Return the sequence of a line, or None with the reason of its rejection; an empty line is passed over."""
    if not line:
        return None, ""
    parsed = parser(Row(1, line))
    return parsed.design, "" if parsed.design is not None else parsed.reason
