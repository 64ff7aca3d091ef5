"""4-connected nets of T sites: their bonds in a crystal, and the silica frameworks built on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from scipy.spatial import cKDTree

from invdesign.core import Array, InvdesignError

# Distances of silica [angstrom].
SI_O, O_O, SI_SI = 1.61, 2.629, 3.07
# Range of T-T distances [angstrom] that one oxygen can bridge.
MIN_T_T, MAX_T_T = 2.5, 3.6
# Radius [angstrom] within which `find_nearest_distances` searches.
SEARCH_RADIUS = 4.0

MAX_IMAGES = 1_000_000
"""Largest number of periodic images; those of decoded cells of almost no height took 15 GB."""


@dataclass(frozen=True, eq=False)
class Net:
    """Bonds of `n` T sites, each with four neighbours across a shared oxygen."""

    neighbours: Array
    """`n x 4` indices of T sites."""
    shifts: Array
    """`n x 4 x 3` integer lattice vectors from a site's cell to the cell of the bonded image."""
    edges: Array
    """`n x 4` indices of the oxygens, 0 to 2 n - 1."""
    is_first: Array
    """`n x 4`, whether the oxygen is counted from this end of the bond."""


@dataclass(frozen=True, eq=False)
class Framework:
    """All atoms of a silica framework with `n` T sites, which come before the oxygens."""

    lattice: Array
    """`3 x 3`, rows are vectors [angstrom]."""
    species: tuple[str, ...]
    """`3 n` element symbols."""
    positions: Array
    """`3 n x 3` fractional coordinates."""
    residual: float
    """Weighted root mean square deviation [angstrom] of the Si-O, O-O and Si-Si distances from those of silica; of the
    T-O distances alone if the oxygens were given."""
    clearance: float
    """Shortest O-O distance [angstrom]."""

    @property
    def structure(self) -> Structure:
        """The framework as a pymatgen structure."""
        return Structure(Lattice(self.lattice), self.species, self.positions)


def connect(lattice: Array, T: Array, *, max_distance: float = MAX_T_T) -> Net:
    """Return the 4-connected net in which every T site is bonded to its four nearest neighbours.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        T: `n x 3` fractional coordinates.
        max_distance: Longest distance of bonded T sites [angstrom].

    Returns:
        The bonds of the `n` T sites.

    Raises:
        InvdesignError: A site has fewer than four neighbours within `max_distance`, a bond is not mutual, or two sites
            are closer than 2.5 angstrom.

    Example:
        >>> diamond = 7.09 * (np.ones((3, 3)) - np.eye(3)) / 2
        >>> connect(diamond, np.array([[0, 0, 0], [0.25, 0.25, 0.25]])).neighbours.tolist()
        [[1, 1, 1, 1], [0, 0, 0, 0]]
    """
    n = len(T)
    images, owner, offset = find_periodic_images(lattice, T, max_distance)
    distance, image = cKDTree(images).query((T - np.floor(T)) @ lattice, k=5)
    is_incomplete = distance[:, 4] > max_distance
    if is_incomplete.any():
        site = int(np.argmax(is_incomplete))
        n_near = int((distance[site, 1:] <= max_distance).sum())
        raise InvdesignError(f"T site {site + 1} of {n}: expected 4 neighbours within {max_distance:g} A, got {n_near}")
    if distance[:, 1].min() < MIN_T_T:
        raise InvdesignError(
            f"T sites: expected distances of at least {MIN_T_T:g} A, got two sites {distance[:, 1].min():.2f} A apart"
        )
    image = image[:, 1:]
    cells = np.floor(T).astype(int)
    neighbours = owner[image]
    shifts = offset[image] + cells[:, None] - cells[neighbours]
    edges, is_first = _number_edges(neighbours, shifts)
    return Net(neighbours, shifts, edges, is_first)


def find_periodic_images(lattice: Array, positions: Array, max_distance: float) -> tuple[Array, Array, Array]:
    """Find the periodic images of atoms within a distance of the home cell.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        positions: `n x 3` fractional coordinates; they are wrapped into the home cell first.
        max_distance: Distance from the home cell [angstrom].

    Returns:
        Cartesian positions (`k x 3`) [angstrom], indices of the atoms (`k`), and integer lattice vectors (`k x 3`).

    Raises:
        InvdesignError: The cell is so flat that there are more than a million images.
    """
    margin = max_distance * np.linalg.norm(np.linalg.inv(lattice), axis=0) + 1e-9
    n_images = len(positions) * float(np.prod(2 * np.ceil(margin) + 1))
    if n_images > MAX_IMAGES:
        raise InvdesignError(
            f"cell: expected at most {MAX_IMAGES:,} periodic images, got {n_images:,.0f}. Use a cell that is less flat"
        )
    cells = [np.arange(-k, k + 1) for k in np.ceil(margin).astype(int)]
    grid = np.stack(np.meshgrid(*cells, indexing="ij"), -1).reshape(-1, 3)
    images = ((positions - np.floor(positions))[:, None] + grid).reshape(-1, 3)
    is_inside = ((images > -margin) & (images < 1 + margin)).all(1)
    owner = np.repeat(np.arange(len(positions)), len(grid))[is_inside]
    return images[is_inside] @ lattice, owner, np.tile(grid, (len(positions), 1))[is_inside]


def find_nearest_distances(lattice: Array, sources: Array, targets: Array, k: int) -> Array:
    """Find the distances from each target to its `k` nearest sources.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        sources: `n x 3` fractional coordinates.
        targets: `m x 3` fractional coordinates.
        k: Number of neighbours; a target that is itself a source counts as its own first neighbour.

    Returns:
        Distances (`m x k`) [angstrom], ascending; infinite for neighbours that are not among the images within
        4 angstrom of the cell.
    """
    images, _, _ = find_periodic_images(lattice, sources, SEARCH_RADIUS)
    return np.asarray(cKDTree(images).query((targets - np.floor(targets)) @ lattice, k=k)[0])


def _number_edges(neighbours: Array, shifts: Array) -> tuple[Array, Array]:
    """Number the bonds, one number for both ends, and mark the end that is met first.

    Returns:
        `n x 4` numbers and `n x 4` marks, as in `Net`.

    Raises:
        InvdesignError: A bond is missing at its other end.
    """
    n = len(neighbours)
    edges = np.full((n, 4), -1)
    is_first = np.zeros((n, 4), dtype=bool)
    slots = {(i, int(neighbours[i, s]), *shifts[i, s].tolist()): (i, s) for i in range(n) for s in range(4)}
    for (i, j, *shift), (_, s) in slots.items():
        if edges[i, s] >= 0:
            continue
        reverse = slots.get((j, i, *(-x for x in shift)))
        if reverse is None:
            raise InvdesignError(f"T site {j + 1} of {n}: expected 4 neighbours, got more: the net is not 4-connected")
        edges[i, s] = edges[reverse] = is_first.sum()
        is_first[i, s] = True
    return edges, is_first
