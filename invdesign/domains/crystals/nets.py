"""4-connected nets of T sites, and the oxygens between them by distance least squares.

A framework of `n` tetrahedra has `n` silicon and `2 n` oxygen atoms; symmetry leaves a handful of free coordinates, in
which Gauss-Newton steps settle the distances within milliseconds.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np
import spglib
from pymatgen.core import Lattice, Structure
from scipy import sparse
from scipy.spatial import cKDTree

from invdesign.core import Array, InvdesignError

SI_O, O_O, SI_SI = 1.61, 2.629, 3.07
# The stiffer a distance is in nature, the more it weighs: the squares of what DLS-76 multiplies each miss with.
WEIGHTS = (2.0**2, 0.61**2, 0.23**2)
# T sites nearer than the first bond no oxygen can join; beyond the second none does.
LEAST, REACH = 2.5, 3.6
PAIRS = np.array(list(itertools.combinations(range(4), 2)))


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
    if distance[:, 1].min() < LEAST:
        raise InvdesignError(f"two T sites lie {distance[:, 1].min():.2f} A apart, expected at least {LEAST:g} A")
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


def decorate(lattice: Array, T: Array, *, free_cell: bool = True, most_seconds: float = 20.0) -> Framework:
    """Put an oxygen between bonded T sites and settle all distances by least squares, symmetry kept.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        T: `n x 3` fractional coordinates.
        free_cell: let the cell relax too, after the coordinates have.
        most_seconds: stop improving after this time.

    Raises:
        InvdesignError: the T sites are no 4-connected net, before or after.

    References:
        Baerlocher, Hepp, Meier, DLS-76, ETH Zurich 1977; Treacy et al., Microporous Mesoporous Mater. 2004,
        doi:10.1016/j.micromeso.2004.06.013.
    """
    until = time.monotonic() + most_seconds
    problem = _problem(lattice, T)
    x = np.zeros(problem.n_free + len(problem.strains))
    x = problem.settle(x, np.arange(problem.n_free), until)
    if free_cell:
        x = problem.settle(x, np.arange(len(x)), until)
    cell, atoms = problem.atoms(x)
    connect(cell, atoms[: len(T)])
    species = ("Si",) * len(T) + ("O",) * 2 * len(T)
    missed = problem.evaluate(x)[0]
    residual = float(np.sqrt((missed**2).sum() / problem.scale))
    return Framework(
        cell, species, atoms, residual, float(nearest(cell, atoms[len(T) :], atoms[len(T) :], 2)[:, 1].min())
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    """Distances of symmetry's representatives as functions of the free coordinates and strains."""

    lattice: Array
    start: Array  # 3 n x 3
    motion: sparse.csr_matrix  # 9 n x free
    strains: Array  # k x 3 x 3
    gaps: Array  # m x 3, fractional vectors at the start
    change: sparse.csr_matrix  # 3 m x free
    targets: Array
    weights: Array

    @property
    def n_free(self) -> int:
        return int(self.motion.shape[1])

    @property
    def scale(self) -> float:
        return float((self.weights**2).sum())

    def cell(self, x: Array) -> Array:
        return self.lattice @ (np.eye(3) + np.tensordot(x[self.n_free :], self.strains, 1))

    def atoms(self, x: Array) -> tuple[Array, Array]:
        return self.cell(x), self.start + (self.motion @ x[: self.n_free]).reshape(-1, 3)

    def evaluate(self, x: Array) -> tuple[Array, Array]:
        """Weighted misses (`m`) and their derivatives (`m x free`)."""
        cell, m = self.cell(x), len(self.gaps)
        gaps = self.gaps + (self.change @ x[: self.n_free]).reshape(-1, 3)
        vectors = gaps @ cell
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        unit = vectors / lengths[:, None]
        rows = sparse.csr_matrix(((unit @ cell.T).ravel(), np.arange(3 * m), np.arange(0, 3 * m + 1, 3)), (m, 3 * m))
        by_strain = np.einsum("mi,kij,mj->mk", gaps @ self.lattice, self.strains, unit)
        J = np.hstack([(rows @ self.change).toarray(), by_strain])
        return self.weights * (lengths - self.targets), self.weights[:, None] * J

    def settle(self, x: Array, free: np.ndarray, until: float, *, most_steps: int = 200) -> Array:
        """Levenberg's damped Gauss-Newton steps in the variables that are free."""
        r, J = self.evaluate(x)
        damping = 1e-2
        for _ in range(most_steps):
            A, g = J[:, free].T @ J[:, free], J[:, free].T @ r
            while damping < 1e8:
                step = np.linalg.solve(A + damping * np.diag(A.diagonal() + 1e-6), -g)
                trial = x.copy()
                trial[free] += step
                tried, slope = self.evaluate(trial)
                if tried @ tried < r @ r:
                    break
                damping *= 5
            else:
                return x
            gain = r @ r - tried @ tried
            x, r, J, damping = trial, tried, slope, max(damping / 5, 1e-9)
            if gain < 1e-9 * (r @ r) or r @ r < 1e-14 or time.monotonic() > until:
                return x
        return x


