"""CIF format: structures of data blocks, and data blocks of crystals with their symmetry."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from fractions import Fraction
from functools import cache, lru_cache
from math import gcd
from typing import Any

import numpy as np
import spglib
from pymatgen.core.composition import Composition
from pymatgen.core.lattice import Lattice
from pymatgen.core.operations import SymmOp
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure
from pymatgen.io.cif import CifParser

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import default_hall_numbers, operators

SYMBOLS = frozenset(element.symbol for element in Element)
OPERATORS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
LOOP = re.compile(
    r"^[ \t]*loop_[ \t]*\n((?:[ \t]*_\S+[ \t]*\n)+)((?:(?![ \t]*(?:_|loop_|data_|#|;))[^\n]*(?:\n|$))*)", re.M
)
VALUE = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\S+)")
TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]\d*|\d+)?")
POSITION_TOLERANCE = 1e-4
"""Largest difference of the fractional coordinates of one position."""
MAX_IMAGES = 24
"""Largest number of images of a special position that coincide; pymatgen compares all images."""
MAX_FORMULA_ERROR = 0.01
"""Largest difference of the mole fraction of an element from the stated formula."""

BROKEN = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError)
"""Errors that pymatgen and its dependencies raise on broken input."""


class RefusedError(Exception):
    """A structure cannot be used; with the reason and the remedy.

    Args:
        reason: Why the structure cannot be used.
        remedy: What would help.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def blocks(text: str) -> list[str]:
    """Return the data blocks of a CIF, without blocks that contain neither a cell nor atoms (journals add such)."""
    groups: list[list[str]] = []
    is_field = False
    for line in text.split("\n"):
        if line.startswith(";"):
            is_field = not is_field
        if not is_field and line[:5].lower() == "data_":
            groups.append([])
        if groups:
            groups[-1].append(line)
    texts = ["\n".join(lines) + "\n" for lines in groups]
    return [t for t in texts if "_cell_length_a" in t or "_atom_site_" in t] or texts[:1]


def name_of(block: str) -> str:
    """Return the name of a data block, or an empty string."""
    found = re.search(r"^data_(\S*)", block, flags=re.M | re.I)
    return found[1] if found else ""


def items(block: str) -> dict[str, str]:
    """Return the single values of a data block by their names, e.g. `_cell_volume`."""
    found = re.findall(r"^(_\S+)[ \t]+(\S[^\n]*?)[ \t]*$", block, flags=re.M)
    return {name: value[1:-1] if value[0] in "'\"" and value[-1] == value[0] else value for name, value in found}


def structure(block: str, *, max_sites: int) -> Structure:
    """Return the structure of a data block.

    A block with explicit operators and fully occupied sites is parsed directly, any other by pymatgen.

    Args:
        block: Text of the data block.
        max_sites: Largest number of sites.

    Raises:
        RefusedError: The block is broken, incomplete or too large.
    """
    found = _parse_directly(block, max_sites) or _parse_with_pymatgen(block, max_sites)
    if len(found) <= max_sites:
        _check_formula(found, items(block).get("_chemical_formula_sum", ""))
    return found


def _parse_directly(block: str, max_sites: int) -> Structure | None:
    """Return the structure of a block with explicit operators and full sites of known elements; None for any other."""
    values = items(block)
    try:
        cell = [_read_number(values[f"_cell_{name}"]) for name in CELL]
        loops = _loops(block)
        (names, atoms), *others = [loop for loop in loops if "_atom_site_fract_x" in loop[0]]
        R, t = next(_parse_operators(_column(h, body, o)) for h, body in loops for o in OPERATORS if o in h)
        words = atoms.split()
        if others or len(words) % len(names) or "'" in atoms or '"' in atoms:
            return None
        columns = {name: words[i :: len(names)] for i, name in enumerate(names)}
        symbols = columns["_atom_site_type_symbol"]
        x = np.array([[_read_number(w) for w in columns[f"_atom_site_fract_{axis}"]] for axis in "xyz"]).T
        is_full = all(float(w) == 1 for w in columns.get("_atom_site_occupancy", []))
    except (ValueError, LookupError, StopIteration):
        return None
    is_finite = bool(np.isfinite([*cell, *x.ravel()]).all())
    if not is_full or not SYMBOLS.issuperset(symbols) or not is_finite or min(cell) <= 0:
        return None
    if len(symbols) > max_sites:
        raise _size_error(len(symbols), max_sites)
    try:
        lattice = Lattice.from_parameters(*cell)
        if len(R) == 1:
            return Structure(lattice, symbols, x)
        images = [_unique_positions(R @ row + t) for row in x]
    except BROKEN:
        return None
    species = [symbol for symbol, positions in zip(symbols, images, strict=True) for _ in positions]
    return Structure(lattice, species, np.concatenate(images))


