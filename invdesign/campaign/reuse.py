"""What a round computes and the next one extends; results do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from botorch.models.model import Model
from torch import Tensor

CHUNK = 1024
"""Designs whose features are computed at once, which bounds the memory."""


@dataclass(eq=False)
class GrowingInputs:
    """Surrogate inputs of a list of designs that grows: rows of the round before are neither computed nor copied."""

    keys: list[str] = field(default_factory=list)
    """Keys of the designs of the last round, in order."""
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.float64))
    """Inputs of the last round, then room for more."""

    def of(self, keys: Sequence[str], Z: Tensor, features: Callable[[int, int], Tensor]) -> Tensor:
        """Return inputs `[z | features]`, `n x (d + f)`.

        Rows that were returned before are not overwritten: they may be in use.

        Args:
            keys: `n` keys.
            Z: `n x d` latents.
            features: Function from `(start, stop)` to the features of these designs.
        """
        n_same = self._n_same(keys, Z)
        is_grown = n_same == len(self.keys) and len(keys) <= len(self.rows)
        rows = self.rows if is_grown else None
        for start in range(n_same, len(keys), CHUNK):
            stop = min(start + CHUNK, len(keys))
            new = torch.cat([Z[start:stop], features(start, stop)], 1)
            rows = self._room(len(keys), n_same, new.shape[1]) if rows is None else rows
            rows[start:stop] = new
        self.rows = self._room(len(keys), n_same, self.rows.shape[1]) if rows is None else rows
        self.keys = list(keys)
        return self.rows[: len(keys)]

    def _room(self, n: int, n_same: int, width: int) -> Tensor:
        """Return room for twice the rows, with a copy of the first ones."""
        room = torch.empty(max(64, 2 * n), width, dtype=torch.float64)
        if n_same:
            room[:n_same] = self.rows[:n_same]
        return room

    def _n_same(self, keys: Sequence[str], Z: Tensor) -> int:
        """Return the number of first designs whose keys and latents are those of the last round."""
        n = min(len(keys), len(self.keys))
        is_same = torch.tensor([a == b for a, b in zip(keys[:n], self.keys, strict=False)], dtype=torch.bool)
        if n:
            is_same &= (self.rows[:n, : Z.shape[1]] == Z[:n]).all(1)
        return n if bool(is_same.all()) else int((~is_same).nonzero()[0])


@dataclass(eq=False)
class Reuse:
    """What the last round of an engine leaves for the next one."""

    inputs: GrowingInputs = field(default_factory=GrowingInputs)
    """Surrogate inputs of the measured designs."""
    model: Model | None = None
    """Surrogate of the utilities."""
