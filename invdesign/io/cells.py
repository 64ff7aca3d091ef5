"""Cells of tables that no spreadsheet interprets as formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def cell_text(value: Any) -> str:
    """Return a value as text: exact for numbers, empty for None and NaN.

    Example:
        >>> cell_text(0.1), cell_text(None), cell_text("-MKV")
        ('0.1', '', '-MKV')
    """
    if value is None or value != value:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def safe_cell(value: Any) -> str:
    """Return a value as the text of a cell; text that could start a formula is preceded by an apostrophe.

    Numbers are unchanged, also negative ones and those given as text; NaN and None become empty. Candidate lists,
    domain files and order files all follow this rule.

    Args:
        value: Any value.

    References:
        OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection.

    Example:
        >>> safe_cell("=1+1"), safe_cell("-MKV"), safe_cell("-5"), safe_cell(float("nan"))
        ("'=1+1", "'-MKV", '-5', '')
    """
    text = cell_text(value)
    is_formula = text.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(text) and not isinstance(value, float)
    return f"'{text}" if is_formula or text.startswith("'") else text


def merge_cells(pairs: Iterable[tuple[str, str]], *, ignore_case: bool = False) -> dict[str, str]:
    """Return the cells of a record by name; different texts under one name are joined, so that none is lost.

    Args:
        pairs: Name and text of each cell.
        ignore_case: Whether names that differ in case alone are one; the first spelling counts.

    Example:
        >>> merge_cells([("y", "5"), ("Y", "7"), ("y", "5"), ("z", "")], ignore_case=True)
        {'y': '5 | 7', 'z': ''}
    """
    names: dict[str, str] = {}
    texts: dict[str, dict[str, None]] = {}
    for given, text in pairs:
        name = names.setdefault(given.casefold() if ignore_case else given, given)
        texts.setdefault(name, {})[text] = None
    return {name: " | ".join(filter(None, found)) for name, found in texts.items()}


def plain_cell(text: str) -> str:
    """Return the text that `safe_cell` received; a cell of another origin is returned unchanged.

    Example:
        >>> plain_cell(safe_cell("-MKV")), plain_cell("'tis")
        ('-MKV', "'tis")
    """
    is_quoted = len(text) > 1 and text[0] == "'" and text[1] in (*FORMULA_STARTS, "'")
    return text[1:] if is_quoted else text
