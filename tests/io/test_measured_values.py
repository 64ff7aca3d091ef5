"""Numbers as laboratories write them."""

import math
import re
import time

import pytest

from invdesign.io.measured_values import is_unknown, read_column


def read(cell, **options):
    column = read_column([cell], **options)
    return column.values[0], column.problems[0]


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12.5", 12.5),
        (" 5 ", 5),
        ("+5", 5),
        ("−2.5", -2.5),
        ("–2.5", -2.5),
        ("- 5", -5),
        ("1e-9", 1e-9),
        ("1.5E+03", 1500),
        ("1.2D-3", 1.2e-3),
        ("1.2 x 10^-3", 1.2e-3),
        ("1.2×10⁻³", 1.2e-3),
        ("1.2*10^(-3)", 1.2e-3),
        ("1.2 x 10-3", 1.2e-3),
        ("10^-6", 1e-6),
        ("1,2E-3", 1.2e-3),
        ("1 234.5", 1234.5),
        ("1\u202f234,5", 1234.5),
        ("1'234'567", 1234567),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
        ("-1,72", -1.72),
        ("0,234", 0.234),
        ('="5.0"', 5),
        ("'-5", -5),
        ("5\u00a0", 5),
        ("\ufeff5", 5),
        (".5", 0.5),
        ("5.", 5),
    ],
)
def test_numbers_are_read_in_all_their_spellings(cell, number):
    value, problem = read(cell)
    assert problem == "" and value.value == pytest.approx(number, rel=1e-15)
    assert value.bound == 0 and math.isnan(value.error)


@pytest.mark.parametrize(
    ("cell", "number", "bound", "error", "unit", "is_approximate"),
    [
        (">50", 50, 1, math.nan, "", False),
        ("≥ 50", 50, 1, math.nan, "", False),
        ("<0.1", 0.1, -1, math.nan, "", False),
        ("<= 0,1 µM", 0.1, -1, math.nan, "µM", False),
        ("~3", 3, 0, math.nan, "", True),
        ("ca. 3", 3, 0, math.nan, "", True),
        ("≈3", 3, 0, math.nan, "", True),
        ("5 ± 0.4", 5, 0, 0.4, "", False),
        ("5 +/- 0.4 nM", 5, 0, 0.4, "nM", False),
        ("5 nM ± 0.4 nM", 5, 0, 0.4, "nM", False),
        ("-5+-0.4", -5, 0, 0.4, "", False),
        ("5.431(2)", 5.431, 0, 0.002, "", False),
        ("45 %", 45, 0, math.nan, "%", False),
        ("3uM", 3, 0, math.nan, "uM", False),
    ],
)
def test_bounds_errors_and_units_are_read(cell, number, bound, error, unit, is_approximate):
    value, problem = read(cell)
    assert problem == ""
    assert (value.value, value.bound, value.unit, value.is_approximate) == (number, bound, unit, is_approximate)
    assert value.error == pytest.approx(error, nan_ok=True)


@pytest.mark.parametrize(
    "cell",
    ["", " ", "NaN", "n.d.", "ND", "nd", "NA", "N/A", "n/a", "#N/A", "-", "--", "–", "null", "None", "not determined"],
)
def test_unknown_values_are_no_problem(cell):
    assert read(cell) == (None, "") and is_unknown(cell)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("high", "'high', expected a number"),
        ("inf", "infinite"),
        ("-Infinity", "infinite"),
        ("1e301", "beyond 1e\\+300"),
        ("1e99999", "beyond 1e\\+300"),
        ("TRUE", "expected a number"),
        ("#DIV/0!", "spreadsheet"),
        ("inactive", "write a bound"),
        ("5-10", "a range"),
        ("5; 6", "several numbers"),
        ("5/6", "several numbers"),
        ("5(3)", "ambiguous"),
        ("1,234", "ambiguous: 1.234 or 1234"),
        ("5*", "expected a number"),
        ("5 repeats", "expected a number"),
        ("5 ± 10 %", "relative error"),
        ("1,2,3", "expected"),
        ("0x1F", "expected a number"),
        ("5 5", "expected a number"),
        ("٣", "expected a number"),
    ],
)
def test_other_cells_are_refused_with_the_reason(cell, reason):
    value, problem = read(cell)
    assert value is None and re.search(reason, problem)


@pytest.mark.parametrize(
    ("cells", "separator", "numbers"),
    [
        (["1,234", "0,5"], ",", [1.234, 0.5]),
        (["1,234", "2,500.5"], ",", [1234, 2500.5]),
        (["1,234", "2,500"], ";", [1.234, 2.5]),
        (["1,234", "2,500"], "\t", [None, None]),
        (["1.234", "1.234,5"], ";", [1234, 1234.5]),
        (["1.234", "0,5"], ";", [None, 0.5]),
        (["1,72", "1.72"], ";", [1.72, 1.72]),
        (["1.234.567", "2.000"], ",", [1234567, 2000]),
    ],
)
def test_the_column_decides_what_a_comma_means(cells, separator, numbers):
    column = read_column(cells, separator=separator)
    assert [value and value.value for value in column.values] == numbers


def test_a_value_that_is_too_large_in_the_unit_of_the_heading_is_refused():
    column = read_column(["1e299 TW", "1 kW"], heading_unit="W")
    assert column.values[0] is None and "beyond 1e+300 W" in column.problems[0] and column.values[1].value == 1000


def test_the_digits_in_brackets_are_exact():
    assert read_column(["5.0(3)"]).values[0].error == 0.3


def test_values_are_converted_to_one_unit_or_refused():
    column = read_column(["5", "0.5 uM", "3 %"], heading_unit="nM")
    assert [value and value.value for value in column.values] == [5, 500, None]
    assert column.unit == "nM" and column.notes == ("1 value in uM converted to nM",)
    assert "expected the unit nM of the heading" in column.problems[2]
    mixed = read_column(["5 nM", "0.5 µM ± 0.1", "7"])
    assert [value and (value.value, value.error) for value in mixed.values[1:]] == [(500, 100), None]
    assert "without a unit" in mixed.problems[2]
    one = read_column(["5 nM", "7"])
    assert one.values[1].unit == "nM" and one.notes == ("1 cell without a unit is taken as nM, the unit of the others",)


@pytest.mark.parametrize(
    "cell", ["1" * 100_000, "1" * 100_000 + "x", "1," * 90 + "1;x;", "1 000 " * 30 + ";", "1-" * 99]
)
def test_a_cell_of_many_digits_or_marks_is_refused_at_once(cell):
    started = time.process_time()
    assert read_column([cell]).values == (None,)
    assert time.process_time() - started < 1
