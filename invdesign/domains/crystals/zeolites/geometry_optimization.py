"""T sites and oxygens that settle at the distances of silica, within their symmetry.

A framework of `n` tetrahedra has `n` silicon and `2 n` oxygen atoms; symmetry leaves a handful of free coordinates, in
which Gauss-Newton steps settle the distances within milliseconds.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import spglib
from scipy.spatial import cKDTree

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.zeolites.nets import O_O, SI_O, SI_SI, Framework, connect, nearest, periodic

# The stiffer a distance is in nature, the more it weighs: the squares of what DLS-76 multiplies each miss with.
WEIGHTS = (2.0**2, 0.61**2, 0.23**2)
PAIRS = np.array(list(itertools.combinations(range(4), 2)))
# T sites that are not bonded keep this distance; what lies farther away than the second is not looked at (angstrom).
APART, FAR, N_NEAR = 4.3, 6.0, 12
# Of the weight of a bond, for two T sites that come too near without one.
PUSH = 0.5

Indices = npt.NDArray[np.int64]
Misses = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class Movable:
    """Atoms that move as their sites let them, in a cell that strains as its symmetry does.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        start: `n x 3` fractional coordinates.
        blocks: `n x 3 x 3`, how each atom moves with up to three free coordinates.
        columns: `n x 3`, which ones these are; where there are fewer, the block is 0.
        n_free: free coordinates.
        strains: `k x 3 x 3` symmetric strains.
        first: one atom of each orbit.
        size: atoms of each orbit.
    """

    lattice: Array
    start: Array
    blocks: Array
    columns: Indices
    n_free: int
    strains: Array
    first: Indices
    size: Array

    def cell(self, x: Array) -> Array:
        return np.asarray(self.lattice @ (np.eye(3) + np.tensordot(x[self.n_free :], self.strains, 1)))

    def atoms(self, x: Array) -> Array:
        return np.asarray(self.start + np.einsum("nij,nj->ni", self.blocks, x[self.columns]))

    def distances(self, x: Array, a: Indices, b: Indices, hops: Array) -> tuple[Array, Array]:
        """From atoms `a` to images of `b` (`m`, angstrom), and how they change with `x` (`m x (n_free + k)`)."""
        cell, atoms = self.cell(x), self.atoms(x)
        gaps = atoms[b] + hops - atoms[a]
        vectors = gaps @ cell
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        unit = vectors / lengths[:, None]
        J = np.zeros((len(a), len(x)))
        rows, pull = np.arange(len(a))[:, None], (unit @ cell.T)[:, None]
        # The columns of one atom differ, but for those where its block is 0.
        for atom, sign in ((b, 1.0), (a, -1.0)):
            J[rows, self.columns[atom]] += sign * (pull @ self.blocks[atom])[:, 0]
        J[:, self.n_free :] += np.einsum("mi,kij,mj->mk", gaps @ self.lattice, self.strains, unit)
        return lengths, J


def movable(lattice: Array, points: Array, R: Array, t: Array) -> Movable:
    """Points (`n x 3`, fractional) moved onto their sites under the operators `R`, `t`, and how they may move.

    Raises:
        InvdesignError: the operators do not make the points of each other.
    """
    n = len(points)
    tree = cKDTree(_wrapped(points), boxsize=1.0)
    moved, blocks, columns = np.empty((n, 3)), np.zeros((n, 3, 3)), np.full((n, 3), -1)
    first, size = [], []
    is_left = np.ones(n, dtype=bool)
    column = 0
    for i in range(n):
        if not is_left[i]:
            continue
        images = points[i] @ R.transpose(0, 2, 1) + t
        distance, owner = tree.query(_wrapped(images))
        if distance.max() > 0.02:
            raise InvdesignError("the bonds of this net have less symmetry than its sites; neighbours are ambiguous")
        own = owner == i
        if not own.any():
            raise InvdesignError("two T sites lie on top of each other")
        near = images[own] - np.round(images[own] - points[i])
        site = near.mean(0)
        u, scale, _ = np.linalg.svd(R[own].mean(0))
        basis = u[:, scale > 0.5]
        members, k = np.unique(owner, return_index=True)
        x = R[k] @ site + t[k]
        moved[members] = x - np.round(x - points[members])
        width = basis.shape[1]
        blocks[members, :, :width] = R[k] @ basis
        columns[members, :width] = column + np.arange(width)
        is_left[members] = False
        column += width
        first.append(i)
        size.append(len(members))
    columns = np.where(columns < 0, column, columns)
    return Movable(
        lattice, moved, blocks, columns, column, _strains(lattice, R), np.array(first), np.array(size, dtype=float)
    )


def decorate(lattice: Array, T: Array, *, free_cell: bool = True, max_seconds: float = 20.0) -> Framework:
    """Put an oxygen between bonded T sites and settle all distances by least squares, symmetry kept.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        T: `n x 3` fractional coordinates.
        free_cell: let the cell relax too, after the coordinates have.
        max_seconds: stop improving after this time.

    Raises:
        InvdesignError: the T sites are no 4-connected net, before or after.

    References:
        Baerlocher, Hepp, Meier, DLS-76, ETH Zurich 1977; Treacy et al., Microporous Mesoporous Mater. 2004,
        doi:10.1016/j.micromeso.2004.06.013.
    """
    until = time.monotonic() + max_seconds
    both, misses, scale = _silica(lattice, T)
    x = np.zeros(both.n_free + len(both.strains))
    x = settle(misses, x, np.arange(both.n_free), until=until)
    if free_cell:
        x = settle(misses, x, np.arange(len(x)), until=until)
    cell, atoms = both.cell(x), both.atoms(x)
    connect(cell, atoms[: len(T)])
    species = ("Si",) * len(T) + ("O",) * 2 * len(T)
    residual = float(np.sqrt((misses(x)[0] ** 2).sum() / scale))
    clearance = float(nearest(cell, atoms[len(T) :], atoms[len(T) :], 2)[:, 1].min())
    return Framework(cell, species, atoms, residual, clearance)


def pulled(
    lattice: Array, T: Array, R: Array, t: Array, *, max_rounds: int = 25, max_missed: float = 0.3
) -> tuple[Array, Array, Indices]:
    """T sites pulled until each has four neighbours at 3.07 angstrom and no others near, cell and sites together.

    Who is pulled is asked anew in every round: the four nearest, whoever they are, so that a net may come of what was
    none.

    Args:
        lattice: `3 x 3`, rows are vectors (angstrom).
        T: `n x 3` fractional coordinates.
        R: rotations of the space group (`k x 3 x 3`).
        t: its translations (`k x 3`).
        max_rounds: of asking and pulling.
        max_missed: root mean square miss (angstrom) of bonds at which it is given up.

    Returns:
        The lattice, the sites, and which of them represent the orbits.

    Raises:
        InvdesignError: no four neighbours are in sight, or the misses stay large.
    """
    sites = movable(lattice, T, R, t)
    x = np.zeros(sites.n_free + len(sites.strains))
    before, value = None, np.inf
    for number in range(max_rounds):
        a, b, hops, targets, weights = _near(sites, x)

        def misses(x: Array, a=a, b=b, hops=hops, targets=targets, weights=weights) -> tuple[Array, Array]:  # type: ignore[no-untyped-def]
            lengths, J = sites.distances(x, a, b, hops)
            return weights * (lengths - targets), weights[:, None] * J

        x = settle(misses, x, np.arange(len(x)), max_steps=4)
        missed = misses(x)[0]
        now = float(np.sqrt((missed**2).sum() / (4 * len(sites.first))))
        asked = (b.tobytes(), hops.tobytes())
        if (asked == before and now > 0.99 * value) or (number >= 8 and now > 3 * max_missed):
            value = now
            break
        before, value = asked, now
    if value > max_missed:
        raise InvdesignError(f"T sites miss the distance of bonded ones by {value:.2f} A, at most {max_missed:g}")
    return sites.cell(x), sites.atoms(x), sites.first


def settle(
    misses: Misses, x: Array, free: Indices, *, until: float = np.inf, max_steps: int = 200, tolerance: float = 1e-9
) -> Array:
    """Levenberg's damped Gauss-Newton steps in the variables that are free.

    Args:
        misses: answers what is to vanish (`m`) and its derivatives (`m x len(x)`).
        x: where to start.
        free: which variables may change.
        until: when to stop, by `time.monotonic`.
        max_steps: at most so many.
        tolerance: share of the sum of squares that a step must gain for another one.
    """
    r, J = misses(x)
    damping = 1e-2
    for _ in range(max_steps):
        A, g = J[:, free].T @ J[:, free], J[:, free].T @ r
        while damping < 1e8:
            step = np.linalg.solve(A + damping * np.diag(A.diagonal() + 1e-6), -g)
            trial = x.copy()
            trial[free] += step
            tried, slope = misses(trial)
            if tried @ tried < r @ r:
                break
            damping *= 5
        else:
            return x
        gain = r @ r - tried @ tried
        x, r, J, damping = trial, tried, slope, max(damping / 5, 1e-9)
        if gain < tolerance * (r @ r) or r @ r < 1e-14 or time.monotonic() > until:
            return x
    return x


def _silica(lattice: Array, T: Array) -> tuple[Movable, Misses, float]:
    """T sites and oxygens between them, what they miss of silica's distances (weighted), and the sum of weights."""
    n = len(T)
    found = spglib.get_symmetry((lattice.tolist(), T.tolist(), [14] * n), symprec=0.02)
    R, t = (found["rotations"], found["translations"]) if found else (np.eye(3, dtype=int)[None], np.zeros((1, 3)))
    sites = movable(lattice, T, R, t)
    first, net = sites.first, connect(lattice, sites.start)
    midpoints = np.zeros((2 * n, 3))
    i, s = np.argwhere(net.is_first).T
    midpoints[net.edges[i, s]] = (sites.start[i] + sites.start[net.neighbours[i, s]] + net.shifts[i, s]) / 2
    both = _joined([sites, movable(lattice, midpoints, R, t)])
    # From each representative T: four T-O, six O..O, four T..T.
    edge, hop = net.edges[first], np.where(net.is_first[first][..., None], 0, net.shifts[first])
    center = np.repeat(first[:, None], 4, 1)
    left = [center, n + edge[:, PAIRS[:, 0]], center]
    right = [n + edge, n + edge[:, PAIRS[:, 1]], net.neighbours[first]]
    hops = [hop, hop[:, PAIRS[:, 1]] - hop[:, PAIRS[:, 0]], net.shifts[first]]
    a, b = (np.concatenate([x.ravel() for x in side]) for side in (left, right))
    shift = np.concatenate([h.reshape(-1, 3) for h in hops])
    share = np.concatenate([np.repeat(sites.size * w, len(x[0])) for w, x in zip(WEIGHTS, left, strict=True)])
    targets = np.concatenate([np.full(x.size, d) for d, x in zip((SI_O, O_O, SI_SI), left, strict=True)])
    weights = np.sqrt(share)

    def misses(x: Array) -> tuple[Array, Array]:
        lengths, J = both.distances(x, a, b, shift)
        return weights * (lengths - targets), weights[:, None] * J

    return both, misses, float(share.sum())


