"""Results of a laboratory in a table: which design each row belongs to, and what is new in it."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic

from invdesign.campaign import OutcomeRecorded, State, recorded_outcome
from invdesign.core import Candidate, D, DesignSpace, InvdesignError, Objective, Outcome
from invdesign.io.cells import plain_cell
from invdesign.io.design_tables import TABLES, Row, measured_columns, table_rows, table_text
from invdesign.io.measured_values import Column, MeasuredValue, is_unknown, read_column
from invdesign.io.repeats import as_outcome, measured_values
from invdesign.io.units import conversion_factor, split_heading
from invdesign.runs.batch_files import identifiers

FAILURES = ("failure", "failed", "reason", "failure reason", "reason of failure")
NAMES = ("name", "names", "compound", "sample", "label")
NOTES = ("note", "notes", "comment", "comments", "remark", "remarks")
FAILED_WORDS = frozenset(("yes", "y", "true", "x", "1", "failed", "fail"))
EMPTY_WORDS = frozenset(("no", "false", "0", "ok", "none"))
NOT_FAILED = frozenset(("", "measured", "ok", "done", "pass", "passed", "pending", "open", "not measured"))
"""Contents of the column `status` of a row that did not fail."""
MAX_SHOWN = 5
SEARCHED_ROWS = 20
"""Rows by which the column of designs is found where no heading names it."""


@dataclass(frozen=True)
class RowResult:
    """What became of a row."""

    row: int
    """Number of the row in the file."""
    id: str
    """Identifier of its design."""
    design: str
    """Its design, as text."""
    action: str
    """`"measured"`, `"repeat"`, `"failed"`, `"added"` for a design that was not suggested, or `"known"` where it is
    recorded already."""
    y: tuple[float, ...]
    """The `m` values, NaN where there is none."""
    reason: str = ""
    """Why the measurement failed."""


@dataclass(frozen=True, eq=False)
class Added(Generic[D]):
    """A measured design that was not suggested."""

    design: D
    """The design."""
    key: str
    """Its key."""
    name: str
    """Name that the file gives it; empty without one."""
    outcomes: tuple[Outcome, ...]
    """What was measured, repeats one by one."""


@dataclass(frozen=True, eq=False)
class Results(Generic[D]):
    """Content of a file of results."""

    events: tuple[OutcomeRecorded[D], ...]
    """What is new, to be recorded together."""
    rows: tuple[RowResult, ...]
    """What became of each row with a result."""
    n_empty: int
    """Rows without a result: their designs stay open."""
    notes: tuple[str, ...] = ()
    """Assumptions, conversions, and columns that were not read."""
    added: tuple[Added[D], ...] = ()
    """Designs that were not suggested, where these are to be added."""


class Designs(Generic[D]):
    """The designs of a run, found by identifier, key, text or the name that the user gave them."""

    def __init__(self, state: State[D], domain: DesignSpace[D]) -> None:
        self.domain = domain
        self.by_key: dict[str, Candidate[D]] = {c.key: c for c in (*state.history, *state.pending)}
        self.ids = identifiers(state)
        names = Counter(c.name for c in self.by_key.values() if c.name)
        own = {c.name.upper(): c.key for c in self.by_key.values() if names[c.name] == 1}
        self._keys = own | {name: key for key, name in self.ids.items()}

    def is_id(self, text: str) -> bool:
        """Return whether a text is the identifier of a design of this run, or is written like one."""
        return bool(re.fullmatch(r"[Dd]\d{4,}", text.strip())) or text in self.by_key

    def find(self, given: Any) -> Candidate[D]:
        """Return the candidate that an identifier, a key, a text or a design names.

        Raises:
            InvdesignError: There is none.
        """
        if isinstance(given, str):
            text = given.strip()
            if text in self.by_key:
                return self.by_key[text]
            key = self._keys.get(text.upper()) or self._labelled(text)
            if key is not None:
                return self.by_key[key]
            if re.fullmatch(r"[Dd]\d+", text):
                known = f"from D0001 to D{len(self.ids):04d}" if self.ids else "none, since nothing was suggested"
                raise InvdesignError(f"{text!r}: expected the identifier of a design of this run ({known})")
        try:
            design = self.domain.from_text(given) if isinstance(given, str) else given
            key = self.domain.key(design)
        except (InvdesignError, TypeError, AttributeError, ValueError):
            key = str(given)
        if key not in self.by_key:
            shown = key if len(key) <= 80 else f"{key[:80]}..."
            raise InvdesignError(
                f"{shown!r}: expected a design that was suggested, got another. Use substitute for a design that was "
                "made in the place of a suggested one, or add designs that were measured besides"
            )
        return self.by_key[key]

    def _labelled(self, text: str) -> str | None:
        """Return the key of the design that a label in an order or on a plate names: `design-001-3f2a9c81-D0012`."""
        match = re.fullmatch(r".*-([0-9a-f]{8})-(D\d{4,})", text)
        key = self._keys.get(match[2]) if match else None
        is_same = match and key and hashlib.sha256(key.encode()).hexdigest().startswith(match[1])
        return key if is_same else None


def read_results(
    path: Path,
    state: State[D],
    domain: DesignSpace[D],
    objectives: Sequence[Objective],
    *,
    earlier: Callable[[], Mapping[str, Sequence[Outcome]]] = dict,
    allow_repeats: bool = False,
    allow_new: bool = False,
) -> Results[D]:
    """Return what a file of results says that is not recorded yet.

    Rows are matched by the column `id` or by the design. Several rows of a design are repeated measurements. A row
    without a value and without a failure is not measured yet.

    Args:
        path: A table (.csv, .tsv or .xlsx).
        state: What is known.
        domain: Reads designs.
        objectives: Their names, or names with units, are the headings of the values.
        earlier: Returns all outcomes by key that were ever recorded, also those that were corrected since.
        allow_repeats: Whether other values of a measured design are repeated measurements; else they are refused.
        allow_new: Whether designs that were not suggested are added; else they are refused.

    Raises:
        InvdesignError: A heading, a cell, a unit or a design is not understood, or a value contradicts a recorded one.
    """
    if not path.name.lower().endswith(TABLES):
        raise InvdesignError(f"{path}: expected a table (.csv, .tsv or .xlsx), got {path.suffix or 'no suffix'!r}")
    header, _ = measured_columns(path)
    if not header:
        raise InvdesignError(f"{path}: expected a table with results, got an empty file. Check the file")
    roles = _find_roles(path, header, objectives)
    text = table_text(path)
    rows = list(table_rows(path, text, find_design=lambda _: (0, ""), columns=[h for h in header if h]))
    broken = [f"row {row.number}: {row.problem}" for row in rows if row.problem]
    _raise_for(path, broken, "Correct these rows")
    designs = Designs(state, domain)
    roles = _with_designs(path, header, roles, rows, designs, allow_new=allow_new)
    columns = [_read_values(path, rows, heading, objective) for heading, objective in roles.values]
    problems = [
        f"row {row.number}: column {heading!r} has {column.problems[i]}"
        for (heading, _), column in zip(roles.values, columns, strict=True)
        for i, row in enumerate(rows)
        if column.problems[i]
    ]
    _raise_for(path, problems, "Correct these cells, or leave them empty where nothing was measured")
    given = _Given(path, rows, roles, columns, objectives)
    groups, new, n_empty = _by_design(given, designs, allow_new=allow_new)
    plan = _Plan(path, state, designs, earlier, allow_repeats)
    for key, found in groups.items():
        plan.add(designs.by_key[key], found)
    added = [plan.add_new(*item) for item in new.values()]
    _raise_for(path, plan.problems, plan.remedy)
    notes = [note for column in columns for note in column.notes]
    n_bounds = sum(value is not None and value.bound != 0 for column in columns for value in column.values)
    if n_bounds:
        notes.append(f"{n_bounds} bound{'s' if n_bounds > 1 else ''} (> or <): the bound is used as the value")
    if roles.ignored:
        notes.append(f"columns that were not read: {', '.join(roles.ignored)}")
    rows_read = tuple(sorted(plan.rows, key=lambda r: r.row))
    return Results(tuple(plan.events), rows_read, n_empty, tuple(notes), tuple(added))


@dataclass(frozen=True)
class _Roles:
    """What the columns of a file are."""

    values: tuple[tuple[str, Objective], ...]
    """Heading and objective of each column of values."""
    id: str = ""
    design: str = ""
    failures: tuple[str, ...] = ()
    status: str = ""
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class _Found:
    """Result of a row."""

    row: int
    outcome: Outcome
    note: str = ""


@dataclass(frozen=True)
class _Given:
    """The rows of a file with the values of its columns."""

    path: Path
    rows: Sequence[Row]
    roles: _Roles
    columns: Sequence[Column]
    objectives: Sequence[Objective]

    def cell(self, i: int, heading: str) -> str:
        return _cell(self.rows[i], heading)

    def result(self, i: int) -> _Found | None:
        """Return the result of a row; None where it has none.

        Raises:
            InvdesignError: It has both all values and a failure, or an unknown status.
        """
        values: list[MeasuredValue | None] = [None] * len(self.objectives)
        notes = [text for heading in self.roles.notes if (text := self.cell(i, heading))]
        for (heading, objective), column in zip(self.roles.values, self.columns, strict=True):
            value = column.values[i]
            if value is not None:
                values[list(self.objectives).index(objective)] = value
                notes += _describe_inexact(value, self.cell(i, heading))
        number = self.rows[i].number
        outcome = as_outcome(values)
        is_known = [value is not None for value in values]
        reason = self._failure(i, is_measured=any(is_known))
        if not any(is_known):
            return (
                _Found(number, replace(outcome, status="failed", reason=reason), "; ".join(notes)) if reason else None
            )
        if reason and all(is_known):
            raise InvdesignError(
                f"{self.path}: row {number}: expected values or a failure, got both ({reason!r}). Leave one of them out"
            )
        return _Found(number, outcome, "; ".join([*([reason] if reason else []), *notes]))

    def _failure(self, i: int, *, is_measured: bool) -> str:
        """Return why the measurement of a row failed; empty where it did not."""
        cells = [self.cell(i, heading) for heading in self.roles.failures]
        reasons = [text for text in cells if not is_unknown(text) and text.lower() not in EMPTY_WORDS]
        told = [text for text in reasons if text.lower() not in FAILED_WORDS]
        status = self.cell(i, self.roles.status).lower() if self.roles.status else ""
        is_failed = bool(reasons) or status in ("failed", "fail", "timeout", "crashed", "invalid")
        if not is_failed and not is_measured and status not in NOT_FAILED:
            raise InvdesignError(
                f"{self.path}: row {self.rows[i].number}: expected the status failed, pending or measured, got "
                f"{status!r}. Write failed, and the reason in a column failure"
            )
        return "; ".join(told) or ("failed" if is_failed else "")


@dataclass(eq=False)
class _Plan(Generic[D]):
    """Events that the rows of a file add to what is recorded."""

    path: Path
    state: State[D]
    designs: Designs[D]
    earlier: Callable[[], Mapping[str, Sequence[Outcome]]]
    allow_repeats: bool
    events: list[OutcomeRecorded[D]] = field(default_factory=list)
    rows: list[RowResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remedy = (
        "For a repeated measurement use --replicates, or: invdesign replicate RUN ID NAME=VALUE; to replace a value: "
        "invdesign correct RUN ID NAME=VALUE"
    )

    def add(self, candidate: Candidate[D], found: Sequence[_Found]) -> None:
        """Add the rows of a design."""
        is_open = candidate.status == "pending"
        recorded = list(self._recorded(candidate))
        unused = list(recorded)
        new: list[_Found] = []
        for item in sorted(found, key=lambda item: item.outcome.status != "measured"):
            match = next((other for other in unused if _is_contained(item.outcome, other)), None)
            if match is not None:
                unused.remove(match)
                self._note_row(candidate, item, "known")
            else:
                new.append(item)
        if not is_open and unused == recorded:
            new = [item for item in new if not self._is_mean(candidate, item)]
        for item in new:
            added = item if is_open else self._addition(candidate, item)
            is_repeat = added is None and (self.allow_repeats or not unused) and candidate.status == "measured"
            if added is None and not is_repeat:
                self._refuse(candidate, item)
                continue
            self._record(candidate, added or item, is_first=is_open and item is new[0])

    def add_new(self, design: D, name: str, found: Sequence[_Found]) -> Added[D]:
        """Return a design that was not suggested, measured values first, and note its rows."""
        ordered = sorted(found, key=lambda item: item.outcome.status != "measured")
        for item in ordered:
            text = self.designs.domain.to_text(design)
            self.rows.append(RowResult(item.row, name, text, "added", item.outcome.y, item.outcome.reason))
        return Added(design, self.designs.domain.key(design), name, tuple(item.outcome for item in ordered))

    def _recorded(self, candidate: Candidate[D]) -> tuple[Outcome, ...]:
        if candidate.status == "pending":
            return ()
        return tuple(self.state.outcomes.get(candidate.key, (recorded_outcome(candidate),)))

    def _is_mean(self, candidate: Candidate[D], item: _Found) -> bool:
        """Return whether a row holds the means of what is recorded, or a value that was corrected since."""
        known = [recorded_outcome(candidate), *self.earlier().get(candidate.key, ())]
        is_known = any(_is_contained(item.outcome, outcome) for outcome in known)
        if is_known:
            self._note_row(candidate, item, "known")
        return is_known

    def _addition(self, candidate: Candidate[D], item: _Found) -> _Found | None:
        """Return the values of objectives that had none, where the others are as recorded; None where it adds none."""
        if candidate.status != "measured" or item.outcome.status != "measured":
            return None
        added: list[MeasuredValue | None] = []
        for new, old in zip(measured_values(item.outcome), candidate.y, strict=True):
            if new is not None and math.isfinite(old) and not _is_close(new.value, old):
                return None
            added.append(None if math.isfinite(old) else new)
        return replace(item, outcome=as_outcome(added)) if any(added) else None

    def _record(self, candidate: Candidate[D], item: _Found, *, is_first: bool) -> None:
        kind = "measured" if is_first else "repeat"
        self.events.append(OutcomeRecorded(candidate.key, item.outcome, kind, item.note))  # type: ignore[arg-type]
        self._note_row(candidate, item, "failed" if item.outcome.status != "measured" else kind)

    def _refuse(self, candidate: Candidate[D], item: _Found) -> None:
        was = ", ".join(f"{v:g}" for v in candidate.y if math.isfinite(v)) or candidate.reason or "no value"
        got = ", ".join(f"{v:g}" for v in item.outcome.y if math.isfinite(v)) or f"failed ({item.outcome.reason})"
        name = self.designs.ids[candidate.key]
        self.problems.append(f"row {item.row}: {name} is {candidate.status} ({was}), got {got}")

    def _note_row(self, candidate: Candidate[D], item: _Found, action: str) -> None:
        text = self.designs.domain.to_text(candidate.design)
        name = self.designs.ids[candidate.key]
        self.rows.append(RowResult(item.row, name, text, action, item.outcome.y, item.outcome.reason))


def _find_roles(path: Path, header: Sequence[str], objectives: Sequence[Objective]) -> _Roles:
    """Return what the columns are by their headings.

    Raises:
        InvdesignError: No column holds an objective, or one is spelled almost like it.
    """
    lower = {heading.casefold().strip(): heading for heading in header if heading}
    values: list[tuple[str, Objective]] = []
    for objective in objectives:
        found = [heading for heading in header if _names_objective(heading, objective)]
        if len(found) > 1:
            raise InvdesignError(
                f"{path}: expected one column of {objective.name!r}, got {' and '.join(map(repr, found))}. Rename one"
            )
        values += [(found[0], objective)] if found else []
    failures = tuple(lower[name] for name in FAILURES if name in lower)
    notes = tuple(lower[name] for name in NOTES if name in lower)
    roles = _Roles(
        tuple(values),
        lower.get("id", ""),
        lower.get("design", ""),
        tuple(heading for heading in failures if heading not in [value for value, _ in values]),
        lower.get("status", ""),
        notes,
    )
    roles = replace(roles, name=next((lower[name] for name in NAMES if name in lower), ""))
    used = [*(heading for heading, _ in values), *failures, *notes, roles.id, roles.design, roles.status]
    others = [heading for heading in header if heading and heading not in used]
    for objective in objectives:
        if objective in [known for _, known in values]:
            continue
        plain = {_plain(split_heading(heading)[0]): heading for heading in others}
        close = difflib.get_close_matches(_plain(objective.name), plain, n=1, cutoff=0.6)
        if close:
            raise InvdesignError(
                f"{path}: no column {objective.name!r}, got {plain[close[0]]!r}. Did you mean {objective.name!r}? "
                "Rename the column, or remove it"
            )
    if not values and not failures and not roles.status:
        names = ", ".join(repr(objective.name) for objective in objectives)
        raise InvdesignError(
            f"{path}: expected a column of {names}, got {', '.join(map(repr, header))}. Name it like the objective"
        )
    return replace(roles, ignored=tuple(others))


def _with_designs(
    path: Path, header: Sequence[str], roles: _Roles, rows: Sequence[Row], designs: Designs[Any], *, allow_new: bool
) -> _Roles:
    """Return the roles with the column by which rows are matched, found by its content where no heading names it."""
    if roles.design or (roles.id and not allow_new):
        return roles
    for heading in roles.ignored:
        for row in rows[:SEARCHED_ROWS]:
            text = _cell(row, heading)
            try:
                if not text:
                    continue
                designs.find(text)
            except InvdesignError:
                continue
            return replace(roles, design=heading, ignored=tuple(h for h in roles.ignored if h != heading))
        if allow_new and heading != roles.name and _holds_designs(rows, heading, designs):
            return replace(roles, design=heading, ignored=tuple(h for h in roles.ignored if h != heading))
    if roles.id:
        return roles
    raise InvdesignError(
        f"{path}: expected a column 'id' or 'design' with designs of this run, got {', '.join(map(repr, header))}. "
        "Keep the column id of the batch's table"
    )


def _holds_designs(rows: Sequence[Row], heading: str, designs: Designs[Any]) -> bool:
    """Return whether the first cells of a column are designs, of this run or others."""
    texts = [text for row in rows[:SEARCHED_ROWS] if (text := _cell(row, heading))]
    try:
        for text in texts:
            designs.domain.from_text(text)
    except (InvdesignError, TypeError, ValueError):
        return False
    return bool(texts)


def _read_values(path: Path, rows: Sequence[Row], heading: str, objective: Objective) -> Column:
    """Return the values of a column in the unit of its objective.

    Raises:
        InvdesignError: They have another unit, which cannot be converted.
    """
    stated = _split(heading)[1]
    cells = [_cell(row, heading) for row in rows]
    separator = rows[0].separator if rows else ","
    column = read_column(cells, heading_unit=stated or objective.unit, separator=separator)
    unit = stated or column.unit
    if not unit or unit == objective.unit:
        return column
    if not objective.unit:
        note = f"{heading}: the unit {unit} is not checked, since the objective {objective.name!r} has none"
        return replace(column, notes=(*column.notes, note))
    factor = conversion_factor(unit, objective.unit)
    if factor is None:
        raise InvdesignError(
            f"{path}: column {heading!r}: expected {objective.name!r} in {objective.unit}, got {unit}. Convert the "
            "values, and correct the heading"
        )
    if factor == 1.0:
        return column
    values = tuple(
        None if value is None else replace(value, value=value.value * factor, error=value.error * factor)
        for value in column.values
    )
    note = f"{heading}: converted from {unit} to {objective.unit}"
    return replace(column, values=values, unit=objective.unit, notes=(*column.notes, note))


_New = tuple[Any, str, list[_Found]]
"""A design that was not suggested, its name, and its results."""


def _by_design(
    given: _Given, designs: Designs[Any], *, allow_new: bool
) -> tuple[dict[str, list[_Found]], dict[str, _New], int]:
    """Return the results of each design by its key, those of new designs, and the number of rows without a result.

    Raises:
        InvdesignError: A row names no design of the run, or two.
    """
    groups: dict[str, list[_Found]] = {}
    new: dict[str, _New] = {}
    problems: list[str] = []
    n_empty = 0
    for i, row in enumerate(given.rows):
        found = given.result(i)
        if found is None:
            n_empty += 1
            continue
        try:
            unknown = _new_design_of(given, i, designs) if allow_new else None
            if unknown is not None:
                key = designs.domain.key(unknown[0])
                new.setdefault(key, (*unknown, []))[2].append(found)
                continue
            candidate = _design_of(given, i, designs)
        except InvdesignError as error:
            problems.append(f"row {row.number}: {error}")
            continue
        groups.setdefault(candidate.key, []).append(found)
    remedy = "Correct or remove these rows"
    _raise_for(given.path, problems, remedy if allow_new else f"{remedy}; --add adds designs that were not suggested")
    return groups, new, n_empty


def _new_design_of(given: _Given, i: int, designs: Designs[Any]) -> tuple[Any, str] | None:
    """Return the design of a row that was not suggested and its name; None where the row names one of the run."""
    text = given.cell(i, given.roles.design) if given.roles.design else ""
    name = next((given.cell(i, heading) for heading in (given.roles.id, given.roles.name) if heading), "")
    if not text or designs.is_id(name):
        return None
    try:
        design = designs.domain.from_text(text)
        key = designs.domain.key(design)
    except (TypeError, ValueError) as error:
        raise InvdesignError(f"expected a design, got {text[:80]!r} ({error})") from error
    return None if key in designs.by_key else (design, name)


def _design_of(given: _Given, i: int, designs: Designs[Any]) -> Candidate[Any]:
    roles = given.roles
    name = given.cell(i, roles.id) if roles.id else ""
    text = given.cell(i, roles.design) if roles.design else ""
    if not name and not text:
        raise InvdesignError("expected an identifier or a design, got neither")
    if not name:
        return designs.find(text)
    candidate = designs.find(name)
    if text and text != designs.domain.to_text(candidate.design):
        try:
            is_other = designs.domain.key(designs.domain.from_text(text)) != candidate.key
        except (InvdesignError, TypeError, ValueError):
            is_other = True
        if is_other:
            raise InvdesignError(
                f"{name} is {designs.domain.to_text(candidate.design)[:80]}, got the design {text[:80]}. Correct the "
                f"row; where that design was made instead, use: invdesign substitute RUN {name} DESIGN"
            )
    return candidate


def parse_values(words: Sequence[str], objectives: Sequence[Objective]) -> Outcome:
    """Return the values of `NAME=VALUE` words, or of a single `VALUE` where there is one objective.

    Args:
        words: As they stand on a command line; numbers are read like those of a table.
        objectives: `m` objectives.

    Returns:
        The `m` values with their errors and bounds, NaN for an objective without one.

    Raises:
        InvdesignError: A name or a value is not understood.

    Example:
        >>> parse_values(["logs=-3.1"], [Objective("logs"), Objective("sa")]).y
        (-3.1, nan)
    """
    values: list[MeasuredValue | None] = [None] * len(objectives)
    names = [objective.name for objective in objectives]
    for word in words:
        name, mark, text = word.rpartition("=")
        name = name if mark or len(names) > 1 else names[0]
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
            hint = f" Did you mean {close[0]}?" if name and close else ""
            raise InvdesignError(f"{word!r}: expected NAME=VALUE with one of {', '.join(names)}.{hint}")
        objective = objectives[names.index(name)]
        column = read_column([text], heading_unit=objective.unit)
        value = column.values[0]
        if value is None:
            raise InvdesignError(
                f"{word!r}: expected a number, got {column.problems[0] or repr(text)}. Write {name}=1.5"
            )
        if objective.unit and column.unit and conversion_factor(column.unit, objective.unit) != 1.0:
            raise InvdesignError(
                f"{word!r}: expected {name!r} in {objective.unit}, got {column.unit}. Convert the value"
            )
        values[names.index(name)] = value
    return as_outcome(values)


def _names_objective(heading: str, objective: Objective) -> bool:
    names = [heading, _split(heading)[0]]
    names += [name.removeprefix("measured ") for name in names]
    return objective.name.casefold() in [name.casefold().strip() for name in names]


def _split(heading: str) -> tuple[str, str]:
    """Return the name and the unit of a heading; in brackets stands a unit, also one that is not known."""
    name, unit = split_heading(heading)
    bracketed = re.fullmatch(r"(.*\S)\s*[(\[]([^()\[\]]+)[)\]]", heading)
    return (bracketed[1], bracketed[2].strip()) if bracketed and not unit else (name, unit)


def _describe_inexact(value: MeasuredValue, cell: str) -> Iterator[str]:
    """Yield the text of a cell that is more than a plain number: a bound, an error or an approximate value."""
    if value.bound or value.is_approximate or math.isfinite(value.error):
        yield f"as written: {cell}"


def _cell(row: Row, heading: str) -> str:
    return plain_cell(str(row.cells.get(heading, "")).strip())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300)


def _is_contained(new: Outcome, old: Outcome) -> bool:
    """Return whether everything that an outcome says is recorded in another one."""
    if new.status != "measured" or old.status != "measured":
        return new.status != "measured" and old.status not in ("measured", "pending")
    pairs = zip(measured_values(new), measured_values(old), strict=True)
    return all(a is None or (b is not None and a.bound == b.bound and _is_close(a.value, b.value)) for a, b in pairs)


def _raise_for(path: Path, problems: Sequence[str], remedy: str) -> None:
    if problems:
        more = f"\n  ... and {len(problems) - MAX_SHOWN} more" if len(problems) > MAX_SHOWN else ""
        lines = "\n  ".join(problems[:MAX_SHOWN])
        raise InvdesignError(f"{path}: nothing was recorded:\n  {lines}{more}\n{remedy}")
