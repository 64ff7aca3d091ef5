"""From a structure to its symmetric description and back, and what does not change with the way it is written."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import spglib
from pymatgen.core import Element, Lattice, Structure

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Cell, Crystal, Orbit
from invdesign.domains.crystals.model.graph import nearest
from invdesign.domains.crystals.symmetry.wyckoff import (
    family,
    free_cell,
    full_cell,
    images,
    lattice_of,
    place,
    polar,
    relabellings,
    snapped,
)

SYMPRECS = (0.1, 0.03, 0.01, 0.001)
MAX_ANCHORS = 12
# Distances are told apart at this length; the odd shift keeps round numbers away from its edges.
GRAIN, EDGE = 0.01, 0.3819
# Neighbours of each kind: enough to see how layers are stacked.
MAX_NEAREST, MIN_NEAREST = 36, 8


def crystal_of(structure: Structure, *, symprec: float = 0.1) -> Crystal:
    """The symmetric description of a structure, the same however the structure is written.

    Atoms are moved (by less than `symprec`) to where symmetry wants them. Among the descriptions that differ by origin
    and axes the first in a fixed order is taken.

    Args:
        structure: ordered and periodic, with known elements.
        symprec: distance (angstrom) at which two atoms count as symmetric; smaller ones are tried where that fails.

    Raises:
        InvdesignError: disorder, a dummy species, NaN, atoms on top of each other, or a cell without volume.
    """
    lattice, positions, numbers = _plain(structure)
    if len(numbers) > 1 and _min_distance(lattice, positions) < 0.05:
        raise InvdesignError("two atoms lie within 0.05 A of each other; merge or remove one of them")
    cell: Any = (lattice, positions, numbers)
    for tolerance in [symprec, *(s for s in SYMPRECS if s < symprec)]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
            except Exception:  # spglib raises its own kinds where it finds no symmetry
                found = None
        if found is None:
            continue
        crystal = _described(found.number, found.std_lattice, found.std_positions, np.asarray(found.std_types))
        if crystal is not None:
            return crystal
    reduced = Lattice(lattice).get_niggli_reduced_lattice()
    crystal = _described(1, reduced.matrix, reduced.get_fractional_coords(positions @ lattice), numbers)
    if crystal is None:
        raise InvdesignError("no symmetric description was found; are there atoms on top of each other?")
    return crystal


@lru_cache(maxsize=4096)
def structure_of(crystal: Crystal, *, primitive: bool = False) -> Structure:
    """All atoms of a crystal: the conventional cell, or the primitive one."""
    species, positions = expand(crystal)
    structure = Structure(Lattice.from_parameters(*crystal.cell), species, positions)
    return structure.get_primitive_structure(tolerance=1e-3) if primitive else structure


def expand(crystal: Crystal) -> tuple[list[str], Array]:
    """Species (`n`) and fractional coordinates (`n x 3`) of all atoms of the conventional cell."""
    blocks = [images(crystal.space_group, np.array(orbit.position)) for orbit in crystal.orbits]
    species = [o.element for o, points in zip(crystal.orbits, blocks, strict=True) for _ in points]
    return species, np.concatenate(blocks) if blocks else np.zeros((0, 3))


def make(space_group: int, cell: tuple[float, ...], atoms: list[tuple[str, Array]]) -> Crystal:
    """A crystal of one atom for each orbit, put on its site and in canonical order; descriptions are not compared."""
    orbits = []
    for element, x in atoms:
        site, u = place(space_group, x)
        orbits.append(Orbit(element, site.letter, snapped(site.point(np.array(u))), site.multiplicity))
    rounded = tuple(round(v, 5) for v in full_cell(space_group, np.array(cell)[list(free_cell(space_group))]))
    return Crystal(space_group, _cell(rounded), tuple(sorted(orbits, key=_order)))


def canonical(crystal: Crystal) -> Crystal:
    """The first of the descriptions of one crystal that differ by origin and axes."""
    atoms = [(o.element, np.array(o.position)) for o in crystal.orbits]
    found = [
        make(crystal.space_group, cell, moved)
        for cell, moved in _descriptions(crystal.space_group, crystal.cell, atoms, crystal.counts)
    ]
    return min(found, key=_rank)


def occupation(crystal: Crystal) -> str:
    """Formula, space group, and which element is on which sites: the same for crystals that differ in numbers alone."""
    sites = " ".join(sorted(f"{orbit.element}:{orbit.letter}" for orbit in crystal.orbits))
    return f"{crystal.formula}-{crystal.space_group}-{sites}"


def key(crystal: Crystal) -> str:
    """What does not change under translation, rotation, order of atoms, or choice of cell and origin.

    Formula, space group, and for every pair of elements the mean distances from an atom of the first to its nearest
    neighbours of the second (36 for an element, at least 8), in steps of 0.01 A. Mirror images share a key.

    References:
        Widdowson et al., Average minimum distances of periodic point sets, MATCH 2022, arXiv:2009.02488.
    """
    lattice = lattice_of(crystal.cell)
    species, positions = expand(crystal)
    names = np.array(species)
    kinds = sorted(set(species))
    n = max(MIN_NEAREST, MAX_NEAREST // len(kinds))
    words = [crystal.formula, str(crystal.space_group)]
    reps = [(o.element, o.multiplicity, np.array(o.position)) for o in crystal.orbits]
    by_kind = {kind: [(m, x) for e, m, x in reps if e == kind] for kind in kinds}
    for other in kinds:
        targets = positions[names == other]
        for kind in kinds:
            shares = np.array([m for m, _ in by_kind[kind]], dtype=float)
            near = np.stack([nearest(lattice, x, targets, n)[0] for _, x in by_kind[kind]])
            mean = shares @ near / shares.sum()
            words.append(f"{kind}{other}:" + ",".join(str(int(v)) for v in np.floor(mean / GRAIN + EDGE)))
    digest = hashlib.sha256("|".join(words).encode()).hexdigest()[:20]
    return f"{crystal.formula}-{crystal.space_group}-{digest}"


def _plain(structure: Structure) -> tuple[Array, Array, Array]:
    """Lattice, fractional coordinates and atomic numbers, checked before spglib sees them."""
    if not structure.is_ordered:
        raise InvdesignError("disordered sites or partial occupancies; give an ordered structure")
    numbers = []
    for site in structure:
        symbol = getattr(site.specie, "symbol", str(site.specie))
        if not Element.is_valid_symbol(symbol):
            raise InvdesignError(f"unknown element {symbol!r}; give chemical symbols")
        numbers.append(Element(symbol).Z)
    lattice, positions = structure.lattice.matrix, structure.frac_coords
    if not numbers:
        raise InvdesignError("no atoms")
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        raise InvdesignError("coordinates or cell hold NaN or infinity")
    if abs(np.linalg.det(lattice)) < 0.1:
        raise InvdesignError("the cell has no volume")
    return np.array(lattice), positions % 1.0, np.array(numbers)


def _min_distance(lattice: Array, positions: Array) -> float:
    apart = (positions[:, None] - positions[None] + 0.5) % 1.0 - 0.5
    distance = np.linalg.norm(apart @ lattice, axis=-1)
    return float(distance[~np.eye(len(positions), dtype=bool)].min())


def _described(space_group: int, lattice: Array, positions: Array, numbers: Any) -> Crystal | None:
    """The canonical description of a standardized cell; None where its operators do not make its atoms."""
    a, b, c = np.linalg.norm(lattice, axis=1)
    unit = lattice / np.array([a, b, c])[:, None]
    angles = np.degrees(np.arccos(np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)))
    cell = _cell((a, b, c, *angles))
    atoms: list[tuple[str, Array]] = []
    is_left = np.ones(len(numbers), dtype=bool)
    n_made: dict[str, int] = {}
    for i in range(len(numbers)):
        if not is_left[i]:
            continue
        site, u = place(space_group, positions[i], tolerance=1e-3)
        points = images(space_group, site.point(np.array(u)))
        away = np.abs((positions[:, None] - points[None] + 0.5) % 1.0 - 0.5).max(-1).min(1)
        own = is_left & (numbers == numbers[i]) & (away < 5e-3)
        if own.sum() != len(points):
            return None
        is_left &= ~own
        element = Element.from_Z(int(numbers[i])).symbol
        atoms.append((element, site.point(np.array(u))))
        n_made[element] = n_made.get(element, 0) + len(points)
    found = [make(space_group, c, moved) for c, moved in _descriptions(space_group, cell, atoms, n_made)]
    return min(found, key=_rank)


def _descriptions(
    space_group: int, cell: Cell, atoms: list[tuple[str, Array]], counts: dict[str, int]
) -> Iterator[tuple[tuple[float, ...], list[tuple[str, Array]]]]:
    """Cell and representatives in every choice of axes and origin."""
    free = polar(space_group)
    rarest = min(counts, key=lambda e: (counts[e], e))
    anchors = [x for element, x in atoms if element == rarest][:MAX_ANCHORS] if np.abs(free).max() > 1e-6 else [None]
    lengths = np.array(cell[:3])
    for Q, s in relabellings(space_group):
        turned = (*(np.abs(Q) @ lengths), *cell[3:]) if family(space_group) == "orthorhombic" else cell
        for anchor in anchors:
            shift = s if anchor is None else s - free @ (Q @ anchor + s)
            yield turned, [(element, Q @ x + shift) for element, x in atoms]


def _rank(crystal: Crystal) -> tuple[object, ...]:
    where = tuple((o.multiplicity, o.letter, o.element) for o in crystal.orbits)
    return where, tuple(np.round(crystal.cell, 2).tolist()), tuple(o.position for o in crystal.orbits)


def _order(orbit: Orbit) -> tuple[object, ...]:
    return orbit.letter, orbit.element, orbit.position


def _cell(values: tuple[float, ...]) -> Cell:
    a, b, c, alpha, beta, gamma = (float(v) for v in values)
    return a, b, c, alpha, beta, gamma
