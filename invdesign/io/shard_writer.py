"""Parallel reading of design files that do not fit into memory, into shards on disk."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Corpus, InvdesignError, Progress, Rejection, silent
from invdesign.io.atomic import write_atomically, write_bytes
from invdesign.io.locks import hold
from invdesign.io.process_pools import run_tasks
from invdesign.io.ragged_shards import ragged, read_column, read_shard, shard_path, whole_shard, write_shard
from invdesign.io.stored_designs import HASHES, Hashes, StoredDesigns, text_hash

INDEX = "index.json"
LINES_PER_SHARD = 100_000
MAX_REJECTIONS = 1000
"""Rejected lines that a corpus lists; all are counted."""
MAX_REJECTED_TEXT = 200
COUNTS = ("rejected", "repeated", "checked", "changed")
"""Numbers of lines without a design, of repeated designs, of lines that were taken and parsed, and that differ then."""
MAX_CHANGED = 0.01
"""Largest share of checked lines that may differ from what they were taken for."""
MEGABYTE = 1_000_000

Parse = Callable[[str], tuple[str | None, str]]
"""Returns the design of a line, or None and the reason why there is none; an empty reason passes over the line."""


Join = Callable[[Iterable[bytes]], Iterator[bytes]]
"""Returns the records of a file as one line each, from its lines."""


@dataclass(frozen=True)
class LineReader:
    """Reading of the lines of a file; picklable."""

    parse: Parse
    """Reads a line in full."""
    take: Parse | None = None
    """Takes a line as it is written, where the file is trusted; by default every line is parsed."""
    check_every: int = 100
    """Of the lines that are taken, every n-th is parsed too."""
    join: Join | None = None
    """Joins the lines of a record, e.g. of FASTA; by default every line is a record."""


def store_corpus(
    paths: Sequence[Path],
    reader: LineReader,
    folder: Path,
    *,
    name: str,
    noun: str,
    workers: int,
    lines_per_shard: int = LINES_PER_SHARD,
    progress: Progress = silent,
) -> Corpus[str]:
    """Return the corpus of some files of one design a line or record, whose designs lie in shards in a folder.

    Shards that are whole are kept, so an interrupted reading continues; the folder should be named by the content of
    the files. A design that occurs again is dropped.

    Args:
        paths: Files, plain or gzipped.
        reader: Reads a line.
        folder: Folder of the shards.
        name: Name of the corpus.
        noun: What one design is called, e.g. `"molecule"`.
        workers: Number of processes that read.
        lines_per_shard: Lines of the files in a shard.
        progress: Called with `("reading [MB]", done, total)`, in the unit of the files on disk.

    Raises:
        InvdesignError: A file cannot be read or has no design, or the lines are not what they were taken for.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)

    def report_waiting() -> None:
        progress("another process reads this corpus", 0, 1)

    with hold(folder.parent / f"{folder.name}.lock", wait=report_waiting):
        if not _is_stored(folder):
            n_shards = _write_shards(paths, reader, folder, workers, lines_per_shard, progress)
            progress("dropping repeated designs", 0, 1)
            _write_index(folder, n_shards, name=name, noun=noun)
    return load_stored(folder)


def load_stored(folder: Path) -> Corpus[str]:
    """Return the corpus that `store_corpus` wrote into a folder."""
    index = json.loads((folder / INDEX).read_text("utf-8"))
    rejected = tuple(Rejection(**each) for each in index["rejected"])
    designs = StoredDesigns(folder, index["sizes"])
    return Corpus(designs, rejected=rejected, name=index["name"], sha256=index["sha256"])


def _is_stored(folder: Path) -> bool:
    """Return whether all shards of a folder are there, each with as many bytes as were written."""
    try:
        index = json.loads((folder / INDEX).read_text("utf-8"))
        return all((folder / file).stat().st_size == size for file, size in index["bytes"].items())
    except (OSError, ValueError, KeyError):
        return False


