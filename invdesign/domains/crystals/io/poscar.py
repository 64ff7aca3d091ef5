"""Reader of POSCAR and CONTCAR texts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.io.refusals import RefusedError, check_lattice, check_symbol, size_error
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS, PeriodicAtoms, from_parts

FIRST_COORDINATE_LINE = 8
"""Number of lines before the coordinates of a usual POSCAR."""
MAX_WORDS = 200
"""Largest number of species."""
MAX_SCALE = 1e6
FLAGS = {"t", "f", ".true.", ".false."}
"""Flags of selective dynamics."""
LABEL = re.compile(r"[!#]*([A-Z][a-z]?)(?![a-z])[^\s]*")
"""Label of an atom at the end of its line: the symbol and what programs append, such as a charge or a number."""


def read_poscar(text: str, *, max_sites: int) -> PeriodicAtoms:
    """Return the atoms of a POSCAR: direct or Cartesian, with a scale or a volume, with selective dynamics.

    Args:
        text: Text of the file. Without a line of elements, every coordinate line must end in one.
        max_sites: Largest number of atoms.

    Raises:
        RefusedError: A line is no such line, the elements are missing, there are more coordinates than atoms, or the
            labels of the atoms contradict the elements.
    """
    lines = text.split("\n", 10 + 2 * max_sites)
    if len(lines) < FIRST_COORDINATE_LINE:
        raise RefusedError(
            f"a POSCAR of {len(lines)} lines", "give comment, scale, cell, elements, counts, coordinates"
        )
    factors = _scale_factors(_numbers(lines, 1), np.array([_vector(lines, k) for k in (2, 3, 4)]))
    lattice = np.array([_vector(lines, k) for k in (2, 3, 4)]) * factors
    words = lines[5].split()[:MAX_WORDS]
    has_elements = bool(words) and not words[0].isdecimal()
    counts = _counts(lines, 6 if has_elements else 5)
    n = sum(counts)
    if n > max_sites:
        raise size_error(n, max_sites)
    start = 7 if has_elements else 6
    if _first_letter(lines, start) == "s":
        start += 1
    is_cartesian = _first_letter(lines, start) in ("c", "k")
    rows = [line.split() for line in lines[start + 1 : start + 1 + n]]
    if len(rows) < n or any(len(row) < 3 for row in rows):
        raise RefusedError(f"a POSCAR of {n} atoms with fewer coordinates", "write one line for each atom")
    _check_end(lines, start + 1 + n, n)
    labels = _labels(rows)
    symbols = _symbols(words, counts) if has_elements else _symbols_of_labels(labels)
    _check_labels(symbols, labels)
    try:
        x = np.array([[float(word) for word in row[:3]] for row in rows])
    except ValueError as error:
        raise RefusedError(f"a coordinate is no number ({error})"[:120], "write three numbers for each atom") from error
    check_lattice(lattice)
    if is_cartesian:
        x = x * factors @ np.linalg.inv(lattice)
    return from_parts(lattice, symbols, x)


def is_poscar(text: str) -> bool:
    """Return whether a text is laid out as a POSCAR: a scale in line 2 and three vectors in lines 3 to 5."""
    lines = text.split("\n", 8)
    if len(lines) < FIRST_COORDINATE_LINE:
        return False
    return all(_is_row_of_numbers(lines[k], n) for k, n in ((1, 1), (2, 3), (3, 3), (4, 3)))


def _is_row_of_numbers(line: str, n: int) -> bool:
    words = line.split()[:n]
    return len(words) == n and all(re.fullmatch(r"[-+]?[\d.]+(?:[eEdD][-+]?\d+)?", word) for word in words)


def _numbers(lines: Sequence[str], k: int) -> list[float]:
    found = []
    for word in lines[k].split()[:3]:
        try:
            found.append(float(word))
        except ValueError:
            break
    if not found or not all(math.isfinite(value) for value in found):
        raise RefusedError(f"line {k + 1} of a POSCAR is {lines[k][:40]!r}, expected numbers", "correct the line")
    return found


def _vector(lines: Sequence[str], k: int) -> list[float]:
    found = _numbers(lines, k)
    if len(found) != 3:
        raise RefusedError(f"line {k + 1} of a POSCAR is {lines[k][:40]!r}, expected three numbers", "correct the line")
    return found


def _scale_factors(scale: Sequence[float], vectors: Array) -> Array:
    """Return the factors (3) of the Cartesian axes: one for all, one for each, or from a volume with a minus sign."""
    if any(value == 0 or abs(value) > MAX_SCALE for value in scale):
        raise RefusedError(f"the scale of a POSCAR is {scale[0]:g}", "write a factor, or the volume with a minus sign")
    if len(scale) == 3:
        return np.array(scale)
    if scale[0] > 0:
        return np.full(3, scale[0])
    volume = abs(float(np.linalg.det(vectors)))
    if not volume > 0:
        raise RefusedError("a cell without volume", "give a cell with a volume")
    return np.full(3, (-scale[0] / volume) ** (1 / 3))


def _counts(lines: Sequence[str], k: int) -> list[int]:
    words = lines[k].split()
    if not words or not all(re.fullmatch(r"\d{1,7}", word) for word in words[:MAX_WORDS]) or len(words) > MAX_WORDS:
        raise RefusedError(
            f"line {k + 1} of a POSCAR is {lines[k][:40]!r}, expected the number of atoms of each element",
            "write the elements into line 6 and their numbers into line 7",
        )
    return [int(word) for word in words]


def _first_letter(lines: Sequence[str], k: int) -> str:
    return lines[k].strip()[:1].lower() if k < len(lines) else ""


def _symbols(words: Sequence[str], counts: Sequence[int]) -> list[str]:
    if len(words) != len(counts):
        raise RefusedError(
            f"a POSCAR with {len(words)} elements and {len(counts)} numbers of atoms",
            "write one number for each element",
        )
    # VASP appends the kind of the potential: Sr_sv, or a hash behind a slash.
    plain = [re.split(r"[_/]", word, maxsplit=1)[0] for word in words]
    found = [check_symbol(symbol, word) for symbol, word in zip(plain, words, strict=True)]
    return [symbol for symbol, n in zip(found, counts, strict=True) for _ in range(n)]


def _check_end(lines: Sequence[str], k: int, n: int) -> None:
    """Reject coordinates directly after those of the last atom; velocities follow a blank line."""
    if k < len(lines) and _is_row_of_numbers(lines[k], 3):
        raise RefusedError(
            f"line {k + 1} of a POSCAR is {lines[k].strip()[:40]!r}, expected the end of the coordinates of {n} atoms",
            "correct the numbers of atoms in line 7, or remove the line",
        )


def _labels(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the label after the coordinates and flags of each atom; none where an atom has no label."""
    found = []
    for row in rows:
        words = row[3:]
        if len(words) >= 3 and all(word.lower() in FLAGS for word in words[:3]):
            words = words[3:]
        words = [word for word in words if word.strip("!#")]
        if not words or LABEL.fullmatch(words[0]) is None:
            return []
        found.append(words[0].lstrip("!#"))
    return found


def _symbols_of_labels(labels: Sequence[str]) -> list[str]:
    if not labels or any(label not in ATOMIC_NUMBERS for label in labels):
        raise RefusedError("a POSCAR without elements", "write them into line 6")
    return list(labels)


def _check_labels(symbols: Sequence[str], labels: Sequence[str]) -> None:
    """Reject labels at the ends of the lines, all of them elements, that contradict the line of elements."""
    elements = [match[1] for match in map(LABEL.fullmatch, labels) if match is not None]
    if any(element not in ATOMIC_NUMBERS for element in elements):
        return
    for i, (symbol, element, label) in enumerate(zip(symbols, elements, labels, strict=False), start=1):
        if symbol != element and not label.upper().startswith(symbol.upper()):
            raise RefusedError(
                f"atom {i} of a POSCAR is {symbol} by the line of elements, its own line ends in {label[:40]!r}",
                "correct the order of the elements and their numbers, or the labels",
            )
