"""Index of a sweep: its jobs, their states and their figures, in one SQLite file of the sweep's folder.

The table `jobs` has one row a job: number, overrides, setting (the varied keys as JSON), seed, state, attempts,
seconds, reason (of a failure) and figures (JSON). Only the process that runs the sweep writes it. Whether a job runs at
this moment is not stored: a running job holds the lock in its folder.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import write_atomically
from invdesign.io.locks import is_held, try_lock

INDEX = "sweep.sqlite"
LOCK = "sweep.lock"
JOB_LOCK = "job.lock"
LOG = "log.txt"
State = Literal["waiting", "running", "interrupted", "done", "failed"]
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, overrides TEXT NOT NULL, setting TEXT NOT NULL, seed INTEGER,
    state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, seconds REAL,
    reason TEXT NOT NULL DEFAULT '', figures TEXT NOT NULL DEFAULT '{}'
);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True)
class Job:
    """A run of a sweep."""

    number: int
    """Its number, from 0 on."""
    overrides: tuple[str, ...]
    """Its changes to the campaign."""
    setting: Mapping[str, str]
    """Its values of the keys that are varied, seeds left out."""
    seed: int | None = None
    """Its seed, where it is stated."""
    state: State = "waiting"
    """Where it is."""
    attempts: int = 0
    """How often it was started and ended."""
    seconds: float | None = None
    """Duration of its last attempt [s]."""
    reason: str = ""
    """Why it failed."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Its results in numbers."""

    @property
    def folder_name(self) -> str:
        """Name of its folder in that of the sweep."""
        return f"job-{self.number:04d}"

    @property
    def label(self) -> str:
        """Its setting for people."""
        return " ".join(f"{key}={value}" for key, value in self.setting.items()) or "as the campaign"


@dataclass(frozen=True)
class Index:
    """The index of a sweep; made by `create_index` or `open_index`."""

    folder: Path
    """Folder of the sweep."""

    def about(self) -> dict[str, Any]:
        """Return what the sweep was started with."""
        with self._connect() as connection:
            return {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM about")}

    def jobs(self) -> list[Job]:
        """Return all jobs; those that neither are done nor failed are running, interrupted or waiting."""
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM jobs ORDER BY number").fetchall()
        return [self._job(row) for row in rows]

    def folder_of(self, job: Job) -> Path:
        """Return the run folder of a job."""
        return self.folder / job.folder_name

    def record(
        self,
        job: Job,
        state: State,
        *,
        seconds: float | None,
        reason: str = "",
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        """Record how an attempt of a job ended."""
        with self._connect() as connection, connection:
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, seconds = ?, reason = ?, figures = ? "
                "WHERE number = ?",
                (state, seconds, reason, json.dumps(figures or {}), job.number),
            )

    def reset(self, jobs: Sequence[Job]) -> None:
        """Let jobs wait again, e.g. those that failed."""
        with self._connect() as connection, connection:
            rows = [(job.number,) for job in jobs]
            connection.executemany("UPDATE jobs SET state = 'waiting', reason = '' WHERE number = ?", rows)

    def _job(self, row: sqlite3.Row) -> Job:
        job = Job(
            row["number"],
            tuple(json.loads(row["overrides"])),
            json.loads(row["setting"]),
            row["seed"],
            row["state"],
            row["attempts"],
            row["seconds"],
            row["reason"],
            json.loads(row["figures"]),
        )
        folder = self.folder_of(job)
        if job.state != "waiting" or not folder.is_dir():
            return job
        return replace(job, state="running" if is_held(folder / JOB_LOCK) else "interrupted")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        path = self.folder / INDEX
        try:
            with closing(sqlite3.connect(path, timeout=60)) as connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except (sqlite3.Error, ValueError) as error:
            raise InvdesignError(f"{path}: cannot be read or written ({error}). Check the disk") from error


def create_index(folder: Path, about: Mapping[str, Any], jobs: Sequence[Job]) -> Index:
    """Write the index of a new sweep; the file is complete or absent.

    Raises:
        InvdesignError: The folder cannot be written.
    """

    def write(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(SCHEMA)
            connection.executemany(
                "INSERT INTO about VALUES (?, ?)", [(name, json.dumps(value)) for name, value in about.items()]
            )
            connection.executemany(
                "INSERT INTO jobs (number, overrides, setting, seed) VALUES (?, ?, ?, ?)",
                [(j.number, json.dumps(j.overrides), json.dumps(dict(j.setting)), j.seed) for j in jobs],
            )

    write_atomically(folder / INDEX, write)
    return Index(folder)


def open_index(path: str | Path) -> Index:
    """Return the index of a sweep, by its folder or by that of a campaign (its newest sweep).

    Raises:
        InvdesignError: There is none.
    """
    folder = Path(path)
    if (folder / INDEX).is_file():
        return Index(folder)
    found = list_sweeps(folder)
    if not found:
        raise InvdesignError(
            f"{path}: expected the folder of a sweep, or of a campaign with one such as results/ehrlich, got neither"
        )
    return Index(found[-1])


def list_sweeps(folder: Path) -> list[Path]:
    """Return the folders of the sweeps of a campaign, oldest first."""
    return sorted(path.parent for path in folder.glob(f"sweep-*/{INDEX}"))


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Own the folder of a sweep or a tuning while it runs.

    Raises:
        InvdesignError: Another process runs it.
    """
    handle = try_lock(folder / LOCK)
    if handle is None:
        raise InvdesignError(f"{folder}: another process runs this sweep. Wait for it, or stop it")
    try:
        yield
    finally:
        os.close(handle)
