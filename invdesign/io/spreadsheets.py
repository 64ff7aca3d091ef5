"""Sheets of .xlsx files as .csv text."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError
from invdesign.io.tables import csv_text

SPREADSHEETS = (".xlsx", ".xls", ".ods")
MAX_CELLS = 20_000_000


def sheet_text(path: Path, data: bytes, *, max_bytes: int) -> str:
    """Return the one sheet with content of an .xlsx file as .csv text.

    Of a formula the saved value is returned; where none was saved, the formula itself, which no value is read from.

    Args:
        path: Path of the file, for messages.
        data: Content of the file.
        max_bytes: Largest size of its unpacked parts [bytes].

    Raises:
        InvdesignError: The file is no .xlsx, is damaged or too large, or has several sheets with content.
    """
    if not path.name.lower().endswith(".xlsx"):
        raise InvdesignError(f"{path}: expected .xlsx, .csv or .tsv. Save the sheet as .xlsx or .csv")
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            has_formulas = size <= max_bytes and any(
                re.search(rb"<f[ >/]", archive.read(name)) for name in archive.namelist() if "worksheets/" in name
            )
        if size > max_bytes:
            raise InvdesignError(f"{path}: more than {max_bytes:,} bytes unpacked. Save the sheet as .csv")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sheets = _read_sheets(path, data, data_only=True)
            if has_formulas:
                sheets = _with_formulas(sheets, _read_sheets(path, data, data_only=False))
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
        raise InvdesignError(f"{path}: not a readable .xlsx file ({error}). Save the sheet as .csv") from error
    sheets = {title: rows for title, rows in sheets.items() if rows}
    if len(sheets) > 1:
        raise InvdesignError(
            f"{path}: expected one sheet with content, got {', '.join(map(repr, sheets))}. Save the one to read as .csv"
        )
    rows = next(iter(sheets.values()), [])
    return csv_text(rows[0], rows[1:]) if rows else ""


def _read_sheets(path: Path, data: bytes, *, data_only: bool) -> dict[str, list[list[str]]]:
    """Return the rows of all sheets by title: with the saved values of formulas, or with the formulas."""
    from openpyxl import load_workbook

    workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=data_only)
    return {sheet.title: _rows(path, sheet) for sheet in workbook.worksheets}


def _with_formulas(
    values: Mapping[str, Sequence[Sequence[str]]], formulas: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, list[list[str]]]:
    """Return the rows of sheets with the formula in each cell whose value was not saved."""
    found = {}
    for title, rows in formulas.items():
        saved = {(i, j): cell for i, row in enumerate(values[title]) for j, cell in enumerate(row)}
        found[title] = [
            [saved.get((i, j)) or (cell if cell.startswith("=") else "") for j, cell in enumerate(row)]
            for i, row in enumerate(rows)
        ]
    return found


def _rows(path: Path, sheet: Any) -> list[list[str]]:
    """Return the rows of a sheet as texts, without empty rows and columns at its end."""
    rows = []
    n_cells = 0
    for row in sheet.iter_rows(values_only=True):
        n_cells += len(row)
        if n_cells > MAX_CELLS:
            raise InvdesignError(f"{path}: more than {MAX_CELLS:,} cells. Save the sheet as .csv")
        rows.append([_cell_text(value) for value in row])
    while rows and not any(rows[-1]):
        rows.pop()
    width = max((j + 1 for row in rows for j, cell in enumerate(row) if cell), default=0)
    return [row[:width] + [""] * (width - len(row)) for row in rows]


def _cell_text(value: Any) -> str:
    """Return a cell as text; a whole number without a decimal point."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, date | time):
        return f"date {value}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(getattr(value, "text", value)).strip()  # a formula of an array is an object with its text
