"""Sheets of .xlsx files."""

import re
import zipfile
from datetime import date

import pytest
from openpyxl import Workbook

from invdesign.core import InvdesignError
from invdesign.domains.molecules.files import read
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
    assert measured_columns(path)[1] == ["y (nM)"]


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


def test_a_formula_without_a_saved_value_is_counted_and_named(tmp_path):
    rows = [["smiles", "y", "z"], ["CCO", "=1+1", "=SUM(B2:B3)"], ["CC", 5, "=2*3"], ["C", None, None]]
    path = workbook(tmp_path / "a.xlsx", rows)
    assert measured_columns(path)[1] == ["y", "z"]
    usage = read(path, properties={"y": "y"}).usage[0]
    assert (usage.n_used, usage.n_values, usage.missing) == (1, 2, "4")
    assert "'=1+1', a formula without a saved value; open and save the file" in next(iter(usage.unused))


def test_the_saved_value_of_a_formula_is_read(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["smiles", "y"], ["CCO", "=1+1"], ["CC", "=2+2"]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, re.sub(rb"(<f>1\+1</f>)<v ?/?>(</v>)?", rb"\1<v>2</v>", part))
    assert table_text(path) == "smiles,y\nCCO,2\nCC,'=2+2\n"
