"""Checks of the atoms of a file: limits, overlapping atoms, atoms written twice, molecules in a box."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from pymatgen.core.structure import Structure
from pymatgen.optimization.neighbors import find_points_in_spheres
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from invdesign.domains.crystals.chemistry import Bonds, covalent_radius, network_dimensionality
from invdesign.domains.crystals.io.refusals import (
    MAX_COORDINATE,
    MAX_SITES,
    RefusedError,
    check_lattice,
    check_symbol,
    check_volume,
    size_error,
)
from invdesign.domains.crystals.model.graph import PERIODIC
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, PeriodicAtoms, from_parts

MERGE_DISTANCE = 0.05
"""Distance within which two sites of one element are one atom [angstrom]."""
MIN_DISTANCE = 0.5
"""Smallest distance between two atoms [angstrom]."""
MAX_OCCUPANCY_ERROR = 0.01
LABEL = re.compile(r"([A-Z][a-z]?)(?![a-z])\d*")
BOX_VOLUME = 40.0
"""Volume for each atom from which a cell may be a molecule in a box [angstrom^3]."""
BOX_CONTACT, BOX_DISTANCE = 2.0, 6.0
"""Atoms are in contact at up to twice the sum of their covalent radii, at least 6 A."""


def check_atoms(atoms: PeriodicAtoms, *, max_sites: int = MAX_SITES, n_merged: int = 0) -> tuple[PeriodicAtoms, str]:
    """Return atoms without duplicate sites, and a description of what was repaired.

    Args:
        atoms: The atoms of a cell.
        max_sites: Largest number of atoms.
        n_merged: Number of sites that the reader has merged.

    Raises:
        RefusedError: There are no atoms or too many, coordinates or a cell outside the limits, atoms that overlap and
            are no duplicates of one atom, or a molecule in a box.
    """
    if not len(atoms):
        raise RefusedError("no atoms", "give a structure with atoms")
    if len(atoms) > max_sites:
        raise size_error(len(atoms), max_sites)
    check_lattice(atoms.lattice)
    if not np.isfinite(atoms.positions).all():
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    if np.abs(atoms.positions).max() > MAX_COORDINATE:
        raise RefusedError("a fractional coordinate above 1,000", "check the cell and the units of the coordinates")
    for symbol in set(atoms.symbols):
        check_symbol(symbol, symbol)
    merged = merge_duplicates(atoms)
    _check_box(merged)
    check_volume(merged.volume, len(merged))
    n_merged += len(atoms) - len(merged)
    if not n_merged:
        return merged, ""
    note = f"repaired: {n_merged} sites within {MERGE_DISTANCE} A of one of the same element were merged into it"
    return merged, note


def atoms_of(structure: Structure) -> PeriodicAtoms:
    """Return the atoms of a structure of pymatgen without their charges.

    Raises:
        RefusedError: A site is partially occupied, shared, or of no element.
    """
    symbols = []
    for site in structure:
        if any(abs(n - 1) > MAX_OCCUPANCY_ERROR for n in site.species.values()) or len(site.species) != 1:
            raise RefusedError(
                f"partial occupancies or several atoms on one site: {site.species_string}",
                "order the structure, e.g. with pymatgen's OrderDisorderedStructureTransformation",
            )
        symbol = getattr(site.species.elements[0], "symbol", "")
        symbols.append(check_symbol(symbol, symbol))
    return from_parts(structure.lattice.matrix, symbols, structure.frac_coords)


def check_labels(symbols: Sequence[str], labels: Sequence[str], remedy: str) -> None:
    """Reject labels that name other elements than their atoms: another element of the file, or all of them.

    Args:
        symbols: Element of each atom.
        labels: Label of each atom, such as `Na1`; names of sites such as `M1` are no contradiction.
        remedy: What would help.

    Raises:
        RefusedError: The label of an atom names another element of the file, or every label is the symbol of another
            element with a number.
    """
    elements = set(symbols)
    n_other = 0
    for symbol, label in zip(symbols, labels, strict=False):
        match = LABEL.match(label)
        if match is None or match[1] == symbol or label.upper().startswith(symbol.upper()):
            continue
        if match[1] in elements:
            raise RefusedError(f"the atom {label[:40]!r} has the type {symbol}", remedy)
        is_hydrogen = {match[1], symbol} <= {"H", "D", "T"}
        n_other += match.end() == len(label) and match[1] in ATOMIC_NUMBERS and not is_hydrogen
    if 0 < n_other == len(symbols):
        raise RefusedError(f"no label is that of its type, e.g. {labels[0][:40]!r} for {symbols[0]}", remedy)


def merge_duplicates(atoms: PeriodicAtoms) -> PeriodicAtoms:
    """Merge sites of one element within `MERGE_DISTANCE` into their mean; reject other atoms that overlap.

    Raises:
        RefusedError: Two atoms are nearer than `MIN_DISTANCE` and are no duplicates.
    """
    i, j, image, distance = _contacts(atoms, MIN_DISTANCE)
    if not len(i):
        return atoms
    numbers, symbols = atoms.numbers, atoms.symbols
    is_overlap = (distance > MERGE_DISTANCE) | (numbers[i] != numbers[j]) | (i == j)
    overlapping = np.flatnonzero(is_overlap)
    if len(overlapping):
        k = overlapping[0]
        raise RefusedError(
            f"{symbols[i[k]]} and {symbols[j[k]]} are {distance[k]:.3f} A apart",
            "remove one of the two, or check the cell and the units of the coordinates",
        )
    x, n = atoms.positions, len(atoms)
    _, group = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    shifted = np.zeros((n, 3))
    np.add.at(shifted, i, x[j] + image - x[i])
    mean = x + shifted / (1 + np.bincount(i, minlength=n))[:, None]
    first = np.unique(group, return_index=True)[1]
    merged = from_parts(atoms.lattice, [symbols[k] for k in first], mean[first])
    if len(_contacts(merged, MIN_DISTANCE)[0]):
        raise RefusedError("overlapping sites that cannot be merged", "remove the atoms that are written twice")
    return merged


def closest_contact(atoms: PeriodicAtoms) -> float:
    """Return the smallest distance of two atoms in units of the sum of their covalent radii; infinite for none."""
    radii = np.array([covalent_radius(symbol) for symbol in atoms.symbols])
    i, j, _, distance = _contacts(atoms, 2 * float(radii.max()))
    return float((distance / (radii[i] + radii[j])).min(initial=np.inf))


def _contacts(atoms: PeriodicAtoms, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pairs of atoms at most `reach` apart: both indices, the lattice translation of the second, distances."""
    x = np.ascontiguousarray(atoms.positions @ atoms.lattice)
    lattice = np.ascontiguousarray(atoms.lattice)
    i, j, image, distance = find_points_in_spheres(x, x, r=reach, pbc=PERIODIC, lattice=lattice, tol=1e-8)
    is_pair = (i != j) | image.any(1)
    return i[is_pair], j[is_pair], image[is_pair], distance[is_pair]


def _check_box(atoms: PeriodicAtoms) -> None:
    """Reject a molecule in a box: no chain of contacts leads from an atom to its periodic image."""
    if atoms.volume / len(atoms) < BOX_VOLUME:
        return
    radii = np.array([covalent_radius(symbol) for symbol in atoms.symbols])
    reach = max(BOX_DISTANCE, 2 * BOX_CONTACT * float(radii.max()))
    i, j, image, distance = _contacts(atoms, reach)
    is_contact = distance <= np.maximum(BOX_DISTANCE, BOX_CONTACT * (radii[i] + radii[j]))
    pairs = Bonds(i[is_contact], j[is_contact], image[is_contact].astype(np.int64), distance[is_contact], len(atoms))
    is_molecule = len(pairs.first) > 0 or len(atoms) == 1
    if is_molecule and network_dimensionality(pairs) == 0:
        counts = "".join(f"{symbol}{n if n > 1 else ''}" for symbol, n in sorted(atoms.counts.items()))
        raise RefusedError(
            f"a molecule in a box ({counts}, no atom near a periodic image)",
            "give a crystal; molecules belong into the domain of molecules",
        )
