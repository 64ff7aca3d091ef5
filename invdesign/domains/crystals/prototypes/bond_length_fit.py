"""Distance least squares: cell lengths and free coordinates of a prototype for given ionic radii.

The contact distances of a reference crystal are scaled by the sums of the radii. All crystals of a prototype are fitted
at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from invdesign.core import Array
from invdesign.domains.crystals.symmetry.wyckoff import Site, family, full_cell, lattice_of, operators

BOND, REPULSION, CLASH, NEXT = range(4)
# Longest contact [angstrom], and longest contact of two cations.
REACH, MAX_CLASH_REACH = 6.5, 5.0
# Weight of contacts between anions: they determine only what the bonds leave free (the gap of a layered crystal).
REPULSION_WEIGHT = 0.0025
# Contacts kept for each site: anions beyond the bonded ones of a cation, and anions of an anion.
MAX_NEXT, MAX_REPULSIONS = 6, 12
STEPS, DAMPING = 14, 1e-5
# Factor from scaled steps to free coordinates, and the largest changes of lengths (relative) and of free coordinates.
COORDINATE_SCALE, MAX_LENGTH_STEP, MAX_COORDINATE_STEP = 0.1, 0.1, 0.04
# Limits of a sound crystal: relative deviation of the bonds from their targets (mean over the bonds of a site, and
# single bond), ratio of a distance to the sum of the radii (two anions; cation and anion that are not bonded), and
# distance of two cations [angstrom].
MAX_MEAN_STRAIN, MAX_STRAIN = 0.06, 0.12
MIN_ANION_OVERLAP, MIN_NEXT = 0.77, 0.92
MIN_CATION_DISTANCE = 2.1

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Contacts:
    """Contacts of a prototype: `c` contacts, `s` sites, `f` free coordinates of all sites, `p` free cell lengths."""

    ends: Integers
    """The two sites of each contact, `c x 2`; the first one of a bond is the cation."""
    kind: Integers
    """`BOND`, `REPULSION` (two anions), `CLASH` (two cations) or `NEXT` (cation and anion, not bonded), `c`."""
    offset: Array
    """Fractional vector of each contact at free coordinates 0, `c x 3`."""
    slope: Array
    """Derivative of the vector with respect to the free coordinates, `c x 3 x f`."""
    distance: Array
    """Distance in the reference crystal [angstrom], `c`."""
    weight: Array
    """Weight in the fit: for a bond its valence in the reference crystal (charge over number of bonds), `c`."""
    neighbours: Integers
    """Number of bonds of an atom on each site, `s`."""
    start: Array
    """Free coordinates of the reference crystal, `f`."""
    lengths: Array
    """Free cell lengths of the reference crystal [angstrom], `p`."""
    ties: Array
    """Linear map from free cell lengths to a, b, c, `3 x p`."""
    frame: Array
    """Lattice vectors as rows, normalized to length 1, `3 x 3`."""


class _Neighbour(NamedTuple):
    """Atom within reach of the representative of a site."""

    distance: float
    """Distance in the reference crystal [angstrom]."""
    site: int
    """Index of its site."""
    offset: Array
    """Fractional vector at free coordinates 0 (3)."""
    slope: Array
    """Derivative of the vector with respect to the free coordinates, `3 x f`."""


class _Contact(NamedTuple):
    """Row of `Contacts`."""

    first: int
    second: int
    kind: int
    offset: Array
    slope: Array
    distance: float
    weight: float


def find_contacts(
    space_group: int, lengths: Array, sites: list[tuple[Site, Array]], bonds: list[int], charges: list[int]
) -> Contacts:
    """Return the contacts of a reference crystal.

    Args:
        space_group: Number of the space group, 1 to 230.
        lengths: Free cell lengths [angstrom], `p`.
        sites: Wyckoff positions, each with its free coordinates.
        bonds: Number of nearest anions that the cation on each site is bonded to; 0 for an anion.
        charges: Charge of the ion on each site.
    """
    cell = np.array(full_cell(space_group, np.asarray(lengths)))
    lattice = lattice_of(tuple(cell))
    first_free = np.cumsum([0, *(site.n_free for site, _ in sites)])
    n_free = int(first_free[-1])
    orbits = [_orbit_vectors(site, u, int(first_free[j]), n_free) for j, (site, u) in enumerate(sites)]
    start = np.concatenate([np.zeros(0), *(u for _, u in sites)])
    grid = _lattice_translations(lattice)
    rows: list[_Contact] = []
    for i, (site, _) in enumerate(sites):
        own_slope = np.zeros((3, n_free))
        own_slope[:, first_free[i] : first_free[i + 1]] = np.array(site.basis, dtype=float).reshape(-1, 3).T
        neighbours: list[_Neighbour] = []
        for j, (offsets, slopes) in enumerate(orbits):
            offset = offsets - np.array(site.offset)
            slope = slopes - own_slope
            vector = (offset + slope @ start)[:, None] + grid
            distance = np.linalg.norm(vector @ lattice, axis=-1)
            for a, b in np.argwhere((distance < REACH) & (distance > 0.05)):
                neighbours.append(_Neighbour(float(distance[a, b]), j, offset[a] + grid[b], slope[a]))
        neighbours.sort(key=lambda neighbour: neighbour.distance)
        rows += _classify_contacts(i, neighbours, bonds, charges)
    return Contacts(
        ends=np.array([(row.first, row.second) for row in rows]),
        kind=np.array([row.kind for row in rows]),
        offset=np.array([row.offset for row in rows]),
        slope=np.array([row.slope for row in rows]).reshape(len(rows), 3, n_free),
        distance=np.array([row.distance for row in rows]),
        weight=np.array([row.weight for row in rows]),
        neighbours=_count_bonds(rows, sites, bonds, charges),
        start=start,
        lengths=np.asarray(lengths, dtype=float),
        ties=_length_ties(space_group),
        frame=lattice / cell[:3, None],
    )


def fit(contacts: Contacts, radii: Array, reference: Array) -> tuple[Array, Array, Booleans]:
    """Fit cell lengths and free coordinates for many choices of ions at once.

    The fit minimizes the sum over bonds and repulsions of `weight * (distance / target - 1)^2` with damped Gauss-Newton
    steps, where `target` is the distance in the reference crystal, scaled by the sum of the radii.

    Args:
        contacts: Contacts of the prototype.
        radii: Radii of the ions on the sites [angstrom], `n x s`.
        reference: Radii of the ions of the reference crystal [angstrom], `s`.

    Returns:
        Free cell lengths (`n x p`), free coordinates (`n x f`) and whether a crystal is sound (`n`): no bond far from
        the sum of its radii, and no other two atoms too close.
    """
    i, j = contacts.ends.T
    target = contacts.distance * (radii[:, i] + radii[:, j]) / (reference[i] + reference[j])
    is_bond = contacts.kind == BOND
    is_used = is_bond | (contacts.kind == REPULSION)
    root = np.sqrt(contacts.weight[is_used])
    scale = (target / contacts.distance)[:, is_bond].mean(1)
    lengths = contacts.lengths * scale[:, None]
    u = np.broadcast_to(contacts.start, (len(radii), len(contacts.start))).copy()
    for _ in range(STEPS):
        lengths, u = _gauss_newton_step(contacts, lengths, u, target, root, is_used)
    is_any = np.ones(len(contacts.kind), dtype=bool)
    _, distance = _distances(contacts, lengths, u, is_any)
    return lengths, u, _is_sound(contacts, distance, target, radii)


def _gauss_newton_step(
    contacts: Contacts, lengths: Array, u: Array, target: Array, root: Array, is_used: Booleans
) -> tuple[Array, Array]:
    """Return cell lengths (`n x p`) and free coordinates (`n x f`) after one damped and clipped Gauss-Newton step.

    Args:
        contacts: Contacts of the prototype.
        lengths: Free cell lengths [angstrom], `n x p`.
        u: Free coordinates, `n x f`.
        target: Target distances [angstrom], `n x c`.
        root: Square roots of the weights of the used contacts.
        is_used: Whether a contact is part of the fit, `c`.
    """
    n_lengths = contacts.lengths.size
    vector, distance = _distances(contacts, lengths, u, is_used)
    unit = vector / distance[..., None]
    slope = contacts.slope[is_used]
    fraction = contacts.offset[is_used] + (slope @ u.T[None]).transpose(2, 0, 1)
    by_length = np.einsum("nck,nci,ik,ip->ncp", unit, fraction, contacts.frame, contacts.ties, optimize=True)
    abc = lengths @ contacts.ties.T
    by_u = np.einsum("nck,cif,ni,ik->ncf", unit, slope, abc, contacts.frame, optimize=True)
    # Steps are in units of 1 angstrom and of a tenth of the cell, so that the equations are well scaled.
    jacobian = np.concatenate([by_length, COORDINATE_SCALE * by_u], -1) * (root / target[:, is_used])[..., None]
    residual = (distance / target[:, is_used] - 1) * root
    normal = jacobian.transpose(0, 2, 1) @ jacobian + DAMPING * np.eye(jacobian.shape[-1])
    step = -np.linalg.solve(normal, (jacobian.transpose(0, 2, 1) @ residual[..., None]))[..., 0]
    max_step = MAX_LENGTH_STEP * lengths
    new_lengths = lengths + np.clip(step[:, :n_lengths], -max_step, max_step)
    u_step = COORDINATE_SCALE * step[:, n_lengths:]
    return new_lengths, u + np.clip(u_step, -MAX_COORDINATE_STEP, MAX_COORDINATE_STEP)


def _is_sound(contacts: Contacts, distance: Array, target: Array, radii: Array) -> Booleans:
    """Return whether all distances of each fitted crystal lie within the limits of this module, `n`."""
    strain = distance / target - 1
    i, j = contacts.ends.T
    is_bond = contacts.kind == BOND
    is_sound = (np.abs(strain[:, is_bond]) < MAX_STRAIN).all(1)
    for site in np.unique(i[is_bond]):
        is_sound &= np.abs(strain[:, is_bond & (i == site)].mean(1)) < MAX_MEAN_STRAIN
    relative = distance / (radii[:, i] + radii[:, j])
    is_sound &= (relative[:, contacts.kind == REPULSION] > MIN_ANION_OVERLAP).all(1)
    is_sound &= (distance[:, contacts.kind == CLASH] > MIN_CATION_DISTANCE).all(1)
    is_sound &= (relative[:, contacts.kind == NEXT] > MIN_NEXT).all(1)
    return np.asarray(is_sound)


def _distances(contacts: Contacts, lengths: Array, u: Array, is_used: Booleans) -> tuple[Array, Array]:
    """Return the vectors (`n x m x 3`) and lengths (`n x m`) of the `m` used contacts [angstrom]."""
    fraction = contacts.offset[is_used] + (contacts.slope[is_used] @ u.T[None]).transpose(2, 0, 1)
    vector = (fraction * (lengths @ contacts.ties.T)[:, None]) @ contacts.frame
    return vector, np.linalg.norm(vector, axis=-1)


def _classify_contacts(i: int, neighbours: list[_Neighbour], bonds: list[int], charges: list[int]) -> list[_Contact]:
    """Return the contacts of site `i` with their kinds; neighbours without a constraint are left out.

    Args:
        i: Index of the site.
        neighbours: Atoms around its representative, the nearest first.
        bonds: Number of bonded anions of the cation on each site.
        charges: Charge of the ion on each site.
    """
    contacts = []
    n_anions = 0
    n_repulsions = 0
    is_cation = charges[i] > 0
    for distance, j, offset, slope in neighbours:
        weight = 0.0
        if is_cation and charges[j] < 0:
            n_anions += 1
            kind = BOND if n_anions <= bonds[i] else NEXT
            weight = charges[i] / bonds[i] if kind == BOND else 0.0
            if n_anions > bonds[i] + MAX_NEXT:
                continue
        elif is_cation and charges[j] > 0 and distance < MAX_CLASH_REACH:
            kind = CLASH
        elif not is_cation and charges[j] < 0:
            kind, weight = REPULSION, REPULSION_WEIGHT
            n_repulsions += 1
            if n_repulsions > MAX_REPULSIONS:
                continue
        else:
            continue
        contacts.append(_Contact(i, j, kind, offset, slope, distance, weight))
    return contacts


def _count_bonds(
    rows: list[_Contact], sites: list[tuple[Site, Array]], bonds: list[int], charges: list[int]
) -> Integers:
    """Return the number of bonds of an atom on each site, `s`; that of an anion follows from the cations' bonds."""
    counts = np.array(bonds)
    for j, (site, _) in enumerate(sites):
        if charges[j] < 0:
            cations = [row.first for row in rows if row.kind == BOND and row.second == j]
            counts[j] = round(sum(sites[i][0].multiplicity for i in cations) / site.multiplicity)
    return counts


