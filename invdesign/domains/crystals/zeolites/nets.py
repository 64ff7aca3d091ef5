"""4-connected nets of T sites: who is bonded to whom in a crystal, and the frameworks that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.core import Lattice, Structure
from scipy.spatial import cKDTree

from invdesign.core import Array, InvdesignError

SI_O, O_O, SI_SI = 1.61, 2.629, 3.07
# T sites nearer than the first bond no oxygen can join; beyond the second none does.
MIN, REACH = 2.5, 3.6


@dataclass(frozen=True, eq=False)
class Net:
    """Who is bonded to whom through an oxygen; each of `n` T sites has four neighbours.

    Args:
        neighbours: `n x 4` indices of T sites.
        shifts: `n x 4 x 3` lattice vectors (whole numbers) that lead to the image which is bonded.
        edges: `n x 4` indices of the oxygens, 0 to 2 n - 1.
        is_first: `n x 4`, whether the oxygen is counted from this end.
    """

    neighbours: Array
    shifts: Array
    edges: Array
    is_first: Array


@dataclass(frozen=True, eq=False)
class Framework:
    """All atoms of a framework, T sites first.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        species: `3 n` symbols.
        positions: `3 n x 3` fractional coordinates.
        residual: weighted root mean square (angstrom) of what Si-O, O..O and Si..Si distances miss of silica's; of
            T-O distances alone where the oxygens were given.
        clearance: shortest distance (angstrom) between two oxygens.
    """

    lattice: Array
    species: tuple[str, ...]
    positions: Array
    residual: float
    clearance: float

    @property
    def structure(self) -> Structure:
        """The same as a pymatgen structure."""
        return Structure(Lattice(self.lattice), self.species, self.positions)


def connect(lattice: Array, T: Array, *, reach: float = REACH) -> Net:
    """The 4-connected net of T sites (`n x 3`, fractional): each is bonded to its four nearest.

    Raises:
        InvdesignError: a site has fewer than four within `reach` (angstrom), is no neighbour of its neighbour, or two
            sites lie too near.
    """
    n = len(T)
    images, owner, offset = periodic(lattice, T, reach)
    distance, found = cKDTree(images).query((T - np.floor(T)) @ lattice, k=5)
    if (distance[:, 4] > reach).any():
        lonely = int(np.argmax(distance[:, 4] > reach))
        near = int((distance[lonely, 1:] <= reach).sum())
        raise InvdesignError(f"T site {lonely + 1} of {n} has {near} neighbours within {reach:g} A, needs four")
    if distance[:, 1].min() < MIN:
        raise InvdesignError(f"two T sites lie {distance[:, 1].min():.2f} A apart, expected at least {MIN:g} A")
    found = found[:, 1:]
    whole = np.floor(T).astype(int)
    neighbours = owner[found]
    shifts = offset[found] + whole[:, None] - whole[neighbours]
    edges = np.full((n, 4), -1)
    is_first = np.zeros((n, 4), dtype=bool)
    where = {(i, int(neighbours[i, s]), *shifts[i, s].tolist()): (i, s) for i in range(n) for s in range(4)}
    for (i, j, *shift), (_, s) in where.items():
        if edges[i, s] >= 0:
            continue
        back = where.get((j, i, *(-x for x in shift)))
        if back is None:
            raise InvdesignError(f"T site {j + 1} of {n} lies near more than four others: the net is not 4-connected")
        edges[i, s] = edges[back] = is_first.sum()
        is_first[i, s] = True
    return Net(neighbours, shifts, edges, is_first)


def periodic(lattice: Array, positions: Array, reach: float) -> tuple[Array, Array, Array]:
    """Images of atoms within a reach of the home cell: places (`k x 3`, angstrom), owners (`k`), hops (`k x 3`).

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        positions: `n x 3` fractional coordinates; taken into the home cell first.
        reach: angstrom.
    """
    margin = reach * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 1e-9
    cells = [np.arange(-k, k + 1) for k in np.ceil(margin).astype(int)]
    grid = np.stack(np.meshgrid(*cells, indexing="ij"), -1).reshape(-1, 3)
    images = ((positions - np.floor(positions))[:, None] + grid).reshape(-1, 3)
    inside = ((images > -margin) & (images < 1 + margin)).all(1)
    owner = np.repeat(np.arange(len(positions)), len(grid))[inside]
    return images[inside] @ lattice, owner, np.tile(grid, (len(positions), 1))[inside]


def nearest(lattice: Array, of: Array, to: Array, k: int) -> Array:
    """Distances (`len(to) x k`, angstrom, infinite beyond 4) from each of some positions to its nearest of others."""
    images, _, _ = periodic(lattice, of, 4.0)
    return np.asarray(cKDTree(images).query((to - np.floor(to)) @ lattice, k=k)[0])
