"""Measured values as laboratories write them: bounds, errors, units, decimal commas, unknown values.

The cells of a column are read together, because a single cell may be ambiguous: `1,234` is 1.234 in a column that also
contains `0,5`, and 1234 in one that contains `1,234.5`. A value that remains ambiguous is refused, never guessed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from invdesign.io.units import conversion_factor, parse_unit

UNKNOWN_VALUES = frozenset(
    (
        "", "nan", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "none", "null", "nil", "-", "--", "---", ".", "..", "?",
        "nd", "n.d.", "n.d", "n/d", "nt", "n.t.", "n.t", "n/t", "n.m.", "tbd", "unknown", "missing", "no data", "<na>",
        "n.b.", "n.b", "nb", "k.a.", "k. a.", "n.v.", "nicht bestimmt",
        "not determined", "not tested", "not measured", "not available", "not applicable", "n. d.", "n. a.", "\\n",
    )
)  # fmt: skip
"""Contents of a cell (in lower case, dashes as `-`) that mean an unknown value."""
MAX_MAGNITUDE = 1e300
MAX_SHOWN = 40
MAX_LENGTH = 200
"""Characters of a cell above which it is no measured value."""

_REPLACEMENTS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑‒―﹣－", "-"),
        **dict.fromkeys("\u00a0\u2009\u202f\u2007\u2002\u2003\u2005\u2006\u2008\u200a\u3000\t", " "),
        **dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060", ""),
        **dict.fromkeys("≥⩾≧", ">="),
        **dict.fromkeys("≤⩽≦", "<="),
        **dict.fromkeys("∼～≈≃≅˜", "~"),
        **dict.fromkeys("×✕⨯", "x"),
        **dict.fromkeys("’‘ʼ", "'"),
        "＞": ">", "＜": "<", "＋": "+", "％": "%", "．": ".", "，": ",",
    }
)  # fmt: skip
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MANTISSA = r"(?:[0-9](?:[0-9.,']|[ ](?=[0-9]{3}(?![0-9])))*|[.,][0-9]+)"
_POWER = r"(?:[eEdD][+-]?[0-9]+|\s*[x*·]\s*10\s*(?:\^|\*\*)\s*\(?[+-]?[0-9]+\)?|\s*[x*·]\s*10\s*[+-][0-9]+)"
_NUMBER = rf"(?:{_MANTISSA}{_POWER}?|10\s*(?:\^|\*\*)\s*\(?[+-]?[0-9]+\)?)"
_CELL = re.compile(
    rf"(?P<mark>[<>]=?|=|~|ca\.?|c\.|approx\.?|about)?\s*(?P<number>[+-]?\s?{_NUMBER})"
    rf"(?:\((?P<digits>[0-9]{{1,3}})\))?\s*(?P<unit>[^\s0-9<>=~±(),;.+*^/-][^<>=~±(),;]*?)?"
    rf"\s*(?:±\s*(?P<error>{_NUMBER})\s*(?P<error_unit>[^\s0-9<>=~±(),;.+*^/-][^<>=~±(),;]*)?)?",
    re.IGNORECASE,
)
_SUPERSCRIPT = re.compile("10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_SUPERSCRIPT_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RANGE = re.compile(rf"{_NUMBER}\s*(?:-|to|\.\.\.)\s*{_NUMBER}\s*\S*")


@dataclass(frozen=True)
class MeasuredValue:
    """A value of one cell."""

    value: float
    """The number: of a censored value its bound."""
    error: float = math.nan
    """Error that the cell states after `±`; NaN where it states none."""
    bound: int = 0
    """1 where the true value is above `value` (`>50`), -1 where it is below (`<0.1`), 0 for a plain value."""
    unit: str = ""
    """Unit of the cell."""
    is_approximate: bool = False
    """Whether the cell is marked as approximate (`~5`)."""


@dataclass(frozen=True)
class Column:
    """The values of a column."""

    values: tuple[MeasuredValue | None, ...]
    """Value of each cell; None where there is none."""
    problems: tuple[str, ...]
    """Why a cell has no value although it is not empty; empty for a cell that was read, or means an unknown value."""
    unit: str = ""
    """Unit of the values; empty where neither the heading nor a cell states one."""
    notes: tuple[str, ...] = ()
    """Assumptions and conversions."""


@dataclass(frozen=True)
class _Marks:
    """Meaning of commas and points in a column: `"decimal"`, `"thousands"`, or empty where nothing decides."""

    comma: str = ""
    point: str = "decimal"


class _UnreadableError(Exception):
    """Why a cell is not a measured value."""


def read_column(cells: Sequence[str], *, heading_unit: str = "", separator: str = ",") -> Column:
    """Return the measured values of the cells of a column.

    Args:
        cells: Text of each cell.
        heading_unit: Unit that the heading states; values of cells with another metric prefix are converted to it.
        separator: Character between the cells of the table; with `";"` a lone comma is a decimal comma.

    Example:
        >>> column = read_column([">50", "5 ± 0.4", "n.d.", "high"])
        >>> [v and (v.value, v.bound) for v in column.values], column.problems[3]
        ([(50.0, 1), (5.0, 0), None, None], "'high', expected a number")
    """
    texts = [_clean(cell) for cell in cells]
    marks = _find_marks(texts, separator)
    values: list[MeasuredValue | None] = []
    problems: list[str] = []
    for cell, text in zip(cells, texts, strict=True):
        try:
            values.append(None if is_unknown(text) else _parse_cell(text, marks))
            problems.append("")
        except _UnreadableError as error:
            values.append(None)
            problems.append(f"{cell.strip()[:MAX_SHOWN]!r}, {error}")
    return _unify_units(cells, values, problems, heading_unit)


def is_unknown(cell: str) -> bool:
    """Return whether the text of a cell means an unknown value.

    Example:
        >>> is_unknown("n.d."), is_unknown("–"), is_unknown("0")
        (True, True, False)
    """
    return _clean(cell).lower() in UNKNOWN_VALUES


def _clean(cell: str) -> str:
    """Return a cell with plain dashes, spaces, quotes and comparison signs."""
    text = cell.translate(_REPLACEMENTS).strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1].strip()
    text = text[1:].removesuffix("'") if text.startswith("'") else text
    text = re.sub(r"\+\s?/?\s?-", "±", text)
    return _SUPERSCRIPT.sub(lambda found: f"10^{found[1].translate(_SUPERSCRIPT_DIGITS)}", text)


def _parse_cell(text: str, marks: _Marks) -> MeasuredValue:
    if len(text) > MAX_LENGTH:
        raise _UnreadableError("expected a number")
    if _PLAIN.fullmatch(text) and marks.point == "decimal":
        return MeasuredValue(_check_magnitude(float(text)))
    if re.fullmatch(r"[<>~=+-]*\s*inf(inity)?", text, re.IGNORECASE):
        raise _UnreadableError("infinite, expected a number")
    found = _CELL.fullmatch(text)
    if found is None:
        raise _UnreadableError(_describe_unreadable(text))
    number, unit = found["number"], (found["unit"] or "").strip()
    value = _check_magnitude(_parse_number(number, marks))
    error = math.nan
    if found["digits"] is not None:
        decimals = re.fullmatch(r"[+-]?\s?[0-9]+[.,]([0-9]+)", number)
        if decimals is None or found["error"] is not None or _is_grouped(number, marks):
            raise _UnreadableError(
                "ambiguous: digits in brackets may be an error or a number of repeats; write 5.0 ± 0.3"
            )
        error = float(f"{found['digits']}e-{len(decimals[1])}")
    if found["error"] is not None:
        error = _parse_number(found["error"], marks)
        error_unit = (found["error_unit"] or "").strip()
        if unit and error_unit and unit != error_unit:
            raise _UnreadableError(f"a value in {unit} with an error in {error_unit}; write both in one unit")
        if error_unit == "%" and unit != "%":
            raise _UnreadableError("a relative error; write it in the unit of the value")
        unit = unit or error_unit
    if unit and parse_unit(unit) is None and not re.fullmatch(r"\S{1,20}", unit):
        raise _UnreadableError(_describe_unreadable(text))
    mark = (found["mark"] or "").lower()
    bound = 1 if mark.startswith(">") else -1 if mark.startswith("<") else 0
    return MeasuredValue(value, error, bound, unit, is_approximate=mark not in ("", "=") and not bound)


def _describe_unreadable(text: str) -> str:
    if text.startswith("="):
        return "a formula without a saved value; open and save the file in a spreadsheet program"
    if re.fullmatch(r"#[A-Z0-9/]+[!?]?", text):
        return "an error of a spreadsheet, expected a number"
    if text.lower() in ("inactive", "active", "toxic", "insoluble", "soluble", "no activity", "not active"):
        return "expected a number; write a bound, e.g. >100, or leave the cell empty"
    if _RANGE.fullmatch(text.lower()):
        return "a range, expected one number; write its middle with the half-width, e.g. 7.5 ± 2.5"
    parts = re.split(r"\s*[;/|\n]\s*|,\s+|\s+,", text)
    if len(parts) > 1 and all(re.fullmatch(_NUMBER, part) for part in parts):
        return "several numbers, expected one; write each into a row of its own"
    return "expected a number"


def _check_magnitude(value: float) -> float:
    if not abs(value) <= MAX_MAGNITUDE:
        raise _UnreadableError(f"beyond {MAX_MAGNITUDE:g}, expected a smaller number")
    return value


def _parse_number(text: str, marks: _Marks) -> float:
    text = text.replace("**", "^")
    head = re.fullmatch(rf"(?P<sign>[+-]?)\s?(?P<mantissa>{_MANTISSA})?(?P<power>.*)", text)
    assert head is not None
    power = re.sub(r"[\s()]", "", head["power"])
    mantissa, exponent = head["mantissa"] or "1", 0
    if power:
        digits = re.search(r"[+-]?[0-9]+$", re.sub(r"^[x*·]10", "", power))
        assert digits is not None
        exponent = int(digits[0])
        if power.startswith("^"):  # The mantissa is the 10 itself.
            mantissa = "1"
    if abs(exponent) > 400:
        raise _UnreadableError(f"beyond {MAX_MAGNITUDE:g}, expected a smaller number")
    return float(f"{head['sign']}{_plain_mantissa(mantissa, marks)}e{exponent}")


def _plain_mantissa(mantissa: str, marks: _Marks) -> str:
    """Return the digits of a number with a point as the decimal mark and without separators of thousands."""
    grouped_by = next((mark for mark in " '" if mark in mantissa), "")
    if grouped_by:
        whole = re.split(r"[.,]", mantissa)[0]
        if not _has_groups(whole, grouped_by):
            raise _UnreadableError("expected a number")
        mantissa = mantissa.replace(grouped_by, "")
    n_commas, n_points = mantissa.count(","), mantissa.count(".")
    if not n_commas and n_points <= 1 and not (n_points and marks.point == "thousands"):
        if n_points and not marks.point and _has_groups(mantissa, "."):
            raise _ambiguous(mantissa, ".")
        return mantissa
    if n_commas and n_points:
        decimal = max(",.", key=mantissa.rfind)
        other = "." if decimal == "," else ","
        if mantissa.count(decimal) > 1 or not _has_groups(mantissa.split(decimal)[0], other):
            raise _UnreadableError("expected a number")
        return mantissa.replace(other, "").replace(decimal, ".")
    mark, n, meaning = (",", n_commas, marks.comma) if n_commas else (".", n_points, marks.point)
    if n > 1 or (meaning == "thousands" and _has_groups(mantissa, mark)):
        if not _has_groups(mantissa, mark):
            raise _UnreadableError("expected a number")
        return mantissa.replace(mark, "")
    if _has_groups(mantissa, mark) and meaning != "decimal":
        raise _ambiguous(mantissa, mark)
    return mantissa.replace(mark, ".")


def _ambiguous(mantissa: str, mark: str) -> _UnreadableError:
    decimal, whole = mantissa.replace(mark, "."), mantissa.replace(mark, "")
    return _UnreadableError(f"ambiguous: {decimal} or {whole}; write it without separators of thousands")


def _has_groups(text: str, mark: str) -> bool:
    """Return whether a number could be written with separators of thousands."""
    return re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(mark)}[0-9]{{3}})+", text) is not None


def _is_grouped(number: str, marks: _Marks) -> bool:
    text = number.lstrip("+- ")
    meanings = {",": marks.comma, ".": marks.point}
    return any(_has_groups(text, mark) and meaning != "decimal" for mark, meaning in meanings.items())


def _find_marks(texts: Sequence[str], separator: str) -> _Marks:
    """Return the meaning of commas and points in a column, by the cells where only one meaning is possible."""
    seen: Counter[str] = Counter()
    for text in texts:
        if len(text) > MAX_LENGTH:
            continue
        for token in re.findall(r"[0-9.,']*[.,][0-9.,']*", text):
            seen.update(_evidence(token.strip("'")))
    if not seen["comma"]:
        return _Marks("", "thousands" if seen["point thousands"] and not seen["point decimal"] else "decimal")
    if seen["comma decimal"] and seen["comma thousands"]:
        return _Marks("", "decimal")
    if seen["comma decimal"]:
        is_point_decimal = seen["point decimal"] > 0
        return _Marks("decimal", "decimal" if is_point_decimal else "thousands" if seen["point thousands"] else "")
    if seen["comma thousands"]:
        return _Marks("thousands", "decimal")
    return _Marks("decimal" if separator == ";" and not seen["point decimal"] else "", "decimal")


def _evidence(token: str) -> list[str]:
    """Return what a number proves about its marks, e.g. `"comma decimal"`."""
    has_comma, has_point = "," in token, "." in token
    seen = ["comma"] if has_comma else []
    if has_comma and has_point:
        last = max(",.", key=token.rfind)
        return [*seen, *(["comma decimal", "point thousands"] if last == "," else ["comma thousands", "point decimal"])]
    mark, name = (",", "comma") if has_comma else (".", "point")
    if token.count(mark) > 1:
        return [*seen, f"{name} thousands"] if _has_groups(token, mark) else seen
    return seen if _has_groups(token, mark) else [*seen, f"{name} decimal"]


def _unify_units(
    cells: Sequence[str], values: list[MeasuredValue | None], problems: list[str], heading_unit: str
) -> Column:
    """Return a column with values of one unit; a value whose unit cannot be converted is refused."""
    stated = Counter(value.unit for value in values if value is not None and value.unit)
    for unit in [unit for unit in stated if parse_unit(unit) is None and unit != heading_unit]:
        _refuse(cells, values, problems, unit, "expected a number")
        del stated[unit]
    target = heading_unit or (stated.most_common(1)[0][0] if stated else "")
    if not stated:
        return Column(tuple(values), tuple(problems), target)
    factors = {unit: conversion_factor(unit, target) for unit in stated}
    n_plain = sum(value is not None and not value.unit for value in values)
    is_mixed = len(set(factors.values())) > 1
    if is_mixed and not heading_unit and n_plain > sum(stated.values()):
        for unit in stated:
            _refuse(cells, values, problems, unit, "a unit in a column without one; write the unit into the heading")
        return Column(tuple(values), tuple(problems))
    for unit, factor in factors.items():
        if factor is None:
            expected = f"the unit {target} of the {'heading' if heading_unit else 'other cells'}"
            _refuse(cells, values, problems, unit, f"expected {expected}; write all values in one unit")
    notes = [
        f"{stated[unit]} value{'' if stated[unit] == 1 else 's'} in {unit} converted to {target}"
        for unit, factor in factors.items()
        if factor not in (None, 1.0)
    ]
    if n_plain and not heading_unit and is_mixed:
        units = " and ".join(stated)
        _refuse(cells, values, problems, "", f"without a unit in a column of {units}; write its unit")
    elif n_plain and not heading_unit:
        cells_without = "1 cell without a unit is" if n_plain == 1 else f"{n_plain} cells without a unit are"
        notes.append(f"{cells_without} taken as {target}, the unit of the others")
    for i, value in enumerate(values):
        factor = 1.0 if value is None or not value.unit else factors[value.unit]
        if value is None or factor is None:
            continue
        values[i] = replace(value, value=value.value * factor, error=value.error * factor, unit=target)
        if not abs(value.value * factor) <= MAX_MAGNITUDE:
            values[i] = None
            problems[i] = (
                f"{cells[i].strip()[:MAX_SHOWN]!r}, beyond {MAX_MAGNITUDE:g} {target}, expected a smaller number"
            )
    return Column(tuple(values), tuple(problems), target, tuple(notes))


def _refuse(
    cells: Sequence[str], values: list[MeasuredValue | None], problems: list[str], unit: str, reason: str
) -> None:
    """Refuse the values of a unit."""
    for i, value in enumerate(values):
        if value is not None and value.unit == unit:
            values[i] = None
            problems[i] = f"{cells[i].strip()[:MAX_SHOWN]!r}, {reason}"
