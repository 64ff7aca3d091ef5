"""Crystal graph on orbits: the nearest atoms of each orbit's representative, with their distances and orbits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import images, lattice_of

# An atom nearer than this [angstrom] is the point itself.
SELF_DISTANCE = 1e-3
Indices = npt.NDArray[np.int64]


def nearest_neighbours(lattice: Array, x: Array, targets: Array, n: int) -> tuple[Array, Indices]:
    """Return the distances from a point to its nearest atoms, periodic images included, and the indices of the atoms.

    Args:
        lattice: Lattice vectors as rows [angstrom], `3 x 3`.
        x: Fractional coordinates of the point (3). An atom at the point itself is left out.
        targets: Fractional coordinates of the atoms, `m x 3`.
        n: Number of neighbours.

    Returns:
        Distances [angstrom] in ascending order (`n`) and indices into `targets` (`n`).
    """
    volume = abs(np.linalg.det(lattice))
    normals = np.cross(np.roll(lattice, -1, 0), np.roll(lattice, -2, 0))
    heights = volume / np.linalg.norm(normals, axis=1)
    cutoff = (3 * (n + 1) * volume / (4 * np.pi * len(targets))) ** (1 / 3) + 1.0
    base = (targets - x + 0.5) % 1.0 - 0.5
    while True:
        span = np.floor(cutoff / heights + 0.5).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in span), indexing="ij"), -1).reshape(-1, 3)
        distance = np.linalg.norm((base[:, None] + grid[None]).reshape(-1, 3) @ lattice, axis=1)
        rows = np.flatnonzero((distance > SELF_DISTANCE) & (distance <= cutoff))
        if len(rows) >= n:
            order = rows[np.argsort(distance[rows], kind="stable")[:n]]
            return distance[order], (order // len(grid)).astype(np.int64)
        cutoff *= 1.4


def orbit_graph(crystal: Crystal, n: int) -> tuple[Array, Indices]:
    """Return the nearest atoms of the representative of each of the `k` orbits.

    Args:
        crystal: The crystal.
        n: Number of neighbours of each orbit.

    Returns:
        Distances [angstrom] in ascending order and indices of the orbits of the neighbours, `k x n` each.
    """
    lattice = lattice_of(crystal.cell)
    blocks = [images(crystal.space_group, np.array(orbit.position)) for orbit in crystal.orbits]
    owner = np.repeat(np.arange(len(blocks), dtype=np.int64), [len(block) for block in blocks])
    atoms = np.concatenate(blocks)
    neighbours = [nearest_neighbours(lattice, np.array(orbit.position), atoms, n) for orbit in crystal.orbits]
    return np.stack([d for d, _ in neighbours]), owner[np.stack([i for _, i in neighbours])]


def min_distance(crystal: Crystal) -> float:
    """Return the smallest distance [angstrom] between two atoms, periodic images included."""
    return float(orbit_graph(crystal, 1)[0].min())
