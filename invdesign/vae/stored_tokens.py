"""Encoded designs in shards on disk, for training on more of them than fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int64
from torch import Tensor

from invdesign.io.ragged_shards import Rows, ShardedRows

SHARDS_TOGETHER = 8
"""Shards among which the rows of an epoch are shuffled; the next ones follow when these are used up."""


@runtime_checkable
class RowTargets(Protocol):
    """Targets of a property head that are computed when they are trained on."""

    def __len__(self) -> int:
        """Return the number of designs."""
        ...

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the standardized targets of some designs, `k x p`."""
        ...


class StoredTokens:
    """Rows of token numbers on disk, of which a few shards are in memory."""

    def __init__(self, folder: Path, sizes: Sequence[int], length: int) -> None:
        self.rows, self.length = ShardedRows(folder, sizes), length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Tensor) -> Int64[Tensor, "k length"]:
        """Return some rows, padded."""
        chosen = rows.numpy()
        batch = np.zeros((len(chosen), self.length), dtype=np.int64)
        for i, places, inside in self.rows.locate(chosen):
            batch[places] = self.rows.shard(i).padded(inside, self.length)
        return torch.from_numpy(batch)

    @cached_property
    def n_tokens(self) -> npt.NDArray[np.uint16]:
        """Tokens of every row."""
        n = np.zeros(len(self), dtype=np.uint16)
        for i, start in enumerate(self.rows.starts[:-1]):
            shard = self.rows.shard(i)
            n[start : start + len(shard)] = shard.ends - shard.starts
        return n

    def sample(self, n: int) -> Int64[Tensor, "k length"]:
        """Return at most `n` evenly spaced rows."""
        return self[torch.from_numpy(np.unique(np.linspace(0, len(self) - 1, min(n, len(self))).astype(np.int64)))]

    def shuffle(self, rows: Rows, generator: np.random.Generator) -> Rows:
        """Return rows, given in ascending order, in random order: shard after shard, so that few are read at a time."""
        starts = np.searchsorted(rows, self.rows.starts)
        order = generator.permutation(len(starts) - 1)
        stretches = []
        for first in range(0, len(order), SHARDS_TOGETHER):
            together = [rows[starts[i] : starts[i + 1]] for i in order[first : first + SHARDS_TOGETHER]]
            stretches.append(generator.permutation(np.concatenate(together)))
        return np.concatenate(stretches)
