"""Space group of a CIF data block: its operators, its names and its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import gemmi
import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.io.cif_block import CENTERINGS, MAX_OPERATORS, OPERATORS, UNKNOWN, Block, plain
from invdesign.domains.crystals.io.refusals import RefusedError

HALL_NAMES = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group_name_h-m_ref",
    "_space_group_name_h-m",
)
NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
STATED = re.compile(r"_(?:\w+_)?(?:space_group|symmetry)_\S*(?:name|number|symop|equiv)\S*(?<!_id)")
"""Items that state a space group; those of magnetic and modulated crystals contain `magn` or `ssg`."""
TRIVIAL = ("P1", "1", "1.1", "1.1.1")
"""Names and numbers of groups without symmetry, without blanks."""
TERM = re.compile(r"([+-]?)(?:(\d+(?:\.\d*)?|\.\d+)(?:/(\d+))?)?\*?([xyz]?)")
DENOMINATOR = 240
"""Translations of operators are multiples of 1/240: fractions of the International Tables, fifths, sixteenths."""
MAX_STRAIN = 0.02
"""Largest relative difference of a cell from the symmetry of its operators."""


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Operators of a space group in the setting of a file."""

    rotations: Array
    """Rotations, `k x 3 x 3`."""
    translations: Array
    """Translations, `k x 3`."""
    name: str = ""
    """Name with the choice of the origin, where it does not come from the operators of the file."""


def read_symmetries(data: Block, cell: Sequence[float]) -> list[Symmetry]:
    """Return the symmetry of a block; several where its names and its number state different space groups.

    Args:
        data: The data block.
        cell: Lengths [angstrom] and angles [degrees] of the cell.

    Raises:
        RefusedError: The operators are no group, or the block states a space group that cannot be read.
    """
    texts = _read_operators(data)
    if texts:
        return [Symmetry(*parse_operators(texts))]
    _check_magnetic(data)
    names = _known_values(data, (*HALL_NAMES, *NAMES))
    number = (_known_values(data, NUMBERS) or [""])[0]
    groups = _find_space_groups(names, number, cell)
    if groups:
        return [Symmetry(*_operators_of(group.xhm()), name=f"{group.xhm()} ({group.number})") for group in groups]
    stated = [*names, number] if names or number else [data.value(name) or name for name in _list_stated(data)]
    if stated:
        raise RefusedError(
            f"unknown space group {stated[0][:60]!r} and no operators", "write the symmetry operators into the CIF"
        )
    return [Symmetry(np.eye(3)[None], np.zeros((1, 3)))]


def _known_values(data: Block, names: Sequence[str]) -> list[str]:
    values = [data.value(name) for name in names]
    return [value for value in values if value not in UNKNOWN]


def _check_magnetic(data: Block) -> None:
    """Reject the group of a magnetic or modulated crystal without operators: its database is not available."""
    for name in _list_stated(data):
        if "magn" in name or "ssg" in name:
            raise RefusedError(
                f"{name} is {data.value(name)[:60]!r}, and there are no operators",
                "write the symmetry operators into the CIF",
            )


def _list_stated(data: Block) -> list[str]:
    """Return the names of the items that state another space group than P1."""
    found = []
    for name in (*data.values, *data.columns):
        if STATED.fullmatch(name):
            value = re.sub(r"\s", "", data.value(name)).upper()
            is_loop = not value and name in data.columns
            if is_loop or value not in (*TRIVIAL, *UNKNOWN):
                found.append(name)
    return found


def _read_operators(data: Block) -> tuple[str, ...]:
    """Return the texts of the operators without time reversal, each combined with the centrings of a magnetic group."""
    for name in OPERATORS:
        words = data.columns.get(name) or ([data.values[name]] if name in data.values else [])
        if not words:
            continue
        texts = tuple(dict.fromkeys(re.sub(r"\s", "", plain(word)).lower() for word in words))
        if "magn" not in name:
            return texts
        centerings = [plain(word) for word in data.columns.get(CENTERINGS, ())] or ["x,y,z"]
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


def check_metric(symmetry: Symmetry, lattice: Array) -> None:
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


def _find_space_groups(names: Sequence[str], number: str, cell: Sequence[float]) -> list[gemmi.SpaceGroup]:
    """Return the space groups of names and number, one for each number of the International Tables."""
    found = [_find_by_name(name, cell) for name in names]
    groups = [group for group in found if group is not None]
    if names and not groups and any(re.sub(r"\s", "", name).upper() not in TRIVIAL for name in names):
        return []
    if number.isdecimal() and 1 <= int(number[:9]) <= 230:
        by_number = gemmi.find_spacegroup_by_number(int(number))
        groups += [by_number] if by_number is not None else []
    first: dict[int, gemmi.SpaceGroup] = {}
    for group in groups:
        first.setdefault(group.number, group)
    return list(first.values())


def _find_by_name(name: str, cell: Sequence[float]) -> gemmi.SpaceGroup | None:
    by_hall = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(name)) if _is_hall(name) else None
    return by_hall or gemmi.find_spacegroup_by_name(name, cell[3], cell[5])


def _is_hall(name: str) -> bool:
    return any(group.hall == name for group in gemmi.spacegroup_table())


def other_origins(R: Array, t: Array) -> Iterator[Symmetry]:
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
