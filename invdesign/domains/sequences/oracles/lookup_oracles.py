"""Oracles that look measured values up in tables, by sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.core.capabilities import stating
from invdesign.domains.sequences.alphabet import reverse_complement
from invdesign.io.design_tables import find_column, table_rows, table_text
from invdesign.io.measurements import Measurements


@stating("measured")
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
        path: Table with a header, see `io.design_tables`. Read once and cached.
        column: Column of the values. An empty cell is an unknown value; of a repeated sequence the mean counts.
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

    def find_design(header: Sequence[str]) -> tuple[int, str]:
        found = list(header).index(sequence_column) if sequence_column in header else None
        return find_column(path, header, sequence_column) if found is None else found, "sequence"

    rows = list(
        table_rows(path, table_text(path), find_design=find_design, columns=[column], allow_repeated=sequence_column)
    )
    if not rows:
        raise InvdesignError(f"{path}: expected rows below the header, got none")
    measured = Measurements.read(rows, {column: column})
    numbers: dict[str, int] = {}
    for i, row in enumerate(rows):
        problems = [row.problem] if row.problem else measured.problems(i)
        if problems:
            raise InvdesignError(f"{path}, row {row.number}: {problems[0]}. Correct the row")
        measured.assign(i, numbers.setdefault(row.content.strip().upper(), len(numbers)))
    values = measured.merge(len(numbers), list(numbers)).properties[column]
    return dict(zip(numbers, values.tolist(), strict=True))
