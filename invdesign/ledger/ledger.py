"""The ledger of one campaign: an append-only list of events in one SQLite file.

The state of the campaign follows from the events; nothing is written twice. The file has a rollback journal and full
synchronization, because a write-ahead log fails on network disks.

Every event has a checksum of itself and of the checksum before it; `head` holds the number of events, the last checksum
and that of the noted facts. A row that was altered, removed or added by other means is found when the file is opened.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Generic

from invdesign.campaign.state import (
    BatchSelected,
    Event,
    OutcomeRecorded,
    Retrained,
    RoundEnded,
    State,
    apply,
    apply_outcomes,
)
from invdesign.core import D, DesignSpace, InvdesignError
from invdesign.io.atomic import probe
from invdesign.io.clock import now
from invdesign.io.json_values import differences, to_plain
from invdesign.ledger.events import Recorded, event_from_json, event_to_json
from invdesign.ledger.locks import defer_signals, release, take_lock

BUSY_SECONDS = 60.0
VERSION = 3
APPLICATION = 0x1D5E5160
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, content TEXT NOT NULL, at TEXT NOT NULL,
    checksum TEXT NOT NULL);
CREATE TABLE head (events INTEGER NOT NULL, last_checksum TEXT NOT NULL, meta_checksum TEXT NOT NULL);
"""

SaveLatentSpace = Callable[[Any, Path], None]


