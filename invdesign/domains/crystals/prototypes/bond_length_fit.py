"""Distance least squares: cell lengths and free coordinates of a prototype that fit the radii of its ions best.

The contacts of a reference crystal are scaled by the sums of radii; all crystals of a prototype are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.symmetry.wyckoff import Site, family, full_cell, lattice_of, operators

BOND, REPULSION, CLASH, NEXT = range(4)
REACH = 6.5
# Anions that touch steer what bonds leave open (the gap of a layered crystal), and no more than that.
REPULSION_WEIGHT = 0.0025
STEPS, DAMPING = 14, 1e-5
MAX_MEAN_STRAIN, MAX_STRAIN = 0.06, 0.12
MIN_ANION_OVERLAP, MIN_NEXT = 0.77, 0.92
MIN_CATION_DISTANCE = 2.1


@dataclass(frozen=True)
class Contacts:
    """The contacts of a prototype, with `c` contacts, `s` sites and `f` free coordinates of all sites together.

    Args:
        ends: the two sites of each contact, `c x 2`; the first holds the cation of a bond.
        kind: `BOND`, `REPULSION` (two anions), `CLASH` (two cations) or `NEXT` (cation and anion, not bonded), `c`.
        offset: fractional vector of each contact where all free coordinates are 0, `c x 3`.
        slope: its change with the free coordinates, `c x 3 x f`.
        distance: in the reference (angstrom), `c`.
        weight: bond valences of the reference, `c`.
        neighbours: bonds of an atom of each site, `s`.
        start: free coordinates of the reference, `f`.
        lengths: free cell lengths of the reference, `p`.
        ties: from free cell lengths to a, b, c, `3 x p`.
        frame: lattice vectors of length 1, `3 x 3`.
    """

    ends: np.ndarray
    kind: np.ndarray
    offset: Array
    slope: Array
    distance: Array
    weight: Array
    neighbours: np.ndarray
    start: Array
    lengths: Array
    ties: Array
    frame: Array


def contacts(
    space_group: int, lengths: Array, sites: list[tuple[Site, Array]], bonds: list[int], charges: list[int]
) -> Contacts:
    """The contacts of a reference crystal.

    Args:
        space_group: 1 to 230.
        lengths: free cell lengths (angstrom).
        sites: Wyckoff positions and their free coordinates.
        bonds: for each cation the number of nearest anions that it is bonded to; 0 for an anion.
        charges: of the ions on the sites.
    """
    ties = _ties(space_group)
    cell = np.array(full_cell(space_group, np.asarray(lengths)))
    lattice = lattice_of(tuple(cell))
    first = np.cumsum([0, *(site.n_free for site, _ in sites)])
    n_free = int(first[-1])
    maps = [_images(site, u, int(first[j]), n_free) for j, (site, u) in enumerate(sites)]
    start = np.concatenate([np.zeros(0), *(u for _, u in sites)])
    grid = _grid(lattice)
    rows: list[tuple[int, int, int, Array, Array, float, float]] = []
    for i, (site, _) in enumerate(sites):
        own = np.zeros((3, n_free))
        own[:, first[i] : first[i + 1]] = np.array(site.basis, dtype=float).reshape(-1, 3).T
        found = []
        for j, (offsets, slopes) in enumerate(maps):
            offset = offsets - np.array(site.offset)
            slope = slopes - own
            vector = (offset + slope @ start)[:, None] + grid
            distance = np.linalg.norm(vector @ lattice, axis=-1)
            for a, b in np.argwhere((distance < REACH) & (distance > 0.05)):
                found.append((float(distance[a, b]), j, offset[a] + grid[b], slope[a]))
        found.sort(key=lambda row: row[0])
        rows += _kinds(i, found, bonds, charges)
    ends = np.array([row[:2] for row in rows])
    kind = np.array([row[2] for row in rows])
    neighbours = np.array(bonds)
    for j, (site, _) in enumerate(sites):
        if charges[j] < 0:
            meets = (kind == BOND) & (ends[:, 1] == j)
            neighbours[j] = round(sum(sites[i][0].multiplicity for i in ends[meets, 0]) / site.multiplicity)
    return Contacts(
        ends=ends,
        kind=kind,
        offset=np.array([row[3] for row in rows]),
        slope=np.array([row[4] for row in rows]).reshape(len(rows), 3, n_free),
        distance=np.array([row[5] for row in rows]),
        weight=np.array([row[6] for row in rows]),
        neighbours=neighbours,
        start=start,
        lengths=np.asarray(lengths, dtype=float),
        ties=ties,
        frame=lattice / cell[:3, None],
    )


def fit(found: Contacts, radii: Array, reference: Array) -> tuple[Array, Array, np.ndarray]:
    """Cell lengths and free coordinates for many choices of ions at once.

    Args:
        found: the contacts of the prototype.
        radii: of the ions on the sites (angstrom), `n x s`.
        reference: those of the reference crystal, `s`.

    Returns:
        Free cell lengths (`n x p`), free coordinates (`n x f`), and whether bonds are nowhere far from the sum of
        their radii and no other two atoms too close (`n`).
    """
    i, j = found.ends.T
    target = found.distance * (radii[:, i] + radii[:, j]) / (reference[i] + reference[j])
    is_bond = found.kind == BOND
    is_used = is_bond | (found.kind == REPULSION)
    root = np.sqrt(found.weight[is_used])
    scale = (target / found.distance)[:, is_bond].mean(1)
    lengths = found.lengths * scale[:, None]
    u = np.broadcast_to(found.start, (len(radii), len(found.start))).copy()
    n_lengths = found.lengths.size
    for _ in range(STEPS):
        vector, distance = _distances(found, lengths, u, is_used)
        unit = vector / distance[..., None]
        fraction = found.offset[is_used] + (found.slope[is_used] @ u.T[None]).transpose(2, 0, 1)
        by_length = np.einsum("nck,nci,ik,ip->ncp", unit, fraction, found.frame, found.ties, optimize=True)
        abc = lengths @ found.ties.T
        by_u = np.einsum("nck,cif,ni,ik->ncf", unit, found.slope[is_used], abc, found.frame, optimize=True)
        # Steps count in angstrom and in a tenth of the cell, which keeps the equations well scaled.
        jacobian = np.concatenate([by_length, 0.1 * by_u], -1) * (root / target[:, is_used])[..., None]
        residual = (distance / target[:, is_used] - 1) * root
        normal = jacobian.transpose(0, 2, 1) @ jacobian + DAMPING * np.eye(jacobian.shape[-1])
        step = -np.linalg.solve(normal, (jacobian.transpose(0, 2, 1) @ residual[..., None]))[..., 0]
        lengths = lengths + np.clip(step[:, :n_lengths], -0.1 * lengths, 0.1 * lengths)
        u = u + np.clip(0.1 * step[:, n_lengths:], -0.04, 0.04)
    everything = np.ones(len(found.kind), dtype=bool)
    _, distance = _distances(found, lengths, u, everything)
    return lengths, u, _is_sound(found, distance, target, radii)


def _is_sound(found: Contacts, distance: Array, target: Array, radii: Array) -> np.ndarray:
    strain = distance / target - 1
    i, j = found.ends.T
    is_bond = found.kind == BOND
    is_sound = (np.abs(strain[:, is_bond]) < MAX_STRAIN).all(1)
    for site in np.unique(i[is_bond]):
        is_sound &= np.abs(strain[:, is_bond & (i == site)].mean(1)) < MAX_MEAN_STRAIN
    reach = distance / (radii[:, i] + radii[:, j])
    is_sound &= (reach[:, found.kind == REPULSION] > MIN_ANION_OVERLAP).all(1)
    is_sound &= (distance[:, found.kind == CLASH] > MIN_CATION_DISTANCE).all(1)
    is_sound &= (reach[:, found.kind == NEXT] > MIN_NEXT).all(1)
    return np.asarray(is_sound)


def _distances(found: Contacts, lengths: Array, u: Array, chosen: np.ndarray) -> tuple[Array, Array]:
    fraction = found.offset[chosen] + (found.slope[chosen] @ u.T[None]).transpose(2, 0, 1)
    vector = (fraction * (lengths @ found.ties.T)[:, None]) @ found.frame
    return vector, np.linalg.norm(vector, axis=-1)


def _kinds(
    i: int, found: list[tuple[float, int, Array, Array]], bonds: list[int], charges: list[int]
) -> list[tuple[int, int, int, Array, Array, float, float]]:
    """The contacts of one site, nearest first, sorted into kinds; those that nothing is asked of are left out."""
    rows = []
    n_anions = 0
    is_cation = charges[i] > 0
    for distance, j, offset, slope in found:
        weight = 0.0
        if is_cation and charges[j] < 0:
            n_anions += 1
            kind = BOND if n_anions <= bonds[i] else NEXT
            weight = charges[i] / bonds[i] if kind == BOND else 0.0
            if n_anions > bonds[i] + 6:
                continue
        elif is_cation and charges[j] > 0 and distance < 5.0:
            kind = CLASH
        elif not is_cation and charges[j] < 0:
            kind, weight = REPULSION, REPULSION_WEIGHT
        else:
            continue
        rows.append((i, j, kind, offset, slope, distance, weight))
    n_repulsions = 0
    kept = []
    for row in rows:
        n_repulsions += row[2] == REPULSION
        if row[2] != REPULSION or n_repulsions <= 12:
            kept.append(row)
    return kept


def _images(site: Site, u: Array, first: int, n_free: int) -> tuple[Array, Array]:
    """All atoms of an orbit, as offsets (`m x 3`) and slopes (`m x 3 x n_free`) in the free coordinates."""
    R, t = operators(site.space_group)
    x = site.point(u)
    points = (R @ x + t) % 1.0
    apart = np.abs(points[:, None] - points[None])
    is_same = (np.minimum(apart, 1 - apart) < 1e-4).all(-1)
    chosen = np.flatnonzero(is_same.argmax(1) == np.arange(len(points)))
    slopes = np.zeros((len(chosen), 3, n_free))
    basis = np.array(site.basis, dtype=float).reshape(-1, 3)
    slopes[:, :, first : first + site.n_free] = R[chosen] @ basis.T
    offsets = R[chosen] @ np.array(site.offset) + t[chosen]
    # Into the first cell at the reference, so that a small grid of translations reaches all neighbours.
    return offsets - np.floor(offsets + R[chosen] @ (u @ basis)), slopes


def _grid(lattice: Array) -> Array:
    """Translations that can bring two atoms of the first cell within reach."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    n = np.ceil(REACH / heights).astype(int) + 1
    axes = (np.arange(-k, k + 1) for k in n)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3).astype(float)


def _ties(space_group: int) -> Array:
    return {
        "cubic": np.array([[1.0], [1.0], [1.0]]),
        "tetragonal": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
        "hexagonal": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]),
    }.get(family(space_group), np.eye(3))