def _orbit_vectors(site: Site, u: Array, first: int, n_free: int) -> tuple[Array, Array]:
    """Return all atoms of an orbit as affine functions of the free coordinates of the prototype.

    Args:
        site: Wyckoff position.
        u: Free coordinates of the site in the reference crystal.
        first: Index of the first of them among all free coordinates.
        n_free: Number of all free coordinates, `f`.

    Returns:
        Offsets (`m x 3`) and slopes (`m x 3 x f`) of the `m` atoms.
    """
    R, t = operators(site.space_group)
    x = site.point(u)
    points = (R @ x + t) % 1.0
    difference = np.abs(points[:, None] - points[None])
    is_same = (np.minimum(difference, 1 - difference) < 1e-4).all(-1)
    chosen = np.flatnonzero(is_same.argmax(1) == np.arange(len(points)))
    slopes = np.zeros((len(chosen), 3, n_free))
    basis = np.array(site.basis, dtype=float).reshape(-1, 3)
    slopes[:, :, first : first + site.n_free] = R[chosen] @ basis.T
    offsets = R[chosen] @ np.array(site.offset) + t[chosen]
    # Atoms of the reference crystal are moved into the first cell, so that a small grid of translations reaches all
    # neighbours.
    return offsets - np.floor(offsets + R[chosen] @ (u @ basis)), slopes


def _lattice_translations(lattice: Array) -> Array:
    """Return the lattice translations that can bring two atoms of the first cell within `REACH`, `m x 3`."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    n = np.ceil(REACH / heights).astype(int) + 1
    axes = (np.arange(-k, k + 1) for k in n)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).astype(float)


def _length_ties(space_group: int) -> Array:
    """Return the linear map from the free cell lengths to a, b, c, `3 x p`."""
    ties = {
        "cubic": np.array([[1.0], [1.0], [1.0]]),
        "tetragonal": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
        "hexagonal": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    }
    return ties.get(family(space_group), np.eye(3))
