"""The ledger of one campaign in one SQLite file, so that a killed run goes on where it stood.

`designs` holds what is known now, in the order of the state; `evaluations` holds every value that was ever told and is
only appended to. A rollback journal and full synchronization, because a write-ahead log fails on network disks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal

import numpy as np

from invdesign.campaign import Region, RoundRecord, State
from invdesign.core import B, Candidate, D, Domain, InvdesignError, Outcome
from invdesign.io.atomic import probe
from invdesign.io.clock import now
from invdesign.io.json_values import differences, from_plain, to_plain
from invdesign.ledger.locks import release, take_lock, undisturbed
from invdesign.ledger.schema import COLUMNS, INSERT_DESIGN, prepare, set_meta, to_candidate, to_floats, to_row, to_text

BUSY_SECONDS = 60.0
Kind = Literal["measured", "repeat", "correction", "instead"]


@dataclass(frozen=True)
class Evaluation:
    """One value that was told of a design, as it was told; corrections and repeats stand beside what they follow."""

    key: str
    kind: Kind
    outcome: Outcome
    note: str
    at: str


class Ledger(Generic[D, B]):
    """The open ledger of one campaign; it is the `Recorder` that `campaign.run` writes to. Made by `Ledger.open`.

    Every method that writes returns when what it wrote is durable. A signal that arrives meanwhile waits.
    """

    def __init__(
        self,
        path: Path,
        domain: Domain[D, B],
        connection: sqlite3.Connection,
        lock: int | None,
        save_map: Callable[[Any, Path], None] | None,
    ) -> None:
        self.path = path
        self.domain = domain
        self._connection = connection
        self._lock = lock
        self._save_map = save_map
        self._written: list[Candidate[D]] = []
        self._records: list[RoundRecord] = []
        self._is_read = False

    @classmethod
    def open(
        cls,
        path: Path,
        domain: Domain[D, B],
        *,
        read_only: bool = False,
        save_map: Callable[[Any, Path], None] | None = None,
    ) -> Ledger[D, B]:
        """Open a ledger, making it where there is none.

        Args:
            path: the file; a lock file lies beside it.
            domain: turns designs into text and back.
            read_only: take no lock and write nothing, so that a running campaign can be looked at.
            save_map: writes a tuned latent space into a folder; needed where the campaign tunes its map.

        Raises:
            InvdesignError: the folder cannot be written or is full, another process owns the run, or the file is no
                ledger of this domain and version.
        """
        path = Path(path)
        if read_only:
            if not path.is_file():
                raise InvdesignError(f"{path}: no such ledger; expected the file that a run writes into its folder")
            lock = None
        else:
            probe(path.parent)
            lock = take_lock(path.with_name(path.name + ".lock"))
        try:
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                prepare(connection, path, domain.name, read_only=read_only)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            release(lock)
            raise
        ledger = cls(path, domain, connection, lock, save_map)
        ledger.state()
        return ledger

    def close(self) -> None:
        """Close the file and let go of the lock."""
        self._connection.close()
        release(self._lock)
        self._lock = None

    def __enter__(self) -> Ledger[D, B]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # The memory of `campaign.run`.

    def asked(self, state: State[D]) -> None:
        """Write an opened round: its pending designs, its record, the trust regions; all or nothing."""
        self._write_state(state)

    def told(self, candidate: Candidate[D]) -> None:
        """Write one outcome, as soon as it is known."""
        self._tell(candidate, "measured", Outcome(candidate.y, candidate.status, candidate.reason), "")

    def closed(self, state: State[D]) -> None:
        """Write a closed round."""
        self._write_state(state)

    def tuned(self, space: Any, state: State[D]) -> None:
        """Write a tuned map beside the ledger, then the state that was encoded again with it.

        Raises:
            InvdesignError: the ledger was opened without `save_map`.
        """
        if self._save_map is None:
            raise InvdesignError(f"{self.path}: a tuned map cannot be kept; open the ledger with save_map=...")
        folder = self.path.parent / f"map-round-{state.round:04d}"
        self._save_map(space, folder)
        self._write_state(state, map_folder=folder.name)

    # What a laboratory may tell besides.

    def corrected(self, key: str, outcome: Outcome, *, note: str = "") -> None:
        """Replace what is known of a design by a corrected value; what was told before stays in `evaluations`."""
        self._tell(self._find(key)[1].with_outcome(outcome), "correction", outcome, note)

    def repeated(self, key: str, outcome: Outcome, *, note: str = "") -> None:
        """Add a repeated measurement: the design's value becomes the mean of those since the last correction."""
        candidate = self._find(key)[1]
        since: list[Outcome] = []
        for evaluation in self.evaluations(key):
            if evaluation.kind == "correction":
                since = []
            since.append(evaluation.outcome)
        values = [o.y for o in (*since, outcome) if o.status == "measured"]
        if not since and candidate.status == "measured":
            values.insert(0, candidate.y)
        if values:
            is_known = np.isfinite(np.array(values))
            total = np.where(is_known, np.array(values), 0.0).sum(0)
            with np.errstate(invalid="ignore"):
                mean = total / is_known.sum(0)
            candidate = candidate.with_outcome(Outcome(tuple(mean.tolist())))
        else:
            candidate = candidate.with_outcome(outcome)
        self._tell(candidate, "repeat", outcome, note)

    def made_instead(self, key: str, candidate: Candidate[D], *, note: str = "") -> None:
        """Put the design that was made, measured, in the place of the pending one that was asked for.

        Raises:
            InvdesignError: `key` is not pending.
        """
        position, asked = self._find(key)
        if asked.status != "pending":
            raise InvdesignError(f"{self.path}: design {key} is {asked.status}, only a pending one can be replaced")
        made = replace(candidate, round=asked.round, region=asked.region, origin="told", parents=(asked.key,))
        told = Outcome(made.y, made.status, made.reason)
        with self._transaction() as write:
            write.execute(INSERT_DESIGN, (position, *to_row(self.domain, made)))
            self._log(write, made.key, "instead", told, note or f"made instead of {key}")
            self._written[position] = made

    # Reading.

    def state(self) -> State[D]:
        """The state as it was last written; read from disk where another process may have written it."""
        self._read_if_stale()
        progress = self.meta("progress") or {"n_history": 0, "round": 0, "regions": []}
        n = int(progress["n_history"])
        return State(
            history=tuple(self._written[:n]),
            pending=tuple(self._written[n:]),
            regions=tuple(from_plain(Region, region) for region in progress["regions"]),
            round=int(progress["round"]),
            records=tuple(self._records),
        )

    def evaluations(self, key: str | None = None) -> list[Evaluation]:
        """Every value ever told, oldest first; of one design where `key` is given."""
        rows = self._connection.execute(
            "SELECT key, kind, y, status, reason, note, at FROM evaluations WHERE ?1 IS NULL OR key = ?1 ORDER BY id",
            (key,),
        )
        return [Evaluation(k, kind, Outcome(to_floats(y), s, r), note, at) for k, kind, y, s, r, note, at in rows]

    def meta(self, key: str) -> Any:
        """What was noted under a name, or None."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, key: str, value: Any) -> None:
        """Note something of the campaign (versions, command, shortlist) as JSON; the newest wins."""
        with self._transaction() as write:
            set_meta(write, key, value)

    def agree(self, settings: Mapping[str, Any], *, accept_changes: bool = False) -> list[str]:
        """Hold a run to the settings that it began with (config, data and model checksums, code version).

        Args:
            settings: nested, JSON-able.
            accept_changes: go on with the new settings where they differ; the change is recorded.

        Returns:
            What differs, one line each; empty on the first call and where nothing does.

        Raises:
            InvdesignError: something differs and changes were not accepted.
        """
        new = json.loads(json.dumps(to_plain(settings)))
        old = self.meta("settings")
        changes = [] if old is None else differences(old, new)
        if changes and not accept_changes:
            raise InvdesignError(
                f"{self.path}: this run began with other settings:\n  "
                + "\n  ".join(changes)
                + "\nUse the old settings, start a new run, or accept the change explicitly (it will be recorded)."
            )
        if old is None or changes:
            with self._transaction() as write:
                if changes:
                    log = [*(self.meta("changed_settings") or []), {"at": now(), "changes": changes}]
                    set_meta(write, "changed_settings", log)
                set_meta(write, "settings", new)
        return changes

    # Inside.

    def _read_if_stale(self) -> None:
        """Read all from disk, unless this process owns the file and knows what it wrote."""
        if self._lock is not None and self._is_read:
            return
        rows = self._connection.execute(f"SELECT {COLUMNS} FROM designs ORDER BY position").fetchall()
        records = self._connection.execute("SELECT record FROM rounds ORDER BY position").fetchall()
        self._written = [to_candidate(self.domain, row) for row in rows]
        self._records = [from_plain(RoundRecord, json.loads(text)) for (text,) in records]
        self._is_read = True

    def _write_state(self, state: State[D], **more: str) -> None:
        known = [*state.history, *state.pending]
        self._read_if_stale()
        with self._transaction() as write:
            for position, candidate in enumerate(known):
                if position >= len(self._written) or self._written[position] is not candidate:
                    write.execute(INSERT_DESIGN, (position, *to_row(self.domain, candidate)))
            write.execute("DELETE FROM designs WHERE position >= ?", (len(known),))
            for position, record in enumerate(state.records):
                if position >= len(self._records) or self._records[position] is not record:
                    row = (position, json.dumps(to_plain(record)), now())
                    write.execute("INSERT OR REPLACE INTO rounds (position, record, at) VALUES (?, ?, ?)", row)
            write.execute("DELETE FROM rounds WHERE position >= ?", (len(state.records),))
            regions = [to_plain(region) for region in state.regions]
            set_meta(write, "progress", {"n_history": len(state.history), "round": state.round, "regions": regions})
            for key, value in more.items():
                set_meta(write, key, value)
            self._written = known
            self._records = list(state.records)

    def _tell(self, candidate: Candidate[D], kind: Kind, outcome: Outcome, note: str) -> None:
        position, _ = self._find(candidate.key)
        with self._transaction() as write:
            write.execute(INSERT_DESIGN, (position, *to_row(self.domain, candidate)))
            self._log(write, candidate.key, kind, outcome, note)
            self._written[position] = candidate

    def _log(self, write: sqlite3.Connection, key: str, kind: Kind, outcome: Outcome, note: str) -> None:
        row = (key, kind, outcome.status, to_text(outcome.y), outcome.reason, note, now())
        write.execute(
            "INSERT INTO evaluations (key, kind, status, y, reason, note, at) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )

    def _find(self, key: str) -> tuple[int, Candidate[D]]:
        self._read_if_stale()
        for position in range(len(self._written) - 1, -1, -1):
            if self._written[position].key == key:
                return position, self._written[position]
        raise InvdesignError(
            f"{self.path}: no design {key!r} was asked for in this campaign; ask first, or add it as a seed"
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable at the end; what SQLite has to say becomes an error that says how to go on."""
        with undisturbed():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._is_read = False
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise InvdesignError(
                    f"{self.path}: the ledger cannot be written ({error}). What was written before is safe: free disk "
                    "space or mend the rights of the folder, then run the same command again"
                ) from error
