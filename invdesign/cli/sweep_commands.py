"""Commands on several runs of a campaign: sweeps, their state and comparison, tuning, and benchmarks."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invdesign.cli import terminal
from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from invdesign.config.compose import Composed
    from invdesign.config.sweep_axes import Launcher
    from invdesign.sweep.bench import Suite
    from invdesign.sweep.index import Index, Job
    from invdesign.sweep.plan import Source
    from invdesign.sweep.tuning import TunePlan

MAX_ROWS = 40
"""Rows that are printed; the index and `--json` have all of them."""
MAX_FAILURES = 10
MAX_COUNT = 100_000


def run_sweep(arguments: argparse.Namespace) -> int:
    """Run every combination of a campaign's settings; return 1 where a job failed."""
    from invdesign.config.sweep_axes import split_launcher
    from invdesign.sweep.driver import find_or_make
    from invdesign.sweep.plan import make_plan

    if arguments.resume or arguments.folder:
        raise InvdesignError("-m and --seeds run a sweep. Leave --resume and --folder out: the same command resumes it")
    overrides, launcher = split_launcher(arguments.overrides)
    plan = make_plan(_source(arguments), overrides, n_seeds=arguments.seeds)
    if arguments.show_config:
        return _show_configs(arguments, [list(job.overrides) for job in plan.jobs()])
    cache = Path(arguments.cache) if arguments.cache else None
    command = shlex.join(["invdesign", *sys.argv[1:]])
    index = find_or_make(Path(arguments.results), plan, cache=cache, command=command, fresh=arguments.fresh)
    return _run(arguments, index, launcher)


def sweep(arguments: argparse.Namespace) -> int:
    """Print the state of a sweep, run its failed jobs again, or write its comparison."""
    from invdesign.sweep.index import open_index

    index = open_index(arguments.sweep)
    if arguments.action == "report":
        return _report(arguments, index)
    if arguments.action == "retry":
        from invdesign.config.sweep_axes import Launcher

        index.reset([job for job in index.jobs() if job.state == "failed"])
        return _run(arguments, index, Launcher())
    _print_state(arguments, index)
    return 0


def _run(arguments: argparse.Namespace, index: Index, launcher: Launcher) -> int:
    from invdesign.io.process_pools import n_cores
    from invdesign.sweep.driver import run_jobs
    from invdesign.sweep.launchers import default_launcher, make_launcher

    _n_parallel(arguments)
    n_left = sum(job.state not in ("done", "failed") for job in index.jobs())
    name = arguments.launcher or launcher.name or default_launcher(arguments.jobs, n_left)
    settings = {**launcher.settings, **({"n_jobs": arguments.jobs} if arguments.jobs and name != "basic" else {})}
    launch = make_launcher(name, settings)
    n_parallel = 1 if name == "basic" else int(settings.get("n_jobs") or n_cores())
    print(f"sweep {index.folder}: {n_left} jobs to run with {name}", file=sys.stderr)
    with terminal.progress() as progress:
        jobs = run_jobs(index, launch, n_parallel=n_parallel, fail_fast=arguments.fail_fast, progress=progress)
    _print_state(arguments, index)
    if any(job.state == "done" for job in jobs):
        from invdesign.sweep.results import write_results

        print(write_results(index).page, file=sys.stderr if arguments.json else sys.stdout)
    return 1 if any(job.state != "done" for job in jobs) else 0


def _report(arguments: argparse.Namespace, index: Index) -> int:
    from invdesign.sweep.results import write_results

    out = Path(arguments.out) if arguments.out else None
    written = write_results(index, reference=arguments.reference, out=out)
    facts = {"file": str(written.page), "tables": list(map(str, written.tables)), "reference": written.reference}
    if arguments.json:
        terminal.print_json(facts)
    else:
        print(f"{written.page}\n" + "\n".join(map(str, written.tables)))
    return 0


