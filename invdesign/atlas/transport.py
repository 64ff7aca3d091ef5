"""Paths between populations of designs: displacement interpolation, barycentres and distances, by optimal transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from invdesign.core import Array, InvdesignError
from invdesign.search.paths import slerp

PairShape = Literal["straight", "spherical"]


@dataclass(frozen=True, eq=False)
class PopulationPath:
    """Path of a population: every pair of designs moves from its first member to its second.

    Example:
        >>> import numpy as np
        >>> A, B = np.array([[0.0, 0.0], [0.0, 4.0]]), np.array([[2.0, 4.0], [2.0, 0.0]])
        >>> path = match(A, B)
        >>> path.evaluate(0.5).tolist()
        [[1.0, 0.0], [1.0, 4.0]]
    """

    first: Array
    """`k x d` latents at the start, one for each pair."""
    last: Array
    """`k x d` latents at the end."""
    rows: npt.NDArray[np.intp]
    """`k x 2` positions of the pairs in the two populations."""
    shape: PairShape = "straight"
    """Path of a pair: a line, or a great circle with linearly interpolated length."""

    def evaluate(self, t: float) -> Array:
        """Return the `k x d` latents at a fraction of the way, 0 to 1."""
        if self.shape == "straight":
            points: Array = (1 - t) * self.first + t * self.last
            return points
        a, b = torch.from_numpy(self.first), torch.from_numpy(self.last)
        circle: Array = slerp(a, b, torch.full((len(a), 1), t, dtype=a.dtype)).numpy()
        return circle


def match(A: Array, B: Array, *, outliers: float = 0.0, shape: PairShape = "straight") -> PopulationPath:
    """Return the path between two populations whose pairs are nearest in total: the displacement interpolation.

    Args:
        A: `n x d` latents of the first population.
        B: `m x d` latents of the second.
        outliers: Part of both populations, 0 to below 1, that may stay unmatched: the designs that are the costliest to
            move (partial transport).
        shape: Path of a pair.

    Raises:
        InvdesignError: A population is empty, or the part of outliers is not below 1.

    References:
        McCann, A Convexity Principle for Interacting Gases (1997), doi:10.1006/aima.1997.1634; Flamary et al., POT,
        JMLR 22 (2021), 78; Chapel et al., Partial Optimal Transport, arXiv:2002.08276.
    """
    if not len(A) or not len(B) or not 0 <= outliers < 1:
        raise InvdesignError(
            f"populations: expected designs in both and outliers from 0 to below 1, got {len(A)}, {len(B)} and "
            f"{outliers:g}. Give other files or outliers"
        )
    plan = _plan(A, B, outliers)
    # A design whose mass is split goes with the largest part; one that most of the mass leaves behind is unmatched.
    is_moved = plan.sum(1) > 0.5 / len(A)
    is_reached = plan.sum(0) > 0.5 / len(B)
    pairs = {(i, int(plan[i].argmax())) for i in np.flatnonzero(is_moved).tolist()}
    pairs |= {(int(plan[:, j].argmax()), j) for j in np.flatnonzero(is_reached).tolist()}
    rows = np.array(sorted(pairs), dtype=np.intp)
    return PopulationPath(A[rows[:, 0]], B[rows[:, 1]], rows, shape)


def distance(A: Array, B: Array) -> float:
    """Return the Wasserstein-2 distance of two populations.

    Example:
        >>> import numpy as np
        >>> round(distance(np.zeros((3, 1)), np.full((5, 1), 2.0)), 6)
        2.0
    """
    cost = _costs(A, B)
    return float(np.sqrt((_plan(A, B, 0.0) * cost).sum()))


def barycentre(populations: Sequence[Array], *, weights: Sequence[float] | None = None, n: int = 100) -> Array:
    """Return the latents of a population between several: a free-support Wasserstein barycentre.

    Args:
        populations: Latents of each population.
        weights: Weight of each; equal ones by default.
        n: Designs of the barycentre, at most as many as the first population has.

    References:
        Cuturi and Doucet, Fast Computation of Wasserstein Barycenters, arXiv:1310.4375.
    """
    import ot

    parts = np.asarray(weights or [1.0] * len(populations), dtype=np.float64)
    masses = [np.full(len(X), 1 / len(X)) for X in populations]
    found: Array = ot.lp.free_support_barycenter(
        list(populations), masses, populations[0][:n].copy(), weights=parts / parts.sum()
    )
    return found


def _costs(A: Array, B: Array) -> Array:
    costs: Array = ((A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T).clip(0)
    return costs


def _plan(A: Array, B: Array, outliers: float) -> Array:
    """Return the transport plan of the least cost, `n x m`."""
    import ot

    a, b = np.full(len(A), 1 / len(A)), np.full(len(B), 1 / len(B))
    costs = _costs(A, B)
    plan: Array = ot.partial.partial_wasserstein(a, b, costs, m=1 - outliers) if outliers else ot.emd(a, b, costs)
    return plan
