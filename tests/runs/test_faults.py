"""Every write of a run fails once, one after another; resuming equals the run without a failure.

A few failures in the suite; all of them with INVDESIGN_FAULTS=1 (some minutes).
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import toy
from sameness import same

from invdesign import CampaignRun, InvdesignError
from invdesign.campaign import State
from invdesign.runs import latent_spaces
from invdesign.search.search import Search

CAMPAIGN = toy.campaign(
    budget=9, batch=3, n_seeds=3, search=Search(acquire=None, trust_region=None, oversample=4), name="faults"
)
KINDS = ("kill", "EIO", "ENOSPC")
IS_COMPLETE = bool(os.environ.get("INVDESIGN_FAULTS"))
STRIDE = 1 if IS_COMPLETE else 7
"""Every how many operations one fails; each fails in one way, or in all of them where the test is complete."""


class Killed(BaseException):
    """The process ends at this operation."""


class Faults:
    """Counts writing operations of the files of a run, and lets one of them fail."""

    def __init__(self, folder: Path, fail_at: int = 0, kind: str = "") -> None:
        self.folder = str(folder)
        self.fail_at = fail_at
        self.kind = kind
        self.n = 0

    def count(self, path: Any = None) -> None:
        """Count an operation on a path of the run, or on its ledger; fail where it is the one."""
        if path is not None and not str(path).startswith(self.folder):
            return
        self.n += 1
        if self.n != self.fail_at:
            return
        if self.kind == "kill":
            raise Killed
        if path is None:
            raise sqlite3.OperationalError("disk I/O error" if self.kind == "EIO" else "database or disk is full")
        raise OSError(getattr(errno, self.kind), os.strerror(getattr(errno, self.kind)))


@contextmanager
def faults(folder: Path, fail_at: int, kind: str) -> Iterator[Faults]:
    """Count and fail opens for writing, syncs, renames and writes of the ledger below a folder."""
    counter = Faults(folder, fail_at, kind)

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql.startswith(("BEGIN IMMEDIATE", "INSERT", "UPDATE", "CREATE", "COMMIT")):
                counter.count()
            return super().execute(sql, *values)

        def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
            counter.count()
            return super().executemany(sql, *values)

    real_open, real_io, real_fsync, real_replace = os.open, io.open, os.fsync, os.replace
    real_connect = sqlite3.connect

    def os_open(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            counter.count(path)
        return real_open(path, flags, *more, **named)

    def io_open(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if set(mode) & set("wax+") and not isinstance(file, int):
            counter.count(file)
        return real_io(file, mode, *more, **named)

    def fsync(handle: int) -> None:
        counter.count(Path(f"/proc/self/fd/{handle}").readlink())
        real_fsync(handle)

    def replace(source: Any, target: Any, **named: Any) -> None:
        counter.count(target)
        real_replace(source, target, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", os_open)
        patch.setattr(io, "open", io_open)
        patch.setattr(builtins, "open", io_open)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(os, "replace", replace)
        patch.setattr(sqlite3, "connect", lambda *a, **k: real_connect(*a, **{"factory": Connection, **k}))
        yield counter


def session(folder: Path) -> State[Any]:
    """Bring a campaign to its end with every command of the loop; what was done already changes nothing."""
    with CampaignRun.open(folder, CAMPAIGN) as run:
        while batch := run.suggest():
            run.write_batch()
            values = toy.bump([c.design for c in batch])
            for c, value in zip(batch, values, strict=True):
                run.tell({c.design: float(value)})
        if run.find("D0002").y != (2.0,):
            run.correct("D0002", 2.0, note="wrong dilution")
        run.export()
        return run.state


@pytest.fixture(autouse=True)
def _trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))


def exported(folder: Path) -> str:
    """Return the evaluated designs of a run, as they were exported."""
    return (folder / "evaluated.csv").read_text()


def test_every_failed_write_leaves_a_run_that_continues_as_if_nothing_had_happened(tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    with faults(clean, 0, "") as counter:
        expected = session(clean)
    n_operations = counter.n
    assert n_operations > 80
    for place in range(1, n_operations + 1, STRIDE):
        for kind in KINDS if IS_COMPLETE else (KINDS[place % len(KINDS)],):
            folder = tmp_path / f"{kind}-{place}"
            with faults(folder, place, kind) as counter:
                with suppress(Killed, InvdesignError):
                    session(folder)
                # An optional file may be left out with a warning, then nothing is raised.
                assert counter.n >= place
            found = session(folder)
            assert same(without_times(found), without_times(expected)), (kind, place)
            assert exported(folder) == exported(clean), (kind, place)
            assert not list(folder.rglob(".unfinished-*")), (kind, place)


def without_times(state: State[Any]) -> tuple[Any, ...]:
    """Return what must be the same: designs with their outcomes, in order, and the trust regions."""
    return state.history, state.pending, state.regions, state.round, dict(state.outcomes)
