"""Tables of a ledger: events, and the designs, predictions and measured values in them, one column each."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from invdesign.campaign.state import (
    BatchSelected,
    CallsLeased,
    CallsReleased,
    DesignsAdded,
    Event,
    Kind,
    OutcomeRecorded,
    Region,
    Retrained,
    RoundEnded,
    RoundRecord,
    Steered,
)
from invdesign.core import Candidate, Check, D, DesignSpace, Outcome
from invdesign.core.capabilities import own_text_reader
from invdesign.io.json_values import from_plain, to_plain
from invdesign.ledger.tensors import tensor_from_text, tensor_to_text

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE head (events INTEGER NOT NULL, last_checksum TEXT NOT NULL, meta_checksum TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, content TEXT NOT NULL, at TEXT NOT NULL, by TEXT NOT NULL,
    checksum TEXT NOT NULL);
CREATE TABLE designs (
    event INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, design TEXT NOT NULL,
    name TEXT NOT NULL, round INTEGER NOT NULL, origin TEXT NOT NULL, acquisition REAL, log_density REAL,
    percentile REAL, content TEXT NOT NULL, PRIMARY KEY (event, place)) WITHOUT ROWID;
CREATE TABLE predictions (
    event INTEGER NOT NULL, place INTEGER NOT NULL, number INTEGER NOT NULL, objective TEXT NOT NULL, mean REAL,
    sd REAL, PRIMARY KEY (event, place, number)) WITHOUT ROWID;
CREATE TABLE outcomes (
    event INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL, note TEXT NOT NULL, PRIMARY KEY (event, place))
    WITHOUT ROWID;
CREATE TABLE measured_values (
    event INTEGER NOT NULL, place INTEGER NOT NULL, number INTEGER NOT NULL, objective TEXT NOT NULL, value REAL,
    error REAL, bound INTEGER, PRIMARY KEY (event, place, number)) WITHOUT ROWID;
CREATE TABLE leases (
    event INTEGER NOT NULL, place INTEGER NOT NULL, call TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL,
    executor TEXT NOT NULL, PRIMARY KEY (event, place)) WITHOUT ROWID;
CREATE INDEX outcomes_of_a_design ON outcomes (id, event);
CREATE INDEX texts_of_a_design ON designs (id, event);
CREATE VIEW measurements AS
    SELECT o.id, (
            SELECT design FROM designs AS made WHERE made.id = o.id AND made.event <= o.event
            ORDER BY made.event DESC LIMIT 1
        ) AS design, v.objective, v.value, v.error, v.bound, o.kind, o.status, o.reason, o.note, e.at, e.by,
        NOT EXISTS (
            SELECT 1 FROM outcomes AS later
            WHERE later.id = o.id AND later.event > o.event AND later.kind IN ('correction', 'substitute')
        ) AS is_current
    FROM outcomes AS o
    JOIN events AS e ON e.id = o.event
    JOIN measured_values AS v ON v.event = o.event AND v.place = o.place;
CREATE VIEW calls AS
    SELECT l.call, l.id, l.executor, e.at, e.by, NOT EXISTS (
            SELECT 1 FROM outcomes AS later WHERE later.id = l.id AND later.event > l.event
        ) AND NOT EXISTS (
            SELECT 1 FROM leases AS other WHERE other.key = l.key AND other.event > l.event
        ) AS is_open
    FROM leases AS l
    JOIN events AS e ON e.id = l.event
    WHERE e.kind = 'lease';
"""
"""The tables, and views of them for people.

An event has a number `id`, a time `at` and a person or process `by`; rows of the other tables belong to the event whose
number is in their column `event`, in the order of `place`. `id` of a design is `D0012`, of all rows about it too. A row
of `leases` with a `call` (`C00012`) was leased to an `executor` before it was submitted; one without was given up. The
view `measurements` has one row a measured value, with `is_current` for those that count, and the view `calls` one row a
leased call, with `is_open` for those that may still be running.
"""
VERSION = 4
APPLICATION = 0x1D5E5160
DESIGN_KINDS = ("batch", "added")
"""Kinds of events that bring designs, each with an identifier of its own."""
GIVEN_KIND = "given"
"""Kind of the outcome of a design that came measured."""
COLUMNS = {
    "designs": "place, id, key, design, name, round, origin, acquisition, log_density, percentile, content",
    "predictions": "place, number, objective, mean, sd",
    "outcomes": "place, id, key, kind, status, reason, seconds, note",
    "measured_values": "place, number, objective, value, error, bound",
    "leases": "place, call, id, key, executor",
}
"""Columns of the tables that hold what is in an event, without that of the event's number."""
Rows = tuple[tuple[Any, ...], ...]
Select = Callable[[str, tuple[Any, ...]], list[Any]]
SQL_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file raises: the message of SQLite itself can contain bytes of the file that are no text."""


@dataclass(frozen=True)
class EventRows:
    """An event as rows of the tables."""

    kind: str
    """Kind of the event."""
    content: str
    """JSON of what has no column of its own; empty where nothing is left."""
    designs: Rows = ()
    predictions: Rows = ()
    outcomes: Rows = ()
    measured_values: Rows = ()
    leases: Rows = ()


@dataclass(frozen=True)
class StoredEvent:
    """A row of the table of events with the rows that belong to it."""

    number: int
    """Its number, from 1."""
    at: str
    """Time in UTC."""
    by: str
    """Who or what recorded it."""
    rows: EventRows
    """Its content."""
    checksum: str
    """Checksum of all this and of the checksum before it."""


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new ledger, in the open transaction."""
    for statement in SCHEMA.split(";\n"):
        connection.execute(statement)
    connection.execute("INSERT INTO head VALUES (0, '', '')")
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def meta_checksum(connection: sqlite3.Connection) -> str:
    """Return the checksum of all noted facts."""
    rows = connection.execute("SELECT key, value, at FROM meta ORDER BY key").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def design_id(number: int) -> str:
    """Return the identifier of the `number`-th design of a run, counted from 1 in the order of selection.

    Example:
        >>> design_id(12)
        'D0012'
    """
    return f"D{number:04d}"


