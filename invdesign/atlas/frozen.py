"""A projection that is fitted once: new designs are placed into it, and it states how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from invdesign.atlas.projection import ProjectionMethod, place_among, project
from invdesign.core import Array

N_TRUSTED = 12
"""Neighbours over which a projection is judged."""
ROWS = 500
"""Designs of which the distances to all others are computed at once."""


@dataclass(frozen=True, eq=False)
class FrozenProjection:
    """Latents in the plane, which stay where they are when others are added."""

    name: str
    """Name of the method for captions."""
    Z: Array
    """`n x d` latents that it was fitted on."""
    points: Array
    """`n x 2` coordinates."""
    local_trust: Array
    """`n` trustworthiness values, 1 at best: whether neighbours in the plane are neighbours in the latent space."""
    local_continuity: Array
    """`n` continuity values: whether neighbours in the latent space are neighbours in the plane."""

    @property
    def trustworthiness(self) -> float:
        """Trustworthiness: 1 where every neighbour in the plane is one in the latent space."""
        return float(self.local_trust.mean())

    @property
    def continuity(self) -> float:
        """Continuity: 1 where every neighbour in the latent space is one in the plane."""
        return float(self.local_continuity.mean())

    def place(self, Z: Array) -> Array:
        """Return coordinates of further latents: the mean of their nearest fitted ones, by inverse distance.

        Args:
            Z: `m x d` latents.

        Returns:
            `m x 2` coordinates.
        """
        return place_among(Z, self.Z, self.points) if len(Z) else np.zeros((0, 2))


def fit_projection(Z: Array, method: ProjectionMethod = "tsne", *, seed: int = 0) -> FrozenProjection:
    """Fit a projection, and judge it by the neighbours that it keeps.

    Args:
        Z: `n x d` latents.
        method: See `project`.
        seed: Seed of the projection.

    Raises:
        ValueError: Too few designs or dimensions for a projection.

    References:
        Venna and Kaski, Neighborhood Preservation in Nonlinear Projection Methods (2001), doi:10.1007/3-540-44668-0_68.

    Example:
        >>> import numpy as np
        >>> Z = np.random.default_rng(0).normal(size=(40, 2))
        >>> frozen = fit_projection(Z, "pca")
        >>> round(frozen.trustworthiness, 3), bool(np.allclose(frozen.place(Z), frozen.points))
        (1.0, True)
    """
    projection = project(Z, method, seed=seed)
    trust = kept_neighbors(projection.points, Z)
    return FrozenProjection(projection.name, Z, projection.points, trust, kept_neighbors(Z, projection.points))


def kept_neighbors(near: Array, original: Array, n_neighbors: int = N_TRUSTED) -> Array:
    """Return for each design how well its neighbours in one space are neighbours in another, 1 at best.

    The mean is the trustworthiness of `near` as a picture of `original`.

    Args:
        near: `n x a` coordinates in which neighbours are taken.
        original: `n x b` coordinates in which they are ranked.
        n_neighbors: Number of neighbours, below `n / 2`.

    Returns:
        `n` values.
    """
    n = len(near)
    k = max(1, min(n_neighbors, (n - 1) // 2))
    penalty = np.zeros(n)
    for rows in np.array_split(np.arange(n), n // ROWS + 1):
        own = np.arange(len(rows))
        distance = squared_distances(near, rows)
        distance[own, rows] = np.inf
        neighbors = np.argpartition(distance, k - 1, axis=1)[:, :k]
        distance = squared_distances(original, rows)
        distance[own, rows] = -np.inf
        to_neighbors = np.take_along_axis(distance, neighbors, axis=1)
        # Counting row by row is several times as fast as the sum of a table of truth values.
        ranks = np.array(
            [
                [np.count_nonzero(row < limit) for limit in limits]
                for row, limits in zip(distance, to_neighbors, strict=True)
            ]
        )
        penalty[rows] = np.maximum(ranks - k, 0).sum(1)
    scores: Array = 1 - 2 * penalty / (k * (2 * n - 3 * k - 1))
    return scores


def squared_distances(points: Array, rows: npt.NDArray[np.intp]) -> Array:
    """Return the squared distances from some of `n` points to all of them."""
    points = points - points.mean(0)
    square = (points**2).sum(1)
    distances: Array = square[rows][:, None] + square - 2 * points[rows] @ points.T
    return distances
