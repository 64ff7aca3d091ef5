"""Conditions on the designs of a batch: their diversity, and a factor that they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invdesign.campaign.diversity import DiverseList
from invdesign.campaign.engine import Engine
from invdesign.campaign.pool import Pool
from invdesign.campaign.state import State
from invdesign.core import B, D


@dataclass(frozen=True, eq=False)
class Taken(Generic[D]):
    """A design of the batch that is selected already."""

    design: D
    """The design."""
    parents: tuple[str, ...]
    """Keys of the measured designs nearest to its proposal."""


class BatchConditions(Generic[D, B]):
    """Which designs of a pool may join a batch."""

    def __init__(self, engine: Engine[D, B], state: State[D], pool: Pool[D], taken: Sequence[Taken[D]]) -> None:
        """Read the conditions of a campaign.

        Args:
            engine: The campaign bound to its latent space.
            state: What is known.
            pool: Designs that may join.
            taken: Designs of the batch so far, open ones included.
        """
        self._engine, self._state, self._pool, self._taken = engine, state, pool, taken
        filters = engine.campaign.filters
        self.is_limited = filters.batch_diversity is not None
        """Whether a pick may close others."""
        self.is_open: npt.NDArray[np.bool_] = np.ones(len(pool), dtype=bool)
        """Whether each design of the pool may join now."""
        self._list: DiverseList[D] | None = None
        if filters.batch_diversity is not None:
            designs = [*(item.design for item in taken), *pool.designs]
            self._list = DiverseList(filters.batch_diversity, engine.campaign.domain, designs)
            for position in range(len(taken)):
                self._list.add(position)
            self._update()

    def add(self, row: int) -> None:
        """Let a design of the pool join."""
        if self._list is not None:
            self._list.add(len(self._taken) + row)
            self._update()

    def first(self, n: int) -> list[int]:
        """Return the first `n` rows that keep the conditions together, and let them join."""
        rows: list[int] = []
        for row in self.restrict(list(range(len(self._pool))), lambda: None, n):
            if len(rows) < n and self.is_open[row]:
                self.add(row)
                rows.append(row)
        return rows

    def restrict(self, rows: Sequence[int], values: Callable[[], Tensor | None], n: int) -> list[int]:
        """Return the positions in `rows` of the designs that have the factor of the batch; all where none is shared.

        The factor is that of the designs taken before. For the first ones it is the factor whose `n` best designs have
        the largest sum of values above the smallest one.

        Args:
            rows: Rows of the pool.
            values: Returns the value of each of them, or None where they are ordered.
            n: Number of designs to select.
        """
        if self._engine.campaign.filters.shared_factor is None or not rows:
            return list(range(len(rows)))
        taken, own = self._factors(rows)
        if taken:
            return [i for i, factor in enumerate(own) if factor == taken[-1]]
        given = values()
        merit = -np.arange(len(rows), dtype=float) if given is None else np.nan_to_num(given.numpy(), neginf=-1e300)
        groups: dict[str, list[int]] = defaultdict(list)
        for i in np.argsort(-merit, kind="stable").tolist():
            groups[own[i]].append(i)
        chosen = max(groups, key=lambda factor: float(np.sum(merit[groups[factor][:n]] - merit.min())))
        return sorted(groups[chosen])

    def _factors(self, rows: Sequence[int]) -> tuple[list[str], list[str]]:
        """Return the shared factor of the designs taken before, and of rows of the pool."""
        factor, pool = self._engine.campaign.filters.shared_factor, self._pool
        if callable(factor):
            names = list(factor([*(item.design for item in self._taken), *(pool.designs[row] for row in rows)]))
            return names[: len(self._taken)], names[len(self._taken) :]
        parents = nearest_measured(self._engine, self._state, pool.proposals[list(rows)])
        return [item.parents[0] for item in self._taken if item.parents], [",".join(keys) for keys in parents]

    def _update(self) -> None:
        assert self._list is not None
        self.is_open = self._list.is_open[len(self._taken) :]


def nearest_measured(engine: Engine[D, B], state: State[D], proposals: Tensor) -> list[tuple[str, ...]]:
    """Return the key of the measured design nearest to each proposal."""
    measured = [c for c in state.history if c.status == "measured" and c.is_placed]
    if not measured or not len(proposals):
        return [()] * len(proposals)
    distances = engine.latent_space.geometry.distance(proposals, torch.stack([c.z for c in measured]))
    return [(measured[int(i)].key,) for i in distances.argmin(1)]