def to_rows(
    domain: DesignSpace[Any], event: Event, ids: MutableMapping[str, str], n_designs: int, objectives: Sequence[str]
) -> EventRows:
    """Return an event as rows; the identifiers of its new designs are added to `ids`.

    Args:
        domain: Writes designs as text.
        event: The event.
        ids: Identifiers of all designs by key.
        n_designs: Number of designs of earlier events, without substitutes.
        objectives: Names of the properties; `y1`, `y2` ... beyond them.
    """
    match event:
        case BatchSelected(candidates, record):
            return _design_rows(domain, "batch", json.dumps(to_plain(record)), candidates, ids, n_designs, objectives)
        case DesignsAdded(candidates):
            return _design_rows(domain, "added", "", candidates, ids, n_designs, objectives)
        case CallsLeased(calls, executor):
            return EventRows(
                "lease", "", leases=tuple((i, call, ids[key], key, executor) for i, (call, key) in enumerate(calls))
            )
        case CallsReleased(keys, reason):
            given_up = tuple((i, "", ids[key], key, "") for i, key in enumerate(keys))
            return EventRows("release", json.dumps({"reason": reason}), leases=given_up)
        case OutcomeRecorded(key, outcome, kind, note, substitute):
            design = ids[key]
            made = () if substitute is None else (_design_row(domain, 0, design, substitute),)
            if substitute is not None:
                ids[substitute.key] = design
            return EventRows(
                "outcome",
                "",
                designs=made,
                predictions=() if substitute is None else _prediction_rows(0, substitute, objectives),
                outcomes=((0, design, key, kind, outcome.status, outcome.reason, _stored(outcome.seconds), note),),
                measured_values=_value_rows(0, outcome.y, outcome.error, outcome.bound, objectives),
            )
        case RoundEnded(regions, record):
            content = {"regions": [to_plain(r) for r in regions], "record": to_plain(record)}
            return EventRows("round_end", json.dumps(content))
        case Retrained(latents, folder):
            rows = {key: [tensor_to_text(z), to_plain([a, b])] for key, (z, a, b) in latents.items()}
            return EventRows("retrain", json.dumps({"latents": rows, "folder": folder}))
        case Steered():
            return EventRows("steer", json.dumps(to_plain(event)))