def _near(sites: Movable, x: Array) -> tuple[Indices, Indices, Array, Array, Array]:
    """Pairs (atoms, atoms, hops) that are pulled or pushed, the distances they should have, and their weights."""
    cell, atoms = sites.cell(x), sites.atoms(x)
    if abs(np.linalg.det(cell)) < 5.0 * len(atoms):
        raise InvdesignError("T sites fall into one another")
    whole = np.floor(atoms).astype(int)
    images, owner, offset = periodic(cell, atoms, FAR)
    here = (atoms[sites.first] - whole[sites.first]) @ cell
    distance, found = cKDTree(images).query(here, k=N_NEAR + 1, distance_upper_bound=FAR)
    distance, found = distance[:, 1:], found[:, 1:]
    if not np.isfinite(distance[:, :4]).all():
        raise InvdesignError(f"a T site has fewer than four others within {FAR:g} A")
    is_bond = np.arange(N_NEAR) < 4
    row, column = np.nonzero(is_bond | (distance < APART))
    a, image = sites.first[row], found[row, column]
    b = owner[image]
    bonded = is_bond[column]
    weights = np.where(bonded, 1.0, np.sqrt(PUSH))
    return a, b, offset[image] + whole[a] - whole[b], np.where(bonded, SI_SI, APART), weights


def _joined(parts: Sequence[Movable]) -> Movable:
    """Several kinds of atoms in one cell."""
    ends = np.cumsum([0, *(part.n_free for part in parts)])
    n_atoms = np.cumsum([0, *(len(part.start) for part in parts)])
    return Movable(
        parts[0].lattice,
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.blocks for part in parts]),
        np.concatenate([part.columns + end for part, end in zip(parts, ends, strict=False)]),
        int(ends[-1]),
        parts[0].strains,
        np.concatenate([part.first + n for part, n in zip(parts, n_atoms, strict=False)]),
        np.concatenate([part.size for part in parts]),
    )


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
