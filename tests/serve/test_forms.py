from __future__ import annotations

import pytest

from invdesign import InvdesignError, Objective
from invdesign.serve.forms import MAX_BYTES, Table, confirmed_table, entered_table, uploaded_table

OBJECTIVES = [Objective("affinity", unit="nM"), Objective("yield")]


def test_the_form_becomes_a_table_of_the_designs_with_entries() -> None:
    form = {"D0001.0": " >50 ", "D0002.failure": 'lost, "broken"', "D0003.note": "", "D0009.0": "1"}
    table = entered_table(form, ["D0001", "D0002", "D0003"], OBJECTIVES)
    assert table.content.decode().splitlines() == [
        "id,affinity [nM],yield,failure,note",
        "D0001,>50,,,",
        'D0002,,,"lost, ""broken""",',
    ]


def test_an_empty_form_is_refused() -> None:
    with pytest.raises(InvdesignError, match="expected a value or a failure"):
        entered_table({"by": "Ada"}, ["D0001"], OBJECTIVES)


@pytest.mark.parametrize("name", ["../../etc/x.csv", "C:\\plates\\x.csv", "x\x00.csv", "/x.csv"])
def test_an_uploaded_name_is_a_file_name(name: str) -> None:
    assert uploaded_table(name, b"id\n").name == "x.csv"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.csv", b"", "empty"),
        ("x.exe", b"id", "another suffix"),
        ("", b"id", "another suffix"),
        ("x.csv", b"1" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_an_upload_that_is_no_table_is_refused(name: str, content: bytes, problem: str) -> None:
    with pytest.raises(InvdesignError, match=problem):
        uploaded_table(name, content)


def test_a_confirmed_table_is_the_table_that_was_shown() -> None:
    table = Table("x.csv", "id,y\nD0001,5 ± 0.4\n".encode())
    assert confirmed_table({"name": table.name, "content": table.encoded()}) == table
    with pytest.raises(InvdesignError, match="cannot be read"):
        confirmed_table({"name": "x.csv", "content": "%%%"})
