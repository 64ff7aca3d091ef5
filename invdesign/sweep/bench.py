"""Benchmarks: suites of ordinary campaigns as sweeps over seeds, with published figures beside ours."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from invdesign import __version__
from invdesign.core import Array, Progress
from invdesign.core.errors import InvdesignError
from invdesign.io.atomic import write_bytes
from invdesign.io.json_values import from_plain
from invdesign.report.comparison import best_curve
from invdesign.runs import folders
from invdesign.runs.quick_status import combination, objectives_of
from invdesign.sweep.driver import Launched, find_or_make, run_jobs
from invdesign.sweep.index import Index
from invdesign.sweep.plan import Source, make_plan
from invdesign.sweep.results import read_properties

SUITES = Path(__file__).with_name("suites")
N_TOP = 10
EVERY = 100
"""Calls between two points of the curve of the best ten."""
Figure = Literal["best", "auc_top10"]


@dataclass(frozen=True)
class Entry:
    """One row of a suite: a campaign with settings."""

    name: str
    """Name of the task."""
    campaign: str
    """Name of the campaign."""
    overrides: tuple[str, ...] = ()
    """Changes to it; `${seed}` is the seed of the run."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Settings that name a data file, and its usual name."""
    figure: Figure = "best"
    """What is compared: the best value, or the area under the curve of the mean of the ten best over the calls."""
    scale: float = 1.0
    """What the figure is divided by."""
    published: Mapping[str, float] = field(default_factory=dict)
    """Published figures by method."""
    note: str = ""
    """What a reader must know to compare them."""


@dataclass(frozen=True)
class Suite:
    """A benchmark suite."""

    title: str
    """Its name for people."""
    counting: str
    """What counts as a call."""
    seeds: tuple[int, ...]
    """Seeds of each entry."""
    entries: tuple[Entry, ...]
    """The tasks."""
    common: tuple[str, ...] = ()
    """Changes that all entries have."""


@dataclass(frozen=True)
class Row:
    """Result of an entry."""

    entry: Entry
    """The entry."""
    values: tuple[float, ...] = ()
    """Its figure for each finished run."""
    calls: float = float("nan")
    """Mean number of oracle calls."""
    seconds: float = float("nan")
    """Mean time of a run [s]."""
    missing: str = ""
    """Why there are fewer values than seeds."""


def suites() -> list[str]:
    """Return the names of the suites."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def load_suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        InvdesignError: There is no suite of this name.
    """
    path = SUITES / f"{name}.yaml"
    if name not in suites():
        raise InvdesignError(f"bench: expected one of the suites {', '.join(suites())}, got {name!r}. Correct the name")
    return from_plain(Suite, yaml.safe_load(path.read_text(encoding="utf-8")))


def run_suite(
    name: str,
    suite: Suite,
    launch: Launched,
    *,
    results: Path,
    data: Path,
    changes: Sequence[str] = (),
    cache: Path | None = None,
    n_parallel: int = 1,
    progress: Progress,
) -> list[Row]:
    """Run the entries of a suite, one sweep after another; what is finished is not run again.

    Args:
        name: Name of the suite.
        suite: The suite.
        launch: Runs the jobs of a sweep.
        results: Folder of all runs.
        data: Folder of data files; an entry whose file is not there is left out with the reason.
        changes: Further changes of all entries, e.g. a small budget; figures are then not those of the suite.
        cache: Folder of models.
        n_parallel: Jobs at a time.
        progress: Called with `(stage, done, total)`.
    """
    rows = []
    for entry in suite.entries:
        absent = [file for file in entry.files.values() if not (data / file).is_file()]
        if absent:
            rows.append(Row(entry, missing=f"{absent[0]} is not in {data}"))
            continue
        files = [f"{key}={(data / file).resolve()}" for key, file in entry.files.items()]
        seeds = f"seed={','.join(map(str, suite.seeds))}"
        plan = make_plan(Source(entry.campaign), [*suite.common, *entry.overrides, *files, *changes, seeds])
        index = find_or_make(results / f"bench-{name}", plan, cache=cache, command=f"invdesign bench {name}")
        run_jobs(index, launch, n_parallel=n_parallel, progress=_named(entry.name, progress))
        rows.append(_row(entry, index))
    return rows


