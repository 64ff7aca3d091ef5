"""Tables as .csv files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError
from invdesign.io.atomic import write_atomically
from invdesign.io.cells import plain_cell, safe_cell


def write_table(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    """Write columns as a .csv that a spreadsheet takes for what it is; `read_table` gives back the same texts."""

    def write(beside: Path) -> None:
        with beside.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([safe_cell(heading) for heading in columns])
            rows.writerows([safe_cell(cell) for cell in row] for row in zip(*columns.values(), strict=True))

    return write_atomically(path, write)


def read_table(path: Path) -> dict[str, list[str]]:
    """The columns of a table that `write_table` wrote, as texts; empty cells are unknown values.

    Raises:
        InvdesignError: a row has another number of cells than the heading.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = [[plain_cell(cell) for cell in row] for row in csv.reader(file)]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise InvdesignError(
                f"{path}, row {number}: expected {len(rows[0])} cells as in the heading, got {len(row)}; mend the row"
            )
    return {heading: [row[j] for row in rows[1:]] for j, heading in enumerate(rows[0])} if rows else {}
