"""Tables as .csv files."""

import pytest

from invdesign.core import InvdesignError
from invdesign.io.tables import check_columns, csv_text, read_table, write_table


def test_a_table_reads_as_the_texts_that_are_written(tmp_path):
    path = write_table({"=id": ["=1", "-MKV"], "y": [0.1 + 0.2, None]}, tmp_path / "a" / "t.csv")
    assert path.read_bytes() == b"'=id,y\r\n'=1,0.30000000000000004\r\n'-MKV,\r\n"
    assert read_table(path) == {"=id": ["=1", "-MKV"], "y": ["0.30000000000000004", ""]}
    assert read_table(write_table({}, tmp_path / "empty.csv")) == {}


def test_a_row_of_another_length_is_an_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n")
    with pytest.raises(InvdesignError, match="row 2: expected 2 cells"):
        read_table(path)


def test_columns_must_have_one_value_per_design():
    check_columns({"a": [1, 2]}, 2)
    with pytest.raises(InvdesignError, match="got 1 values for 2 designs"):
        check_columns({"a": [1, 2], "b": [1]}, 2)
    assert csv_text(["a", "b"], zip([1, 2], ["x", None], strict=True)) == "a,b\n1,x\n2,\n"
