"""Execution of one job of a sweep: `invdesign run` in a process of its own, which a lock lets run once at a time."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from invdesign.io.locks import hold
from invdesign.runs.folders import FINISHED
from invdesign.sweep.index import JOB_LOCK, LOG

MAX_REASON = 600
"""Characters of the reason of a failure."""
INTERRUPTED = (-2, -15, 130, 143)
"""Exit codes of a job that Ctrl-C or SIGTERM stopped."""
STOP_SECONDS = 20.0
"""Time that a job has to record what it measured after SIGTERM [s]."""


@dataclass(frozen=True)
class Work:
    """What a launcher runs: the command of a job, and where."""

    number: int
    """Number of the job."""
    command: tuple[str, ...]
    """Program and arguments."""
    folder: Path
    """Run folder of the job."""
    cwd: Path
    """Folder that the command runs in."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of its environment that differ from those of the sweep."""
    output: str = ""
    """Name of the file in its folder for its standard output; empty for the log."""


@dataclass(frozen=True)
class Ended:
    """How an attempt of a job ended."""

    number: int
    """Number of the job."""
    code: int
    """Exit code; negative for a signal."""
    seconds: float
    """Duration [s]."""


class StoppedError(Exception):
    """A job was not started because the sweep stops."""


class Children:
    """Processes of a sweep that run at the same time, so that all of them can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._is_stopped = False

    def check(self) -> None:
        """Raise `StoppedError` where no further process may start."""
        if self._is_stopped:
            raise StoppedError

    def start(self, work: Work, output: IO[bytes], log: IO[bytes], lock: int) -> subprocess.Popen[bytes]:
        """Start the process of a job, which inherits its lock."""
        with self._lock:
            self.check()
            process = subprocess.Popen(
                work.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd=work.cwd,
                env={**os.environ, **work.environment},
                pass_fds=(lock,),
            )
            self._running.append(process)
            return process

    def stop(self) -> None:
        """Stop all processes as Ctrl-C does, kill those that do not end, and let none start."""
        with self._lock:
            self._is_stopped = True
            running = [process for process in self._running if process.poll() is None]
        for process in running:
            process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()


def execute(work: Work, children: Children | None = None) -> Ended:
    """Run a job to its end, unless it is finished already.

    The process of the job inherits its lock: where the process that runs the sweep is killed, the job goes on, and the
    next process that runs the sweep waits for it here.

    Args:
        work: The job.
        children: Where its process is listed.
    """
    children = children or Children()
    start = time.monotonic()
    try:
        work.folder.mkdir(parents=True, exist_ok=True)
        with hold(work.folder / JOB_LOCK, wait=children.check) as lock:
            children.check()
            if (work.folder / FINISHED).is_file():
                return Ended(work.number, 0, 0.0)
            with ExitStack() as files:
                log = files.enter_context((work.folder / LOG).open("ab"))
                output = files.enter_context((work.folder / work.output).open("wb")) if work.output else log
                code = children.start(work, output, log, lock).wait()
    except StoppedError:
        code = INTERRUPTED[0]
    return Ended(work.number, code, time.monotonic() - start)


def reason_of(folder: Path, code: int) -> str:
    """Return why a job failed: the last message in its log, else its exit code."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    said = [line.removeprefix("invdesign: ") for line in lines if line.startswith("invdesign: ")]
    if code < 0:
        return f"ended by signal {-code}"
    last = said[-1] if said else next((line for line in reversed(lines) if line.strip()), "")
    return last[:MAX_REASON] or f"exit code {code}"
