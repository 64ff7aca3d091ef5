"""Account of the measured values of a table: how many are used, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_LISTED = 6
"""Entries of a list that a line of text names."""


@dataclass(frozen=True)
class ValueUsage:
    """Account of the measured values of one property."""

    name: str
    """Name of the property."""
    n_values: int
    """Number of cells with a measured value; unknown values are none."""
    n_used: int
    """Number of them that are used."""
    n_designs: int
    """Number of designs that have a value."""
    unit: str = ""
    """Unit that the table states."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Rows of the other values by the reason, e.g. `{"no valid molecule": "4, 7-9"}`."""
    missing: str = ""
    """Rows without a value."""
    n_missing: int = 0
    """Number of these rows."""
    notes: tuple[str, ...] = ()
    """What was merged, converted or assumed."""
    contradictions: tuple[str, ...] = ()
    """Designs whose repeats differ by more than the noise of the assay, with the values and their rows."""


def describe_usage(usages: Sequence[ValueUsage], *, source: str = "") -> list[str]:
    """Return what became of the measured values as lines of text; nothing where there are none.

    Args:
        usages: Account of each property.
        source: Name of the table.

    Example:
        >>> describe_usage([ValueUsage("qed", 3, 2, 2, unused={"no valid molecule": "4"})], source="mine")
        ['mine: used 2 of 3 measured values', '  qed: not used: row 4 (no valid molecule)']
    """
    if not usages:
        return []
    n_used, n_values = sum(usage.n_used for usage in usages), sum(usage.n_values for usage in usages)
    each = ", ".join(f"{usage.name} {usage.n_used:,} of {usage.n_values:,}" for usage in usages)
    lines = [
        f"{source}{': ' if source else ''}used {n_used:,} of {n_values:,} measured values"
        + (f" ({each})" if len(usages) > 1 else "")
    ]
    for usage in usages:
        name = f"  {usage.name}"
        lines += [
            f"{name}: not used: {_rows(rows)} ({reason})" for reason, rows in list(usage.unused.items())[:MAX_LISTED]
        ]
        if len(usage.unused) > MAX_LISTED:
            lines.append(f"{name}: not used for {len(usage.unused) - MAX_LISTED} further reasons")
        if usage.missing:
            lines.append(f"{name}: no value in {_rows(usage.missing)}")
        lines += [f"{name}: {note}" for note in usage.notes]
        lines += [f"{name}: warning: {text}" for text in usage.contradictions[:MAX_LISTED]]
        if len(usage.contradictions) > MAX_LISTED:
            lines.append(f"{name}: warning: {len(usage.contradictions) - MAX_LISTED} further contradictions")
    return lines


def row_ranges(rows: Sequence[tuple[str, int]]) -> str:
    """Return numbers of rows in ascending order as text, consecutive ones as ranges.

    Args:
        rows: File (empty where there is one) and number of each row.

    Example:
        >>> row_ranges([("", 2), ("", 3), ("", 4), ("", 9), ("b.csv", 1)])
        '2-4, 9, b.csv: 1'
    """
    ranges: list[tuple[str, int, int]] = []
    for file, number in rows:
        if ranges and ranges[-1][0] == file and ranges[-1][2] + 1 == number:
            ranges[-1] = (file, ranges[-1][1], number)
        else:
            ranges.append((file, number, number))
    return ", ".join(
        (f"{file}: " if file else "") + (f"{first}" if first == last else f"{first}-{last}")
        for file, first, last in ranges
    )


def _rows(text: str) -> str:
    """Return rows with the word for them, the first ones only if there are many."""
    parts = text.split(", ")
    shown = ", ".join(parts[: 2 * MAX_LISTED])
    more = "" if len(parts) <= 2 * MAX_LISTED else f" and {len(parts) - 2 * MAX_LISTED} more"
    return f"{'row' if text.isdigit() else 'rows'} {shown}{more}"
