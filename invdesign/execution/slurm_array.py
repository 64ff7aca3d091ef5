"""Oracle calls as array jobs of Slurm, through files alone.

One folder a batch below the folder of the run, `jobs/C00001-C00010`:

    batch.json      oracle, domain and designs, as names and texts
    script.sh       what `sbatch --array` runs
    job             identifier of the job, written when `sbatch` has returned
    results/        one file a call, written whole when it is known
    logs/           what the jobs print

The process that submitted a batch may end: a later one of the same run finds the folder, and collects the results.
A worker that is stopped and requeued (preemption) goes on with the calls that have no result yet.
"""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invdesign.core import Call, InvdesignError, OracleSetup, Outcome
from invdesign.execution.outcomes import check_at_least_one
from invdesign.execution.references import describe
from invdesign.io.atomic import write_bytes
from invdesign.io.json_values import from_plain, to_plain

logger = logging.getLogger(__name__)
JOBS, BATCH, SCRIPT, JOB, RESULTS, LOGS = "jobs", "batch.json", "script.sh", "job", "results", "logs"
WORKER = "invdesign.execution.slurm_worker"
LOOKS_BEFORE_LOST = 2
"""Looks at the queue that must miss a call without a result before it counts as crashed: files can be late."""


@dataclass
class Batch:
    """A submitted array of jobs."""

    folder: Path
    """Its folder."""
    chunks: list[list[str]]
    """Identifiers of the calls of each job of the array."""
    missed: dict[int, int] = field(default_factory=dict)
    """How often the queue did not list a job of the array that has not finished."""

    def index(self, call: str) -> int:
        """Return the number of the job of a call."""
        return next(i for i, chunk in enumerate(self.chunks) if call in chunk)

    def result(self, call: str) -> Path:
        """Return the file of the outcome of a call."""
        return self.folder / RESULTS / f"{call}.json"

    @property
    def job(self) -> str:
        """Identifier of the job; empty where `sbatch` has not returned it."""
        path = self.folder / JOB
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


