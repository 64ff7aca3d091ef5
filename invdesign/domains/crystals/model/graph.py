"""The crystal graph on orbits: each representative's nearest atoms, their distances and their orbits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import images, lattice_of

ITSELF = 1e-3
Indices = npt.NDArray[np.int64]


def nearest(lattice: Array, x: Array, targets: Array, n: int) -> tuple[Array, Indices]:
    """Distances (`n`, angstrom, ascending) from a point to the nearest images of others, and which ones they are.

    Args:
        lattice: `3 x 3`, rows.
        x: fractional coordinates (3); an atom exactly there is left out.
        targets: `m x 3` fractional coordinates.
        n: neighbours.
    """
    volume = abs(np.linalg.det(lattice))
    across = np.cross(np.roll(lattice, -1, 0), np.roll(lattice, -2, 0))
    heights = volume / np.linalg.norm(across, axis=1)
    reach = (3 * (n + 1) * volume / (4 * np.pi * len(targets))) ** (1 / 3) + 1.0
    base = (targets - x + 0.5) % 1.0 - 0.5
    while True:
        span = np.floor(reach / heights + 0.5).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in span), indexing="ij"), -1).reshape(-1, 3)
        distance = np.linalg.norm((base[:, None] + grid[None]).reshape(-1, 3) @ lattice, axis=1)
        rows = np.flatnonzero((distance > ITSELF) & (distance <= reach))
        if len(rows) >= n:
            order = rows[np.argsort(distance[rows], kind="stable")[:n]]
            return distance[order], (order // len(grid)).astype(np.int64)
        reach *= 1.4


def orbit_graph(crystal: Crystal, n: int) -> tuple[Array, Indices]:
    """For every orbit the `n` nearest atoms of its representative: distances (angstrom) and orbits, `k x n` each."""
    lattice = lattice_of(crystal.cell)
    blocks = [images(crystal.space_group, np.array(orbit.position)) for orbit in crystal.orbits]
    owner = np.repeat(np.arange(len(blocks), dtype=np.int64), [len(block) for block in blocks])
    atoms = np.concatenate(blocks)
    found = [nearest(lattice, np.array(orbit.position), atoms, n) for orbit in crystal.orbits]
    return np.stack([d for d, _ in found]), owner[np.stack([i for _, i in found])]


def min_distance(crystal: Crystal) -> float:
    """The smallest distance (angstrom) between two atoms, periodic images included."""
    return float(orbit_graph(crystal, 1)[0].min())
