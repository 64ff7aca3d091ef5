"""Density of designs on a map, and the voids between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invdesign.core import Array

N_CELLS = 64
"""Cells of the grid along each side."""
BANDWIDTH = 1.5
"""Width of the smoothing [cells]."""
EMPTY = 0.03
"""Density below which a cell is empty, as a part of the median density at the designs."""
MIN_CELLS = 6
"""Cells of the smallest void."""


@dataclass(frozen=True)
class Void:
    """An empty region between designs."""

    center: tuple[float, float]
    """Its emptiest place on the map."""
    share: float
    """Its area as a part of the area that designs enclose."""


@dataclass(frozen=True, eq=False)
class DensityGrid:
    """Density of designs on a map: squares of a grid."""

    low: tuple[float, float]
    """Lower left corner."""
    step: tuple[float, float]
    """Width and height of a cell."""
    density: Array
    """`rows x columns` densities, 1 at the median over the designs; rows from below."""
    voids: tuple[Void, ...]
    """Voids, the largest first."""


def density_grid(points: Array, *, n_cells: int = N_CELLS) -> DensityGrid:
    """Return the smoothed density of designs on a grid, and the empty regions that designs enclose.

    Args:
        points: `n x 2` coordinates.
        n_cells: Cells along each side.
    """
    from scipy.ndimage import gaussian_filter, label

    low, high = points.min(0), points.max(0)
    margin = 0.03 * np.maximum(high - low, 1e-9)
    low, high = low - margin, high + margin
    limits = [(low[1], high[1]), (low[0], high[0])]
    counts, _, _ = np.histogram2d(points[:, 1], points[:, 0], bins=n_cells, range=limits)
    density = gaussian_filter(counts, BANDWIDTH)
    cells = ((points - low) / (high - low) * n_cells).astype(int).clip(0, n_cells - 1)
    density /= max(float(np.median(density[cells[:, 1], cells[:, 0]])), 1e-12)
    step = (high - low) / n_cells
    inside = _enclosed(low, step, n_cells, points)
    regions, n_regions = label(inside & (density < EMPTY))
    voids = []
    for number in range(1, n_regions + 1):
        region = regions == number
        n_empty = int(region.sum())
        if n_empty < MIN_CELLS:
            continue
        row, column = _deepest(region)
        center = low + (np.array([column, row]) + 0.5) * step
        voids.append(Void((float(center[0]), float(center[1])), n_empty / max(1, int(inside.sum()))))
    voids.sort(key=lambda void: -void.share)
    return DensityGrid((float(low[0]), float(low[1])), (float(step[0]), float(step[1])), density, tuple(voids))


def _enclosed(low: Array, step: Array, n_cells: int, points: Array) -> Array:
    """Return which cells lie inside the convex hull of the designs."""
    from scipy.spatial import Delaunay

    ticks = np.arange(n_cells) + 0.5
    x, y = np.meshgrid(low[0] + ticks * step[0], low[1] + ticks * step[1])
    inside = Delaunay(points, qhull_options="QJ Qbb Qc Qz").find_simplex(np.column_stack([x.ravel(), y.ravel()])) >= 0
    enclosed: Array = inside.reshape(n_cells, n_cells)
    return enclosed


def _deepest(region: Array) -> tuple[int, int]:
    """Return the cell of a region that is farthest from its border."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)