def write_table(
    name: str, suite: Suite, rows: Sequence[Row], folder: Path, *, command: str, changes: Sequence[str] = ()
) -> Path:
    """Write the figures of a suite as a page in Markdown and as JSON, with version, time and machine.

    Args:
        name: Name of the suite.
        suite: The suite.
        rows: Its results.
        folder: Folder of both files.
        command: Command line, for the record.
        changes: Changes of all entries, with which the published figures are not comparable.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    facts = {
        "suite": name,
        "version": __version__,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "command": command,
        "changes": " ".join(changes),
    }
    content = {**facts, "rows": [asdict(row) for row in rows]}
    write_bytes(folder / f"{name}.json", (json.dumps(content, indent=1) + "\n").encode())
    return write_bytes(folder / f"{name}.md", markdown(suite, rows, facts).encode())


def markdown(suite: Suite, rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    """Return the page of a suite."""
    head = [
        f"# {suite.title}",
        "",
        f"`{facts['command']}`, version {facts['version']}, {facts['time']}, {facts['machine']}. {suite.counting}",
        "",
        "| task | figure | mean | sd | runs | calls | seconds a run | published |",
        "|---|---|---|---|---|---|---|---|",
    ]
    body = []
    for row in rows:
        published = " · ".join(f"{method} {value:g}" for method, value in row.entry.published.items())
        mean = f"{np.mean(row.values):.4g}" if row.values else ""
        sd = f"{np.std(row.values, ddof=1):.3g}" if len(row.values) > 1 else ""
        cells = [row.entry.name, row.entry.figure, mean, sd, str(len(row.values))]
        cells += [f"{row.calls:.0f}" if row.values else "", f"{row.seconds:.0f}" if row.values else "", published]
        body.append(f"| {' | '.join(cells)} |")
    notes = [f"Changed, so that published figures are not comparable: {facts['changes']}."] if facts["changes"] else []
    notes += [f"{row.entry.name}: {row.missing}." for row in rows if row.missing]
    notes += [f"{row.entry.name}: {row.entry.note}" for row in rows if row.entry.note]
    return "\n".join([*head, *body, "", *notes]).rstrip() + "\n"


def auc_top10(y: Array, *, budget: int) -> float:
    """Return the area under the curve of the mean of the ten best over the calls, divided by the budget.

    The mean is taken after every 100 calls and integrated by the trapezoidal rule from 0 at 0 calls; a run that ended
    early keeps its last mean to the budget. A failed measurement counts as 0. This is the figure of the PMO suite.

    Example:
        >>> auc_top10(np.ones(1000), budget=1000)
        0.95
    """
    values = np.nan_to_num(np.asarray(y, dtype=np.float64)[:budget], nan=0.0)
    if not len(values):
        return 0.0
    calls = [*range(EVERY, len(values), EVERY), len(values)]
    means = [float(np.sort(values[:n])[-N_TOP:].mean()) for n in calls]
    area = float(np.trapezoid([0.0, *means], [0, *calls]))
    return (area + (budget - len(values)) * means[-1]) / budget


def _row(entry: Entry, index: Index) -> Row:
    jobs = index.jobs()
    done = [job for job in jobs if job.state == "done"]
    failed = [job for job in jobs if job.state != "done"]
    missing = (
        f"{len(failed)} of {len(jobs)} runs have no result: {failed[0].reason or failed[0].state}" if failed else ""
    )
    if not done:
        return Row(entry, missing=missing)
    values = [_figure(entry, index.folder_of(job)) for job in done]
    calls = float(np.mean([job.figures["calls"] for job in done]))
    seconds = float(np.mean([job.seconds or 0.0 for job in done]))
    return Row(entry, tuple(values), calls, seconds, missing)


def _figure(entry: Entry, folder: Path) -> float:
    """Return the figure of a run."""
    config = folders.read_config(folder)
    objectives, combine = objectives_of(config.config), combination(config)
    given, Y = read_properties(folder, len(objectives))
    if entry.figure == "auc_top10":
        return auc_top10(Y[:, 0], budget=int(config.config["budget"])) / entry.scale
    everything = np.concatenate([given, Y])
    return float(best_curve(objectives, everything, combine=combine, box=everything)[-1]) / entry.scale


def _named(name: str, progress: Progress) -> Callable[[str, int, int], None]:
    def named(stage: str, done: int, total: int) -> None:
        progress(f"{name} · {stage}", done, total)

    return named
