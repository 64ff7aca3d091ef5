"""Records of .csv text."""

import pytest

from invdesign.io.csv_records import read_records


def records(text, max_cell_length=1000):
    return [(r.number, list(r.cells), r.problem) for r in read_records(text, max_cell_length=max_cell_length)]


def test_quoted_cells_may_have_line_breaks_delimiters_and_quotes():
    text = 'a,b\n"x\n\ny",1\n"p,q","say ""no"""\n5" tube,2'
    assert records(text) == [
        (1, ["a", "b"], ""),
        (2, ["x\n\ny", "1"], ""),
        (3, ["p,q", 'say "no"'], ""),
        (4, ['5" tube', "2"], ""),
    ]


@pytest.mark.parametrize(
    ("end", "rest"),
    [
        ("", []),
        ("\n", [([], "")]),
        ('"CCF",1\n', [(["CCF", "1"], "")]),
        ('"CCF,1\n', [(['"CCF', "1"], "a quote that is not closed")]),
    ],
)
def test_a_quote_that_is_not_closed_costs_its_own_row_alone(end, rest):
    found = records('smiles,y\nCCO,5\n"CCC,6\nCCN,7\nCCCl,8\n' + end)
    assert found[2] == (3, ['"CCC', "6"], "a quote that is not closed")
    assert found[3:5] == [(4, ["CCN", "7"], ""), (5, ["CCCl", "8"], "")]
    assert [(cells, problem) for _, cells, problem in found[5:]] == rest


def test_an_unclosed_quote_of_a_text_with_several_lines_leaves_out_its_lines():
    found = records('name,cif,y\nA,"data_A\n_cell 1\n_end\nB,"data_B\n_cell 2",5\nC,"data_C\n_cell 3",6\n')
    assert [number for number, _, _ in found] == [1, 2, 3, 4]
    assert found[1][1] == ["A", '"data_A'] and found[1][2].startswith("a quote that is not closed; the 2 lines after")
    assert found[2][1] == ["B", "data_B\n_cell 2", "5"] and found[3][1] == ["C", "data_C\n_cell 3", "6"]


def test_a_cell_beyond_the_limit_over_many_lines_is_a_quote_that_is_not_closed():
    found = records('a,b\n"x,1\n' + "y,2\n" * 30, max_cell_length=50)
    assert found[1][2] == "a quote that is not closed" and len(found) == 32
    assert "field larger" in records("a\n" + "x" * 60, max_cell_length=50)[1][2]


def test_a_line_that_states_the_separator_is_record_one():
    assert records('sep=;\na;b\n"x;1\ny;2\n')[1:] == [
        (3, ['"x', "1"], "a quote that is not closed"),
        (4, ["y", "2"], ""),
    ]
