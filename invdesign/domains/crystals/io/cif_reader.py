"""Reader of CIF data blocks: cell, symmetry and atoms, checked against what the file states of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import gemmi
import numpy as np
from pymatgen.core.composition import Composition

from invdesign.core import Array
from invdesign.domains.crystals.io.checks import check_atoms, closest_contact
from invdesign.domains.crystals.io.refusals import (
    MAX_COORDINATE,
    RefusedError,
    check_symbol,
    lattice_from_parameters,
    size_error,
)
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, PeriodicAtoms, from_parts

CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
OPERATORS = (
    "_space_group_symop_magn_operation_xyz",
    "_space_group_symop_operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
)
CENTERINGS = "_space_group_symop_magn_centering_xyz"
HALL_NAMES = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NAMES = ("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m", "_space_group_name_h-m_ref")
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
TYPE = re.compile(r"([A-Za-z]{1,2})(?:\d*\.?\d*[+-]\d*|\d+)?")
TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?)?\*?([xyz]?)")
UNKNOWN = ("?", ".", "")
MAX_BLOCK = 60_000_000
"""Largest data block [characters]: deposited files contain reflections."""
MAX_OPERATORS = 1_152
"""Largest number of operators: 192 of a cubic group, and the centrings of a larger cell."""
MAX_IMAGES = 24
"""Largest number of images of a special position that coincide."""
DENOMINATOR = 240
"""Translations of operators are multiples of 1/240: fractions of the International Tables, fifths, sixteenths."""
POSITION_TOLERANCE = 1e-4
"""Largest difference of the fractional coordinates of one position, as written."""
SPECIAL_DISTANCE = 0.05
"""Distance at which an atom and its image are one atom on a special position [angstrom]."""
MAX_FORMULA_ERROR = 0.01
"""Largest difference of the mole fraction of an element from the stated formula."""
MAX_OCCUPANCY_ERROR = 0.01
MIN_CLOSENESS = 0.7
"""Smallest distance for another origin, as a share of the sum of the covalent radii."""
MAX_STRAIN = 0.02
"""Largest relative difference of a cell from the symmetry of its operators."""
MAX_DENSITY_ERROR = {"_exptl_crystal_density_diffrn": 0.1, "_exptl_crystal_density_meas": 0.2}
MAX_VOLUME_ERROR = 0.05
MAX_CELL_TEXT = 400


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Operators of a space group in the setting of a file."""

    rotations: Array
    """Rotations, `k x 3 x 3`."""
    translations: Array
    """Translations, `k x 3`."""
    name: str = ""
    """Name with the choice of the origin, where another choice was taken than the file states."""


@dataclass(frozen=True, eq=False)
class _Block:
    """Values and columns of a data block, by names in lower case with underscores."""

    values: Mapping[str, str]
    columns: Mapping[str, Sequence[str]]


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


def read_atoms(block: str, *, max_sites: int) -> tuple[PeriodicAtoms, str]:
    """Return the atoms of a data block, and what was corrected.

    Where atoms and stated formula, number of formula units and density agree only with the other choice of the origin
    of the space group, that one is taken.

    Args:
        block: Text of the data block.
        max_sites: Largest number of atoms in the cell.

    Raises:
        RefusedError: The block is broken, incomplete, too large, disordered, or contradicts itself.
    """
    data = _parse(block)
    symbols, positions = _read_sites(data, max_sites)
    cell = [_read_cell_value(data, name) for name in CELL]
    lattice = lattice_from_parameters(cell)
    given, *others = _read_symmetries(data, cell, lattice)
    try:
        expanded, n_merged = _expand(lattice, symbols, positions, given, max_sites)
        atoms, repair = check_atoms(expanded, max_sites=max_sites, n_merged=n_merged)
    except RefusedError as refusal:
        return _try_origins(refusal, 0.0, lattice, symbols, positions, others, data, max_sites)
    try:
        _check_stated(atoms, data)
    except RefusedError as refusal:
        closeness = closest_contact(atoms)
        return _try_origins(refusal, closeness, lattice, symbols, positions, others, data, max_sites)
    return atoms, repair


