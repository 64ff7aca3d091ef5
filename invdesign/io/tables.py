"""Tables as .csv files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError
from invdesign.io.atomic import write_bytes
from invdesign.io.cells import plain_cell, safe_cell


def write_table(columns: Mapping[str, Sequence[Any]], path: Path) -> Path:
    """Write columns as a .csv file with spreadsheet-safe cells; `read_table` returns the same texts.

    Args:
        columns: Columns of one length by heading.
        path: Path of the file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    text = csv_text(columns, zip(*columns.values(), strict=True), line_end="\r\n")
    return write_bytes(path, text.encode())


def read_table(path: Path) -> dict[str, list[str]]:
    """Return the columns of a table that `write_table` wrote, as texts; an empty cell is an unknown value.

    Raises:
        InvdesignError: A row has another number of cells than the heading.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        rows = [[plain_cell(cell) for cell in row] for row in csv.reader(file)]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise InvdesignError(
                f"{path}, row {number}: expected {len(rows[0])} cells as in the heading, got {len(row)}. Fix the row"
            )
    return {heading: [row[j] for row in rows[1:]] for j, heading in enumerate(rows[0])} if rows else {}


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]], *, line_end: str = "\n") -> str:
    r"""Return the text of a .csv file with spreadsheet-safe cells.

    Args:
        header: Headings of the columns.
        rows: Rows of cells; None and NaN become empty cells.
        line_end: End of each line.

    Example:
        >>> csv_text(["id", "y"], [["=a", 0.5], ["b", None]])
        "id,y\n'=a,0.5\nb,\n"
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator=line_end)
    writer.writerow([safe_cell(heading) for heading in header])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def check_columns(columns: Mapping[str, Sequence[Any]], n_designs: int) -> None:
    """Check that every column has one value per design.

    Raises:
        InvdesignError: A column has another length.
    """
    for name, cells in columns.items():
        if len(cells) != n_designs:
            raise InvdesignError(
                f"column {name!r}: expected one value per design, got {len(cells)} values for {n_designs} designs. "
                "Pass columns of one length"
            )