def _problem(lattice: Array, T: Array) -> _Problem:
    n = len(T)
    found = spglib.get_symmetry((lattice.tolist(), T.tolist(), [14] * n), symprec=0.02)
    R, t = (found["rotations"], found["translations"]) if found else (np.eye(3, dtype=int)[None], np.zeros((1, 3)))
    T, first, motion_t, multiplicity = _symmetric(T, R, t)
    net = connect(lattice, T)
    midpoints = np.zeros((2 * n, 3))
    ends = np.argwhere(net.is_first)
    i, s = ends.T
    midpoints[net.edges[i, s]] = (T[i] + T[net.neighbours[i, s]] + net.shifts[i, s]) / 2
    O, _, motion_o, _ = _symmetric(midpoints, R, t)
    start = np.concatenate([T, O])
    motion = sparse.block_diag([motion_t, motion_o], format="csr")
    # From each representative T: four T-O, six O..O, four T..T.
    edge, hop = net.edges[first], np.where(net.is_first[first][..., None], 0, net.shifts[first])
    center = np.repeat(first[:, None], 4, 1)
    left = [center, n + edge[:, PAIRS[:, 0]], center]
    right = [n + edge, n + edge[:, PAIRS[:, 1]], net.neighbours[first]]
    hops = [hop, hop[:, PAIRS[:, 1]] - hop[:, PAIRS[:, 0]], net.shifts[first]]
    a, b = (np.concatenate([x.ravel() for x in side]) for side in (left, right))
    shift = np.concatenate([h.reshape(-1, 3) for h in hops])
    share = np.concatenate([np.repeat(multiplicity * w, len(x[0])) for w, x in zip(WEIGHTS, left, strict=True)])
    targets = np.concatenate([np.full(x.size, d) for d, x in zip((SI_O, O_O, SI_SI), left, strict=True)])
    columns = np.arange(3)
    change = motion[(3 * b[:, None] + columns).ravel()] - motion[(3 * a[:, None] + columns).ravel()]
    gaps = start[b] + shift - start[a]
    return _Problem(lattice, start, motion, _strains(lattice, R), gaps, change, targets, np.sqrt(share))


def _symmetric(points: Array, R: Array, t: Array) -> tuple[Array, Array, sparse.csr_matrix, Array]:
    """Points moved onto their sites, one of each orbit, how all move with the free coordinates, sizes of orbits.

    Returns:
        points (`n x 3`), representatives (`k`), motion (`3 n x free`), multiplicities (`k`).
    """
    n = len(points)
    tree = cKDTree(_wrapped(points), boxsize=1.0)
    moved, blocks, first, size = np.empty((n, 3)), [], [], []
    is_left = np.ones(n, dtype=bool)
    column, rows = 0, []
    for i in range(n):
        if not is_left[i]:
            continue
        images = points[i] @ R.transpose(0, 2, 1) + t
        distance, owner = tree.query(_wrapped(images))
        if distance.max() > 0.02:
            raise InvdesignError("the bonds of this net have less symmetry than its sites; neighbours are ambiguous")
        own = owner == i
        near = images[own] - np.round(images[own] - points[i])
        site = near.mean(0)
        u, scale, _ = np.linalg.svd(R[own].mean(0))
        basis = u[:, scale > 0.5]
        members, k = np.unique(owner, return_index=True)
        for j, op in zip(members, k, strict=True):
            x = R[op] @ site + t[op]
            moved[j] = x - np.round(x - points[j])
            blocks.append((R[op] @ basis).ravel())
            rows.append((j, column, basis.shape[1]))
        is_left[members] = False
        column += basis.shape[1]
        first.append(i)
        size.append(len(members))
    r = np.concatenate([np.repeat(3 * j + np.arange(3), f) for j, _, f in rows])
    c = np.concatenate([np.tile(start + np.arange(f), 3) for _, start, f in rows])
    motion = sparse.csr_matrix((np.concatenate(blocks), (r, c)), shape=(3 * n, column))
    return moved, np.array(first), motion, np.array(size, dtype=float)


def _wrapped(points: Array) -> Array:
    wrapped = points - np.floor(points)
    return np.where(wrapped >= 1.0, 0.0, wrapped)


def _strains(lattice: Array, R: Array) -> Array:
    """Strains (`k x 3 x 3`) that keep the operators."""
    cartesian = np.linalg.inv(lattice) @ R.transpose(0, 2, 1) @ lattice
    symmetric = [
        np.eye(3)[[i]].T @ np.eye(3)[[j]] + np.eye(3)[[j]].T @ np.eye(3)[[i]] for i in range(3) for j in range(i + 1)
    ]
    kept = np.array([(cartesian @ E @ cartesian.transpose(0, 2, 1)).mean(0) for E in symmetric])
    _, scale, v = np.linalg.svd(kept.reshape(-1, 9))
    return v[: int((scale > 1e-6).sum())].reshape(-1, 3, 3)
