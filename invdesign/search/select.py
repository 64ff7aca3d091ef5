"""Batch selection: the entry point, and what the acquisition functions share in it.

Each acquisition class selects its own batch (`BatchAcquisition.select_batch`). `Picks` contains the common part: the
shortened pool, the picks so far, and the minimum distance between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape

CHUNK = 512
"""Points that are evaluated at once, which bounds the memory."""


@dataclass(frozen=True)
class BatchRules:
    """Settings of a batch selection that do not depend on the acquisition function."""

    d: int
    """Number of leading columns of the pool that are latents."""
    shortlist: int = 500
    """Points of the pool that are considered jointly; at least twice the size of the batch are."""
    min_distance: float = 0.0
    """Smallest distance between the latents of two picks; relaxed where no other point is left."""
    is_apart: Callable[[int, int], bool] | None = None
    """Whether the points at two positions of the pool may both be picked; relaxed in the same way. None allows all."""
    close: Callable[[int], Bool[Tensor, " p"]] | None = None
    """Takes the position of a pick in the pool, and returns which positions must not be picked any more. It is not
    relaxed: a batch is smaller where nothing is left."""


class Picks:
    """Picks of a batch from the leading points of a pool, made one after the other.

    Example:
        >>> X = torch.tensor([[0.0], [1.0], [2.0]], dtype=torch.float64)
        >>> values = torch.tensor([0.1, 0.3, 0.2])
        >>> picks = Picks.from_values(X, values, 2, BatchRules(d=1))
        >>> while picks.has_room(2):
        ...     _ = picks.add_best(values[picks.positions])
        >>> picks.result()[0].tolist()
        [1, 2]
    """

    X: Float[Tensor, "k c"]
    """Inputs of the points that are considered."""
    positions: Int64[Tensor, " k"]
    """Their positions in the pool."""

    def __init__(self, X_pool: Float[Tensor, "p c"], positions: Int64[Tensor, " k"], rules: BatchRules) -> None:
        """Consider the points at some positions of the pool.

        Args:
            X_pool: `p x (d + f)` inputs of the pool.
            positions: `k` positions in the pool.
            rules: Settings of the selection.
        """
        self.X, self.positions, self.rules = X_pool[positions], positions, rules
        self._pool_rows = positions.tolist()
        self._is_open = torch.ones(len(positions), dtype=torch.bool, device=X_pool.device)
        self._is_left = self._is_open.clone()
        self._rows: list[int] = []
        self._values: list[float] = []

    @classmethod
    def from_values(cls, X_pool: Float[Tensor, "p c"], values: Float[Tensor, " p"], q: int, rules: BatchRules) -> Picks:
        """Shorten the pool to its best points.

        Args:
            X_pool: `p x (d + f)` inputs of the pool.
            values: Value of each point of the pool by itself.
            q: Number of picks to make.
            rules: Settings of the selection.
        """
        n = max(rules.shortlist, 2 * q)
        return cls(X_pool, values.argsort(descending=True)[:n], rules)

    def __len__(self) -> int:
        return len(self._rows)

    def has_room(self, q: int) -> bool:
        """Return whether a batch of `q` is not complete, and a point is left that may be picked.

        Args:
            q: Number of picks to make.
        """
        return len(self) < q and bool(self._is_left.any())

    def add_best(self, values: Float[Tensor, " k"], *, recorded: Float[Tensor, " k"] | None = None) -> int:
        """Pick the best point that is far enough from all picks; ignore distances where no such point is left.

        Args:
            values: Values of the `k` points, given the picks so far. A value that is not finite is never the best.
            recorded: Values to record instead of those that the choice is based on.

        Returns:
            The row of the pick in `X`.
        """
        allowed = self._is_open if bool(self._is_open.any()) else self._is_left
        if bool(torch.isfinite(values[allowed]).any()):
            row = int(torch.nan_to_num(values, nan=-math.inf).where(allowed, -torch.inf).argmax())
        else:
            row = int(allowed.nonzero()[0])
        self._rows.append(row)
        self._values.append(float((values if recorded is None else recorded)[row]))
        self._close(row)
        return row

    def result(self) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Return the positions of the picks in the pool and the value that each was picked for."""
        rows = torch.tensor(self._rows, dtype=torch.long, device=self.X.device)
        return self.positions[rows], torch.tensor(self._values, dtype=torch.float64, device=self.X.device)

    def _close(self, row: int) -> None:
        """Exclude a pick and the points that are too near to it."""
        self._is_left[row] = self._is_open[row] = False
        if self.rules.close is not None:
            self._is_left &= ~self.rules.close(self._pool_rows[row])[self.positions]
            self._is_open &= self._is_left
        if self.rules.min_distance > 0:
            Z = self.X[:, : self.rules.d]
            self._is_open &= (Z - Z[row]).norm(dim=1) >= self.rules.min_distance
        if self.rules.is_apart is not None:
            for other in self._is_open.nonzero()[:, 0].tolist():
                self._is_open[other] = self.rules.is_apart(self._pool_rows[row], self._pool_rows[other])


