"""The ledger of one campaign: an append-only list of events in one SQLite file.

The state of the campaign follows from the events; nothing is written twice. The file has a rollback journal and full
synchronization, because a write-ahead log fails on network disks. `ledger.tables` describes its tables.

Every event has a checksum of itself, of its rows in all tables and of the checksum before it; `head` holds the number
of events, the last checksum and that of the noted facts. A row that was altered, removed or added by other means is
found when the file is opened.
"""

from __future__ import annotations

import gc
import getpass
import json
import logging
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, Generic

from invdesign.campaign.state import (
    BatchSelected,
    CallsLeased,
    CallsReleased,
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
from invdesign.ledger.locks import defer_signals, release, take_lock
from invdesign.ledger.migration import in_memory, keep_copy, migrate
from invdesign.ledger.summary import EARLIER_VERSIONS
from invdesign.ledger.tables import (
    APPLICATION,
    DESIGN_KINDS,
    SQL_ERRORS,
    VERSION,
    StoredEvent,
    chain,
    create,
    from_rows,
    insert,
    meta_checksum,
    read,
    to_rows,
)

logger = logging.getLogger(__name__)
BUSY_SECONDS = 60.0

SaveLatentSpace = Callable[[Any, Path], None]


@dataclass(frozen=True, eq=False)
class Recorded(Generic[D]):
    """An event with the time at which it was recorded."""

    event: Event
    """The event."""
    at: str
    """Time in UTC."""
    by: str = ""
    """Who or what recorded it."""


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
        objectives: Sequence[str],
        by: str,
    ) -> None:
        self.path = path
        self.domain = domain
        self.objectives = tuple(objectives)
        self.by = by
        """Who or what records the next events."""
        self._connection = connection
        self._lock = lock
        self._save_latent_space = save_latent_space
        self._state: State[D] = State()
        self._last_event = 0
        self._checksum = ""
        self._ids: dict[str, str] = {}
        self._n_designs = 0

    @classmethod
    def open(
        cls,
        path: Path,
        domain: DesignSpace[D],
        *,
        read_only: bool = False,
        save_latent_space: SaveLatentSpace | None = None,
        objectives: Sequence[str] = (),
        by: str = "",
    ) -> Ledger[D]:
        """Open a ledger; make it where there is none, and convert one of an earlier version.

        A copy of a ledger of an earlier version is kept beside it. Where it is only read, the file stays as it is.

        Args:
            path: The file; a lock file lies beside it.
            domain: Turns designs into text and back.
            read_only: Take no lock and write nothing, to look at a running campaign.
            save_latent_space: Writes a fine-tuned latent space into a folder; needed where the campaign fine-tunes.
            objectives: Names of the properties, for the columns of values.
            by: Who or what records events; by default the user and the host.

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
                version = _prepare(connection, path, domain.name, read_only=read_only)
                if version != VERSION:
                    connection = _converted(connection, path, domain, objectives, version, read_only=read_only)
                ledger = cls(path, domain, connection, lock, save_latent_space, objectives, by or _user())
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

    def on_lease(self, event: CallsLeased) -> None:
        """Record that calls are about to be submitted."""
        self.record(event)

    def on_release(self, event: CallsReleased) -> None:
        """Record that calls were given up."""
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
            at = now()
            ids, n_designs = dict(self._ids), self._n_designs
            number, checksum = self._last_event, self._checksum
            stored = []
            for event in events:
                number += 1
                rows = to_rows(self.domain, event, ids, n_designs, self.objectives)
                n_designs += len(rows.designs) if rows.kind in DESIGN_KINDS else 0
                checksum = chain(checksum, number, at, self.by, rows)
                stored.append(StoredEvent(number, at, self.by, rows, checksum))
            with self._transaction() as write:
                insert(write, stored)
            self._ids, self._n_designs = ids, n_designs
            self._state, self._last_event, self._checksum = state, number, checksum
        return state

    def state(self) -> State[D]:
        """Return the state that follows from the events on disk.

        Raises:
            InvdesignError: An event is missing, altered or cannot be read.
        """
        events = self._read_new()
        if events:
            self._state = self._applied(events)
        return self._state

    def events(self) -> Iterator[Recorded[D]]:
        """Yield all events, oldest first."""
        for stored in self._read_after(0):
            yield Recorded(self._event(stored), stored.at, stored.by)

    def property_names(self) -> list[str]:
        """Return the names of the measured properties, in their order."""
        rows = self._select("SELECT DISTINCT number, objective FROM measured_values ORDER BY number")
        return [name for _, name in rows]

    @property
    def checksum(self) -> str:
        """Checksum of the events that were read."""
        return self._checksum

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
            with _paused_collection():
                self.state()
            heads = self._select("SELECT events, last_checksum, meta_checksum FROM head")
            if len(heads) != 1:
                raise self._damage("head", f"expected one row in the table head, got {len(heads)}")
            n_events, last, facts = heads[0]
            if n_events != self._last_event:
                raise self._damage("events", f"expected {n_events} events, got {self._last_event}")
            if last != self._checksum:
                raise self._damage("events", "the last checksum is another than that of the table head")
            if facts != meta_checksum(self._connection):
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

    def _read_after(self, number: int) -> list[StoredEvent]:
        """Return the stored events after one, all of one state of the file."""
        try:
            if self._connection.in_transaction:
                events, orphans = read(self._select, number)
            else:
                with self._reading():
                    events, orphans = read(self._select, number)
        except (TypeError, ValueError) as error:
            raise self._damage("events", f"their rows cannot be read ({error})") from error
        if orphans:
            raise self._damage(f"table {orphans}", "it has rows of no event")
        return events

    def _read_new(self) -> list[Event]:
        """Return the events after the last one that was read, checked one by one."""
        found: list[Event] = []
        number, checksum = self._last_event, self._checksum
        for stored in self._read_after(number):
            if stored.number != number + 1:
                raise self._damage(f"row {number + 1}", f"it is missing: row {stored.number} follows row {number}")
            number = stored.number
            checksum = chain(checksum, number, stored.at, stored.by, stored.rows)
            if stored.checksum != checksum:
                shown = str(stored.rows.kind)[:20]
                raise self._damage(f"row {number}", f"the content ({shown}) does not match its checksum")
            found.append(self._event(stored))
            if stored.rows.designs:
                self._ids.update({row[2]: row[1] for row in stored.rows.designs})
                self._n_designs += len(stored.rows.designs) if stored.rows.kind in DESIGN_KINDS else 0
        self._last_event, self._checksum = number, checksum
        return found

    def _event(self, stored: StoredEvent) -> Event:
        try:
            return from_rows(self.domain, stored.rows)
        except (ValueError, KeyError, TypeError, AttributeError, InvdesignError) as error:
            raise self._damage(
                f"row {stored.number}", f"it cannot be read ({type(error).__name__}: {error})"
            ) from error

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
        except SQL_ERRORS as error:
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
            except SQL_ERRORS as error:
                raise InvdesignError(
                    f"{self.path}: the ledger cannot be written ({error}). What was recorded before is safe: free disk "
                    "space or correct the rights of the folder, then run the same command again"
                ) from error


@contextmanager
def _paused_collection() -> Iterator[None]:
    """Pause the garbage collector: a long history is a million objects that stay, which it would scan many times."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    except SQL_ERRORS as error:
        raise InvdesignError(f"{path}: not a ledger ({error}). Restore a copy, or start a new run") from error


