"""Rows of different lengths in shards on disk: texts or token numbers that do not fit into memory together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from invdesign.core import InvdesignError
from invdesign.io.atomic import write_bytes

Rows = npt.NDArray[np.int64]
MAX_OPEN = 16
"""Shards that are kept in memory at the same time; one of 100,000 molecules takes about 5 MB."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of one shard."""

    flat: npt.NDArray[Any]
    """All rows, one after the other."""
    ends: npt.NDArray[np.uint32]
    """Position behind the last entry of each row."""

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> Rows:
        """Position of the first entry of each row."""
        return np.concatenate([[0], self.ends[:-1].astype(np.int64)])

    def padded(self, rows: Rows, width: int) -> Rows:
        """Return some rows as one array, filled with zeros.

        Example:
            >>> ragged(np.array([5, 6, 7]), [2, 1]).padded(np.array([1, 0]), 3).tolist()
            [[7, 0, 0], [5, 6, 0]]
        """
        starts, ends = self.starts[rows], self.ends[rows].astype(np.int64)
        columns = np.arange(width)
        places = starts[:, None] + columns
        is_entry = places < ends[:, None]
        filled = np.zeros((len(rows), width), dtype=np.int64)
        filled[is_entry] = self.flat[places[is_entry]]
        return filled

    def where(self, is_kept: npt.NDArray[np.bool_]) -> Ragged:
        """Return the rows of a mask."""
        sizes = self.ends - self.starts
        return ragged(self.flat[np.repeat(is_kept, sizes)], sizes[is_kept])


def ragged(flat: npt.NDArray[Any], sizes: Sequence[int] | npt.NDArray[Any]) -> Ragged:
    """Return rows of given lengths that lie one after the other."""
    return Ragged(flat, np.cumsum(sizes, dtype=np.uint32))


def shard_path(folder: Path, i: int) -> Path:
    """Return the file of a shard."""
    return folder / f"{i:05d}.safetensors"


def write_shard(
    folder: Path,
    i: int,
    rows: Ragged,
    meta: Mapping[str, Any],
    *,
    columns: Mapping[str, npt.NDArray[Any]] | None = None,
) -> None:
    """Write a shard with its checksum, atomically: after a kill it is whole or missing.

    Args:
        folder: Folder of the shards.
        i: Number of the shard.
        rows: Its rows.
        meta: JSON; `n` and `sha256` are set here.
        columns: Further values of each row, by name.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    text = json.dumps({**meta, "n": len(rows), "sha256": _digest(rows)})
    content = {**(columns or {}), "flat": rows.flat, "ends": rows.ends}
    write_bytes(shard_path(folder, i), save(content, metadata={"meta": text}))


def read_shard(folder: Path, i: int) -> Ragged:
    """Return the rows of a shard.

    Raises:
        InvdesignError: The file is missing or truncated.
    """
    path = shard_path(folder, i)
    try:
        with safe_open(path, framework="np") as file:
            return Ragged(file.get_tensor("flat"), file.get_tensor("ends"))
    except (SafetensorError, OSError) as error:
        raise InvdesignError(
            f"{path}: expected a whole shard ({error}). Remove its folder, so that it is made again"
        ) from error


def read_column(folder: Path, i: int, name: str) -> npt.NDArray[Any]:
    """Return further values of the rows of a shard."""
    with safe_open(shard_path(folder, i), framework="np") as file:
        values: npt.NDArray[Any] = file.get_tensor(name)
    return values


def whole_shard(folder: Path, i: int) -> dict[str, Any] | None:
    """Return what was written with a shard; None where it is missing, truncated or altered."""
    path = shard_path(folder, i)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            meta: dict[str, Any] = json.loads((file.metadata() or {}).get("meta", "{}"))
        return meta if meta.get("sha256") == _digest(read_shard(folder, i)) else None
    except (SafetensorError, InvdesignError, OSError, ValueError):
        return None


class ShardedRows:
    """All rows of a folder of shards, of which a few are in memory."""

    def __init__(self, folder: Path, sizes: Sequence[int]) -> None:
        self.folder = folder
        self.starts: Rows = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.shard = lru_cache(maxsize=MAX_OPEN)(lambda i: read_shard(folder, i))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def locate(self, rows: Rows) -> list[tuple[int, Rows, Rows]]:
        """Return for each shard that has some of the rows its number, their places in `rows`, and in the shard."""
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        found = []
        for i in np.unique(shards).tolist():
            places = np.flatnonzero(shards == i)
            found.append((i, places, rows[places] - self.starts[i]))
        return found


def _digest(rows: Ragged) -> str:
    digest = hashlib.sha256(str(rows.flat.dtype).encode())
    for part in (rows.flat, rows.ends):
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