def _write_shards(
    paths: Sequence[Path],
    reader: LineReader,
    folder: Path,
    workers: int,
    lines_per_shard: int,
    progress: Progress,
) -> int:
    """Write the shards that are missing, and return the number of all."""
    (folder / INDEX).unlink(missing_ok=True)
    total = sum(path.stat().st_size for path in paths) // MEGABYTE
    n_shards = 0

    def tasks() -> Iterator[tuple[Path, int, LineReader, _Block]]:
        nonlocal n_shards
        done = 0
        for path in paths:
            for block in _blocks(path, lines_per_shard, reader.join):
                progress("reading [MB]", (done + block.position) // MEGABYTE, total)
                if whole_shard(folder, n_shards) is None:
                    yield folder, n_shards, reader, block
                n_shards += 1
            done += path.stat().st_size
        progress("reading [MB]", total, total)

    for _ in run_tasks(_write_shard, tasks(), workers):
        pass
    return n_shards


@dataclass(frozen=True)
class _Block:
    """Consecutive lines of a file."""

    content: bytes
    first: int
    """Number of the first line, from 1."""
    position: int
    """Bytes of the file, as it lies on disk, that were read with and before it."""


def _blocks(path: Path, n: int, join: Join | None) -> Iterator[_Block]:
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if is_packed else raw
            lines = iter(stream) if join is None else join(stream)
            first = 1
            while part := list(islice(lines, n)):
                yield _Block(b"".join(part), first, raw.tell())
                first += len(part)
    except (OSError, EOFError) as error:
        raise InvdesignError(
            f"{path}: cannot read the file ({error}). Check the path, and that the file is whole"
        ) from error


def _write_shard(folder: Path, i: int, reader: LineReader, block: _Block) -> None:
    """Read the lines of a block, and write its designs with their hashes."""
    designs: list[str] = []
    rejected: list[Rejection] = []
    counts = dict.fromkeys(COUNTS, 0)
    for number, raw in enumerate(block.content.splitlines()):
        line = raw.decode("utf-8-sig" if number == 0 else "utf-8", "replace").strip()
        design, reason = _read_line(line, number, reader, counts)
        if design is not None:
            designs.append(design)
        elif reason:
            counts["rejected"] += 1
            if len(rejected) < MAX_REJECTIONS:
                rejected.append(Rejection(block.first + number, line[:MAX_REJECTED_TEXT], reason))
    texts = [design.encode() for design in designs]
    rows = ragged(np.frombuffer(b"".join(texts), dtype=np.uint8), list(map(len, texts)))
    meta = {"counts": counts, "rejected": list(map(vars, rejected))}
    hashes = np.array(list(map(text_hash, designs)), dtype=np.uint64)
    write_shard(folder, i, rows, meta, columns={"hashes": hashes})


def _read_line(line: str, number: int, reader: LineReader, counts: dict[str, int]) -> tuple[str | None, str]:
    """Return the design of a line or the reason why there is none, and count what was checked and changed."""
    if reader.take is None:
        return reader.parse(line)
    taken, reason = reader.take(line)
    if number % reader.check_every or not (taken or reason):
        return taken, reason
    parsed, problem = reader.parse(line)
    counts["checked"] += 1
    counts["changed"] += parsed != taken
    return parsed, problem


def _write_index(folder: Path, n_shards: int, *, name: str, noun: str) -> None:
    """Drop repeated designs from the shards, and write the hashes of all designs and the index."""
    metas = [whole_shard(folder, i) or {} for i in range(n_shards)]
    checked, changed = (sum(meta["counts"][key] for meta in metas) for key in ("checked", "changed"))
    if changed > MAX_CHANGED * checked:
        raise InvdesignError(
            f"{name}: expected canonical designs, got {changed:,} of {checked:,} checked lines that are written in "
            "another way or cannot be read. Set corpus.canonical=parse"
        )
    hashes = _drop_repeats(folder, metas)
    metas = [whole_shard(folder, i) or {} for i in range(n_shards)]
    rejected = [each for meta in metas for each in meta["rejected"]][:MAX_REJECTIONS]
    if not len(hashes):
        first = f" (line {rejected[0]['row']}: {rejected[0]['reason']})" if rejected else ""
        raise InvdesignError(f"{name}: expected at least one {noun}, got none{first}. Check the files")
    write_atomically(folder / HASHES, lambda path: np.save(path, hashes))
    files = [HASHES, *(shard_path(folder, i).name for i in range(n_shards))]
    index = {
        "name": name,
        "sizes": [meta["n"] for meta in metas],
        "sha256": hashlib.sha256("".join(meta["sha256"] for meta in metas).encode()).hexdigest(),
        "counts": {key: sum(meta["counts"][key] for meta in metas) for key in COUNTS},
        "rejected": rejected,
        "bytes": {file: (folder / file).stat().st_size for file in files},
    }
    write_bytes(folder / INDEX, json.dumps(index).encode())


def _drop_repeats(folder: Path, metas: Sequence[Mapping[str, Any]]) -> Hashes:
    """Rewrite the shards that hold a design of an earlier row, and return the sorted hashes of all designs."""
    hashes = np.concatenate([read_column(folder, i, "hashes") for i in range(len(metas))])
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    is_repeat = np.concatenate([[False], hashes[1:] == hashes[:-1]]) if len(hashes) else np.zeros(0, dtype=bool)
    repeats = np.sort(order[is_repeat])
    starts = np.cumsum([0, *(meta["n"] for meta in metas)])
    for i, meta in enumerate(metas):
        inside = repeats[(repeats >= starts[i]) & (repeats < starts[i + 1])] - starts[i]
        if len(inside):
            is_kept = np.ones(meta["n"], dtype=bool)
            is_kept[inside] = False
            counts = {**meta["counts"], "repeated": meta["counts"]["repeated"] + len(inside)}
            kept = {"hashes": read_column(folder, i, "hashes")[is_kept]}
            write_shard(folder, i, read_shard(folder, i).where(is_kept), {**meta, "counts": counts}, columns=kept)
    distinct: Hashes = hashes[~is_repeat]
    return distinct
