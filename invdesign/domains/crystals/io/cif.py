"""The CIF format: data blocks into structures, crystals into data blocks with their symmetry."""

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
from pymatgen.core import Composition, Element, Lattice, Structure
from pymatgen.core.operations import SymmOp
from pymatgen.io.cif import CifParser

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.wyckoff import operators

SYMBOLS = frozenset(element.symbol for element in Element)
OPERATORS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
LOOP = re.compile(
    r"^[ \t]*loop_[ \t]*\n((?:[ \t]*_\S+[ \t]*\n)+)((?:(?![ \t]*(?:_|loop_|data_|#|;))[^\n]*(?:\n|$))*)", re.M
)
WORD = re.compile(r"'([^']*)'|\"([^\"]*)\"|(\S+)")
TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]\d*|\d+)?")
SAME_PLACE = 1e-4
# Images of a special position that fall together, at most; pymatgen compares all that are made.
MAX_IMAGES = 24

# What pymatgen and what it calls raise on broken input.
BROKEN = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError)


class RefusedError(Exception):
    """Why a structure cannot be used, and what would help."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def blocks(text: str) -> list[str]:
    """The data blocks of a CIF, without those that hold neither a cell nor atoms (journals write such)."""
    found: list[list[str]] = []
    is_field = False
    for line in text.split("\n"):
        if line.startswith(";"):
            is_field = not is_field
        if not is_field and line[:5].lower() == "data_":
            found.append([])
        if found:
            found[-1].append(line)
    texts = ["\n".join(lines) + "\n" for lines in found]
    return [t for t in texts if "_cell_length_a" in t or "_atom_site_" in t] or texts[:1]


def name_of(block: str) -> str:
    """The name of a data block."""
    found = re.search(r"^data_(\S*)", block, flags=re.M | re.I)
    return found[1] if found else ""


def items(block: str) -> dict[str, str]:
    """Single values of a data block by their names, e.g. `_cell_volume`."""
    found = re.findall(r"^(_\S+)[ \t]+(\S[^\n]*?)[ \t]*$", block, flags=re.M)
    return {name: value[1:-1] if value[0] in "'\"" and value[-1] == value[0] else value for name, value in found}


def structure(block: str, *, max_sites: int) -> Structure:
    """The structure of a data block: read directly where it is plain, by pymatgen where it is not.

    Raises:
        RefusedError: what is broken, incomplete or too large.
    """
    found = _direct(block, max_sites) or _by_pymatgen(block, max_sites)
    if len(found) <= max_sites:
        _check_formula(found, items(block).get("_chemical_formula_sum", ""))
    return found


def _direct(block: str, max_sites: int) -> Structure | None:
    """The structure of a block with explicit operators and full sites of known elements; None for any other."""
    said = items(block)
    try:
        cell = [_number(said[f"_cell_{name}"]) for name in CELL]
        loops = [(headers.split(), body) for headers, body in LOOP.findall(block)]
        (names, atoms), *more = [loop for loop in loops if "_atom_site_fract_x" in loop[0]]
        R, t = next(_operators(_column(h, body, o)) for h, body in loops for o in OPERATORS if o in h)
        words = atoms.split()
        if more or len(words) % len(names) or "'" in atoms or '"' in atoms:
            return None
        columns = {name: words[i :: len(names)] for i, name in enumerate(names)}
        symbols = columns["_atom_site_type_symbol"]
        x = np.array([[_number(w) for w in columns[f"_atom_site_fract_{axis}"]] for axis in "xyz"]).T
        is_full = all(float(w) == 1 for w in columns.get("_atom_site_occupancy", []))
    except (ValueError, LookupError, StopIteration):
        return None
    if not is_full or not SYMBOLS.issuperset(symbols) or not np.isfinite([*cell, *x.ravel()]).all() or min(cell) <= 0:
        return None
    if len(symbols) > max_sites:
        raise _too_large(len(symbols), max_sites)
    try:
        lattice = Lattice.from_parameters(*cell)
        if len(R) == 1:
            return Structure(lattice, symbols, x)
        images = [_distinct(R @ row + t) for row in x]
    except BROKEN:
        return None
    species = [symbol for symbol, points in zip(symbols, images, strict=True) for _ in points]
    return Structure(lattice, species, np.concatenate(images))


def _by_pymatgen(block: str, max_sites: int) -> Structure:
    _check_rows(block, max_sites)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Atoms that a file lists twice add up to more than one and are scaled down again.
            parser = CifParser.from_str(block, occupancy_tolerance=1e3, check_cif=False)
            (found,) = parser.parse_structures(primitive=False, on_error="raise")
        except BROKEN as error:
            text = " ".join(str(error).split())[:160] or type(error).__name__
            raise RefusedError(
                f"not a readable CIF: {text}", "write the structure anew with its cell and atoms"
            ) from error
    stated = items(block)
    names = [v for k, v in stated.items() if "space_group" in k and not k.endswith("setting")]
    if any("Defaulting to P1" in str(w.message) for w in caught) and {re.sub(r"\s", "", n) for n in names} - {
        "P1",
        "1",
    }:
        raise RefusedError(
            f"unknown space group {names[0]!r} and no operators", "write the symmetry operators into the CIF"
        )
    return found


def _check_rows(block: str, max_sites: int) -> None:
    """What pymatgen would pass over in silence: atoms without coordinates, and symbols of no element."""
    loops = [(headers.split(), body) for headers, body in LOOP.findall(block)]
    sites = [(names, body) for names, body in loops if "_atom_site_fract_x" in names and body.strip()]
    if not sites:
        raise RefusedError("no atoms with fractional coordinates", "write _atom_site_fract_x, _y and _z for every atom")
    names, body = sites[0]
    columns = {name: _column(names, body, name) for name in names}
    n_rows = len(columns[names[0]])
    n_images = n_rows * max((len(_column(h, body, o)) for h, body in loops for o in OPERATORS if o in h), default=1)
    if n_rows > max_sites or n_images > MAX_IMAGES * max_sites:
        raise _too_large(max(n_rows, n_images // MAX_IMAGES), max_sites)
    for name in ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z"):
        for word in columns.get(name, ()):
            try:
                is_known = bool(np.isfinite(_number(word)))
            except ValueError:
                is_known = False
            if not is_known:
                raise RefusedError(f"an atom has the coordinate {word!r}", "give every atom three finite coordinates")
    if "." in columns.get("_atom_site_occupancy", ()):
        raise RefusedError("an atom has the occupancy '.'", "write 1 for a full site")
    for word in columns.get("_atom_site_type_symbol", ()):
        match = TYPE.fullmatch(word)
        if match is None or match[1].title() not in SYMBOLS | {"D"}:
            raise RefusedError(f"unknown element {word!r}", "write chemical symbols under _atom_site_type_symbol")


def _too_large(n: int, max_sites: int) -> RefusedError:
    return RefusedError(f"{n:,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites")


def _check_formula(found: Structure, text: str) -> None:
    """The atoms must be those that the file says it has: hydrogen is often left out, and atoms merged wrongly."""
    pairs = re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text)
    if not pairs or "".join(f"{e}{n}" for e, n in pairs) != re.sub(r"[\s'\"]", "", text):
        return
    said: dict[str, float] = {}
    for element, n in pairs:
        said["H" if element == "D" else element] = said.get("H" if element == "D" else element, 0) + float(n or 1)
    if not SYMBOLS.issuperset(said) or not sum(said.values()):
        return
    has: dict[str, float] = {}
    for element, n in found.composition.items():
        symbol = getattr(element, "symbol", str(element))
        has[symbol] = has.get(symbol, 0) + n
    n_said, n_has = sum(said.values()), sum(has.values())
    if any(abs(said.get(e, 0) / n_said - has.get(e, 0) / n_has) > 0.01 for e in said | has):
        raise RefusedError(
            f"the atoms are {Composition(has).reduced_formula}, the file says {text}",
            "add what is missing (often hydrogen), or mend _chemical_formula_sum",
        )


def _number(word: str) -> float:
    """A CIF number; its uncertainty in brackets is left out."""
    return float(word.split("(", 1)[0])


def _column(names: list[str], body: str, name: str) -> tuple[str, ...]:
    if len(names) == 1:
        return tuple(line.strip().strip("'\"") for line in body.split("\n") if line.strip())
    words = [a or b or c for a, b, c in WORD.findall(body)]
    return tuple(words[names.index(name) :: len(names)])


@lru_cache(maxsize=512)
def _operators(texts: tuple[str, ...]) -> tuple[Array, Array]:
    found = [SymmOp.from_xyz_str(text) for text in texts]
    return np.array([op.rotation_matrix for op in found]), np.array([op.translation_vector for op in found])


def _distinct(points: Array) -> Array:
    points = points % 1.0
    apart = np.abs(points[:, None] - points[None])
    is_same = (np.minimum(apart, 1 - apart) < SAME_PLACE).all(-1)
    return points[np.flatnonzero(is_same.argmax(1) == np.arange(len(points)))]


def block(crystal: Crystal, name: str, *, more: Mapping[str, Any] | None = None) -> str:
    """A crystal as a data block: space group, operators, and one atom for each orbit.

    Args:
        crystal: in spglib's default setting, so that the operators are those of its database.
        name: of the block; what CIF does not allow in it becomes `_`.
        more: further values by heading, written as `_invdesign_...`; None, NaN and empty ones are left out.
    """
    symbol, hall, texts = words(crystal.space_group)
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
        *(f"_invdesign_{_item(key)}   {_quoted(value)}" for key, value in (more or {}).items() if is_said(value)),
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


def is_said(value: Any) -> bool:
    """Whether a table's cell holds something: neither None, NaN nor empty text."""
    return value is not None and value != "" and value == value


