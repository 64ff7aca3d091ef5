"""Reader of CIF data blocks: cell, symmetry and atoms, checked against what the file states of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.io.checks import check_atoms, check_labels, closest_contact, merge_duplicates
from invdesign.domains.crystals.io.cif_block import Block, parse_block, plain, read_number
from invdesign.domains.crystals.io.cif_checks import check_multiplicities, check_stated, is_number_stated
from invdesign.domains.crystals.io.cif_symmetry import Symmetry, check_metric, other_origins, read_symmetries
from invdesign.domains.crystals.io.refusals import (
    MAX_COORDINATE,
    RefusedError,
    check_symbol,
    lattice_from_parameters,
    size_error,
)
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, PeriodicAtoms, from_parts

CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]\d*|\d+)?")
MAX_IMAGES = 24
"""Largest number of images of a special position that coincide."""
POSITION_TOLERANCE = 1e-4
"""Largest difference of the fractional coordinates of one position, as written."""
SPECIAL_DISTANCE = 0.05
"""Distance at which an atom and its image are one atom on a special position [angstrom]."""
MAX_OCCUPANCY_ERROR = 0.01
MIN_CLOSENESS = 0.7
"""Smallest distance for another origin, as a share of the sum of the covalent radii."""


def blocks(text: str) -> list[str]:
    """Return the data blocks of a CIF, without blocks that contain neither a cell nor atoms (journals add such)."""
    starts = [match.start() for match in re.finditer(r"^data_", text, flags=re.M | re.I)]
    if len(starts) > 1:
        fields = [match.start() for match in re.finditer(r"^;", text, flags=re.M)]
        # A heading within a text field has an odd number of field marks before it.
        starts = [start for start, n in zip(starts, np.searchsorted(fields, starts), strict=True) if n % 2 == 0]
    ends = [*starts[1:], len(text)]
    texts = [text[a:b].rstrip("\n") + "\n" for a, b in zip(starts, ends, strict=False)]
    return [t for t in texts if re.search(r"_cell[_.]length_a|_atom_site[_.]", t, flags=re.I)] or texts[:1]


def name_of(block: str) -> str:
    """Return the name of a data block, or an empty string."""
    found = re.search(r"^data_(\S*)", block, flags=re.M | re.I)
    return found[1] if found else ""


def items(block: str) -> dict[str, str]:
    """Return the single values of a data block by their names, e.g. `_cell_volume`."""
    found = re.findall(r"^(_\S+)[ \t]+(\S[^\n]*?)[ \t]*$", block, flags=re.M)
    return {name: value[1:-1] if value[0] in "'\"" and value[-1] == value[0] else value for name, value in found}


@dataclass(frozen=True, eq=False)
class _Listed:
    """The atoms that a data block lists, before its symmetry is applied."""

    data: Block
    lattice: Array
    """Lattice vectors as rows [angstrom]."""
    symbols: Sequence[str]
    positions: Array
    """Fractional coordinates, `n x 3`."""
    max_sites: int
    """Largest number of atoms in the cell."""


def read_atoms(block: str, *, max_sites: int) -> tuple[PeriodicAtoms, str]:
    """Return the atoms of a data block, and what was corrected.

    Where atoms and stated formula, number of formula units and density agree only with the other choice of the origin
    of the space group, that one is taken. Where name and number contradict each other, these values decide as well.

    Args:
        block: Text of the data block.
        max_sites: Largest number of atoms in the cell.

    Raises:
        RefusedError: The block is broken, incomplete, too large, disordered, or contradicts itself.
    """
    data = parse_block(block)
    symbols, positions = _read_sites(data, max_sites)
    cell = [_read_cell_value(data, name) for name in CELL]
    listed = _Listed(data, lattice_from_parameters(cell), symbols, positions, max_sites)
    symmetries = read_symmetries(data, cell)
    if len(symmetries) == 1:
        return _apply(listed, symmetries[0])
    return _decide(listed, symmetries)


def _apply(listed: _Listed, symmetry: Symmetry) -> tuple[PeriodicAtoms, str]:
    """Return the atoms for a symmetry, or for another choice of its origin, and what was corrected."""
    check_metric(symmetry, listed.lattice)
    try:
        expanded, n_merged, n_images = _expand(listed, symmetry)
        atoms, repair = check_atoms(expanded, max_sites=listed.max_sites, n_merged=n_merged)
    except RefusedError as refusal:
        return _try_origins(refusal, 0.0, listed, symmetry)
    try:
        check_stated(atoms, listed.data)
        check_multiplicities(atoms, listed.symbols, n_images, listed.data)
    except RefusedError as refusal:
        return _try_origins(refusal, closest_contact(atoms), listed, symmetry)
    return atoms, repair


def _try_origins(
    refusal: RefusedError, closeness: float, listed: _Listed, symmetry: Symmetry
) -> tuple[PeriodicAtoms, str]:
    """Return the atoms for another choice of the origin with which they agree with the file and are not closer.

    Args:
        refusal: Why the atoms are refused for the origin of the file; raised where no other one is better.
        closeness: Smallest distance for the origin of the file, see `closest_contact`.
        listed: The listed atoms.
        symmetry: The symmetry with the origin of the file.
    """
    for other in other_origins(symmetry.rotations, symmetry.translations):
        try:
            expanded, _, n_images = _expand(listed, other)
            atoms, _ = check_atoms(expanded, max_sites=listed.max_sites)
            check_stated(atoms, listed.data)
            check_multiplicities(atoms, listed.symbols, n_images, listed.data)
        except RefusedError:
            continue
        if closest_contact(atoms) >= max(closeness, MIN_CLOSENESS):
            return atoms, f"repaired: the atoms fit {other.name}, not the origin of the file ({refusal.reason})"
    raise refusal


def _decide(listed: _Listed, symmetries: Sequence[Symmetry]) -> tuple[PeriodicAtoms, str]:
    """Return the atoms for the one of several contradictory space groups that agrees with the rest of the file.

    Cell, formula, number of formula units, density and multiplicities decide, and atoms that are too close. A list of
    all atoms is the same crystal for every group.

    Raises:
        RefusedError: No group agrees with the file, or several that give different crystals do.
    """
    stated = " and ".join(symmetry.name for symmetry in symmetries)
    found: list[tuple[PeriodicAtoms, str, Symmetry]] = []
    refusals = []
    for symmetry in symmetries:
        try:
            found.append((*_apply(listed, symmetry), symmetry))
        except RefusedError as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    for is_better in (_is_open, lambda atoms: is_number_stated(atoms, listed.data)):
        found = [each for each in found if is_better(each[0])] or found
    found.sort(key=lambda each: bool(each[1]))
    atoms, repair, chosen = found[0]
    if not all(_is_same(atoms, other) for other, *_ in found[1:]):
        raise RefusedError(
            f"name and number state different space groups, {stated}, and neither formula, Z nor density decides",
            "write the symmetry operators, or correct the space group",
        )
    if len(found) < len(symmetries):
        return atoms, repair or f"repaired: the file states the space groups {stated}; the atoms fit {chosen.name}"
    return atoms, repair


def _is_open(atoms: PeriodicAtoms) -> bool:
    return closest_contact(atoms) >= MIN_CLOSENESS


def _is_same(atoms: PeriodicAtoms, others: PeriodicAtoms) -> bool:
    """Return whether two lists contain the same atoms of one cell."""
    if len(atoms) != len(others):
        return False
    both = from_parts(
        atoms.lattice, [*atoms.symbols, *others.symbols], np.concatenate([atoms.positions, others.positions])
    )
    try:
        return len(merge_duplicates(both)) == len(atoms)
    except RefusedError:
        return False


def _read_cell_value(data: Block, name: str) -> float:
    word = data.values.get(f"_cell_{name}")
    if word is None:
        raise RefusedError(f"no _cell_{name}", "write the six lengths and angles of the cell")
    number = read_number(word)
    if not math.isfinite(number):
        raise RefusedError(f"_cell_{name} is {word[:40]!r}", "give finite lengths and angles")
    return number


def _read_sites(data: Block, max_sites: int) -> tuple[list[str], Array]:
    """Return element and fractional coordinates of the listed atoms."""
    columns = data.columns
    axes = [columns.get(f"_atom_site_fract_{axis}") for axis in "xyz"]
    if not any(axes):
        raise RefusedError("no atoms with fractional coordinates", "write _atom_site_fract_x, _y and _z for every atom")
    if not all(axes):
        raise RefusedError("atoms lack one of three coordinates", "write _atom_site_fract_x, _y and _z for every atom")
    n = len(axes[0] or ())
    if n > max_sites:
        raise size_error(n, max_sites)
    numbers = []
    for axis in axes:
        for word in axis or ():
            number = read_number(plain(word))
            if not abs(number) <= MAX_COORDINATE:
                raise RefusedError(
                    f"an atom has the coordinate {plain(word)[:40]!r}", "give every atom three finite coordinates"
                )
            numbers.append(number)
    symbols = _read_symbols(columns.get("_atom_site_type_symbol"), columns.get("_atom_site_label"))
    _check_occupancies(columns.get("_atom_site_occupancy", ()), symbols)
    return symbols, np.array(numbers).reshape(3, n).T


def _read_symbols(types: Sequence[str] | None, labels: Sequence[str] | None) -> list[str]:
    if types is None and labels is None:
        raise RefusedError("atoms without a symbol", "write _atom_site_type_symbol")
    if types is None:
        return [_element_of_label(plain(word)) for word in labels or ()]
    symbols = [_element_of_type(plain(word)) for word in types]
    if labels is not None:
        check_labels(symbols, [plain(word) for word in labels], "correct _atom_site_type_symbol or _atom_site_label")
    return symbols


def _check_occupancies(words: Sequence[str], symbols: Sequence[str]) -> None:
    for word, symbol in zip(words, symbols, strict=False):
        occupancy = read_number(plain(word))
        if not math.isfinite(occupancy):
            raise RefusedError(f"an atom has the occupancy {plain(word)[:40]!r}", "write 1 for a full site")
        if abs(occupancy - 1) > MAX_OCCUPANCY_ERROR:
            raise RefusedError(
                f"partial occupancies: {symbol} with {occupancy:g}",
                "order the structure, e.g. with pymatgen's OrderDisorderedStructureTransformation",
            )


@lru_cache(maxsize=4096)
def _element_of_type(word: str) -> str:
    match = TYPE.fullmatch(word)
    symbol = match[1].title() if match else word
    if symbol == "T" or (symbol not in ATOMIC_NUMBERS and symbol != "D"):
        raise RefusedError(f"unknown element {word[:40]!r}", "write chemical symbols under _atom_site_type_symbol")
    return symbol


@lru_cache(maxsize=4096)
def _element_of_label(label: str) -> str:
    letters = re.match(r"[A-Za-z]*", label)
    prefix = letters[0] if letters else ""
    symbol = prefix if len(prefix) <= 1 else prefix[:1] + prefix[1:].lower()
    return check_symbol(symbol if symbol != "T" else "", label)


def _expand(listed: _Listed, symmetry: Symmetry) -> tuple[PeriodicAtoms, int, list[int]]:
    """Return all atoms of the cell, how many images were merged onto special positions, and those of each atom."""
    R, t = symmetry.rotations, symmetry.translations
    lattice, symbols, max_sites = listed.lattice, listed.symbols, listed.max_sites
    if len(R) == 1 and np.array_equal(R[0], np.eye(3)):
        return from_parts(lattice, symbols, listed.positions), 0, [1] * len(symbols)
    if len(symbols) * len(R) > MAX_IMAGES * max_sites:
        raise size_error(len(symbols) * len(R) // MAX_IMAGES, max_sites)
    found = [_images(lattice, R, t, x) for x in listed.positions]
    n_images = [len(points) for points, _ in found]
    if sum(n_images) > max_sites:
        raise size_error(sum(n_images), max_sites)
    species = [symbol for symbol, n in zip(symbols, n_images, strict=True) for _ in range(n)]
    points = np.concatenate([points for points, _ in found]) if found else np.zeros((0, 3))
    return from_parts(lattice, species, points), sum(n_merged for _, n_merged in found), n_images


def _images(lattice: Array, R: Array, t: Array, x: Array) -> tuple[Array, int]:
    """Return the distinct images of a position, `m x 3` fractional coordinates in [0, 1), and how many were merged.

    A position near a special one moves onto it. Images that coincide as written do not count as merged.
    """
    moved = R @ x + t - x
    moved -= np.rint(moved)
    is_fixed = ((moved @ lattice) ** 2).sum(1) < SPECIAL_DISTANCE**2
    points = (R @ (x + moved[is_fixed].mean(0)) + t) % 1.0
    if is_fixed.sum() == 1:
        return points, 0
    # The position is exactly on its subspace, so that equal images agree to rounding errors. The offset 0.3819 keeps
    # simple fractions away from the edges of the bins.
    a, b, c = (np.floor(points * 1e5 + 0.3819).astype(np.int64) % 100_000).T
    distinct = points[np.sort(np.unique((a * 100_000 + b) * 100_000 + c, return_index=True)[1])]
    if np.abs(moved[is_fixed]).max() < POSITION_TOLERANCE:
        return distinct, 0
    written = R @ x + t
    difference = written[:, None] - written
    difference -= np.rint(difference)
    is_same = (np.abs(difference) < POSITION_TOLERANCE).all(-1)
    n_written = int((is_same.argmax(1) == np.arange(len(written))).sum())
    return distinct, n_written - len(distinct)
