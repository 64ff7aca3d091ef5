"""Crystal graph on orbits: the nearest atoms of each orbit's representative, with their distances and orbits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pymatgen.optimization.neighbors import find_points_in_spheres

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import atoms_of_orbit, lattice_of

PERIODIC = np.ones(3, dtype=np.int64)
Indices = npt.NDArray[np.int64]


def nearest_neighbours(
    lattice: Array, x: Array, targets: Array, n: int, *, own: int | None = None
) -> tuple[Array, Indices]:
    """Return the distances from a point to its nearest atoms, periodic images included, and the indices of the atoms.

    Args:
        lattice: Lattice vectors as rows [angstrom], `3 x 3`.
        x: Fractional coordinates of the point (3).
        targets: Fractional coordinates of the atoms, `m x 3`.
        n: Number of neighbours.
        own: Index of the target that is the point itself, and is no neighbour of it; None where no target is. An other
            atom on the same place is a neighbour at distance 0.

    Returns:
        Distances [angstrom] in ascending order (`n`) and indices into `targets` (`n`).
    """
    volume = abs(np.linalg.det(lattice))
    normals = np.cross(np.roll(lattice, -1, 0), np.roll(lattice, -2, 0))
    heights = volume / np.linalg.norm(normals, axis=1)
    cutoff = (3 * (n + 1) * volume / (4 * np.pi * len(targets))) ** (1 / 3) + 1.0
    difference = targets - x
    base = difference - np.round(difference)
    while True:
        span = np.floor(cutoff / heights + 0.5).astype(int)
        grid = np.stack(np.meshgrid(*(np.arange(-k, k + 1) for k in span), indexing="ij"), -1).reshape(-1, 3)
        distance = np.linalg.norm((base[:, None] + grid[None]).reshape(-1, 3) @ lattice, axis=1)
        if own is not None:
            distance[own * len(grid) + len(grid) // 2] = np.inf
        rows = np.flatnonzero(distance <= cutoff)
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
    blocks = [atoms_of_orbit(crystal.space_group, orbit.position) for orbit in crystal.orbits]
    owner = np.repeat(np.arange(len(blocks), dtype=np.int64), [len(block) for block in blocks])
    atoms = np.concatenate(blocks)
    starts = np.cumsum([0, *(len(block) for block in blocks[:-1])]).tolist()
    neighbours = [nearest_neighbours(lattice, atoms[start], atoms, n, own=start) for start in starts]
    return np.stack([d for d, _ in neighbours]), owner[np.stack([i for _, i in neighbours])]


def nearest_by_element(crystal: Crystal, elements: Sequence[str], n: int) -> Array:
    """Return the distances from the representative of each of the `k` orbits to its nearest atoms of each element.

    Args:
        crystal: The crystal.
        elements: All of its elements.
        n: Number of neighbours of each element.

    Returns:
        Distances [angstrom] in ascending order, `k x len(elements) x n`.
    """
    lattice = lattice_of(crystal.cell)
    blocks = [atoms_of_orbit(crystal.space_group, orbit.position) for orbit in crystal.orbits]
    sizes = [len(block) for block in blocks]
    starts = np.cumsum([0, *sizes[:-1]])
    numbers = np.repeat([elements.index(orbit.element) for orbit in crystal.orbits], sizes)
    atoms = np.concatenate(blocks) @ lattice
    volume = abs(np.linalg.det(lattice))
    reach = (3 * (n + 1) * volume / (4 * np.pi * np.bincount(numbers).min())) ** (1 / 3) + 0.5
    n_groups = len(blocks) * len(elements)
    while True:
        first, second, shift, distance = find_points_in_spheres(
            atoms, atoms[starts], r=reach, pbc=PERIODIC, lattice=lattice, tol=1e-8
        )
        is_own = (second == starts[first]) & ~shift.any(1)
        group = np.where(is_own, n_groups, first * len(elements) + numbers[second])
        counts = np.bincount(group, minlength=n_groups + 1)
        if counts[:n_groups].min() >= n:
            break
        reach *= 1.3
    ordered = distance[np.lexsort((distance, group))]
    ends = np.cumsum(counts)[:n_groups]
    nearest: Array = ordered[(ends - counts[:n_groups])[:, None] + np.arange(n)]
    return nearest.reshape(len(blocks), len(elements), n)


def min_distance(crystal: Crystal) -> float:
    """Return the smallest distance [angstrom] between two atoms, periodic images included; 0 for two on one place."""
    return float(orbit_graph(crystal, 1)[0].min())