@cache
def words(space_group: int) -> tuple[str, str, tuple[str, ...]]:
    """Hermann-Mauguin and Hall symbol of the default setting, and its operators as texts."""
    kinds = (spglib.get_spacegroup_type(hall) for hall in range(1, 531))
    kind = next(kind for kind in kinds if kind is not None and kind.number == space_group)
    R, t = operators(space_group)
    return kind.international.split("=")[0].strip(), kind.hall_symbol, tuple(map(_xyz, R, t))


def _xyz(rotation: Array, shift: Array) -> str:
    parts = []
    for row, value in zip(np.round(rotation).astype(int), shift, strict=True):
        terms = "".join(f"{'-' if n < 0 else '+'}{axis}" for n, axis in zip(row, "xyz", strict=True) if n)
        fraction = Fraction(float(value) % 1.0).limit_denominator(24)
        parts.append(f"{terms.removeprefix('+')}{f'+{fraction}' if fraction % 1 else ''}")
    return ", ".join(parts)


def _item(heading: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", heading).strip("_")[:60] or "value"


def _quoted(value: Any) -> str:
    text = " ".join(str(value).split())
    if re.fullmatch(r"[A-Za-z0-9.+-]+", text):
        return text
    return f"'{text}'" if "'" not in text else '"' + text.replace('"', "''") + '"'
