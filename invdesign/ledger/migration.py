"""Conversion of ledgers of earlier versions to the present tables.

Versions 2 (invdesign 0.2.0) and 3 keep each event as one JSON text; version 3 adds the chained checksums.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invdesign.campaign.state import BatchSelected, Event, OutcomeRecorded, Region, Retrained, RoundEnded, RoundRecord
from invdesign.core import Candidate, Check, D, DesignSpace, InvdesignError, Outcome
from invdesign.io.atomic import write_atomically
from invdesign.io.json_values import from_plain
from invdesign.ledger.tables import (
    APPLICATION,
    DESIGN_KINDS,
    StoredEvent,
    chain,
    create,
    insert,
    meta_checksum,
    to_rows,
)
from invdesign.ledger.tensors import tensor_from_text


def migrate(
    connection: sqlite3.Connection, path: Path, domain: DesignSpace[Any], objectives: Sequence[str], version: int
) -> None:
    """Convert an open ledger of an earlier version in one transaction.

    Args:
        connection: The open file, or a copy of it in memory.
        path: The file, for messages.
        domain: Turns designs into text and back.
        objectives: Names of the properties.
        version: Its version, one of `summary.EARLIER_VERSIONS`.

    Raises:
        InvdesignError: An event is missing, altered or cannot be read; nothing is changed.
        sqlite3.Error: The file cannot be written; nothing is changed.
    """
    events = _converted(path, domain, objectives, _read_rows(connection, path, version))
    facts = connection.execute("SELECT key, value, at FROM meta").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in ("events", "meta", "head"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        create(connection)
        connection.executemany("INSERT INTO meta (key, value, at) VALUES (?, ?, ?)", facts)
        connection.execute("UPDATE head SET meta_checksum = ?", (meta_checksum(connection),))
        if events:
            insert(connection, events)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def keep_copy(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """Write a copy of an open ledger beside it, as `ledger.version-3.sqlite`, and return its path.

    Raises:
        InvdesignError: The folder cannot be written.
    """

    def write(temporary: Path) -> None:
        copy = sqlite3.connect(temporary)
        try:
            connection.backup(copy)
        finally:
            copy.close()

    return write_atomically(path.with_name(f"{path.stem}.version-{version}{path.suffix}"), write)


def in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy of an open ledger in memory."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(copy)
    copy.execute(f"PRAGMA application_id = {APPLICATION}")
    return copy


def _read_rows(connection: sqlite3.Connection, path: Path, version: int) -> list[tuple[Any, ...]]:
    """Return number, kind, content and time of all events, compared with the checksums where there are some."""
    if version < 3:
        return connection.execute("SELECT id, kind, content, at FROM events ORDER BY id").fetchall()
    rows = connection.execute("SELECT id, kind, content, at, checksum FROM events ORDER BY id").fetchall()
    checksum = ""
    for place, row in enumerate(rows, start=1):
        checksum = hashlib.sha256(repr((checksum, *row[:4])).encode()).hexdigest()
        if row[0] != place or row[4] != checksum:
            raise _damage(path, f"row {place}: it is missing, or does not match its checksum")
    heads = connection.execute("SELECT events, last_checksum, meta_checksum FROM head").fetchall()
    if heads != [(len(rows), checksum, meta_checksum(connection))]:
        raise _damage(path, "the table head does not match the events or the noted facts")
    return [row[:4] for row in rows]


def _converted(
    path: Path, domain: DesignSpace[Any], objectives: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> list[StoredEvent]:
    ids: dict[str, str] = {}
    events: list[StoredEvent] = []
    checksum, n_designs = "", 0
    for number, (row, kind, content, at) in enumerate(rows, start=1):
        try:
            event = _event(domain, kind, json.loads(content))
            converted = to_rows(domain, event, ids, n_designs, objectives)
        except (ValueError, KeyError, TypeError, AttributeError, InvdesignError) as error:
            raise _damage(path, f"row {row}: it cannot be read ({type(error).__name__}: {error})") from error
        n_designs += len(converted.designs) if converted.kind in DESIGN_KINDS else 0
        checksum = chain(checksum, number, at, "", converted)
        events.append(StoredEvent(number, at, "", converted, checksum))
    return events


def _event(domain: DesignSpace[Any], kind: str, content: Mapping[str, Any]) -> Event:
    """Return the event that versions 2 and 3 kept as JSON."""
    if kind == "batch":
        candidates = tuple(_candidate(domain, c) for c in content["candidates"])
        return BatchSelected(candidates, from_plain(RoundRecord, content["record"]))
    if kind == "outcome":
        made = content["substitute"]
        return OutcomeRecorded(
            content["key"],
            from_plain(Outcome, content["outcome"]),
            content["kind"],
            content["note"],
            None if made is None else _candidate(domain, made),
        )
    if kind == "round_end":
        regions = tuple(from_plain(Region, region) for region in content["regions"])
        return RoundEnded(regions, from_plain(RoundRecord, content["record"]))
    if kind == "retrain":
        latents = {
            key: (tensor_from_text(z), float(numbers[0]), float(numbers[1]))
            for key, (z, numbers) in content["latents"].items()
        }
        return Retrained(latents, content["folder"])
    raise ValueError(f"expected an event of a known kind, got {kind!r}")


def _candidate(domain: DesignSpace[D], content: Mapping[str, Any]) -> Candidate[D]:
    return Candidate(
        design=domain.from_text(content["design"]),
        key=content["key"],
        z=tensor_from_text(content["z"]),
        round=content["round"],
        origin=content["origin"],
        parents=tuple(content["parents"]),
        region=content["region"],
        y=_floats(content["y"]),
        mean=_floats(content["mean"]),
        sd=_floats(content["sd"]),
        acquisition=float(content["acquisition"]),
        log_density=float(content["log_density"]),
        percentile=float(content["percentile"]),
        status=content["status"],
        reason=content["reason"],
        checks=tuple(Check(name, passed, detail) for name, passed, detail in content["checks"]),
        name=content.get("name", ""),
        error=_floats(content.get("error", [])),
        bound=tuple(content.get("bound", [])),
    )


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _damage(path: Path, problem: str) -> InvdesignError:
    return InvdesignError(
        f"{path}: {problem}: damaged, or altered by other means than invdesign. Restore a copy of the file; or start a "
        "new run with --fresh, whose seeds may be the evaluated.csv of this folder"
    )