def _prepare(connection: sqlite3.Connection, path: Path, domain: str, *, read_only: bool) -> int:
    """Set a fresh connection up, make the tables of a new file, and return its version.

    Raises:
        InvdesignError: The file is no ledger of this domain and of a version that can be read.
    """
    try:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if n_tables == 0 and not read_only:
            with defer_signals():
                connection.execute("BEGIN IMMEDIATE")
                create(connection)
                _set_meta(connection, "domain", domain)
                connection.execute("COMMIT")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        is_ledger = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
        if not is_ledger or version not in (*EARLIER_VERSIONS, VERSION):
            raise InvdesignError(
                f"{path}: expected a ledger of version {EARLIER_VERSIONS[0]} to {VERSION}, got an SQLite file of "
                f"version {version}. Open it with the version of invdesign that wrote it, or choose another folder"
            )
        (written,) = connection.execute("SELECT value FROM meta WHERE key = 'domain'").fetchone() or ("null",)
    except SQL_ERRORS as error:
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
    return version


def _converted(
    connection: sqlite3.Connection,
    path: Path,
    domain: DesignSpace[Any],
    objectives: Sequence[str],
    version: int,
    *,
    read_only: bool,
) -> sqlite3.Connection:
    """Return the connection to a ledger of an earlier version after its conversion; a copy where it is only read."""
    if read_only:
        copy = in_memory(connection)
        connection.close()
        migrate(copy, path, domain, objectives, version)
        return copy
    try:
        kept = keep_copy(connection, path, version)
        with defer_signals():
            migrate(connection, path, domain, objectives, version)
    except SQL_ERRORS as error:
        raise InvdesignError(
            f"{path}: the ledger of version {version} cannot be converted ({error}). Free disk space or correct the "
            "rights of the folder, then run the same command again"
        ) from error
    logger.info("%s: converted from version %d; %s is a copy of the former file", path, version, kept.name)
    return connection


def _user() -> str:
    """Return the user and the host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _set_meta(write: sqlite3.Connection, key: str, value: Any) -> None:
    """Put a value under a name, in the open transaction."""
    row = (key, json.dumps(to_plain(value)), now())
    write.execute("INSERT OR REPLACE INTO meta (key, value, at) VALUES (?, ?, ?)", row)
    write.execute("UPDATE head SET meta_checksum = ?", (meta_checksum(write),))


def _apply_all(state: State[D], events: Sequence[Event]) -> State[D]:
    """Return the state after events; outcomes that follow each other are applied together."""
    for is_outcome, same in groupby(events, key=lambda event: isinstance(event, OutcomeRecorded)):
        group: list[Any] = list(same)
        state = apply_outcomes(state, group) if is_outcome else reduce(apply, group, state)
    return state
