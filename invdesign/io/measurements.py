"""Measured values of the rows of a file: which design each belongs to, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.core.value_usage import ValueUsage, row_ranges
from invdesign.io.cells import plain_cell
from invdesign.io.measured_values import Column, MeasuredValue, read_column
from invdesign.io.repeats import find_contradictions, merge_values
from invdesign.io.units import conversion_factor

PROPORTIONALITY = 0.01
"""Relative difference up to which values of cells of one crystal are proportional to their numbers of atoms."""


class _Row(Protocol):
    """What is read of a row."""

    @property
    def number(self) -> int: ...
    @property
    def file(self) -> str: ...
    @property
    def separator(self) -> str: ...
    @property
    def cells(self) -> Mapping[str, object]: ...
    @property
    def units(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, eq=False)
class MergedMeasurements:
    """Measured values of designs, by property."""

    properties: Mapping[str, Array]
    """Mean of the values of each design, NaN where unknown."""
    errors: Mapping[str, Array]
    """Standard error of each mean, NaN where not known."""
    bounds: Mapping[str, Array]
    """1 where the true value is above the one given, -1 where it is below, 0 for a plain value."""
    usage: tuple[ValueUsage, ...]
    """Account of each property."""


@dataclass(eq=False)
class Measurements:
    """Measured values of rows, and the design of each row; made by `Measurements.read`."""

    rows: Sequence[_Row]
    """Rows of the file."""
    columns: Mapping[str, Column]
    """Values by property, one for each row."""
    headings: Mapping[str, str]
    """Column of each property, for messages."""
    designs: dict[int, int] = field(default_factory=dict)
    """Design of each row."""
    dropped: dict[int, str] = field(default_factory=dict)
    """Why a row has no design."""
    n_atoms: dict[int, int] = field(default_factory=dict)
    """Atoms in each row that has a design."""

    @classmethod
    def read(cls, rows: Iterable[_Row], properties: Mapping[str, str]) -> Measurements:
        """Read the values of all rows.

        Args:
            rows: Rows of the file.
            properties: Measured properties: name -> column.
        """
        given = list(rows)
        return cls(given, {name: read_property(given, column) for name, column in properties.items()}, properties)

    def problems(self, i: int) -> list[str]:
        """Return what is wrong with the values of a row."""
        return [
            f"column {self.headings[name]!r} has {column.problems[i]}"
            for name, column in self.columns.items()
            if column.problems[i]
        ]

    def assign(self, i: int, design: int) -> bool:
        """Record the design of a row, and return whether the row has a value."""
        self.designs[i] = design
        return any(column.values[i] is not None for column in self.columns.values())

    def drop(self, i: int, reason: str) -> None:
        """Record why a row has no design."""
        self.dropped[i] = reason

    def stop_after(self, i: int, reason: str) -> None:
        """Record that the rows after one are not used."""
        for later in range(i + 1, len(self.rows)):
            self.dropped[later] = reason

    def merge(
        self, n: int, names: Sequence[str], *, per_atom: Sequence[str] = (), energies: Sequence[str] = ()
    ) -> MergedMeasurements:
        """Return the values of `n` designs.

        Args:
            n: Number of designs.
            names: Name of each design, for messages; empty where unknown.
            per_atom: Properties whose values are divided by the number of atoms of their row.
            energies: Properties that are energies: totals of a row where their unit is not for each atom.

        Raises:
            InvdesignError: A property of `per_atom` has a unit for each atom already.
        """
        properties, errors, bounds, usage = {}, {}, {}, []
        for name, read in self.columns.items():
            if name in per_atom:
                column = self._divide(name, read)
            else:
                column = self._refuse_totals(name, read, is_energy=name in energies)
            groups = self._groups(column)
            y, error, bound = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
            for design, rows in groups.items():
                merged = merge_values(_known(column, rows))
                y[design], error[design], bound[design] = merged.value, merged.error, merged.bound
            properties[name], errors[name], bounds[name] = y, error, bound
            usage.append(self._account(name, column, groups, bound, names))
        return MergedMeasurements(properties, errors, bounds, tuple(usage))

    def _groups(self, column: Column) -> dict[int, list[int]]:
        """Return the rows with a value of each design."""
        groups: dict[int, list[int]] = {}
        for i, design in self.designs.items():
            if column.values[i] is not None:
                groups.setdefault(design, []).append(i)
        return groups

    def _refuse_totals(self, name: str, column: Column, *, is_energy: bool) -> Column:
        """Return a column without totals of rows of one design that differ in their number of atoms.

        Values are totals where they are energies in a unit of energy alone, and where the values of each such design
        are proportional to the number of atoms: their mean is the value of no cell.
        """
        groups = [rows for rows in self._groups(column).values() if len({self.n_atoms.get(i, 1) for i in rows}) > 1]
        if not groups or column.unit.endswith("/atom"):
            return column
        is_total = is_energy and column.unit and "/" not in column.unit
        if not is_total and not all(self._are_proportional(column, rows) for rows in groups):
            return column
        values, problems = list(column.values), list(column.problems)
        for rows in groups:
            sizes = ", ".join(str(n) for n in sorted({self.n_atoms.get(i, 1) for i in rows}))
            unit = f", or write {column.unit}/atom if they are values of each atom" if column.unit else ""
            for i in rows:
                values[i] = None
                problems[i] = f"totals of cells of {sizes} atoms of one design; set per_atom=[{name}]{unit}"
        return replace(column, values=tuple(values), problems=tuple(problems))

    def _are_proportional(self, column: Column, rows: Sequence[int]) -> bool:
        """Return whether values are proportional to the number of atoms of their rows."""
        each = np.array([_value(column, i).value / self.n_atoms.get(i, 1) for i in rows])
        return bool(each.any() and np.ptp(each) <= PROPORTIONALITY * np.abs(each).max())

    def _divide(self, name: str, column: Column) -> Column:
        """Return a column whose totals are divided by the number of atoms of their row."""
        if column.unit.endswith("/atom"):
            raise InvdesignError(
                f"per_atom: expected totals in {name!r}, got values in {column.unit}. Leave {name} out of per_atom"
            )
        divided = [
            None if value is None else replace(value, value=value.value / n, error=value.error / n)
            for value, n in zip(column.values, (self.n_atoms.get(i, 1) for i in range(len(self.rows))), strict=True)
        ]
        note = "totals divided by the number of atoms of the cell as written"
        unit = f"{column.unit}/atom" if column.unit else ""
        return replace(column, values=tuple(divided), unit=unit, notes=(*column.notes, note))

    def _account(
        self, name: str, column: Column, groups: Mapping[int, Sequence[int]], bound: Array, names: Sequence[str]
    ) -> ValueUsage:
        """Return what became of the values of a property."""
        unused: dict[str, list[int]] = {}
        missing = []
        for i in range(len(self.rows)):
            if column.problems[i]:
                unused.setdefault(column.problems[i], []).append(i)
            elif column.values[i] is None:
                missing.append(i)
            elif i not in self.designs:
                unused.setdefault(self.dropped.get(i, "not read"), []).append(i)
        n_used = sum(map(len, groups.values()))
        contradictory = find_contradictions({design: _known(column, rows) for design, rows in groups.items()})
        return ValueUsage(
            name,
            n_values=n_used + sum(map(len, unused.values())),
            n_used=n_used,
            n_designs=len(groups),
            unit=column.unit,
            unused={reason: self._rows_text(rows) for reason, rows in unused.items()},
            missing=self._rows_text(missing),
            n_missing=len(missing),
            notes=(*column.notes, *_notes(column, groups, bound)),
            contradictions=tuple(self._contradiction(column, groups[k], names[k]) for k in contradictory),
        )

    def _contradiction(self, column: Column, rows: Sequence[int], name: str) -> str:
        """Return the smallest and the largest of contradictory values with their rows."""
        ordered = sorted(rows, key=lambda i: _value(column, i).value)
        low, high = ordered[0], ordered[-1]
        design = f"{name}: " if name else ""
        return (
            f"{design}{_text(_value(column, low))} (row {self._rows_text([low])}) contradicts "
            f"{_text(_value(column, high))} (row {self._rows_text([high])}); {_counting(_known(column, rows))} counts"
        )

    def _rows_text(self, rows: Sequence[int]) -> str:
        return row_ranges([(self.rows[i].file if self._has_files else "", self.rows[i].number) for i in rows])

    @cached_property
    def _has_files(self) -> bool:
        """Whether the rows are of several files."""
        return len({row.file for row in self.rows}) > 1


def read_property(rows: Sequence[_Row], column: str) -> Column:
    """Return the values of a column; the cells of each file are read together.

    Args:
        rows: Rows of the file or files.
        column: Name of the column in `cells`.
    """
    values: list[MeasuredValue | None] = [None] * len(rows)
    problems = [""] * len(rows)
    target = ""
    notes: list[str] = []
    files: dict[tuple[str, str, str], list[int]] = {}
    for i, row in enumerate(rows):
        files.setdefault((row.file, row.separator, row.units.get(column, "")), []).append(i)
    for (_, separator, unit), own in files.items():
        cells = [plain_cell(str(rows[i].cells.get(column, "")).strip()) for i in own]
        part = read_column(cells, heading_unit=unit, separator=separator)
        target = target or part.unit
        part = _convert(part, target)
        for k, i in enumerate(own):
            values[i], problems[i] = part.values[k], part.problems[k]
        notes += part.notes
    return Column(tuple(values), tuple(problems), target, tuple(dict.fromkeys(notes)))


def _convert(column: Column, unit: str) -> Column:
    """Return the values of a file in the unit of the files before it; refused where it is no matter of a prefix."""
    if not column.unit or column.unit == unit:
        return column
    factor = conversion_factor(column.unit, unit)
    if factor is None:
        reason = f"a value in {column.unit}, expected the unit {unit} of the other files"
        problems = [
            problem or (reason if value is not None else "")
            for value, problem in zip(column.values, column.problems, strict=True)
        ]
        return Column((None,) * len(problems), tuple(problems), unit, column.notes)
    values = tuple(
        None if value is None else replace(value, value=value.value * factor, error=value.error * factor, unit=unit)
        for value in column.values
    )
    note = f"values of a file in {column.unit} converted to {unit}"
    return Column(values, column.problems, unit, column.notes if factor == 1.0 else (*column.notes, note))


def _value(column: Column, i: int) -> MeasuredValue:
    value = column.values[i]
    assert value is not None
    return value


def _known(column: Column, rows: Sequence[int]) -> list[MeasuredValue]:
    return [_value(column, i) for i in rows]


def _text(value: MeasuredValue) -> str:
    return f"{({1: '>', -1: '<'}).get(value.bound, '')}{value.value:g}"


def _counting(values: Sequence[MeasuredValue]) -> str:
    """Return what counts of the values of a design, by the rule of `merge_values`."""
    n_plain = sum(not value.bound for value in values)
    if n_plain == 1:
        return f"the plain value of {len(values)} values"
    if n_plain:
        return f"the mean of {n_plain} {'plain ' if n_plain < len(values) else ''}values"
    is_interval = len({value.bound for value in values}) > 1
    return "the middle of the narrowest bounds" if is_interval else "the narrowest bound"


def _notes(column: Column, groups: Mapping[int, Sequence[int]], bound: Array) -> list[str]:
    """Return what was merged, and which values are not plain."""
    known = [_known(column, rows) for rows in groups.values() if len(rows) > 1]
    notes = [*_mean_notes(known), *_bound_notes(known)]
    n_bounds = int(np.count_nonzero(bound))
    if n_bounds:
        notes.append(
            f"{n_bounds:,} design{'s' if n_bounds > 1 else ''} with a bound alone (> or <), which is used as the value"
        )
    used = [i for rows in groups.values() for i in rows]
    n_approximate = sum(_value(column, i).is_approximate for i in used)
    if n_approximate:
        notes.append(f"{n_approximate:,} approximate value{'s' if n_approximate > 1 else ''} (~) used as plain")
    return notes


def _mean_notes(repeated: Sequence[Sequence[MeasuredValue]]) -> list[str]:
    """Return how many plain values of repeated designs were averaged, and how much they differ."""
    plain = [[value.value for value in values if not value.bound] for values in repeated]
    plain = [values for values in plain if len(values) > 1]
    if not plain:
        return []
    variances = [np.var(values, ddof=1) for values in plain]
    sd = float(np.sqrt(np.average(variances, weights=[len(values) - 1 for values in plain])))
    return [
        f"{sum(map(len, plain)):,} values of {_designs(len(plain), 'repeated ')} merged into their means "
        f"(standard deviation of the repeats {sd:.3g})"
    ]


def _bound_notes(repeated: Sequence[Sequence[MeasuredValue]]) -> list[str]:
    """Return how many bounds of repeated designs stand beside plain values, and how many stand alone."""
    bounds = [[value for value in values if value.bound] for values in repeated]
    beside = [len(b) for b, values in zip(bounds, repeated, strict=True) if 0 < len(b) < len(values)]
    alone = [len(b) for b, values in zip(bounds, repeated, strict=True) if len(b) == len(values)]
    notes = []
    if beside:
        notes.append(f"{_bounds(sum(beside))} of {_designs(len(beside))} beside plain values, which count alone")
    if alone:
        notes.append(
            f"{_bounds(sum(alone))} of {_designs(len(alone))} without a plain value: the narrowest counts, or the "
            "middle between two"
        )
    return notes


def _bounds(n: int) -> str:
    return f"{n:,} bound{'' if n == 1 else 's'}"


def _designs(n: int, kind: str = "") -> str:
    return f"{n:,} {kind}design{'' if n == 1 else 's'}"