@runtime_checkable
class BatchAcquisition(Protocol):
    """Acquisition function that rates single points and selects its own batch."""

    def __call__(self, X: Tensor, /) -> Tensor:
        """Return the acquisition values (`b`) of `b x q x (d + f)` points."""
        ...

    def merit(self, X: Float[Tensor, "n c"], /) -> Float[Tensor, " n"]:
        """Return a value for each point by itself, by which points are ranked.

        Args:
            X: `n x (d + f)` inputs.
        """
        ...

    def select_batch(
        self, X: Float[Tensor, "p c"], q: int, rules: BatchRules, /
    ) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Select a batch from a pool, each point given those before it.

        Args:
            X: `p x (d + f)` inputs of the pool.
            q: Number of picks, at most `p`.
            rules: Shortlist and distances; `Picks` applies them.

        Returns:
            Positions in the pool (`q`), and the value that each was picked for (`q`).
        """
        ...


@torch.no_grad()
def select(
    landscape: Landscape,
    X_pool: Float[Tensor, "p c"],
    q: int,
    *,
    acquire: Acquire | None,
    shortlist: int = 500,
    min_distance: float = 0.0,
    is_apart: Callable[[int, int], bool] | None = None,
    close: Callable[[int], Bool[Tensor, " p"]] | None = None,
) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
    """Select a batch of `q` points from a pool of decoded designs, each point given those before it.

    How points are selected is up to the acquisition function (`select_batch`), within the best `shortlist` points of
    the pool.

    Args:
        landscape: Surrogate, density, box and measured designs.
        X_pool: `p x (d + f)` inputs of the pool.
        q: Number of picks, fewer where the pool is smaller.
        acquire: Function that builds the acquisition function, or None to select at random.
        shortlist: Points of the pool that are considered jointly; at least `2 q` of them are.
        min_distance: Smallest distance between the latents of two picks; relaxed where no other point is left.
        is_apart: Whether two positions of the pool may both be picked; relaxed in the same way.
        close: Takes a picked position, and returns which positions must not be picked any more; not relaxed.

    Returns:
        Positions in the pool (`q`, fewer where no other may be picked), and the acquisition value that each was picked
        for (`q`, NaN at random).

    Raises:
        InvdesignError: The columns of the pool differ from those of `landscape.X`, or the acquisition function does
            not select batches.

    Example:
        >>> from invdesign.testing import landscape
        >>> from invdesign.search.acquisition import log_ei
        >>> scene = landscape(d=2)
        >>> positions, values = select(scene, scene.X, 3, acquire=log_ei)
        >>> len(positions), bool(values.isfinite().all())
        (3, True)
    """
    if X_pool.dim() != 2 or X_pool.shape[1] != landscape.X.shape[1]:
        raise InvdesignError(
            f"select: expected a pool of p x {landscape.X.shape[1]}, the columns of landscape.X, got "
            f"{tuple(X_pool.shape)}. Encode the designs and append their features."
        )
    q = min(q, len(X_pool))
    if q == 0:
        empty = torch.empty(0, device=X_pool.device)
        return empty.long(), empty.double()
    rules = BatchRules(landscape.d, shortlist, min_distance, is_apart, close)
    if acquire is None:
        return _select_at_random(X_pool, q, rules)
    return _require_batch_selection(acquire(landscape)).select_batch(X_pool, q, rules)


def merit(acquisition: Callable[[Tensor], Tensor], X: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
    """Return a value for each point by itself; the next generation of proposals starts from the best ones.

    Args:
        acquisition: Acquisition function with the methods of `BatchAcquisition`.
        X: `n x (d + f)` inputs.

    Raises:
        InvdesignError: The acquisition function does not have these methods.
    """
    return _require_batch_selection(acquisition).merit(X)


@torch.no_grad()
def evaluate(
    acquisition: Callable[[Tensor], Tensor], X: Float[Tensor, "n c"], *, chunk: int = CHUNK
) -> Float[Tensor, " n"]:
    """Return the acquisition values of single points, computed in chunks that fit into memory.

    Args:
        acquisition: Function from `b x 1 x (d + f)` points to `b` values.
        X: `n x (d + f)` inputs.
        chunk: Points that are evaluated at once.
    """
    return torch.cat([acquisition(rows.unsqueeze(1)) for rows in torch.split(X, chunk)])


def _select_at_random(X_pool: Tensor, q: int, rules: BatchRules) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(X_pool), device=X_pool.device)
    picks = Picks(X_pool, order, rules)
    # Equal priorities for all, in random order: the first point that is far enough from the picks is the best.
    priority = -torch.arange(len(order), dtype=torch.float64, device=X_pool.device)
    no_value = torch.full_like(priority, math.nan)
    while picks.has_room(q):
        picks.add_best(priority, recorded=no_value)
    return picks.result()


def _require_batch_selection(acquisition: Callable[[Tensor], Tensor]) -> BatchAcquisition:
    if not isinstance(acquisition, BatchAcquisition):
        raise InvdesignError(
            f"acquisition {type(acquisition).__name__}: expected the methods merit(X) and select_batch(X, q, rules), "
            "got an acquisition function without them. Add them as in invdesign.search.acquisition, or wrap the "
            "function that builds it: search.acquire = partial(one_at_a_time, acquire=...)."
        )
    return acquisition