def _try_origins(
    refusal: RefusedError,
    closeness: float,
    lattice: Array,
    symbols: Sequence[str],
    positions: Array,
    symmetries: Sequence[Symmetry],
    data: _Block,
    max_sites: int,
) -> tuple[PeriodicAtoms, str]:
    """Return the atoms for another choice of the origin with which they agree with the file and are not closer.

    Args:
        refusal: Why the atoms are refused for the origin of the file; raised where no other one is better.
        closeness: Smallest distance for the origin of the file, see `closest_contact`.
        lattice: Lattice vectors as rows [angstrom].
        symbols: Element of each listed atom.
        positions: Fractional coordinates of the listed atoms.
        symmetries: The other choices.
        data: The data block.
        max_sites: Largest number of atoms.
    """
    for symmetry in symmetries:
        try:
            expanded, _ = _expand(lattice, symbols, positions, symmetry, max_sites)
            atoms, _ = check_atoms(expanded, max_sites=max_sites)
            _check_stated(atoms, data)
        except RefusedError:
            continue
        if closest_contact(atoms) >= max(closeness, MIN_CLOSENESS):
            return atoms, f"repaired: the atoms fit {symmetry.name}, not the origin of the file ({refusal.reason})"
    raise refusal


def _parse(block: str) -> _Block:
    if len(block) > MAX_BLOCK:
        raise RefusedError(f"a data block of {len(block):,} characters", "leave out what is no structure")
    try:
        document = gemmi.cif.read_string(block)
        parsed = document[0]
    except (ValueError, RuntimeError, IndexError) as error:
        text = " ".join(str(error).split())[:160] or "no data block"
        raise RefusedError(
            f"not a readable CIF: {text}", "write the structure again with its cell and atoms"
        ) from error
    values: dict[str, str] = {}
    columns: dict[str, Sequence[str]] = {}
    for entry in parsed:
        item: Any = entry
        if item.pair is not None:
            name, value = item.pair
            values[_plain_name(name)] = _plain(value)[:MAX_CELL_TEXT]
        elif item.loop is not None:
            loop = item.loop
            names = [_plain_name(tag) for tag in loop.tags]
            wanted = [
                i for i, name in enumerate(names) if name.startswith(("_atom_site_", "_space_group", "_symmetry"))
            ]
            if not wanted or any(name.startswith("_atom_site_aniso") for name in names):
                continue
            _check_length(names, loop.length())
            words = loop.values
            columns |= {names[i]: words[i :: len(names)] for i in wanted}
    return _Block(values, columns)


def _check_length(names: Sequence[str], n: int) -> None:
    if n > MAX_OPERATORS and any(name in (*OPERATORS, CENTERINGS) for name in names):
        raise RefusedError(f"{n:,} symmetry operators, more than {MAX_OPERATORS:,}", "write each operator once")
    if n > 100_000:
        raise size_error(n, 100_000)


def _plain_name(tag: str) -> str:
    return tag.lower().replace(".", "_")


def _plain(value: str) -> str:
    """Return a value without its quotes; `?` and `.` stay."""
    return value if value[:1] not in "'\";" else str(gemmi.cif.as_string(value)).strip()


def _read_cell_value(data: _Block, name: str) -> float:
    word = data.values.get(f"_cell_{name}")
    if word is None:
        raise RefusedError(f"no _cell_{name}", "write the six lengths and angles of the cell")
    number = read_number(word)
    if not math.isfinite(number):
        raise RefusedError(f"_cell_{name} is {word[:40]!r}", "give finite lengths and angles")
    return number


def read_number(word: str) -> float:
    """Return a CIF number without its uncertainty in brackets; NaN for what is no number."""
    try:
        return float(word.split("(", 1)[0])
    except ValueError:
        return math.nan


def _read_sites(data: _Block, max_sites: int) -> tuple[list[str], Array]:
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
            number = read_number(_plain(word))
            if not abs(number) <= MAX_COORDINATE:
                raise RefusedError(
                    f"an atom has the coordinate {_plain(word)[:40]!r}", "give every atom three finite coordinates"
                )
            numbers.append(number)
    symbols = _read_symbols(columns.get("_atom_site_type_symbol"), columns.get("_atom_site_label"))
    _check_occupancies(columns.get("_atom_site_occupancy", ()), symbols)
    return symbols, np.array(numbers).reshape(3, n).T


def _read_symbols(types: Sequence[str] | None, labels: Sequence[str] | None) -> list[str]:
    if types is None and labels is None:
        raise RefusedError("atoms without a symbol", "write _atom_site_type_symbol")
    if types is None:
        return [_element_of_label(_plain(word)) for word in labels or ()]
    symbols = [_element_of_type(_plain(word)) for word in types]
    if labels is not None:
        _check_labels(symbols, [_plain(word) for word in labels])
    return symbols


def _check_occupancies(words: Sequence[str], symbols: Sequence[str]) -> None:
    for word, symbol in zip(words, symbols, strict=False):
        occupancy = read_number(_plain(word))
        if not math.isfinite(occupancy):
            raise RefusedError(f"an atom has the occupancy {_plain(word)[:40]!r}", "write 1 for a full site")
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


