"""Canonical symmetric descriptions of structures, and keys that do not depend on how a structure is written."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache

import moyopy
import numpy as np
import numpy.typing as npt
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from invdesign.core import Array, InvdesignError
from invdesign.domains.crystals.crystal import Cell, Crystal, Orbit
from invdesign.domains.crystals.model.graph import nearest_by_element
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, SYMBOLS, PeriodicAtoms
from invdesign.domains.crystals.symmetry.transitions import moved_sites, stack
from invdesign.domains.crystals.symmetry.wyckoff import (
    Site,
    atoms_of_orbit,
    family,
    fixing_operators,
    free_cell,
    full_cell,
    normalizer_operations,
    place,
    place_images,
    polar_projector,
    snap,
)

Numbers = npt.NDArray[np.int64]
PlacedAtom = tuple[str, Site, tuple[float, ...]]
"""Element, Wyckoff position and free coordinates of one atom of an orbit."""

# moyo warns of every cell that is larger than the primitive one.
logging.getLogger("moyo").setLevel(logging.ERROR)

# Standard setting of the smallest Hall number, as in spglib.
SETTING = moyopy.Setting.spglib()
# Distances [angstrom] to try where moyo fails at a larger one.
SYMPRECS = (0.1, 0.03, 0.01, 0.001)
# Smallest distance of two atoms [angstrom] and smallest volume of a cell [angstrom^3].
MIN_ATOM_DISTANCE, MIN_CELL_VOLUME = 0.05, 0.1
# Largest difference of fractional coordinates at which a point lies on a special position, and at which an atom is the
# image of another one.
SITE_TOLERANCE, MAX_DEVIATION = 1e-3, 5e-3
# Atoms of the rarest element to try as the origin of a polar group.
MAX_ANCHORS = 12
# Width of the distance bins of a key [angstrom], and their offset in bins: an odd value keeps round numbers away from
# the edges of the bins.
BIN_WIDTH, BIN_OFFSET = 0.01, 0.3819
# Neighbours of each element in a key: enough to resolve how layers are stacked.
MAX_NEAREST, MIN_NEAREST = 36, 8


def crystal_of(structure: Structure | PeriodicAtoms, *, symprec: float = 0.1) -> Crystal:
    """Return the canonical symmetric description of a structure, independent of how the structure is written.

    Atoms move by less than `symprec` onto their symmetric positions. Of the descriptions that differ by origin and
    axes, the first in a fixed order is returned.

    Args:
        structure: Ordered periodic structure of known elements.
        symprec: Distance [angstrom] within which two atoms count as symmetry-equivalent. Smaller values are tried
            where it fails.

    Returns:
        The crystal; in space group 1 where no symmetry is found.

    Raises:
        InvdesignError: If the structure has disorder, a dummy species, NaN, overlapping atoms or a cell without volume.

    Example:
        >>> copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
        >>> crystal = crystal_of(copper)
        >>> crystal.space_group, crystal.formula, crystal.n_atoms
        (225, 'Cu', 4)
        >>> key(crystal_of(copper.get_primitive_structure())) == key(crystal)
        True
    """
    lattice, positions, numbers = _validated_arrays(structure)
    if len(numbers) > 1:
        distance = _min_distance(lattice, positions)
        if distance < MIN_ATOM_DISTANCE:
            raise InvdesignError(
                f"structure: expected atoms at least {MIN_ATOM_DISTANCE:g} A apart, got two at {distance:.2g} A. "
                f"Merge the two atoms or remove one of them."
            )
    for tolerance in [symprec, *(s for s in SYMPRECS if s < symprec)]:
        standard = standard_cell(lattice, positions, numbers, tolerance)
        if standard is not None:
            crystal = _describe(*standard)
            if crystal is not None:
                return crystal
    reduced = Lattice(lattice).get_niggli_reduced_lattice()
    crystal = _describe(1, reduced.matrix, reduced.get_fractional_coords(positions @ lattice), numbers)
    if crystal is None:
        raise InvdesignError(
            "structure: expected distinct atoms, got none of the symmetric descriptions to reproduce them. "
            "Check for overlapping atoms."
        )
    return crystal


@lru_cache(maxsize=4096)
def structure_of(crystal: Crystal, *, primitive: bool = False) -> Structure:
    """Return all atoms of a crystal in the conventional cell, or in a primitive one.

    Args:
        crystal: The crystal.
        primitive: Whether to return the primitive cell.

    Returns:
        A structure that is shared through a cache. Copy it before you modify it.
    """
    species, positions = expand(crystal)
    structure = Structure(Lattice.from_parameters(*crystal.cell), species, positions)
    return structure.get_primitive_structure(tolerance=1e-3) if primitive else structure


def expand(crystal: Crystal) -> tuple[list[str], Array]:
    """Return the species (`n`) and fractional coordinates (`n x 3`) of all atoms of the conventional cell."""
    blocks = [atoms_of_orbit(crystal.space_group, orbit.position) for orbit in crystal.orbits]
    species = [o.element for o, points in zip(crystal.orbits, blocks, strict=True) for _ in points]
    return species, np.concatenate(blocks) if blocks else np.zeros((0, 3))


def make(space_group: int, cell: tuple[float, ...], atoms: list[tuple[str, Array]]) -> Crystal:
    """Build a crystal from one atom per orbit, without a comparison of its equivalent descriptions.

    Args:
        space_group: Number of the space group, 1 to 230.
        cell: Lengths [angstrom] and angles [degrees].
        atoms: Element and fractional coordinates (3) of one atom per orbit.

    Returns:
        The crystal with every atom moved onto its Wyckoff position, its orbits in canonical order.
    """
    orbits = []
    for element, x in atoms:
        site, u = place(space_group, x)
        orbits.append(Orbit(element, site.letter, snap(site.point(np.array(u))), site.multiplicity))
    return Crystal(space_group, _rounded_cell(space_group, cell), tuple(sorted(orbits, key=_orbit_sort_key)))


def canonical(crystal: Crystal) -> Crystal:
    """Return the canonical one of the descriptions of a crystal that differ by origin and axes."""
    atoms = [(o.element, *place(crystal.space_group, np.array(o.position))) for o in crystal.orbits]
    return _first_description(crystal.space_group, crystal.cell, atoms)


def occupation(crystal: Crystal) -> str:
    """Return formula, space group and the element on each site.

    The text is the same for crystals that differ only in cell lengths, angles and free coordinates.
    """
    sites = " ".join(sorted(f"{orbit.element}:{orbit.letter}" for orbit in crystal.orbits))
    return f"{crystal.formula}-{crystal.space_group}-{sites}"


def key(crystal: Crystal) -> str:
    """Return a key that is invariant under translation, rotation, order of atoms and choice of cell and origin.

    The key is a hash of the formula, the space group and, for every ordered pair of elements, the mean distances from
    an atom of the first to its nearest neighbours of the second (36 divided by the number of elements, at least 8), in
    bins of 0.01 angstrom. Mirror images have the same key.

    References:
        Widdowson et al., Average minimum distances of periodic point sets, MATCH 2022, arXiv:2009.02488.
    """
    elements = sorted(crystal.counts)
    n = max(MIN_NEAREST, MAX_NEAREST // len(elements))
    distances = nearest_by_element(crystal, elements, n)
    owner = np.array([elements.index(orbit.element) for orbit in crystal.orbits])
    multiplicity = np.array([orbit.multiplicity for orbit in crystal.orbits], dtype=float)
    parts = [crystal.formula, str(crystal.space_group)]
    weights = [multiplicity[owner == i] for i in range(len(elements))]
    means = np.stack([weight @ distances[owner == i].swapaxes(0, 1) / weight.sum() for i, weight in enumerate(weights)])
    bins = np.floor(means / BIN_WIDTH + BIN_OFFSET).astype(np.int64).tolist()
    for j, other in enumerate(elements):
        for i, element in enumerate(elements):
            parts.append(f"{element}{other}:" + ",".join(map(str, bins[i][j])))
    digest = hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]
    return f"{crystal.formula}-{crystal.space_group}-{digest}"


def standard_cell(
    lattice: Array, positions: Array, numbers: Numbers, symprec: float
) -> tuple[int, Array, Array, Numbers] | None:
    """Return number of the space group, and lattice, positions and atomic numbers of the symmetrized standard cell.

    None where no symmetry is found at this tolerance.
    """
    cell = moyopy.Cell(lattice.tolist(), positions.tolist(), numbers.tolist())
    try:
        found = moyopy.MoyoDataset(cell, symprec=symprec, setting=SETTING, rotate_basis=False)
    except ValueError:
        return None
    standard = found.std_cell
    return (
        found.number,
        np.array(standard.basis),
        np.array(standard.positions),
        np.array(standard.numbers, dtype=np.int64),
    )


def _validated_arrays(structure: Structure | PeriodicAtoms) -> tuple[Array, Array, Numbers]:
    """Return lattice, fractional coordinates and atomic numbers of a structure after checks that moyo omits."""
    if isinstance(structure, PeriodicAtoms):
        lattice, positions, numbers = structure.lattice, structure.positions, structure.numbers
    else:
        lattice, positions, numbers = structure.lattice.matrix, structure.frac_coords, _atomic_numbers(structure)
    if not len(numbers):
        raise InvdesignError("structure: expected at least one atom, got no atoms. Give a structure with atoms.")
    if not (np.isfinite(lattice).all() and np.isfinite(positions).all()):
        raise InvdesignError(
            "structure: expected finite coordinates and cell, got NaN or infinity. Give finite numbers."
        )
    volume = abs(np.linalg.det(lattice))
    if volume < MIN_CELL_VOLUME:
        raise InvdesignError(
            f"structure: expected a cell of at least {MIN_CELL_VOLUME:g} A^3, got no volume ({volume:.2g} A^3). "
            f"Check the cell and its units."
        )
    return np.array(lattice), positions % 1.0, numbers


def _atomic_numbers(structure: Structure) -> Numbers:
    if not structure.is_ordered:
        raise InvdesignError(
            "structure: expected one element per site, got disordered sites or partial occupancies. "
            "Give an ordered structure."
        )
    symbols = [getattr(site.specie, "symbol", str(site.specie)) for site in structure]
    for symbol in symbols:
        if symbol not in ATOMIC_NUMBERS:
            raise InvdesignError(
                f"structure: expected chemical elements, got unknown element {symbol!r}. Give chemical symbols."
            )
    return np.array([ATOMIC_NUMBERS[symbol] for symbol in symbols], dtype=np.int64)


def _min_distance(lattice: Array, positions: Array) -> float:
    """Return the smallest distance [angstrom] between two of at least two atoms, each pair in its nearest image."""
    difference = (positions[:, None] - positions[None] + 0.5) % 1.0 - 0.5
    distance = np.linalg.norm(difference @ lattice, axis=-1)
    return float(distance[~np.eye(len(positions), dtype=bool)].min())


def _describe(space_group: int, lattice: Array, positions: Array, numbers: Numbers) -> Crystal | None:
    """Return the canonical description of a standardized cell.

    Args:
        space_group: Number of the space group, 1 to 230.
        lattice: Lattice vectors as rows [angstrom], `3 x 3`.
        positions: Fractional coordinates, `n x 3`.
        numbers: Atomic numbers, `n`.

    Returns:
        The crystal, or None where the operators of the group do not reproduce the atoms.
    """
    a, b, c = np.linalg.norm(lattice, axis=1)
    unit = lattice / np.array([a, b, c])[:, None]
    angles = np.degrees(np.arccos(np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)))
    fixed = fixing_operators(space_group, positions, tolerance=SITE_TOLERANCE)
    atoms: list[PlacedAtom] = []
    is_left = np.ones(len(numbers), dtype=bool)
    for i in range(len(numbers)):
        if not is_left[i]:
            continue
        site, u, points = place_images(space_group, positions[i], fixed[i])
        rows = np.flatnonzero(is_left & (numbers == numbers[i]))
        difference = positions[rows][:, None] - points
        deviation = np.abs(difference - np.rint(difference)).max(-1).min(1)
        in_orbit = rows[deviation < MAX_DEVIATION]
        if len(in_orbit) != len(points):
            return None
        is_left[in_orbit] = False
        atoms.append((SYMBOLS[int(numbers[i])], site, u))
    return _first_description(space_group, _to_cell((a, b, c, *angles)), atoms)


def _first_description(space_group: int, cell: Cell, atoms: Sequence[PlacedAtom]) -> Crystal:
    """Return the first of the equivalent descriptions.

    The order is that of the occupied sites, then of the cell rounded to 0.01, then of the positions.
    """
    turned = _turned_cells(space_group, cell)
    moved = [moved_sites(space_group, site) for _, site, _ in atoms]
    elements = [element for element, _, _ in atoms]
    descriptions = list(zip(_occupied_sites(elements, moved), np.round(turned, 2).tolist(), strict=True))
    first = min(descriptions)
    operations = tuple(i for i, description in enumerate(descriptions) if description == first)
    shifts = _anchor_shifts(space_group, operations, atoms)
    positions = [stack(space_group, operations, site).first_positions(np.array(u), shifts) for _, site, u in atoms]
    n_anchors = 1 if shifts is None else shifts.shape[1]
    columns = [(x if x.shape[1] == n_anchors else x.repeat(n_anchors, axis=1)).tolist() for x in positions]
    candidates = []
    for k, operation in enumerate(operations):
        for anchor in range(n_anchors):
            orbits = sorted(
                (sites[operation].letter, element, tuple(column[k][anchor]), sites[operation].multiplicity)
                for element, sites, column in zip(elements, moved, columns, strict=True)
            )
            candidates.append(([orbit[2] for orbit in orbits], k, orbits))
    _, k, orbits = min(candidates)
    found = tuple(Orbit(element, letter, (x[0], x[1], x[2]), m) for letter, element, x, m in orbits)
    return Crystal(space_group, turned[operations[k]], found)


def _occupied_sites(elements: Sequence[str], moved: Sequence[tuple[Site, ...]]) -> Iterator[list[tuple[int, str, str]]]:
    """Yield multiplicity, letter and element of the orbits, in their order, after each normalizer operation.

    Args:
        elements: Elements of the orbits.
        moved: Site of each orbit after every operation.
    """
    for sites in zip(*moved, strict=True):
        ordered = sorted(
            (site.letter, element, site.multiplicity) for site, element in zip(sites, elements, strict=True)
        )
        yield [(multiplicity, letter, element) for letter, element, multiplicity in ordered]


def _turned_cells(space_group: int, cell: Cell) -> list[Cell]:
    """Return the cell after each normalizer operation; only orthorhombic axes are permuted."""
    operations = normalizer_operations(space_group)
    if family(space_group) != "orthorhombic":
        return [_rounded_cell(space_group, cell)] * len(operations)
    rounded = _rounded_cell(space_group, cell)
    orders = [np.abs(Q).argmax(1).tolist() for Q, _ in operations]
    return [(rounded[i], rounded[j], rounded[k], *rounded[3:]) for i, j, k in orders]


def _anchor_shifts(space_group: int, operations: Sequence[int], atoms: Sequence[PlacedAtom]) -> Array | None:
    """Return the shifts that move each anchor to the origin along the polar directions; None where there are none.

    The anchors are the first `MAX_ANCHORS` representatives of the rarest element.

    Returns:
        `k x a x 3` for `k` operations and `a` anchors.
    """
    polar = polar_projector(space_group)
    if np.abs(polar).max() <= 1e-6:
        return None
    counts: dict[str, int] = {}
    for element, site, _ in atoms:
        counts[element] = counts.get(element, 0) + site.multiplicity
    rarest = min(counts, key=lambda e: (counts[e], e))
    anchors = [site.point(np.array(u)) for element, site, u in atoms if element == rarest][:MAX_ANCHORS]
    chosen = [normalizer_operations(space_group)[i] for i in operations]
    moved = np.array(anchors) @ np.stack([Q.T for Q, _ in chosen]) + np.stack([s for _, s in chosen])[:, None]
    shifts: Array = moved @ polar.T
    return shifts


def _rounded_cell(space_group: int, cell: tuple[float, ...]) -> Cell:
    free = [cell[i] for i in free_cell(space_group)]
    return _to_cell(tuple(round(v, 5) for v in full_cell(space_group, np.array(free))))


def _orbit_sort_key(orbit: Orbit) -> tuple[object, ...]:
    return orbit.letter, orbit.element, orbit.position


def _to_cell(values: tuple[float, ...]) -> Cell:
    a, b, c, alpha, beta, gamma = (float(v) for v in values)
    return a, b, c, alpha, beta, gamma