def _parse_with_pymatgen(block: str, max_sites: int) -> Structure:
    _check_atoms(block, max_sites)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # The occupancies of an atom that a file lists twice add up to more than 1; pymatgen scales them to 1.
            parser = CifParser.from_str(block, occupancy_tolerance=1e3, check_cif=False)
            (found,) = parser.parse_structures(primitive=False, on_error="raise")
        except BROKEN as error:
            text = " ".join(str(error).split())[:160] or type(error).__name__
            raise RefusedError(
                f"not a readable CIF: {text}", "write the structure again with its cell and atoms"
            ) from error
    names = [value for key, value in items(block).items() if "space_group" in key and not key.endswith("setting")]
    is_without_symmetry = any("Defaulting to P1" in str(warning.message) for warning in caught)
    if is_without_symmetry and {re.sub(r"\s", "", name) for name in names} - {"P1", "1"}:
        raise RefusedError(
            f"unknown space group {names[0]!r} and no operators", "write the symmetry operators into the CIF"
        )
    return found


def _check_atoms(block: str, max_sites: int) -> None:
    """Reject what pymatgen ignores: atoms without coordinates, and symbols of no element."""
    loops = _loops(block)
    sites = [(names, body) for names, body in loops if "_atom_site_fract_x" in names and body.strip()]
    if not sites:
        raise RefusedError("no atoms with fractional coordinates", "write _atom_site_fract_x, _y and _z for every atom")
    names, body = sites[0]
    columns = {name: _column(names, body, name) for name in names}
    n_rows = len(columns[names[0]])
    n_operators = max((len(_column(h, body, o)) for h, body in loops for o in OPERATORS if o in h), default=1)
    n_images = n_rows * n_operators
    if n_rows > max_sites or n_images > MAX_IMAGES * max_sites:
        raise _size_error(max(n_rows, n_images // MAX_IMAGES), max_sites)
    for axis in "xyz":
        for word in columns.get(f"_atom_site_fract_{axis}", ()):
            if not _is_finite(word):
                raise RefusedError(f"an atom has the coordinate {word!r}", "give every atom three finite coordinates")
    if "." in columns.get("_atom_site_occupancy", ()):
        raise RefusedError("an atom has the occupancy '.'", "write 1 for a full site")
    for word in columns.get("_atom_site_type_symbol", ()):
        match = TYPE.fullmatch(word)
        if match is None or match[1].title() not in SYMBOLS | {"D"}:
            raise RefusedError(f"unknown element {word!r}", "write chemical symbols under _atom_site_type_symbol")


def _size_error(n: int, max_sites: int) -> RefusedError:
    return RefusedError(f"{n:,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites")


def _check_formula(found: Structure, text: str) -> None:
    """Reject atoms that differ from the stated formula: hydrogen is often left out, and atoms are merged wrongly."""
    pairs = re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text)
    if not pairs or "".join(f"{e}{n}" for e, n in pairs) != re.sub(r"[\s'\"]", "", text):
        return
    stated: dict[str, float] = {}
    for element, n in pairs:
        symbol = "H" if element == "D" else element
        stated[symbol] = stated.get(symbol, 0) + float(n or 1)
    if not SYMBOLS.issuperset(stated) or not sum(stated.values()):
        return
    actual: dict[str, float] = {}
    for species, n in found.composition.items():
        symbol = getattr(species, "symbol", str(species))
        actual[symbol] = actual.get(symbol, 0) + n
    n_stated, n_actual = sum(stated.values()), sum(actual.values())
    differences = [abs(stated.get(e, 0) / n_stated - actual.get(e, 0) / n_actual) for e in stated | actual]
    if any(difference > MAX_FORMULA_ERROR for difference in differences):
        raise RefusedError(
            f"the atoms are {Composition(actual).reduced_formula}, the formula of the file is {text}",
            "add what is missing (often hydrogen), or correct _chemical_formula_sum",
        )


def _loops(block: str) -> list[tuple[list[str], str]]:
    """Return the loops of a data block: the names of the columns, and the text of the values."""
    return [(headers.split(), body) for headers, body in LOOP.findall(block)]


def _is_finite(word: str) -> bool:
    try:
        return bool(np.isfinite(_read_number(word)))
    except ValueError:
        return False


def _read_number(word: str) -> float:
    """Return a CIF number without its uncertainty in brackets."""
    return float(word.split("(", 1)[0])


def _column(names: list[str], body: str, name: str) -> tuple[str, ...]:
    """Return a column of a loop."""
    if len(names) == 1:
        return tuple(line.strip().strip("'\"") for line in body.split("\n") if line.strip())
    words = [a or b or c for a, b, c in VALUE.findall(body)]
    return tuple(words[names.index(name) :: len(names)])


@lru_cache(maxsize=512)
def _parse_operators(texts: tuple[str, ...]) -> tuple[Array, Array]:
    """Return the rotations (`k x 3 x 3`) and translations (`k x 3`) of `k` operators."""
    found = [SymmOp.from_xyz_str(text) for text in texts]
    return np.array([op.rotation_matrix for op in found]), np.array([op.translation_vector for op in found])


def _unique_positions(positions: Array) -> Array:
    """Return distinct positions (`k x 3`, fractional coordinates in one cell), the first of equal ones."""
    positions = positions % 1.0
    difference = np.abs(positions[:, None] - positions[None])
    is_same = (np.minimum(difference, 1 - difference) < POSITION_TOLERANCE).all(-1)
    return positions[np.flatnonzero(is_same.argmax(1) == np.arange(len(positions)))]


def block(crystal: Crystal, name: str, *, more: Mapping[str, Any] | None = None) -> str:
    """Return a data block of a crystal: space group, operators, and one atom for each orbit.

    Args:
        crystal: Crystal in spglib's default setting, so that the operators are those of its database.
        name: Name of the block; characters that CIF does not allow become `_`.
        more: Further values by heading, written as `_invdesign_...`; None, NaN and empty values are left out.
    """
    symbol, hall, texts = describe_space_group(crystal.space_group)
    counts = crystal.counts
    unit = gcd(*counts.values())
    lattice = Lattice.from_parameters(*crystal.cell)
    lines = [
        f"data_{re.sub(r'[^A-Za-z0-9_.+-]', '_', name)[:70]}",
        f"_symmetry_space_group_name_H-M   '{symbol}'",
        f"_symmetry_space_group_name_Hall   '{hall}'",
        f"_symmetry_Int_Tables_number   {crystal.space_group}",
        *(f"_cell_{part}   {value:.8f}" for part, value in zip(CELL, crystal.cell, strict=True)),
        f"_cell_volume   {lattice.volume:.6f}",
        f"_cell_formula_units_Z   {unit}",
        f"_chemical_formula_sum   '{' '.join(f'{e}{n}' for e, n in sorted(counts.items()))}'",
        *(f"_invdesign_{_item_name(key)}   {_quote(value)}" for key, value in (more or {}).items() if has_value(value)),
        "loop_",
        " _symmetry_equiv_pos_site_id",
        " _symmetry_equiv_pos_as_xyz",
        *(f"  {i}  '{text}'" for i, text in enumerate(texts, start=1)),
        "loop_",
        *(f" _atom_site_{word}" for word in ("type_symbol", "label", "symmetry_multiplicity", "Wyckoff_symbol")),
        *(f" _atom_site_{word}" for word in ("fract_x", "fract_y", "fract_z", "occupancy")),
    ]
    for i, orbit in enumerate(crystal.orbits, start=1):
        x, y, z = orbit.position
        lines.append(
            f"  {orbit.element}  {orbit.element}{i}  {orbit.multiplicity}  {orbit.letter}  {x:.8f}  {y:.8f}  {z:.8f}  1"
        )
    return "\n".join(lines) + "\n"


def has_value(value: Any) -> bool:
    """Return whether a cell has a value that is neither None, NaN nor an empty text."""
    return value is not None and value != "" and value == value


@cache
def describe_space_group(space_group: int) -> tuple[str, str, tuple[str, ...]]:
    """Return the Hermann-Mauguin symbol, the Hall symbol and the operators of a space group, as written in a CIF.

    Args:
        space_group: Number of the space group, in the default setting of spglib.
    """
    kind: Any = spglib.get_spacegroup_type(default_hall_numbers()[space_group])
    R, t = operators(space_group)
    return kind.international.split("=")[0].strip(), kind.hall_symbol, tuple(map(_write_operator, R, t))


def _write_operator(rotation: Array, shift: Array) -> str:
    parts = []
    for row, value in zip(np.round(rotation).astype(int), shift, strict=True):
        terms = "".join(f"{'-' if n < 0 else '+'}{axis}" for n, axis in zip(row, "xyz", strict=True) if n)
        fraction = Fraction(float(value) % 1.0).limit_denominator(24)
        parts.append(f"{terms.removeprefix('+')}{f'+{fraction}' if fraction % 1 else ''}")
    return ", ".join(parts)


def _item_name(heading: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", heading).strip("_")[:60] or "value"


def _quote(value: Any) -> str:
    text = " ".join(str(value).split())
    if re.fullmatch(r"[A-Za-z0-9.+-]+", text):
        return text
    return f"'{text}'" if "'" not in text else '"' + text.replace('"', "''") + '"'