def _check_labels(symbols: Sequence[str], labels: Sequence[str]) -> None:
    """Reject labels that name another element of the same file: atoms or types were exchanged."""
    elements = set(symbols)
    for symbol, label in zip(symbols, labels, strict=False):
        letters = re.match(r"[A-Z][a-z]?(?![a-z])", label)
        if (
            letters is None
            or letters[0] == symbol
            or letters[0] not in elements
            or label.upper().startswith(symbol.upper())
        ):
            continue
        raise RefusedError(
            f"the atom {label[:40]!r} has the type {symbol}", "correct _atom_site_type_symbol or _atom_site_label"
        )


def _read_symmetries(data: _Block, cell: Sequence[float], lattice: Array) -> list[Symmetry]:
    """Return the symmetry of a block, and after it the other choices of its origin."""
    names = [data.values[name] for name in (*HALL_NAMES, *NAMES) if data.values.get(name, "") not in UNKNOWN]
    number = next((data.values[name] for name in NUMBERS if data.values.get(name, "") not in UNKNOWN), "")
    texts = _read_operators(data)
    if texts:
        R, t = parse_operators(texts)
        given = Symmetry(R, t)
        _check_metric(given, lattice)
        return [given, *_other_origins(R, t)]
    group = _find_space_group(names, number, cell)
    if group is None:
        if names or number:
            shown = names[0] if names else number
            raise RefusedError(
                f"unknown space group {shown[:60]!r} and no operators", "write the symmetry operators into the CIF"
            )
        return [Symmetry(np.eye(3)[None], np.zeros((1, 3)))]
    R, t = _operators_of(group.xhm())
    given = Symmetry(R, t)
    _check_metric(given, lattice)
    return [given, *_other_origins(R, t)]


def _read_operators(data: _Block) -> tuple[str, ...]:
    """Return the texts of the operators without time reversal, each combined with the centrings of a magnetic group."""
    for name in OPERATORS:
        words = data.columns.get(name) or ([data.values[name]] if name in data.values else [])
        if not words:
            continue
        texts = tuple(dict.fromkeys(re.sub(r"\s", "", _plain(word)).lower() for word in words))
        if "magn" not in name:
            return texts
        centerings = [_plain(word) for word in data.columns.get(CENTERINGS, ())] or ["x,y,z"]
        return (*_drop_time(texts), "|", *_drop_time(centerings))
    return ()


def _drop_time(texts: Sequence[str]) -> list[str]:
    return [",".join(re.sub(r"\s", "", text).lower().split(",")[:3]) for text in texts]


@lru_cache(maxsize=512)
def parse_operators(texts: tuple[str, ...]) -> tuple[Array, Array]:
    """Return rotations (`k x 3 x 3`) and translations (`k x 3`) of operators that form a group.

    Args:
        texts: Operators such as `-y, x-y, z+1/3`; after `"|"` centrings to combine them with.

    Raises:
        RefusedError: A text is no operator, or the operators are no group.
    """
    if "|" in texts:
        k = texts.index("|")
        R, t = parse_operators_singly(texts[:k])
        _, shifts = parse_operators_singly(texts[k + 1 :])
        R, t = np.repeat(R, len(shifts), axis=0), (t[:, None] + shifts).reshape(-1, 3)
    else:
        R, t = parse_operators_singly(texts)
    codes = _code(R, t)
    rows = np.sort(np.unique(codes, return_index=True)[1])
    R, t, codes = R[rows], t[rows], codes[rows]
    if len(R) > MAX_OPERATORS:
        raise RefusedError(f"{len(R):,} symmetry operators", "write the operators of one cell")
    known = np.sort(codes)
    generators = range(min(len(R), 192))
    for i in generators:
        products = _code(R[i] @ R, t @ R[i].T + t[i])
        if not np.isin(products, known, assume_unique=False).all():
            raise RefusedError(
                f"the {len(R)} symmetry operators are no group", "write all operators, centrings included, or none"
            )
    return R, t


def parse_operators_singly(texts: Sequence[str]) -> tuple[Array, Array]:
    """Return rotations and translations of operators, each checked on its own.

    Raises:
        RefusedError: A text is no operator of a crystal.
    """
    found = [_parse_operator(text) for text in texts]
    return np.array([R for R, _ in found]), np.array([t for _, t in found])


