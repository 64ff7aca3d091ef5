"""What a ledger contains, read in a second: designs and outcomes without latents, models and their libraries."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from invdesign.core import InvdesignError, Outcome
from invdesign.core.records import Status
from invdesign.core.steering import Change
from invdesign.io.repeats import merge_outcomes

EARLIER_VERSIONS = (2, 3)
"""Versions of a ledger that can be converted."""


@dataclass(frozen=True)
class Entry:
    """A design of a run."""

    id: str
    """Its identifier."""
    key: str
    """Its key."""
    text: str
    """The design, as text."""
    origin: str
    """Where it came from."""
    round: int
    """Round that selected it."""
    outcomes: tuple[Outcome, ...] = ()
    """What was measured, repeats one by one; nothing while it waits."""

    @cached_property
    def outcome(self) -> Outcome:
        """The outcome that counts; that of status `"pending"` while it waits."""
        return merge_outcomes(self.outcomes) if self.outcomes else Outcome((), "pending")

    @property
    def status(self) -> Status:
        """State of its measurement."""
        return self.outcome.status


@dataclass(frozen=True)
class Summary:
    """Designs of a run in the order of their selection."""

    entries: tuple[Entry, ...]
    """All designs; a substitute is in the place of the design that it was made for."""
    round: int
    """Number of the newest round."""
    changes: tuple[Change, ...] = ()
    """Recorded changes of settings that hold until they are changed again."""


def summarize(path: Path) -> Summary:
    """Return what a ledger contains. The file is not checked against its checksums: `Ledger.open` does that.

    Raises:
        InvdesignError: There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise InvdesignError(f"{path}: no such ledger. It is the file that a run writes into its folder")
    try:
        connection = _connect(path)
        try:
            return _summary(connection)
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise InvdesignError(f"{path}: cannot be read ({error}). Restore a copy of the file") from error


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that reads a ledger; one of an earlier version is converted in memory."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in EARLIER_VERSIONS:
        return connection
    from types import SimpleNamespace

    from invdesign.ledger.migration import in_memory, migrate

    copy = in_memory(connection)
    connection.close()
    migrate(copy, path, SimpleNamespace(name="text", to_text=str, from_text=str, key=str), (), version)
    return copy


def _summary(connection: sqlite3.Connection) -> Summary:
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    query = "SELECT event, place, value FROM measured_values ORDER BY event, place, number"
    for event, place, value in connection.execute(query):
        values[event, place].append(math.nan if value is None else value)
    query = "SELECT id, key, design, origin, round FROM designs ORDER BY event, place"
    designs = {row[0]: row for row in connection.execute(query)}
    outcomes: dict[str, tuple[Outcome, ...]] = defaultdict(tuple)
    query = "SELECT event, place, id, kind, status, reason FROM outcomes ORDER BY event, place"
    for event, place, name, kind, status, reason in connection.execute(query):
        outcome = Outcome(tuple(values[event, place]), status, reason)
        outcomes[name] = _with_outcome(outcomes[name], outcome, is_repeat=kind == "repeat")
    entries = tuple(
        Entry(name, key, text, origin, number, outcomes[name]) for name, key, text, origin, number in designs.values()
    )
    batches = connection.execute("SELECT content FROM events WHERE kind = 'batch' ORDER BY id DESC LIMIT 1").fetchall()
    number = json.loads(batches[0][0])["round"] if batches else 0
    return Summary(entries, number, _changes(connection))


def _changes(connection: sqlite3.Connection) -> tuple[Change, ...]:
    rows = connection.execute("SELECT content FROM events WHERE kind = 'steer' ORDER BY id")
    events = [json.loads(content) for (content,) in rows]
    return tuple(Change(**change) for event in events if event["n_rounds"] is None for change in event["changes"])


def _with_outcome(known: tuple[Outcome, ...], outcome: Outcome, *, is_repeat: bool) -> tuple[Outcome, ...]:
    """Return the outcomes that count after another one of the same design; none while it waits."""
    if outcome.status == "pending":
        return ()
    earlier = tuple(o for o in known if len(known) > 1 or o.status == "measured") if is_repeat else ()
    return (*earlier, outcome)