def from_rows(domain: DesignSpace[Any], rows: EventRows) -> Event:
    """Return the event that `to_rows` described.

    Raises:
        ValueError, KeyError, TypeError: The rows do not describe an event.
    """
    if rows.kind == "batch":
        return BatchSelected(
            tuple(_candidates(domain, rows, rows.outcomes)), from_plain(RoundRecord, json.loads(rows.content))
        )
    if rows.kind == "added":
        return DesignsAdded(tuple(_candidates(domain, rows, rows.outcomes)))
    if rows.kind == "outcome":
        ((_, _, key, kind, status, reason, seconds, note),) = rows.outcomes
        if kind not in get_args(Kind):
            raise ValueError(f"expected an outcome of a known kind, got {kind!r}")
        y, error, bound = _values(rows.measured_values)
        outcome = Outcome(y, status, reason, _read(seconds), error, bound)
        made = next(_candidates(domain, rows, ())) if rows.designs else None
        return OutcomeRecorded(key, outcome, kind, note, made)
    if rows.kind == "lease":
        (executor,) = {row[4] for row in rows.leases}
        return CallsLeased(tuple((row[1], row[3]) for row in rows.leases), executor)
    content = json.loads(rows.content)
    if rows.kind == "release":
        return CallsReleased(tuple(row[3] for row in rows.leases), str(content["reason"]))
    if rows.kind == "round_end":
        regions = tuple(from_plain(Region, region) for region in content["regions"])
        return RoundEnded(regions, from_plain(RoundRecord, content["record"]))
    if rows.kind == "retrain":
        latents = {
            key: (tensor_from_text(z), float(numbers[0]), float(numbers[1]))
            for key, (z, numbers) in content["latents"].items()
        }
        return Retrained(latents, content["folder"])
    if rows.kind == "steer":
        return from_plain(Steered, content)
    raise ValueError(f"expected an event of a known kind, got {rows.kind!r}")


def insert(write: sqlite3.Connection, events: Sequence[StoredEvent]) -> None:
    """Insert events and their rows, in the open transaction, and note the last one in the table `head`."""
    write.executemany(
        "INSERT INTO events (id, kind, content, at, by, checksum) VALUES (?, ?, ?, ?, ?, ?)",
        [(e.number, e.rows.kind, e.rows.content, e.at, e.by, e.checksum) for e in events],
    )
    for table, columns in COLUMNS.items():
        rows = [(event.number, *row) for event in events for row in getattr(event.rows, table)]
        marks = ", ".join("?" * (columns.count(",") + 2))
        write.executemany(f"INSERT INTO {table} (event, {columns}) VALUES ({marks})", rows)
    write.execute("UPDATE head SET events = ?, last_checksum = ?", (events[-1].number, events[-1].checksum))


def read(select: Select, after: int) -> tuple[list[StoredEvent], str]:
    """Return the events after the one with the number `after`.

    Args:
        select: Runs a query and returns its rows.
        after: Number of an event, or 0.

    Returns:
        The events, and the name of a table that holds rows of no event (empty where there is none).
    """
    heads = select("SELECT id, kind, content, at, by, checksum FROM events WHERE id > ? ORDER BY id", (after,))
    parts = {table: _by_event(select, table, columns, after) for table, columns in COLUMNS.items()}
    events = []
    for number, kind, content, at, by, checksum in heads:
        mine: dict[str, Rows] = {table: rows.pop(number, ()) for table, rows in parts.items()}
        events.append(StoredEvent(number, at, by, EventRows(kind, content, **mine), checksum))
    return events, next((table for table, rows in parts.items() if rows), "")


def chain(before: str, number: int, at: str, by: str, rows: EventRows) -> str:
    """Return the checksum of an event that follows one with the checksum `before`."""
    content = (before, number, at, by, rows.kind, rows.content, *(getattr(rows, table) for table in COLUMNS))
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()


def _by_event(select: Select, table: str, columns: str, after: int) -> dict[int, Rows]:
    order = "event, place, number" if "number" in columns else "event, place"
    rows = select(f"SELECT event, {columns} FROM {table} WHERE event > ? ORDER BY {order}", (after,))
    return {number: tuple(row[1:] for row in group) for number, group in groupby(rows, key=lambda row: row[0])}