@lru_cache(maxsize=8192)
def _parse_operator(text: str) -> tuple[Array, Array]:
    R, t = np.zeros((3, 3)), np.zeros(3)
    parts = text.split(",")
    refusal = RefusedError(f"{text[:60]!r} is no symmetry operator", "write operators such as '-y, x-y, z+1/3'")
    if len(parts) != 3 or len(text) > 120:
        raise refusal
    for row, part in enumerate(parts):
        position = 0
        while position < len(part):
            match = TERM.match(part, position)
            if match is None or match.end() == position or (position and not match[1]):
                raise refusal
            sign, number, divisor, axis = match.groups()
            if (number is None and not axis) or (divisor is not None and int(divisor) == 0):
                raise refusal
            value = (-1.0 if sign == "-" else 1.0) * float(number or 1) / int(divisor or 1)
            if axis:
                R[row, "xyz".index(axis)] += value
            else:
                t[row] += value
            position = match.end()
    scaled = t * DENOMINATOR
    is_fraction = np.abs(scaled - np.round(scaled)) < 0.25
    if not np.isin(R, (-1, 0, 1)).all() or abs(round(np.linalg.det(R))) != 1 or not is_fraction.all():
        raise refusal
    return R, np.round(scaled) / DENOMINATOR % 1.0


def _code(R: Array, t: Array) -> Array:
    """Return one integer for each operator, equal for operators that differ by a lattice translation."""
    digits = np.rint(R).astype(np.int64).reshape(-1, 9) + 4
    linear = digits @ 9 ** np.arange(9)
    shifts = np.rint(t * DENOMINATOR).astype(np.int64) % DENOMINATOR
    code: Array = linear * DENOMINATOR**3 + shifts @ np.array([DENOMINATOR**2, DENOMINATOR, 1])
    return code


def _check_metric(symmetry: Symmetry, lattice: Array) -> None:
    """Reject a cell whose lengths and angles contradict the operators."""
    metric = lattice @ lattice.T
    # Operators act on coordinates; lengths are kept where R^T G R = G.
    turned = np.swapaxes(symmetry.rotations, 1, 2) @ metric @ symmetry.rotations
    scale = np.sqrt(np.outer(np.diag(metric), np.diag(metric)))
    if np.abs((turned - metric) / scale).max() > 2 * MAX_STRAIN:
        raise RefusedError(
            "the cell lengths and angles contradict the symmetry operators", "correct the cell or the operators"
        )


@lru_cache(maxsize=512)
def _operators_of(xhm: str) -> tuple[Array, Array]:
    group = gemmi.find_spacegroup_by_name(xhm)
    assert group is not None
    found = list(group.operations())
    return np.array([op.rot for op in found]) / op_den(), np.array([op.tran for op in found]) / op_den() % 1.0


def op_den() -> int:
    """Return the denominator of gemmi's operators."""
    return int(gemmi.Op.DEN)


def _find_space_group(names: Sequence[str], number: str, cell: Sequence[float]) -> gemmi.SpaceGroup | None:
    for name in names:
        by_hall = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(name)) if _is_hall(name) else None
        found = by_hall or gemmi.find_spacegroup_by_name(name, cell[3], cell[5])
        if found is not None:
            return found
    if names and any(re.sub(r"\s", "", name).upper() not in ("P1", "1") for name in names):
        return None
    return gemmi.find_spacegroup_by_number(int(number)) if number.isdecimal() and 1 <= int(number[:9]) <= 230 else None


def _is_hall(name: str) -> bool:
    return any(group.hall == name for group in gemmi.spacegroup_table())


def _other_origins(R: Array, t: Array) -> Iterator[Symmetry]:
    """Yield the operators of the same space group with another choice of the origin."""
    if len(R) == 1:
        return
    for name in _origin_names(np.rint(R).astype(np.int64).tobytes(), np.rint(t * 24).astype(np.int64).tobytes()):
        yield Symmetry(*_operators_of(name), name=name)


@lru_cache(maxsize=512)
def _origin_names(rotations: bytes, translations: bytes) -> tuple[str, ...]:
    R = np.frombuffer(rotations, dtype=np.int64).reshape(-1, 3, 3)
    t = np.frombuffer(translations, dtype=np.int64).reshape(-1, 3)
    operations = gemmi.GroupOps([_gemmi_operator(r, v) for r, v in zip(R.tolist(), t.tolist(), strict=True)])
    group = gemmi.find_spacegroup_by_ops(operations)
    if group is None or group.ext not in ("1", "2"):
        return ()
    return tuple(
        other.xhm()
        for other in gemmi.spacegroup_table()
        if other.number == group.number and other.hm == group.hm and other.ext != group.ext
    )


def _gemmi_operator(rotation: list[list[int]], translation: list[int]) -> gemmi.Op:
    operator = gemmi.Op("x,y,z")
    operator.rot = [[value * op_den() for value in row] for row in rotation]
    operator.tran = translation
    return operator


