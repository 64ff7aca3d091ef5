"""Designs of a corpus that does not fit into memory, read from shards on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from invdesign.io.ragged_shards import Ragged, Rows, ShardedRows

HASHES = "hashes.npy"
"""File of the sorted hashes of all designs."""

Hashes = npt.NDArray[np.uint64]


class StoredDesigns(Sequence[str]):
    """Distinct designs on disk, each of which is its own key.

    Designs are read when they are asked for, so this is a sequence like any other, but slow where single designs are
    taken in random order: sort the rows, or take them with `take`. Membership is decided by 64 bits of a checksum; one
    of 10 million other designs is taken for a member with probability 5e-6.
    """

    def __init__(self, folder: Path, sizes: Sequence[int]) -> None:
        self.folder = folder
        self.rows = ShardedRows(folder, sizes)

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[str, ...]: ...
    def __getitem__(self, row: int | slice) -> str | tuple[str, ...]:
        """Return one design, or those of a slice."""
        if isinstance(row, slice):
            return tuple(self.take(np.arange(len(self))[row]))
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        return self.take(np.array([row % len(self)]))[0]

    def __iter__(self) -> Iterator[str]:
        for i in range(len(self.rows.starts) - 1):
            yield from self.shard(i)

    def __contains__(self, design: object) -> bool:
        if not isinstance(design, str) or not len(self):
            return False
        value = text_hash(design)
        place = int(np.searchsorted(self.hashes, value))
        return place < len(self.hashes) and bool(self.hashes[place] == value)

    @cached_property
    def hashes(self) -> Hashes:
        """Sorted hashes of all designs, mapped from disk."""
        mapped: Hashes = np.load(self.folder / HASHES, mmap_mode="r")
        return mapped

    def shard(self, i: int) -> list[str]:
        """Return the designs of one shard."""
        rows = self.rows.shard(i)
        return texts_of(rows, np.arange(len(rows)))

    def take(self, rows: Rows) -> list[str]:
        """Return the designs of some rows, in their order."""
        taken = [""] * len(rows)
        for i, places, inside in self.rows.locate(rows):
            for place, text in zip(places.tolist(), texts_of(self.rows.shard(i), inside), strict=True):
                taken[place] = text
        return taken


def text_hash(text: str) -> np.uint64:
    """Return the first 64 bits of the SHA-256 checksum of a text."""
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little"))


def texts_of(rows: Ragged, chosen: Rows) -> list[str]:
    """Return some rows of a shard as texts."""
    content, ends = rows.flat.data, rows.ends
    return [str(content[(ends[i - 1] if i else 0) : ends[i]], "utf-8") for i in chosen.tolist()]
