"""Landscapes that were measured: values looked up in tables, by sequence."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.domains.sequences.alphabet import reverse_complement
from invdesign.domains.sequences.io.files import UNKNOWN_VALUES
from invdesign.domains.sequences.io.records import find
from invdesign.io.text_files import decode_text, read_bytes


def sequence_table(
    designs: Sequence[str],
    *,
    path: str | Path,
    column: str,
    sequence_column: str = "sequence",
    either_strand: bool = False,
) -> Array:
    """Look measured values up in a table (`n`); NaN where it has no such sequence.

    Args:
        designs: `n` sequences.
        path: of a table with a header, plain or gzipped; commas, semicolons or tabs between columns. Read once.
        column: of the values; an empty cell is unknown, and of a repeated sequence the first row counts.
        sequence_column: of the sequences; the first, where several have that name.
        either_strand: whether a sequence of DNA that the table lacks is looked up by its reverse complement.

    Raises:
        InvdesignError: the table cannot be read, lacks a column, or has a cell that is no number.
    """
    place = Path(path)
    if not place.is_file():
        raise InvdesignError(f"cannot read {place}: no such file. Check the path of the measured table")
    table = _table(place.resolve(), place.stat().st_mtime_ns, column, sequence_column)
    found = [table.get(design, math.nan) for design in designs]
    if either_strand:
        for i, design in enumerate(designs):
            if design not in table:
                found[i] = table.get(reverse_complement(design), math.nan)
    return np.array(found, dtype=np.float64)


@lru_cache(maxsize=8)
def _table(path: Path, changed: int, column: str, sequence_column: str) -> dict[str, float]:
    text = decode_text(read_bytes(path)).lstrip("\n")
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        key, value = find(path, header, sequence_column), find(path, header, column)
        table: dict[str, float] = {}
        for number, cells in enumerate(reader, start=2):
            if not cells:
                continue
            if len(cells) != len(header):
                raise InvdesignError(f"{path}, row {number}: {len(cells)} cells under {len(header)} columns")
            table.setdefault(cells[key].strip().upper(), _number(path, number, column, cells[value].strip()))
    except csv.Error as error:
        raise InvdesignError(f"{path}: not a table ({error}); a quote that is not closed?") from error
    if not table:
        raise InvdesignError(f"{path}: expected rows under the header, found none")
    return table


def _number(path: Path, row: int, column: str, cell: str) -> float:
    if cell.lower() in UNKNOWN_VALUES:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InvdesignError(f"{path}, row {row}: column {column!r} has {cell[:40]!r}, expected a finite number")
    return value