def _expand(
    lattice: Array, symbols: Sequence[str], positions: Array, symmetry: Symmetry, max_sites: int
) -> tuple[PeriodicAtoms, int]:
    """Return all atoms of the cell, and the number of images that were merged onto special positions."""
    R, t = symmetry.rotations, symmetry.translations
    if len(R) == 1 and np.array_equal(R[0], np.eye(3)):
        return from_parts(lattice, symbols, positions), 0
    if len(symbols) * len(R) > MAX_IMAGES * max_sites:
        raise size_error(len(symbols) * len(R) // MAX_IMAGES, max_sites)
    found = [_images(lattice, R, t, x) for x in positions]
    n = sum(len(points) for points, _ in found)
    if n > max_sites:
        raise size_error(n, max_sites)
    species = [symbol for symbol, (points, _) in zip(symbols, found, strict=True) for _ in points]
    points = np.concatenate([points for points, _ in found]) if found else np.zeros((0, 3))
    return from_parts(lattice, species, points), sum(n_merged for _, n_merged in found)


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


def _check_stated(atoms: PeriodicAtoms, data: _Block) -> None:
    """Reject atoms that contradict the formula, the number of formula units, the volume or the density of the file."""
    text = data.values.get("_chemical_formula_sum", "")
    stated = _parse_formula(text)
    if stated:
        _check_formula(atoms, stated, text)
        _check_units(atoms, stated, text, data.values.get("_cell_formula_units_z", ""))
    volume = read_number(data.values.get("_cell_volume", ""))
    if math.isfinite(volume) and abs(atoms.volume - volume) > MAX_VOLUME_ERROR * abs(volume):
        raise RefusedError(
            f"the cell has {atoms.volume:.4g} A^3, the file states {volume:.4g} A^3", "correct the cell or _cell_volume"
        )
    for name, error in MAX_DENSITY_ERROR.items():
        density = read_number(data.values.get(name, ""))
        if math.isfinite(density) and density > 0 and abs(atoms.mass_density - density) > error * density:
            raise RefusedError(
                f"the atoms have a density of {atoms.mass_density:.4g} g/cm3, the file states {density:.4g} g/cm3",
                f"add or remove atoms, check the origin of the space group, or correct {name}",
            )


@lru_cache(maxsize=4096)
def _parse_formula(text: str) -> dict[str, float]:
    """Return the atoms of a formula by element; empty where the text is no plain formula."""
    pairs = re.findall(r"([A-Z][a-z]?)(\d+\.?\d*|\.\d+)?", text[:MAX_CELL_TEXT])
    if not pairs or "".join(f"{e}{n}" for e, n in pairs) != re.sub(r"[\s'\"]", "", text):
        return {}
    stated: dict[str, float] = {}
    for element, n in pairs:
        symbol = "H" if element == "D" else element
        stated[symbol] = stated.get(symbol, 0) + float(n or 1)
    total = sum(stated.values())
    return stated if ATOMIC_NUMBERS.keys() >= stated.keys() and 0 < total < 1e9 else {}


def _check_formula(atoms: PeriodicAtoms, stated: Mapping[str, float], text: str) -> None:
    """Reject atoms that differ from the stated formula: hydrogen is often left out, and atoms are merged wrongly."""
    actual = atoms.counts
    n_stated, n_actual = sum(stated.values()), sum(actual.values())
    differences = [abs(stated.get(e, 0) / n_stated - actual.get(e, 0) / n_actual) for e in {*stated, *actual}]
    if any(difference > MAX_FORMULA_ERROR for difference in differences):
        raise RefusedError(
            f"the atoms are {Composition(actual).reduced_formula}, the formula of the file is {text}",
            "add what is missing (often hydrogen), or correct _chemical_formula_sum",
        )


def _check_units(atoms: PeriodicAtoms, stated: Mapping[str, float], text: str, units: str) -> None:
    """Reject a number of atoms that is neither Z formulas nor, as pymatgen writes it, the formula of the cell."""
    z = read_number(units)
    if not (math.isfinite(z) and z > 0):
        return
    n, n_formula = len(atoms), sum(stated.values())
    if all(abs(n - expected) > max(0.01 * expected, 0.5) for expected in (z * n_formula, n_formula)):
        raise RefusedError(
            f"{n} atoms in the cell, the file states Z = {z:g} of {text}: {z * n_formula:g} atoms "
            f"(density {atoms.mass_density:.4g}, not {atoms.mass_density * z * n_formula / n:.4g} g/cm3)",
            "check the origin of the space group and the atoms, or correct _cell_formula_units_Z",
        )
