"""Least-squares optimization of T sites and oxygens to the distances of silica, within the symmetry.

A framework of `n` tetrahedra has `n` silicon and `2 n` oxygen atoms. Symmetry leaves few free coordinates, so that
damped Gauss-Newton steps converge within milliseconds.
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
from invdesign.domains.crystals.zeolites.nets import (
    O_O,
    SI_O,
    SI_SI,
    Framework,
    connect,
    find_nearest_distances,
    find_periodic_images,
)

# Weights of the Si-O, O-O and Si-Si distances, larger for stiffer ones: the squares of the factors of DLS-76.
WEIGHTS = (2.0**2, 0.61**2, 0.23**2)
# The six pairs of the four bonds at a T site.
PAIRS = np.array(list(itertools.combinations(range(4), 2)))
# T sites without a common bond are kept at this distance [angstrom].
MIN_NONBONDED = 4.3
# Range of the search for neighbours of a T site [angstrom], and their largest number.
MAX_NEIGHBOUR_DISTANCE, N_NEIGHBOURS = 6.0, 12
# Weight of the repulsion of T sites without a common bond, relative to that of a bond.
REPULSION_WEIGHT = 0.5

Indices = npt.NDArray[np.int64]
# Variables -> residuals (`m`) and their derivatives (`m x n`).
Residuals = Callable[[Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class ConstrainedAtoms:
    """Atoms whose coordinates, and a cell whose strains, vary only as the symmetry allows.

    The variables `x` are the `n_free` free coordinates, followed by the amplitudes of the `k` strains.
    """

    lattice: Array
    """`3 x 3`, rows are vectors [angstrom]."""
    start: Array
    """`n x 3` fractional coordinates at `x = 0`."""
    directions: Array
    """`n x 3 x 3`, how each atom moves with up to three free coordinates; 0 in unused columns."""
    variables: Indices
    """`n x 3`, indices of these free coordinates; `n_free` in unused columns."""
    n_free: int
    """Number of free coordinates."""
    strains: Array
    """`k x 3 x 3` symmetric strains."""
    representatives: Indices
    """Index of one atom of each orbit."""
    orbit_sizes: Array
    """Number of atoms of each orbit."""

    def cell(self, x: Array) -> Array:
        """Return the lattice (`3 x 3`) [angstrom] at the variables `x`."""
        return np.asarray(self.lattice @ (np.eye(3) + np.tensordot(x[self.n_free :], self.strains, 1)))

    def atoms(self, x: Array) -> Array:
        """Return the fractional coordinates (`n x 3`) at the variables `x`."""
        return np.asarray(self.start + np.einsum("nij,nj->ni", self.directions, x[self.variables]))

    def distances(self, x: Array, a: Indices, b: Indices, shifts: Array) -> tuple[Array, Array]:
        """Compute distances between atoms and their derivatives.

        Args:
            x: Variables (`n_free + k`).
            a: `m` indices of atoms.
            b: `m` indices of atoms.
            shifts: `m x 3` integer lattice vectors that are added to the atoms `b`.

        Returns:
            Distances (`m`) [angstrom] and their derivatives (`m x (n_free + k)`).
        """
        cell, atoms = self.cell(x), self.atoms(x)
        gaps = atoms[b] + shifts - atoms[a]
        vectors = gaps @ cell
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        unit = vectors / lengths[:, None]
        J = np.zeros((len(a), len(x)))
        rows, gradient = np.arange(len(a))[:, None], (unit @ cell.T)[:, None]
        # The indices of one atom's variables are distinct, except in unused columns, where its directions are 0.
        for atom, sign in ((b, 1.0), (a, -1.0)):
            J[rows, self.variables[atom]] += sign * (gradient @ self.directions[atom])[:, 0]
        J[:, self.n_free :] += np.einsum("mi,kij,mj->mk", gaps @ self.lattice, self.strains, unit)
        return lengths, J


def constrain_atoms(lattice: Array, points: Array, R: Array, t: Array) -> ConstrainedAtoms:
    """Move points onto their symmetry sites and derive the directions in which they may move.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        points: `n x 3` fractional coordinates.
        R: Rotations of the space group (`k x 3 x 3`).
        t: Translations of the space group (`k x 3`).

    Returns:
        The atoms with their free coordinates and strains.

    Raises:
        InvdesignError: The operators do not map the points onto each other.
    """
    n = len(points)
    tree = cKDTree(_wrap(points), boxsize=1.0)
    start, directions, variables = np.empty((n, 3)), np.zeros((n, 3, 3)), np.full((n, 3), -1)
    representatives, orbit_sizes = [], []
    is_assigned = np.zeros(n, dtype=bool)
    n_free = 0
    for i in range(n):
        if is_assigned[i]:
            continue
        images = points[i] @ R.transpose(0, 2, 1) + t
        distance, owner = tree.query(_wrap(images))
        if distance.max() > 0.02:
            raise InvdesignError(
                "symmetry: expected the bonds of the net to have the symmetry of its sites, got less; the neighbours "
                "are ambiguous"
            )
        site, basis = _find_site(points[i], images[owner == i], R[owner == i])
        members, k = np.unique(owner, return_index=True)
        x = R[k] @ site + t[k]
        width = basis.shape[1]
        start[members] = x - np.round(x - points[members])
        directions[members, :, :width] = R[k] @ basis
        variables[members, :width] = n_free + np.arange(width)
        is_assigned[members] = True
        n_free += width
        representatives.append(i)
        orbit_sizes.append(len(members))
    return ConstrainedAtoms(
        lattice,
        start,
        directions,
        np.where(variables < 0, n_free, variables),
        n_free,
        _find_strains(lattice, R),
        np.array(representatives),
        np.array(orbit_sizes, dtype=float),
    )


def decorate(lattice: Array, T: Array, *, free_cell: bool = True, max_seconds: float = 20.0) -> Framework:
    """Add an oxygen between bonded T sites and optimize all distances by least squares, within the symmetry.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        T: `n x 3` fractional coordinates.
        free_cell: Whether to optimize the cell too, after the coordinates.
        max_seconds: Time after which the optimization stops [s].

    Returns:
        The framework of `n` T sites and `2 n` oxygens.

    Raises:
        InvdesignError: The T sites do not form a 4-connected net, before or after the optimization.

    References:
        Baerlocher, Hepp, Meier, DLS-76, ETH Zurich 1977; Treacy et al., Microporous Mesoporous Mater. 2004,
        doi:10.1016/j.micromeso.2004.06.013.
    """
    until = time.monotonic() + max_seconds
    atoms, residuals, total_weight = _build_silica(lattice, T)
    x = np.zeros(atoms.n_free + len(atoms.strains))
    x = minimize_residuals(residuals, x, np.arange(atoms.n_free), until=until)
    if free_cell:
        x = minimize_residuals(residuals, x, np.arange(len(x)), until=until)
    cell, positions = atoms.cell(x), atoms.atoms(x)
    connect(cell, positions[: len(T)])
    oxygens = positions[len(T) :]
    species = ("Si",) * len(T) + ("O",) * 2 * len(T)
    residual = float(np.sqrt((residuals(x)[0] ** 2).sum() / total_weight))
    clearance = float(find_nearest_distances(cell, oxygens, oxygens, 2)[:, 1].min())
    return Framework(cell, species, positions, residual, clearance)


def optimize_sites(
    lattice: Array, T: Array, R: Array, t: Array, *, max_rounds: int = 25, max_rms: float = 0.3
) -> tuple[Array, Array, Indices]:
    """Move T sites and cell until each site has four neighbours at 3.07 angstrom and no others nearby.

    In each round the four nearest neighbours of a site are determined again and count as bonded. Sites that are not
    4-connected at the start can therefore form a net.

    Args:
        lattice: `3 x 3`, rows are vectors [angstrom].
        T: `n x 3` fractional coordinates.
        R: Rotations of the space group (`k x 3 x 3`).
        t: Translations of the space group (`k x 3`).
        max_rounds: Largest number of rounds.
        max_rms: Largest root mean square deviation of the bond lengths [angstrom].

    Returns:
        The lattice (`3 x 3`), the sites (`n x 3`), and the indices of one site of each orbit.

    Raises:
        InvdesignError: A site has fewer than four neighbours within 6 angstrom, or the deviation exceeds `max_rms`.
    """
    sites = constrain_atoms(lattice, T, R, t)
    x = np.zeros(sites.n_free + len(sites.strains))
    previous, rms = None, np.inf
    for number in range(max_rounds):
        a, b, shifts, targets, weights = _find_pairs(sites, x)
        residuals = _weight_distances(sites, a, b, shifts, targets, weights)
        x = minimize_residuals(residuals, x, np.arange(len(x)), max_steps=4)
        new_rms = float(np.sqrt((residuals(x)[0] ** 2).sum() / (4 * len(sites.representatives))))
        pairs = (b.tobytes(), shifts.tobytes())
        is_converged = pairs == previous and new_rms > 0.99 * rms
        is_hopeless = number >= 8 and new_rms > 3 * max_rms
        previous, rms = pairs, new_rms
        if is_converged or is_hopeless:
            break
    if rms > max_rms:
        raise InvdesignError(
            f"T sites: expected a root mean square deviation of bond lengths of at most {max_rms:g} A, got {rms:.2f}"
        )
    return sites.cell(x), sites.atoms(x), sites.representatives


def minimize_residuals(
    residuals: Residuals,
    x: Array,
    free: Indices,
    *,
    until: float = np.inf,
    max_steps: int = 200,
    tolerance: float = 1e-9,
) -> Array:
    """Minimize a sum of squares by damped Gauss-Newton steps (Levenberg-Marquardt).

    Args:
        residuals: Function that returns the residuals (`m`) and their derivatives (`m x n`).
        x: Initial values of the `n` variables.
        free: Indices of the variables that may change.
        until: Time at which to stop, by `time.monotonic` [s].
        max_steps: Largest number of steps.
        tolerance: Relative decrease of the sum of squares below which the minimization stops.

    Returns:
        The variables (`n`).
    """
    r, J = residuals(x)
    damping = 1e-2
    for _ in range(max_steps):
        A, g = J[:, free].T @ J[:, free], J[:, free].T @ r
        while damping < 1e8:
            step = np.linalg.solve(A + damping * np.diag(A.diagonal() + 1e-6), -g)
            trial = x.copy()
            trial[free] += step
            trial_r, trial_J = residuals(trial)
            if trial_r @ trial_r < r @ r:
                break
            damping *= 5
        else:
            return x
        decrease = r @ r - trial_r @ trial_r
        x, r, J, damping = trial, trial_r, trial_J, max(damping / 5, 1e-9)
        if decrease < tolerance * (r @ r) or r @ r < 1e-14 or time.monotonic() > until:
            return x
    return x


def _build_silica(lattice: Array, T: Array) -> tuple[ConstrainedAtoms, Residuals, float]:
    """Return T sites with oxygens between them, the weighted residuals of the distances, and the sum of weights."""
    n = len(T)
    symmetry = spglib.get_symmetry((lattice.tolist(), T.tolist(), [14] * n), symprec=0.02)
    if symmetry:
        R, t = symmetry["rotations"], symmetry["translations"]
    else:
        R, t = np.eye(3, dtype=int)[None], np.zeros((1, 3))
    sites = constrain_atoms(lattice, T, R, t)
    first, net = sites.representatives, connect(lattice, sites.start)
    midpoints = np.zeros((2 * n, 3))
    i, s = np.argwhere(net.is_first).T
    midpoints[net.edges[i, s]] = (sites.start[i] + sites.start[net.neighbours[i, s]] + net.shifts[i, s]) / 2
    atoms = _concatenate([sites, constrain_atoms(lattice, midpoints, R, t)])
    # From each representative T site: four T-O, six O-O and four T-T distances.
    edges = net.edges[first]
    edge_shifts = np.where(net.is_first[first][..., None], 0, net.shifts[first])
    centers = np.repeat(first[:, None], 4, 1)
    left = [centers, n + edges[:, PAIRS[:, 0]], centers]
    right = [n + edges, n + edges[:, PAIRS[:, 1]], net.neighbours[first]]
    shifts = [edge_shifts, edge_shifts[:, PAIRS[:, 1]] - edge_shifts[:, PAIRS[:, 0]], net.shifts[first]]
    weights = np.concatenate(
        [np.repeat(sites.orbit_sizes * w, len(group[0])) for w, group in zip(WEIGHTS, left, strict=True)]
    )
    targets = np.concatenate([np.full(group.size, d) for d, group in zip((SI_O, O_O, SI_SI), left, strict=True)])
    residuals = _weight_distances(
        atoms,
        np.concatenate([group.ravel() for group in left]),
        np.concatenate([group.ravel() for group in right]),
        np.concatenate([group.reshape(-1, 3) for group in shifts]),
        targets,
        np.sqrt(weights),
    )
    return atoms, residuals, float(weights.sum())


def _weight_distances(
    atoms: ConstrainedAtoms, a: Indices, b: Indices, shifts: Array, targets: Array, weights: Array
) -> Residuals:
    """Return the function `x -> weights * (distances - targets)` with its derivatives."""

    def residuals(x: Array) -> tuple[Array, Array]:
        lengths, J = atoms.distances(x, a, b, shifts)
        return weights * (lengths - targets), weights[:, None] * J

    return residuals


def _find_pairs(sites: ConstrainedAtoms, x: Array) -> tuple[Indices, Indices, Array, Array, Array]:
    """Find the pairs of T sites that are bonded or too close.

    Returns:
        Indices of both sites (`m` each), lattice vectors of the second (`m x 3`), target distances (`m`) [angstrom]
        and weights (`m`).

    Raises:
        InvdesignError: The cell has collapsed, or a site has fewer than four neighbours.
    """
    cell, atoms = sites.cell(x), sites.atoms(x)
    if abs(np.linalg.det(cell)) < 5.0 * len(atoms):
        raise InvdesignError("T sites: expected a volume of at least 5 A^3 per T site, got less: the cell collapsed")
    cells = np.floor(atoms).astype(int)
    images, owner, offset = find_periodic_images(cell, atoms, MAX_NEIGHBOUR_DISTANCE)
    centers = (atoms[sites.representatives] - cells[sites.representatives]) @ cell
    distance, image = cKDTree(images).query(centers, k=N_NEIGHBOURS + 1, distance_upper_bound=MAX_NEIGHBOUR_DISTANCE)
    distance, image = distance[:, 1:], image[:, 1:]
    if not np.isfinite(distance[:, :4]).all():
        raise InvdesignError(f"T sites: expected 4 neighbours within {MAX_NEIGHBOUR_DISTANCE:g} A, got fewer")
    is_bond = np.arange(N_NEIGHBOURS) < 4
    row, column = np.nonzero(is_bond | (distance < MIN_NONBONDED))
    a, k = sites.representatives[row], image[row, column]
    b = owner[k]
    is_bonded = is_bond[column]
    targets = np.where(is_bonded, SI_SI, MIN_NONBONDED)
    weights = np.where(is_bonded, 1.0, np.sqrt(REPULSION_WEIGHT))
    return a, b, offset[k] + cells[a] - cells[b], targets, weights


def _concatenate(parts: Sequence[ConstrainedAtoms]) -> ConstrainedAtoms:
    """Combine several kinds of atoms in one cell."""
    first_variables = np.cumsum([0, *(part.n_free for part in parts)])
    first_atoms = np.cumsum([0, *(len(part.start) for part in parts)])
    return ConstrainedAtoms(
        parts[0].lattice,
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.directions for part in parts]),
        np.concatenate([part.variables + n for part, n in zip(parts, first_variables, strict=False)]),
        int(first_variables[-1]),
        parts[0].strains,
        np.concatenate([part.representatives + n for part, n in zip(parts, first_atoms, strict=False)]),
        np.concatenate([part.orbit_sizes for part in parts]),
    )


def _find_site(point: Array, images: Array, R: Array) -> tuple[Array, Array]:
    """Return the site of a point and a basis of its free directions (`3 x n_directions`).

    Args:
        point: Fractional coordinates (3).
        images: Images (`k x 3`) of the point under the operators that leave its site in place.
        R: Rotations of these operators (`k x 3 x 3`).

    Raises:
        InvdesignError: Not even the identity leaves the site in place.
    """
    if not len(images):
        raise InvdesignError("T sites: expected distinct positions, got two sites on top of each other")
    near = images - np.round(images - point)
    u, scale, _ = np.linalg.svd(R.mean(0))
    return near.mean(0), u[:, scale > 0.5]


def _wrap(points: Array) -> Array:
    """Return fractional coordinates in [0, 1)."""
    wrapped = points - np.floor(points)
    return np.where(wrapped >= 1.0, 0.0, wrapped)


def _find_strains(lattice: Array, R: Array) -> Array:
    """Return an orthonormal basis (`k x 3 x 3`) of the strains that are invariant under the rotations."""
    cartesian = np.linalg.inv(lattice) @ R.transpose(0, 2, 1) @ lattice
    e = np.eye(3)
    symmetric = [np.outer(e[i], e[j]) + np.outer(e[j], e[i]) for i in range(3) for j in range(i + 1)]
    invariant = np.array([(cartesian @ E @ cartesian.transpose(0, 2, 1)).mean(0) for E in symmetric])
    _, scale, v = np.linalg.svd(invariant.reshape(-1, 9))
    return v[: int((scale > 1e-6).sum())].reshape(-1, 3, 3)
