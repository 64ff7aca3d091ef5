"""What a ledger contains, read in a second: designs and outcomes without latents, models and their libraries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invdesign.core import InvdesignError, Outcome, mean_outcome
from invdesign.core.records import Status


@dataclass(frozen=True)
class Entry:
    """A design of a run."""

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

    @property
    def outcome(self) -> Outcome:
        """The outcome that counts; that of status `"pending"` while it waits."""
        return mean_outcome(self.outcomes) if self.outcomes else Outcome((), "pending")

    @property
    def status(self) -> Status:
        """State of its measurement."""
        return self.outcome.status


@dataclass(frozen=True)
class Summary:
    """Designs of a run in the order of their selection."""

    entries: tuple[Entry, ...]
    """All designs; their numbers from 1 are their identifiers."""
    round: int
    """Number of the newest round."""


def summarize(path: Path) -> Summary:
    """Return what a ledger contains. The file is not checked against its checksums: `Ledger.open` does that.

    Raises:
        InvdesignError: There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise InvdesignError(f"{path}: no such ledger. It is the file that a run writes into its folder")
    entries: list[Entry] = []
    rows: dict[str, int] = {}
    newest = 0
    try:
        for kind, content in _events(path):
            if kind == "batch":
                newest = content["record"]["round"]
                for candidate in content["candidates"]:
                    rows[candidate["key"]] = len(entries)
                    entries.append(_entry(candidate))
            elif kind == "outcome":
                row = rows[content["key"]]
                entries[row] = _with_outcome(entries[row], content)
                rows[entries[row].key] = row
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        raise InvdesignError(f"{path}: cannot be read ({error}). Restore a copy of the file") from error
    return Summary(tuple(entries), newest)


def _events(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=60)
    try:
        query = "SELECT kind, content FROM events WHERE kind IN ('batch', 'outcome') ORDER BY id"
        for kind, text in connection.execute(query):
            yield kind, json.loads(text)
    finally:
        connection.close()


def _entry(candidate: dict[str, Any]) -> Entry:
    outcomes: tuple[Outcome, ...] = ()
    if candidate["status"] != "pending":
        outcomes = (Outcome(tuple(map(float, candidate["y"])), candidate["status"], candidate["reason"]),)
    return Entry(candidate["key"], candidate["design"], candidate["origin"], candidate["round"], outcomes)


def _with_outcome(entry: Entry, content: dict[str, Any]) -> Entry:
    given = content["outcome"]
    outcome = Outcome(tuple(map(float, given["y"])), given["status"], given["reason"])
    if content["substitute"]:
        entry = _entry(content["substitute"])
    is_repeat = content["kind"] == "repeat"
    is_open = outcome.status == "pending"
    earlier = tuple(o for o in entry.outcomes if len(entry.outcomes) > 1 or o.status == "measured") if is_repeat else ()
    return replace(entry, outcomes=() if is_open else (*earlier, outcome))