class SlurmArray:
    """Calls as array jobs of Slurm, which outlive this process.

    Every job of an array measures its designs one by one in a process of its own, so that a design which crashes or
    hangs does not concern the others. A job that ends without a result (out of memory, a lost node) is a crash.

    Args:
        setup: The oracle and the domain; both must be importable by name.
        options: Options of `sbatch`, e.g. `[--partition=long, --time=2:00:00, --mem=4G]`.
        before: Lines of the job's script before the worker starts, e.g. `[module load vasp]`.
        chunk: Designs of each job of the array.
        timeout: Time that one design may take [s]; None for the limit of the job alone.
        max_calls: Calls that may be submitted and unfinished at a time; a cluster limits the size of arrays.
        seconds_between_looks: Time between two looks at the queue [s].
        allow_partial: Whether a row with some finite values counts as measured.

    Raises:
        InvdesignError: There is no folder, or the oracle cannot be imported by name.
    """

    name = "slurm_array"
    is_durable = True

    def __init__(
        self,
        setup: OracleSetup,
        *,
        options: Sequence[str] = (),
        before: Sequence[str] = (),
        chunk: int = 1,
        timeout: float | None = None,
        max_calls: int = 1000,
        seconds_between_looks: float = 10.0,
        allow_partial: bool = False,
    ) -> None:
        check_at_least_one("chunk", chunk)
        check_at_least_one("max_calls", max_calls)
        if setup.folder is None or setup.domain is None:
            raise InvdesignError("slurm_array: expected the folder of a run, got none. Use executor=process_pool here")
        self._folder, self._domain = (setup.folder / JOBS).resolve(), setup.domain
        self._described = {
            "oracle": describe(setup.oracle),
            "domain": describe(setup.domain),
            "n_outputs": setup.n_outputs,
            "timeout": timeout,
            "allow_partial": allow_partial,
            "path": [str(Path(entry).resolve()) for entry in sys.path if Path(entry).exists()],
        }
        self._options, self._before = tuple(options), tuple(before)
        self._chunk, self._max_calls = chunk, max_calls
        self._seconds = seconds_between_looks
        self._open: dict[str, Batch] = {}
        self._looked = -float("inf")

    @property
    def capacity(self) -> int | None:
        """Number of calls that can be submitted now."""
        return max(0, self._max_calls - len(self._open))

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Submit calls as one array; calls that an earlier process submitted are collected.

        Raises:
            InvdesignError: `sbatch` refuses the job, or is not installed.
        """
        stored = {call: batch for batch in self._stored() for chunk in batch.chunks for call in chunk}
        for batch in {id(stored[c.id]): stored[c.id] for c in calls if c.id in stored}.values():
            if not batch.job:
                self._start(batch)
        new = [call for call in calls if call.id not in stored]
        if new:
            batch = self._write(new)
            stored |= {call.id: batch for call in new}
            self._start(batch)
        self._open |= {call.id: stored[call.id] for call in calls}

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return the outcomes that were written since, and those of jobs that ended without one."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._collect()
            if not found and time.monotonic() - self._looked >= self._seconds:
                found = self._look()
            if found or not self._open or time.monotonic() >= deadline:
                return found
            time.sleep(max(0.0, min(0.2, deadline - time.monotonic())))

    def cancel(self, ids: Collection[str]) -> None:
        """Cancel calls; a job that has others too goes on, and the outcomes of the cancelled ones are not collected."""
        batches = {id(self._open[call]): self._open[call] for call in ids if call in self._open}
        for call in ids:
            self._open.pop(call, None)
        for batch in batches.values():
            rest = {batch.index(call) for call, other in self._open.items() if other is batch}
            ended = [f"{batch.job}_{i}" for i in range(len(batch.chunks)) if i not in rest]
            if batch.job and ended:
                _call(["scancel", *ended])

    def close(self) -> None:
        """Leave the jobs to the cluster: a later process collects their results."""
        self._open.clear()

    def _stored(self) -> list[Batch]:
        """Return the batches that were written into the folder of the run."""
        return [
            Batch(path.parent, [list(chunk) for chunk in json.loads(path.read_text(encoding="utf-8"))["chunks"]])
            for path in sorted(self._folder.glob(f"*/{BATCH}"))
        ]

    def _write(self, calls: Sequence[Call[Any]]) -> Batch:
        """Write the files of a batch."""
        folder = self._folder / f"{calls[0].id}-{calls[-1].id}"
        for name in (RESULTS, LOGS):
            (folder / name).mkdir(parents=True, exist_ok=True)
        texts = [(call.id, self._domain.to_text(call.design)) for call in calls]
        chunks = [dict(texts[i : i + self._chunk]) for i in range(0, len(texts), self._chunk)]
        worker = shlex.join([sys.executable, "-m", WORKER, str(folder)])
        script = ["#!/bin/sh", *self._before, f"exec {worker}", ""]
        write_bytes(folder / SCRIPT, "\n".join(script).encode())
        # Last, since a batch exists from this file on.
        write_bytes(folder / BATCH, json.dumps({**self._described, "chunks": chunks}, indent=1).encode())
        return Batch(folder, [list(chunk) for chunk in chunks])

    def _start(self, batch: Batch) -> None:
        """Submit a batch, unless an earlier process did and ended before it could note the job."""
        name = f"invdesign-{batch.folder.parent.parent.name}-{batch.folder.name}"
        job = _call(["squeue", "--noheader", "--format=%A", f"--name={name}"]).split()
        if not job:
            command = [
                "sbatch",
                "--parsable",
                "--requeue",
                "--open-mode=append",
                f"--job-name={name}",
                f"--array=0-{len(batch.chunks) - 1}",
                f"--output={batch.folder / LOGS}/%a.log",
                *self._options,
                str(batch.folder / SCRIPT),
            ]
            job = _call(command).strip().split(";")
        write_bytes(batch.folder / JOB, f"{job[0]}\n".encode())

    def _collect(self) -> list[tuple[str, Outcome]]:
        """Return the outcomes that are written."""
        found = []
        for folder in {batch.folder for batch in self._open.values()}:
            written = {path.stem for path in (folder / RESULTS).glob("*.json")}
            for call in [c for c, batch in self._open.items() if batch.folder == folder and c in written]:
                found.append((call, read_result(self._open.pop(call).result(call))))
        return found

    def _look(self) -> list[tuple[str, Outcome]]:
        """Return crashes of the calls whose jobs have left the queue without a result."""
        self._looked = time.monotonic()
        lost = []
        for batch in {id(batch): batch for batch in self._open.values()}.values():
            queued = _queued(batch.job)
            if queued is None:
                continue
            waiting = {batch.index(call) for call, other in self._open.items() if other is batch}
            batch.missed = {i: 0 if i in queued else batch.missed.get(i, 0) + 1 for i in waiting}
            lost += [(batch, i) for i, n in batch.missed.items() if n >= LOOKS_BEFORE_LOST]
        found = self._collect()
        for batch, i in lost:
            for call in [c for c in batch.chunks[i] if c in self._open]:
                del self._open[call]
                log = batch.folder / LOGS / f"{i}.log"
                reason = f"the job {batch.job}_{i} ended without a result (its output is in {log})"
                found.append((call, Outcome((float("nan"),) * (self._described["n_outputs"] or 0), "crashed", reason)))
        return found


def read_result(path: Path) -> Outcome:
    """Return the outcome that a worker wrote."""
    return from_plain(Outcome, json.loads(path.read_text(encoding="utf-8")))


def write_result(path: Path, outcome: Outcome) -> None:
    """Write an outcome, whole or not at all."""
    write_bytes(path, json.dumps(to_plain(outcome)).encode())


def _queued(job: str) -> frozenset[int] | None:
    """Return the numbers of the jobs of an array that wait or run; None where the queue cannot be read now."""
    try:
        listed = _call(["squeue", "--noheader", "--array", "--format=%K", f"--jobs={job}"])
    except InvdesignError as error:
        if "invalid job id" in str(error).lower():
            return frozenset()
        logger.warning("%s; looking again later", error)
        return None
    return frozenset(int(word) for word in listed.split() if word.isdigit())


def _call(command: list[str]) -> str:
    """Return what a command of Slurm prints.

    Raises:
        InvdesignError: It is not installed, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvdesignError(
            f"slurm_array: {command[0]} cannot be run ({error}). Work on a machine that submits to Slurm, or choose "
            "executor=process_pool"
        ) from error
    if done.returncode:
        raise InvdesignError(
            f"slurm_array: {shlex.join(command)[:200]} failed: {done.stderr.strip() or done.returncode}. Correct "
            "executor.options"
        )
    return done.stdout