class Ledger(Generic[D]):
    """The open ledger of one campaign; it is the `Recorder` of `campaign.run`. Made by `Ledger.open`.

    Every method that writes returns when what it wrote is durable. A signal that arrives meanwhile waits.
    """

    def __init__(
        self,
        path: Path,
        domain: DesignSpace[D],
        connection: sqlite3.Connection,
        lock: int | None,
        save_latent_space: SaveLatentSpace | None,
    ) -> None:
        self.path = path
        self.domain = domain
        self._connection = connection
        self._lock = lock
        self._save_latent_space = save_latent_space
        self._state: State[D] = State()
        self._last_event = 0
        self._checksum = ""

    @classmethod
    def open(
        cls,
        path: Path,
        domain: DesignSpace[D],
        *,
        read_only: bool = False,
        save_latent_space: SaveLatentSpace | None = None,
    ) -> Ledger[D]:
        """Open a ledger; make it where there is none.

        Args:
            path: The file; a lock file lies beside it.
            domain: Turns designs into text and back.
            read_only: Take no lock and write nothing, to look at a running campaign.
            save_latent_space: Writes a fine-tuned latent space into a folder; needed where the campaign fine-tunes.

        Raises:
            InvdesignError: The folder cannot be written or is full, another process owns the run, or the file is no
                ledger of this domain and version.
        """
        path = Path(path)
        lock: int | None = None
        if not read_only:
            probe(path.parent)
            lock = take_lock(path.with_name(path.name + ".lock"))
        elif not path.is_file():
            raise InvdesignError(f"{path}: no such ledger. It is the file that a run writes into its folder")
        try:
            connection = _connect(path)
            try:
                _prepare(connection, path, domain.name, read_only=read_only)
                ledger = cls(path, domain, connection, lock, save_latent_space)
                ledger._check()
            except BaseException:
                connection.close()
                raise
        except BaseException:
            release(lock)
            raise
        return ledger

    def close(self) -> None:
        """Close the file and release the lock."""
        self._connection.close()
        release(self._lock)
        self._lock = None

    def __enter__(self) -> Ledger[D]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_batch(self, event: BatchSelected[Any]) -> None:
        """Record the selection of a batch."""
        self.record(event)

    def on_outcomes(self, events: Sequence[OutcomeRecorded[Any]]) -> None:
        """Record outcomes that became known together, in one write."""
        self.record(*events)

    def on_round_end(self, event: RoundEnded) -> None:
        """Record the end of a round."""
        self.record(event)

    def on_retrain(self, event: Retrained, latent_space: Any) -> None:
        """Write a fine-tuned latent space beside the ledger, then record the latents that were encoded with it.

        Raises:
            InvdesignError: The ledger was opened without `save_latent_space`.
        """
        if self._save_latent_space is None:
            raise InvdesignError(
                f"{self.path}: a fine-tuned latent space cannot be stored. Open the ledger with save_latent_space=..."
            )
        folder = self.path.parent / f"latent-space-round-{self.state().round:04d}"
        self._save_latent_space(latent_space, folder)
        self.record(replace(event, folder=folder.name))

    def record(self, *events: Event) -> State[D]:
        """Append events in one write, and return the state that follows.

        Raises:
            InvdesignError: An event does not fit the state, or the file cannot be written.
        """
        if not events:
            return self.state()
        with defer_signals():
            state = _apply_all(self.state(), events)
            number, checksum = self._last_event, self._checksum
            rows = []
            for event in events:
                number += 1
                row = (number, *event_to_json(self.domain, event), now())
                checksum = _chain(checksum, row)
                rows.append((*row, checksum))
            with self._transaction() as write:
                write.executemany("INSERT INTO events (id, kind, content, at, checksum) VALUES (?, ?, ?, ?, ?)", rows)
                write.execute("UPDATE head SET events = ?, last_checksum = ?", (number, checksum))
            self._state, self._last_event, self._checksum = state, number, checksum
        return state

    def state(self) -> State[D]:
        """Return the state that follows from the events on disk.

        Raises:
            InvdesignError: An event is missing, altered or cannot be read.
        """
        events = [recorded.event for recorded in self._read_new()]
        if events:
            self._state = self._applied(events)
        return self._state

    def events(self) -> Iterator[Recorded[D]]:
        """Yield all events, oldest first."""
        for number, kind, content, at in self._select("SELECT id, kind, content, at FROM events ORDER BY id"):
            yield Recorded(self._event(number, kind, content), at)

    def outcomes(self, key: str) -> list[Recorded[D]]:
        """Return all outcomes of a design as they were reported, oldest first."""
        return [
            recorded
            for recorded in self.events()
            if isinstance(recorded.event, OutcomeRecorded) and recorded.event.key == key
        ]

    @property
    def latent_space_folder(self) -> str:
        """Folder of the newest fine-tuned latent space, beside the ledger; empty where there is none."""
        rows = self._select("SELECT content FROM events WHERE kind = 'retrain' ORDER BY id DESC LIMIT 1")
        return "" if not rows else str(json.loads(rows[0][0])["folder"])

    def _check(self) -> None:
        """Check events and facts against their checksums, and take the state.

        Raises:
            InvdesignError: A row is missing, altered, or cannot be read.
        """
        with self._reading():
            self.state()
            heads = self._select("SELECT events, last_checksum, meta_checksum FROM head")
            if len(heads) != 1:
                raise self._damage("head", f"expected one row in the table head, got {len(heads)}")
            n_events, last, facts = heads[0]
            if n_events != self._last_event:
                raise self._damage("events", f"expected {n_events} events, got {self._last_event}")
            if last != self._checksum:
                raise self._damage("events", "the last checksum is another than that of the table head")
            if facts != _meta_checksum(self._connection):
                raise self._damage("meta", "a noted fact was altered, removed or added")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Read one state of the file, although another process writes to it."""
        self._select("BEGIN")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _read_new(self) -> list[Recorded[D]]:
        """Return the events after the last one that was read, checked one by one."""
        rows = self._select(
            "SELECT id, kind, content, at, checksum FROM events WHERE id > ? ORDER BY id", (self._last_event,)
        )
        found: list[Recorded[D]] = []
        number, checksum = self._last_event, self._checksum
        for row in rows:
            if row[0] != number + 1:
                raise self._damage(f"row {number + 1}", f"it is missing: row {row[0]} follows row {number}")
            number, checksum = row[0], _chain(checksum, row[:4])
            if row[4] != checksum:
                raise self._damage(f"row {number}", f"the content ({str(row[1])[:20]}) does not match its checksum")
            found.append(Recorded(self._event(number, row[1], row[2]), row[3]))
        self._last_event, self._checksum = number, checksum
        return found

    def _event(self, number: int, kind: str, content: str) -> Event:
        try:
            return event_from_json(self.domain, kind, content)
        except (ValueError, KeyError, TypeError, AttributeError, InvdesignError) as error:
            raise self._damage(f"row {number}", f"it cannot be read ({type(error).__name__}: {error})") from error

    def _applied(self, events: Sequence[Event]) -> State[D]:
        try:
            return _apply_all(self._state, events)
        except (IndexError, InvdesignError) as error:
            raise self._damage("events", f"they do not fit together ({error})") from error

    def _select(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a query.

        Raises:
            InvdesignError: The file is damaged or cannot be read.
        """
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._damage("file", f"it cannot be read ({error})") from error

    def _damage(self, what: str, problem: str) -> InvdesignError:
        return InvdesignError(
            f"{self.path}: {what}: {problem}: damaged, or altered by other means than invdesign. Restore a copy of the "
            "file; or start a new run with --fresh, whose seeds may be the evaluated.csv of this folder"
        )

    def meta(self, key: str) -> Any:
        """Return what was noted under a name, or None."""
        rows = self._select("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def note(self, key: str, value: Any) -> None:
        """Note a fact about the campaign (versions, command) as JSON; the newest replaces earlier ones."""
        with self._transaction() as write:
            _set_meta(write, key, value)

    def agree(self, settings: Mapping[str, Any], *, accept_changes: bool = False) -> list[str]:
        """Check that a run continues with the settings that it started with (configuration, checksums, version).

        Args:
            settings: Nested JSON.
            accept_changes: Continue with the new settings where they differ; the change is recorded.

        Returns:
            What differs, one line each; nothing on the first call.

        Raises:
            InvdesignError: Something differs and changes were not accepted.
        """
        new = json.loads(json.dumps(to_plain(settings)))
        old = self.meta("settings")
        changes = [] if old is None else differences(old, new)
        if changes and not accept_changes:
            lines = "\n  ".join(changes)
            raise InvdesignError(
                f"{self.path}: expected the settings that this run started with, got others:\n  {lines}\n"
                "Use the old settings, start a new run, or accept the change with --accept-changes (it is recorded)"
            )
        if old is None or changes:
            with self._transaction() as write:
                if changes:
                    log = [*(self.meta("changed_settings") or []), {"at": now(), "changes": changes}]
                    _set_meta(write, "changed_settings", log)
                _set_meta(write, "settings", new)
        return changes

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing, durably; an error of SQLite says how to continue."""
        with defer_signals():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise InvdesignError(
                    f"{self.path}: the ledger cannot be written ({error}). What was recorded before is safe: free disk "
                    "space or correct the rights of the folder, then run the same command again"
                ) from error


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise InvdesignError(f"{path}: not a ledger ({error}). Restore a copy, or start a new run") from error


def _prepare(connection: sqlite3.Connection, path: Path, domain: str, *, read_only: bool) -> None:
    """Set a fresh connection up, make the tables of a new file, and refuse a file that is no ledger of this kind."""
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if n_tables == 0 and not read_only:
            with defer_signals():
                connection.executescript(
                    f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; "
                    f"PRAGMA user_version = {VERSION}; INSERT INTO head VALUES (0, '', '');"
                )
                _set_meta(connection, "domain", domain)
                connection.execute("COMMIT")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION or version != VERSION:
            raise InvdesignError(
                f"{path}: expected a ledger of version {VERSION}, got an SQLite file of version {version}. Open it "
                "with the version of invdesign that wrote it, or choose another folder"
            )
        (written,) = connection.execute("SELECT value FROM meta WHERE key = 'domain'").fetchone() or ("null",)
    except sqlite3.Error as error:
        raise InvdesignError(f"{path}: not a ledger ({error}). Restore a copy, or start a new run") from error
    try:
        found = json.loads(written)
    except (ValueError, TypeError) as error:
        raise InvdesignError(f"{path}: the noted domain is damaged ({error}). Restore a copy of the file") from error
    if found not in (None, domain):
        raise InvdesignError(
            f"{path}: expected a ledger of {domain}, got one of {found}. Choose the other domain or run"
        )
    if read_only:
        connection.execute("PRAGMA query_only = ON")


def _set_meta(write: sqlite3.Connection, key: str, value: Any) -> None:
    """Put a value under a name, in the open transaction."""
    row = (key, json.dumps(to_plain(value)), now())
    write.execute("INSERT OR REPLACE INTO meta (key, value, at) VALUES (?, ?, ?)", row)
    write.execute("UPDATE head SET meta_checksum = ?", (_meta_checksum(write),))


def _meta_checksum(connection: sqlite3.Connection) -> str:
    """Return the checksum of all noted facts."""
    rows = connection.execute("SELECT key, value, at FROM meta ORDER BY key").fetchall()
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def _chain(before: str, row: tuple[Any, ...]) -> str:
    """Return the checksum of an event that follows one with the checksum `before`."""
    return hashlib.sha256(repr((before, *row)).encode()).hexdigest()


def _apply_all(state: State[D], events: Sequence[Event]) -> State[D]:
    """Return the state after events; outcomes that follow each other are applied together."""
    for is_outcome, same in groupby(events, key=lambda event: isinstance(event, OutcomeRecorded)):
        group: list[Any] = list(same)
        state = apply_outcomes(state, group) if is_outcome else reduce(apply, group, state)
    return state