def _print_state(arguments: argparse.Namespace, index: Index) -> None:
    from invdesign.sweep.driver import progress_text

    jobs = index.jobs()
    if arguments.json:
        terminal.print_json({"sweep": str(index.folder), "jobs": [_job_facts(index, job) for job in jobs]})
        return
    rows = _setting_rows(jobs)
    terminal.table(f"{index.folder.name}: {len(rows)} settings", rows[:MAX_ROWS])
    if len(rows) > MAX_ROWS:
        print(f"... and {len(rows) - MAX_ROWS:,} more settings; all of them with --json")
    print(progress_text(jobs))
    failed = [job for job in jobs if job.state == "failed"]
    for job in failed[:MAX_FAILURES]:
        print(f"failed: {job.folder_name} ({' '.join(job.overrides)}): {job.reason}")
    if failed:
        print(f"run the {len(failed)} failed jobs again: invdesign sweep retry {index.folder}")
    if any(job.state in ("waiting", "interrupted") for job in jobs):
        print("the same command runs the jobs that are left")


def _job_facts(index: Index, job: Job) -> dict[str, Any]:
    facts = {name: value for name, value in vars(job).items() if name != "number"}
    return {"job": job.number, "folder": str(index.folder_of(job)), **facts}


def _setting_rows(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Return a row for each setting: its jobs, and the mean and the spread of the best utility over its seeds."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.label, []).append(job)
    rows = []
    for label, members in groups.items():
        values = [job.figures["utility"] for job in members if job.figures.get("utility") is not None]
        mean = sum(values) / len(values) if values else None
        spread = None
        if mean is not None and len(values) > 1:
            spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        rows.append(
            {
                "setting": label,
                "done": f"{sum(job.state == 'done' for job in members)} of {len(members)}",
                "best utility, mean": mean,
                "sd over seeds": spread,
                "largest": max(values, default=None),
            }
        )
    return sorted(rows, key=lambda row: -math.inf if row["best utility, mean"] is None else -row["best utility, mean"])


def tune(arguments: argparse.Namespace) -> int:
    """Search for better settings of a campaign, and write the best ones as a campaign."""
    from threading import Event

    from invdesign.sweep import tuning

    plan, composed = _tune_plan(arguments)
    folder = tuning.find_or_make(Path(arguments.results), plan, composed.values)
    stop = Event()
    cache = Path(arguments.cache).resolve() if arguments.cache else None
    print(f"tune {folder}", file=sys.stderr)
    with terminal.progress() as progress:
        found = tuning.tune(
            plan,
            folder,
            tuning.make_trials(plan, folder, cache=cache, stop=stop),
            n_workers=_n_parallel(arguments),
            first_seed=int(composed.values.get("seed") or 0),
            stop=stop,
            progress=progress,
        )
    if arguments.json:
        terminal.print_json(json.loads((folder / tuning.FACTS).read_text(encoding="utf-8")))
        return 0
    print(found.statement)
    for name, difference in found.held_out.items():
        is_known = not math.isnan(difference.low)
        interval = f", interval {difference.low:.4g} to {difference.high:.4g}" if is_known else ", too few seeds"
        print(f"  {name}: difference {difference.mean:.4g}{interval}")
    print(f"  setting: {' '.join(found.overrides)}")
    print(f"  {found.n_trials} trials, {found.n_pruned} of them stopped early")
    for key, share in found.importance.items():
        print(f"  importance of {key}: {100 * share:.0f} %")
    for setting in found.front:
        print(f"  not surpassed in all objectives: {' '.join(setting)}")
    print(folder / tuning.RESULT)
    return 0


def bench(arguments: argparse.Namespace) -> int:
    """Run a suite of benchmarks; return 1 where an entry lacks results."""
    from invdesign.sweep import bench as suites
    from invdesign.sweep.launchers import default_launcher, make_launcher

    suite = _chosen(suites.load_suite(arguments.suite), arguments)
    n_parallel = _n_parallel(arguments)
    name = default_launcher(n_parallel, len(suite.seeds))
    launch = make_launcher(name, {} if name == "basic" else {"n_jobs": n_parallel})
    with terminal.progress() as progress:
        rows = suites.run_suite(
            arguments.suite,
            suite,
            launch,
            results=Path(arguments.results),
            data=Path(arguments.data),
            changes=arguments.overrides,
            cache=Path(arguments.cache) if arguments.cache else None,
            n_parallel=n_parallel,
            progress=progress,
        )
    command = shlex.join(["invdesign", *sys.argv[1:]])
    out = Path(arguments.out or arguments.results)
    changes = arguments.overrides
    page = suites.write_table(arguments.suite, suite, rows, out, command=command, changes=changes)
    if arguments.json:
        terminal.print_json(json.loads(page.with_suffix(".json").read_text(encoding="utf-8")))
    else:
        print(page.read_text(encoding="utf-8"))
        print(page)
    return 1 if any(row.missing for row in rows) else 0


def _chosen(suite: Suite, arguments: argparse.Namespace) -> Suite:
    """Return a suite with the entries and the seeds that a command names."""
    entries = [e for e in suite.entries if not arguments.only or any(text in e.name for text in arguments.only)]
    if not entries:
        raise InvdesignError(
            f"--only: expected a part of a name, got none of {', '.join(e.name for e in suite.entries)}"
        )
    seeds: Sequence[int] = suite.seeds
    if arguments.seeds:
        try:
            seeds = [int(seed) for seed in arguments.seeds.split(",")]
        except ValueError:
            raise InvdesignError(f"--seeds: expected whole numbers with commas, got {arguments.seeds!r}") from None
    return replace(suite, entries=tuple(entries), seeds=tuple(seeds))


def _tune_plan(arguments: argparse.Namespace) -> tuple[TunePlan, Composed]:
    """Return what a command and the block `tune:` of its campaign say; the command comes first."""
    from invdesign.config import compose
    from invdesign.config.search_space import check_block, parse_space, space_texts
    from invdesign.sweep.plan import check_source
    from invdesign.sweep.tuning import TunePlan, check_dimension

    source = _source(arguments)
    composed = compose.compose(source.campaign, arguments.overrides, config_dirs=source.config_dirs)
    block = check_block(composed.tune or {})
    check_source(source, arguments.overrides)
    given = parse_space(arguments.space or space_texts(block), config_dirs=source.config_dirs)
    space = [check_dimension(source, arguments.overrides, dimension) for dimension in given]
    objective = arguments.objective or block.get("objective")
    stage = arguments.stage or block.get("stage", "search")
    names = (
        objective.split(",") if isinstance(objective, str) else objective or ["auc" if stage == "search" else "elbo"]
    )
    plan = TunePlan(
        str(composed.values.get("name") or composed.name),
        source.absolute(),
        tuple(arguments.overrides),
        tuple(space),
        stage,
        tuple(names),
        _count("--trials", arguments.trials, block.get("trials", 40)),
        _count("--seeds", arguments.seeds, block.get("seeds", 2)),
        _count("--held-out", arguments.held_out, block.get("held_out", 8)),
        not arguments.no_prune and bool(block.get("prune", True)),
    )
    plan.directions()
    return plan, composed


def _count(option: str, given: int | None, default: Any) -> int:
    value = default if given is None else given
    if not isinstance(value, int) or not 1 <= value <= MAX_COUNT:
        raise InvdesignError(f"tune: {option} must be a whole number from 1 to {MAX_COUNT:,}, got {value}")
    return value


def _n_parallel(arguments: argparse.Namespace) -> int:
    from invdesign.io.process_pools import n_cores

    if arguments.jobs is not None and arguments.jobs < 1:
        raise InvdesignError(f"--jobs: expected at least 1, got {arguments.jobs}")
    return arguments.jobs or n_cores()


def _show_configs(arguments: argparse.Namespace, jobs: Sequence[list[str]]) -> int:
    from invdesign.cli.commands import show_config

    for overrides in jobs:
        if not arguments.json:
            print(f"# {' '.join(overrides)}")
        show_config(arguments, overrides)
    return 0


def _source(arguments: argparse.Namespace) -> Source:
    from invdesign.sweep.plan import Source

    return Source(arguments.campaign, tuple(arguments.config_dir), tuple(arguments.allow))


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {"sweep": sweep, "tune": tune, "bench": bench}