def _design_rows(
    domain: DesignSpace[D],
    kind: str,
    content: str,
    candidates: Sequence[Candidate[D]],
    ids: MutableMapping[str, str],
    n_designs: int,
    objectives: Sequence[str],
) -> EventRows:
    """Return an event that brings designs; the identifiers of these are added to `ids`."""
    ids.update({c.key: design_id(n_designs + 1 + place) for place, c in enumerate(candidates)})
    given = [(place, c) for place, c in enumerate(candidates) if c.status != "pending"]
    return EventRows(
        kind,
        content,
        designs=tuple(_design_row(domain, place, ids[c.key], c) for place, c in enumerate(candidates)),
        predictions=_joined(_prediction_rows(place, c, objectives) for place, c in enumerate(candidates)),
        outcomes=tuple((place, ids[c.key], c.key, GIVEN_KIND, c.status, c.reason, 0.0, "") for place, c in given),
        measured_values=_joined(_value_rows(place, c.y, c.error, c.bound, objectives) for place, c in given),
    )


def _design_row(domain: DesignSpace[D], place: int, name: str, c: Candidate[D]) -> tuple[Any, ...]:
    content = {
        "z": tensor_to_text(c.z),
        "parents": list(c.parents),
        "region": c.region,
        "checks": [[k.name, bool(k.passed), k.detail] for k in c.checks],
    }
    if c.quantiles:
        content["quantiles"] = to_plain(c.quantiles)
    numbers = tuple(map(_stored, (c.acquisition, c.log_density, c.percentile)))
    return (
        place, name, c.key, domain.to_text(c.design), c.name, c.round, c.origin, *numbers, json.dumps(content)
    )  # fmt: skip


def _prediction_rows(place: int, c: Candidate[Any], objectives: Sequence[str]) -> Rows:
    pairs = zip(c.mean, c.sd, strict=True)
    return tuple((place, j, _name(objectives, j), _stored(m), _stored(s)) for j, (m, s) in enumerate(pairs))


def _value_rows(
    place: int, y: Sequence[float], error: Sequence[float], bound: Sequence[int], objectives: Sequence[str]
) -> Rows:
    return tuple(
        (
            place,
            j,
            _name(objectives, j),
            _stored(value),
            _stored(error[j]) if error else None,
            int(bound[j]) if bound else None,
        )
        for j, value in enumerate(y)
    )


def _candidates(domain: DesignSpace[D], rows: EventRows, given: Rows) -> Iterator[Candidate[D]]:
    """Yield the designs of an event, with the outcomes that they came with."""
    predictions = _by_place(rows.predictions)
    values = _by_place(rows.measured_values) if given else {}
    outcomes = {row[0]: row for row in given}
    read_design = own_text_reader(domain)
    for place, _, key, design, name, number, origin, acquisition, log_density, percentile, text in rows.designs:
        content = json.loads(text)
        predicted, measured = predictions.get(place, ()), values.get(place, ())
        y, error, bound = _values(measured)
        *_, status, reason, _, _ = outcomes.get(place, ("pending", "", 0.0, ""))
        yield Candidate(
            design=read_design(design),
            key=key,
            z=tensor_from_text(content["z"]),
            round=number,
            origin=origin,
            parents=tuple(content["parents"]),
            region=content["region"],
            y=y,
            mean=tuple(_read(row[3]) for row in predicted),
            sd=tuple(_read(row[4]) for row in predicted),
            quantiles=from_plain(tuple[tuple[float, ...], ...], content.get("quantiles", ())),
            acquisition=_read(acquisition),
            log_density=_read(log_density),
            percentile=_read(percentile),
            status=status,
            reason=reason,
            checks=tuple(Check(check, passed, detail) for check, passed, detail in content["checks"]),
            name=name,
            error=error,
            bound=bound,
        )


def _values(rows: Rows) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Return the values of one outcome, their errors and their censoring."""
    y = tuple(_read(row[3]) for row in rows)
    return y, _known(row[4] for row in rows), tuple(row[5] for row in rows if row[5] is not None)


def _by_place(rows: Rows) -> Mapping[int, Rows]:
    return {place: tuple(group) for place, group in groupby(rows, key=lambda row: row[0])}


def _joined(groups: Iterator[Rows]) -> Rows:
    return tuple(row for group in groups for row in group)


def _name(objectives: Sequence[str], j: int) -> str:
    return objectives[j] if j < len(objectives) else f"y{j + 1}"


def _stored(value: float) -> float | None:
    """Return a number as SQLite returns it: NaN is NULL, and there is no negative zero."""
    number = float(value)
    return None if math.isnan(number) else number + 0.0


def _read(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _known(values: Iterator[float | None]) -> tuple[float, ...]:
    """Return numbers; nothing where none is known."""
    found = tuple(_read(value) for value in values)
    return found if any(map(math.isfinite, found)) else ()
