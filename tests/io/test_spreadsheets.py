"""Sheets of .xlsx files."""

from datetime import date

import pytest
from openpyxl import Workbook

from invdesign.core import InvdesignError
from invdesign.io.design_tables import measured_columns, table_text


def workbook(path, *sheets):
    book = Workbook()
    book.remove(book.active)
    for k, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {k}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_sheet_with_content_is_read(tmp_path):
    rows = [["name", "smiles", "y (nM)", None], ["a", "CCO", 1.5, None], ["b", "CC", ">50"], [None], ["c", "C", 5]]
    path = workbook(tmp_path / "a.xlsx", [], rows)
    assert table_text(path).split("\n")[:3] == ["name,smiles,y (nM)", "a,CCO,1.5", "b,CC,>50"]
    assert measured_columns(path) == ["y (nM)"]


def test_a_date_is_no_number(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["smiles", "y"], ["C", date(2024, 5, 3)], ["CC", True]])
    assert table_text(path).split("\n")[1:3] == ["C,date 2024-05-03 00:00:00", "CC,TRUE"]


def test_several_sheets_other_formats_and_damage_are_refused(tmp_path):
    with pytest.raises(InvdesignError, match=r"got 'sheet 0', 'sheet 1'\. Save the one to read as \.csv"):
        table_text(workbook(tmp_path / "a.xlsx", [["a"]], [["b"]]))
    (tmp_path / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InvdesignError, match=r"Save the sheet as \.xlsx or \.csv"):
        table_text(tmp_path / "old.xls")
    (tmp_path / "bad.xlsx").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InvdesignError, match=r"not a readable \.xlsx file"):
        table_text(tmp_path / "bad.xlsx")
