"""The reader of designs: numbers, duplicates, rejections, tables of any delimiter."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.io.csv_records import detect_delimiter
from invdesign.io.design_tables import (
    DesignSource,
    Parsed,
    ReadOptions,
    Row,
    corpus_name,
    find_column,
    find_design_column,
    read_designs,
    table_rows,
)

PATH = Path("words.csv")


def source(n_rows=10, report_every=2):
    return DesignSource("words.csv", "words", "word", "the format", n_rows, report_every)


def parse(row):
    """Accept letters; make lower case capital, and report it as a repair."""
    if row.problem:
        return Parsed(reason=row.problem, remedy="fix the row")
    if not row.content.isalpha():
        return Parsed(reason="not a word", remedy="")
    capital = row.content.upper()
    return Parsed(capital, capital, "" if capital == row.content else "repaired: capital letters")


def rows_of(text, columns=(), **options):
    def find_design(header):
        return find_design_column(
            PATH, header, None, ("word",), is_design=str.isupper, remedy="Name it", allow_single=True
        ), "word"

    return list(table_rows(PATH, text, find_design=find_design, columns=columns, **options))


def reasons(corpus):
    return {rejection.row: rejection.reason for rejection in corpus.rejected}


def test_designs_properties_and_weights_are_read_and_invalid_rows_reported():
    text = "word;y;w\nA;1,5;1\nB;;2\nb;3;1\nC;2.5;-1\nD;x;1\nE;inf;1\n1;1;1\nF;n/a;0\ng;'-1;1\nH;1\n"
    options = ReadOptions({"value": "y"}, "w")
    corpus = read_designs(rows_of(text, ["y", "w"]), parse, source=source(), options=options)
    assert corpus.designs == ("A", "B", "D", "E", "F", "G") and corpus.name == "words"
    nan = math.nan
    np.testing.assert_array_equal(corpus.properties["value"], [1.5, 3, nan, nan, nan, -1])
    assert corpus.weights.tolist() == [1, 2, 1, 1, 0, 1]
    assert reasons(corpus) == {
        4: "the same word as row 3",
        5: "weight '-1' in 'w', expected 0 or more",
        6: "column 'y' has 'x', expected a number",
        7: "column 'y' has 'inf', infinite, expected a number",
        8: "not a word",
        10: "repaired: capital letters",
        11: "2 cells under 3 columns",
    }
    assert {rejection.row for rejection in corpus.rejected if rejection.is_kept} == {4, 6, 7, 10}
    usage = corpus.usage[0]
    assert (usage.n_used, usage.n_values, usage.n_designs, usage.missing) == (3, 8, 3, "3, 9")
    assert (
        usage.unused["weight '-1' in 'w', expected 0 or more"] == "5"
        and usage.unused["2 cells under 3 columns"] == "11"
    )


def test_an_error_stops_at_the_first_invalid_row_but_not_at_a_repeat():
    rows = [Row(1, "A"), Row(2, "A"), Row(3, "b"), Row(4, "1")]
    options = ReadOptions(on_invalid="error")
    with pytest.raises(
        InvdesignError, match=r"words\.csv, row 4: not a word; got '1'\. Fix the row, or pass on_invalid"
    ):
        read_designs(rows, parse, source=source(), options=options)
    assert read_designs(rows[:3], parse, source=source(), options=options).designs == ("A", "B")
    with pytest.raises(InvdesignError, match="on_invalid must be"):
        ReadOptions(on_invalid="stop")


def test_no_more_than_max_designs_are_read_and_progress_is_reported():
    calls = []
    rows = [Row(i, "ABCDEFGHIJ"[i - 1]) for i in range(1, 11)]
    corpus = read_designs(
        iter(rows),
        parse,
        source=source(),
        options=ReadOptions(max_designs=3),
        progress=lambda *args: calls.append(args),
    )
    assert corpus.designs == ("A", "B", "C")
    assert calls == [("reading", 0, 10), ("reading", 2, 10), ("reading", 10, 10)]


def test_a_file_without_designs_is_an_error_with_the_first_reason():
    with pytest.raises(InvdesignError, match=r"found none in 2 rows; the first is row 1: not a word. Check the format"):
        read_designs([Row(1, "1"), Row(2, "2")], parse, source=source(), options=ReadOptions())


def test_a_file_whose_first_5000_rows_are_no_designs_is_refused_without_reading_on():
    rows = iter([Row(i, "1") for i in range(1, 5_001)] + [Row(5_001, "A")] * 2)
    with pytest.raises(InvdesignError, match=r"none in the first 5,000 rows; .* or delete these rows if"):
        read_designs(rows, parse, source=source(), options=ReadOptions())
    assert len(list(rows)) == 2
    one_before = [Row(i, "1") for i in range(1, 5_000)] + [Row(5_000, "A")]
    assert read_designs(one_before, parse, source=source(), options=ReadOptions()).designs == ("A",)


def test_rejections_name_the_file_where_several_are_read_and_the_label_of_the_row():
    rows = [Row(1, "A", file="a.csv"), Row(1, "A", "label", file="b.csv"), Row(2, "A" + "x" * 300)]
    corpus = read_designs(rows, parse, source=source(), options=ReadOptions())
    assert corpus.rejected[0].text == "b.csv: label"
    assert corpus.rejected[0].reason == "the same word as row 1 of a.csv"
    assert len(corpus.rejected[1].text) == 200


def test_two_processes_give_the_same_corpus_as_one():
    rows = [Row(i, text) for i, text in enumerate(["A", "b", "1", "A", "C"] * 10, start=1)]
    one, two = (read_designs(rows, parse, source=source(), options=ReadOptions(), workers=n) for n in (1, 2))
    assert one.designs == two.designs and one.rejected == two.rejected and one.sha256 == two.sha256


def test_a_table_may_have_blank_rows_any_delimiter_and_quoted_cells():
    rows = rows_of("\n\nname\tword\ty\n\n a \t'=A\t 1 \n \t \nb\n", ["y"], label=lambda content, cells: cells[0])
    assert [(row.number, row.content, row.label, dict(row.cells)) for row in rows] == [
        (5, "=A", " a ", {"y": "1"}),
        (7, "", "b", {}),
    ]
    assert rows[1].problem == "1 cells under 3 columns" and rows[0].form == "word"
    assert [detect_delimiter(text) for text in ("a", "a,b", "a;b,c;d", "a\tb")] == [",", ",", ";", "\t"]


def test_a_cell_that_is_too_long_is_a_problem_of_its_row_and_the_limit_of_the_process_stays():
    before = csv.field_size_limit()
    rows = rows_of("word\nA\n" + "B" * 30 + "\nC\n", max_cell_length=20)
    assert [row.content for row in rows] == ["A", "", "C"] and "field larger" in rows[1].problem
    assert csv.field_size_limit() == before


def test_a_missing_column_is_an_error_that_names_the_nearest():
    with pytest.raises(InvdesignError, match=r"no column 'weigth', got .*'weight'; nearest: 'weight'"):
        find_column(PATH, ["word", "weight"], "weigth")
    with pytest.raises(InvdesignError, match=r"expected a column called 'word', got the columns 'a', 'b'. Name it"):
        rows_of("a,b\n1,2\n")
    assert rows_of("a\nX\n")[0].content == "X" and rows_of("a\n1\n")[0].content == "1"


def test_a_corpus_is_named_after_its_file():
    assert [corpus_name(Path(name)) for name in ("x/a.csv", "a.b.csv.gz", "POSCAR")] == ["a", "a.b", "POSCAR"]


@pytest.mark.parametrize("column", ["IC50 (nM)", "ic50 (nm)", "IC50"])
def test_tags_are_found_as_the_headings_of_a_table_are(column):
    rows = [Row(1, "A", cells={"IC50 (nM)": "5", "other": "x"}), Row(2, "B", cells={"IC50 (nM)": "0.5 uM"})]
    corpus = read_designs(rows, parse, source=source(), options=ReadOptions({"y": column}))
    assert corpus.properties["y"].tolist() == [5, 500] and corpus.usage[0].unit == "nM"


def test_a_column_that_no_record_has_is_an_error():
    with pytest.raises(InvdesignError, match="no column 'Ki', got the columns 'IC50'"):
        read_designs([Row(1, "A", cells={"IC50": "5"})], parse, source=source(), options=ReadOptions({"y": "Ki"}))


def test_values_of_several_files_are_in_one_unit():
    def row(number, word, cell, unit):
        return Row(number, word, cells={"y": cell}, file=f"{unit}.csv".replace("%", "share"), units={"y": unit})

    rows = [row(1, "A", "5", "nM"), row(1, "B", "0.5", "uM"), row(1, "C", "50", "%")]
    corpus = read_designs(rows, parse, source=source(), options=ReadOptions({"value": "y"}))
    np.testing.assert_array_equal(corpus.properties["value"], [5, 500, math.nan])
    assert corpus.usage[0].unit == "nM" and "values of a file in uM converted to nM" in corpus.usage[0].notes
    assert "expected the unit nM of the other files" in next(iter(corpus.usage[0].unused))


def test_names_of_repeats_are_joined_each_once():
    rows = [Row(i, "A", name=name) for i, name in enumerate(["x; y", "z", "x; y", "", "z"])]
    assert read_designs(rows, parse, source=source(), options=ReadOptions()).names == ("x; y; z",)


def test_labels_are_read_and_are_unknown_where_they_are_empty_or_rows_of_one_design_differ():
    cells = [("A", "lab 1"), ("B", "lab 2"), ("C", ""), ("A", "lab 2"), ("B", "lab 2")]
    rows = [Row(i, word, cells={"laboratory": label}) for i, (word, label) in enumerate(cells)]
    corpus = read_designs(rows, parse, source=source(), options=ReadOptions(labels=("laboratory",)))
    assert corpus.designs == ("A", "B", "C")
    assert corpus.labels == {"laboratory": ("", "lab 2", "")}


@pytest.mark.parametrize(("text", "column"), [("A\nB\n", None), ("A,1\nB,2\n", None), ("A,1\nB,2\n", "word")])
def test_a_table_without_headings_is_refused_and_no_design_is_lost(text, column):
    def find_design(header):
        return find_design_column(
            PATH, header, column, ("word",), is_design=str.isupper, remedy="Name it", allow_single=True
        ), "word"

    with pytest.raises(
        InvdesignError, match=r"headings in the first row, got the design 'A'.*'word'.*heading: name it"
    ):
        list(table_rows(PATH, text, find_design=find_design, columns=[]))


def test_all_names_of_a_row_are_kept_unless_their_column_is_read_as_something_else():
    text = "ID,name,word,sample\n1,alpha,A,s\nn/a,beta,B,beta\n"
    assert [row.name for row in rows_of(text)] == ["alpha; 1; s", "beta"]
    assert [row.name for row in rows_of(text, ["sample"])] == ["alpha; 1", "beta"]
    assert [row.name for row in rows_of("word,sample\nA,s\n", ["sample"])] == ["s"]
