"""Oracles that look measured values up in tables, by sequence."""

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
from invdesign.io.design_tables import UNKNOWN_VALUES, find_column
from invdesign.io.text_files import decode_text, read_bytes


def sequence_table(
    designs: Sequence[str],
    *,
    path: str | Path,
    column: str,
    sequence_column: str = "sequence",
    either_strand: bool = False,
) -> Array:
    """Return measured values from a table (`n`); NaN for sequences that it does not contain.

    Args:
        designs: `n` sequences.
        path: Table with a header, plain or gzipped, with commas, semicolons or tabs between columns. Read once and
            cached.
        column: Column of the values. An empty cell is an unknown value; of a repeated sequence the first row is used.
        sequence_column: Column of the sequences; the first of this name, where there are several.
        either_strand: Whether a DNA sequence that the table does not contain is looked up by its reverse complement.

    Raises:
        InvdesignError: The table cannot be read, lacks a column, or has a cell that is not a number.
    """
    file = Path(path)
    if not file.is_file():
        raise InvdesignError(f"cannot read {file}: no such file. Check the path of the measured table")
    table = _read_table(file.resolve(), file.stat().st_mtime_ns, column, sequence_column)
    values = [table.get(design, math.nan) for design in designs]
    if either_strand:
        for i, design in enumerate(designs):
            if design not in table:
                values[i] = table.get(reverse_complement(design), math.nan)
    return np.array(values, dtype=np.float64)


@lru_cache(maxsize=8)
def _read_table(path: Path, modified: int, column: str, sequence_column: str) -> dict[str, float]:
    """Read the values of a table by sequence; its time of modification is part of the cache key."""
    text = decode_text(read_bytes(path)).lstrip("\n")
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        key = find_column(path, header, sequence_column)
        value = find_column(path, header, column)
        table: dict[str, float] = {}
        for number, cells in enumerate(reader, start=2):
            if not cells:
                continue
            if len(cells) != len(header):
                raise InvdesignError(f"{path}, row {number}: expected {len(header)} cells, got {len(cells)}")
            table.setdefault(cells[key].strip().upper(), _parse_number(path, number, column, cells[value].strip()))
    except csv.Error as error:
        raise InvdesignError(f"{path}: expected a table, got {error}. Check for a quote that is not closed") from error
    if not table:
        raise InvdesignError(f"{path}: expected rows below the header, got none")
    return table


def _parse_number(path: Path, row: int, column: str, cell: str) -> float:
    if cell.lower() in UNKNOWN_VALUES:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise InvdesignError(f"{path}, row {row}, column {column!r}: expected a finite number, got {cell[:40]!r}")
    return value
