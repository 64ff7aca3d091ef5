"""The sweep itself: its folder is found or made, its jobs are launched, and how they ended is recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from invdesign import __version__
from invdesign.core import Progress
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import probe
from invdesign.io.locks import hold
from invdesign.runs.folders import FINISHED
from invdesign.runs.quick_status import read_status
from invdesign.sweep.execute import INTERRUPTED, Ended, Work, reason_of
from invdesign.sweep.index import Index, Job, create_index, list_sweeps, open_index, owned
from invdesign.sweep.plan import Plan, Source

BASELINES = "baselines"
"""Folder of the random searches that the jobs of a sweep share."""
Launched = Callable[[Sequence[Work]], Iterator[Ended]]


def find_or_make(
    results: Path, plan: Plan, *, cache: Path | None = None, command: str = "", fresh: bool = False
) -> Index:
    """Return the newest sweep of the same campaign and axes, else a new one `<results>/<name>/sweep-<time>-<digest>`.

    Args:
        results: Folder of all runs.
        plan: The sweep.
        cache: Folder of models and data; None for that of the user.
        command: Command line, for the record.
        fresh: Whether to make a new sweep in any case.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    home = results / plan.name
    probe(home)
    with hold(home / ".lock"):
        own = [path for path in list_sweeps(home) if path.name.endswith(f"-{plan.digest}")]
        if own and not fresh:
            return open_index(own[-1])
        folder = home / f"sweep-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{plan.digest}"
        if folder.exists():
            raise InvdesignError(f"{folder}: exists already. Repeat the command in a second")
        about = {
            "name": plan.name,
            "source": asdict(plan.source),
            "overrides": [list(axis.choices) for axis in plan.axes],
            "settings": list(plan.settings),
            "cache": str(cache.resolve()) if cache else None,
            "cwd": str(Path.cwd()),
            "command": command,
            "version": __version__,
            "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        return create_index(folder, about, plan.jobs())


def run_jobs(
    index: Index, launch: Launched, *, n_parallel: int, fail_fast: bool = False, progress: Progress
) -> list[Job]:
    """Run the jobs that are neither done nor failed, and return all jobs.

    Args:
        index: The sweep.
        launch: Runs them.
        n_parallel: How many run at a time, for the estimate of the time that is left.
        fail_fast: Whether the first failure stops the sweep.
        progress: Called with `(stage, done, total)` for the whole sweep.

    Raises:
        InvdesignError: Another process runs this sweep.
    """
    with owned(index.folder):
        jobs = {job.number: job for job in index.jobs()}
        todo = [job for job in jobs.values() if job.state not in ("done", "failed")]
        line = _ProgressLine(len(jobs), n_parallel, progress)
        line.show(index.jobs())
        ended_jobs = launch([_work(index, job) for job in todo])
        for ended in ended_jobs:
            _record(index, jobs[ended.number], ended)
            now = index.jobs()
            line.show(now)
            if fail_fast and any(job.state == "failed" for job in now):
                _close(ended_jobs)
                break
        return index.jobs()


def figures_of(folder: Path) -> dict[str, Any]:
    """Return the results of a finished run in numbers."""
    summary = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
    return {
        "utility": summary["best"],
        "best": read_status(folder).best,
        "calls": summary["calls"],
        "rounds": summary["rounds"],
        "candidates": len(summary["shortlist"]),
    }


def progress_text(jobs: Sequence[Job], seconds_left: float | None = None) -> str:
    """Return the state of all jobs in one line."""
    n = {state: sum(job.state == state for job in jobs) for state in ("done", "running", "failed")}
    parts = [f"{n['done']} of {len(jobs)} jobs done"]
    parts += [f"{n[state]} {state}" for state in ("running", "failed") if n[state]]
    known = [job for job in jobs if job.figures.get("utility") is not None]
    if known:
        best = max(known, key=lambda job: job.figures["utility"])
        values = ", ".join(f"{name} {value:.4g}" for name, value in best.figures["best"].items())
        parts.append(f"best {values} ({best.folder_name})")
    if seconds_left is not None:
        parts.append(f"about {_duration(seconds_left)} left")
    return " · ".join(parts)


class _ProgressLine:
    """One line on all jobs, with the time that is left."""

    def __init__(self, n_jobs: int, n_parallel: int, progress: Progress) -> None:
        self._n_jobs = n_jobs
        self._n_parallel = n_parallel
        self._progress = progress

    def show(self, jobs: Sequence[Job]) -> None:
        n_ended = sum(job.state in ("done", "failed") for job in jobs)
        seconds = [job.seconds for job in jobs if job.state == "done" and job.seconds]
        left = None
        if seconds and n_ended < self._n_jobs:
            left = sum(seconds) / len(seconds) * (self._n_jobs - n_ended) / self._n_parallel
        self._progress(f"sweep · {progress_text(jobs, left)}", n_ended, self._n_jobs)


def _work(index: Index, job: Job) -> Work:
    """Return the command of a job: an ordinary run in its own folder."""
    about = index.about()
    folder = index.folder_of(job).resolve()
    source = about["source"]
    campaign = Source(source["campaign"], tuple(source["config_dirs"]), tuple(source["allow"]))
    own = ("--folder", str(folder), "--baselines", str(folder.parent / BASELINES))
    words = campaign.command("run", job.overrides, cache=about["cache"])
    return Work(job.number, (*words, *own), folder, Path(about["cwd"]))


def _record(index: Index, job: Job, ended: Ended) -> None:
    folder = index.folder_of(job)
    if ended.code == 0 and (folder / FINISHED).is_file():
        seconds = ended.seconds or job.seconds
        index.record(job, "done", seconds=seconds, figures=figures_of(folder))
    elif ended.code not in INTERRUPTED:
        index.record(job, "failed", seconds=ended.seconds, reason=reason_of(folder, ended.code))


def _close(ended_jobs: Iterator[Ended]) -> None:
    close = getattr(ended_jobs, "close", None)
    if close is not None:
        close()


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
