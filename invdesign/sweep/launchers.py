"""Launchers: where the jobs of a sweep run. Each is a generator of how they ended, in any order.

Every job is a process of its own, so that one that crashes or runs out of memory ends alone. Closing a generator stops
the jobs that run.
"""

from __future__ import annotations

import inspect
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from invdesign.core.errors import InvdesignError
from invdesign.io.process_pools import n_cores
from invdesign.sweep.execute import Children, Ended, Work, execute

POLL_SECONDS = 0.5
"""Time between two looks at the jobs of a scheduler [s]."""
Launch = Callable[..., Iterator[Ended]]


def basic(jobs: Sequence[Work]) -> Iterator[Ended]:
    """Run jobs one after another.

    Args:
        jobs: What to run.
    """
    return joblib(jobs, n_jobs=1)


def joblib(jobs: Sequence[Work], *, n_jobs: int | None = None) -> Iterator[Ended]:
    """Run several jobs at once on this machine, each with one thread unless `OMP_NUM_THREADS` states another number.

    Args:
        jobs: What to run.
        n_jobs: Jobs at a time; by default the number of cores.
    """
    from joblib import Parallel, delayed

    children = Children()
    n = min(n_jobs or n_cores(), max(1, len(jobs)))
    if n > 1:
        threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
        jobs = [replace(work, environment=threads) for work in jobs]
    # The threads only wait for their processes.
    parallel = Parallel(n_jobs=n, backend="threading", return_as="generator_unordered", pre_dispatch=n, batch_size=1)
    results = parallel(delayed(execute)(work, children) for work in jobs)
    try:
        for ended in results:  # noqa: UP028 (`yield from` would close the results before the processes are stopped)
            yield ended
    finally:
        children.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # joblib's, on tasks that were cancelled
            results.close()


def submitit_local(jobs: Sequence[Work], *, n_jobs: int | None = None) -> Iterator[Ended]:
    """Run jobs on this machine with submitit, as `submitit_slurm` runs them on a cluster.

    Args:
        jobs: What to run.
        n_jobs: Jobs at a time; by default the number of cores.
    """
    executor = _submitit("local", jobs)
    yield from _poll(jobs, executor.submit, n_jobs or n_cores())


def submitit_slurm(
    jobs: Sequence[Work],
    *,
    n_jobs: int = 100,
    partition: str | None = None,
    timeout_min: int = 240,
    cpus_per_task: int = 1,
    mem_gb: int = 8,
    gpus_per_node: int = 0,
    extra: Mapping[str, Any] | None = None,
) -> Iterator[Ended]:
    """Run jobs on a cluster with Slurm; folder, cache and virtual environment are on a shared disk.

    Args:
        jobs: What to run.
        n_jobs: Jobs at a time.
        partition: Partition; by default that of the cluster.
        timeout_min: Limit of each job [minutes]. A job that exceeds it is interrupted; the same command resumes it.
        cpus_per_task: Cores of each job, which are also its threads.
        mem_gb: Memory of each job [GB].
        gpus_per_node: GPUs of each job.
        extra: Further parameters of `sbatch`, e.g. `{account: me}`.
    """
    executor = _submitit("slurm", jobs)
    optional = {
        "slurm_partition": partition,
        "slurm_additional_parameters": dict(extra) if extra else None,
        "gpus_per_node": gpus_per_node or None,
    }
    executor.update_parameters(
        timeout_min=timeout_min,
        cpus_per_task=cpus_per_task,
        mem_gb=mem_gb,
        name="invdesign",
        **{name: value for name, value in optional.items() if value is not None},
    )
    threads = {"OMP_NUM_THREADS": str(cpus_per_task)}
    yield from _poll([replace(work, environment=threads) for work in jobs], executor.submit, n_jobs)


def ray(jobs: Sequence[Work], *, n_jobs: int | None = None, address: str | None = None) -> Iterator[Ended]:
    """Run jobs with Ray, on this machine or on a running cluster with a shared disk.

    Args:
        jobs: What to run.
        n_jobs: Jobs at a time; by default the number of cores of Ray.
        address: Address of the cluster; by default Ray is started on this machine.
    """
    library = _import("ray", "ray")
    library.init(address=address, num_cpus=None if address else n_jobs, ignore_reinit_error=True, log_to_driver=False)
    remote = library.remote(num_cpus=1, max_retries=0)(execute)
    waiting = {remote.remote(work): work for work in jobs}
    try:
        while waiting:
            done, _ = library.wait(list(waiting), num_returns=1)
            for reference in done:
                yield _result(waiting.pop(reference), partial(library.get, reference))
    finally:
        library.shutdown()


LAUNCHERS: dict[str, Launch] = {
    "basic": basic,
    "joblib": joblib,
    "submitit_local": submitit_local,
    "submitit_slurm": submitit_slurm,
    "ray": ray,
}


def default_launcher(n_jobs: int | None, n_works: int) -> str:
    """Return the name of the launcher of a sweep that names none: `joblib` where several jobs can run at once."""
    return "joblib" if min(n_jobs or n_cores(), n_works) > 1 else "basic"


def make_launcher(name: str, settings: Mapping[str, Any]) -> Callable[[Sequence[Work]], Iterator[Ended]]:
    """Return a launcher with its settings.

    Raises:
        InvdesignError: There is no such launcher or setting.
    """
    if name not in LAUNCHERS:
        raise InvdesignError(f"launcher: expected one of {', '.join(LAUNCHERS)}, got {name!r}. Correct the name")
    launch = LAUNCHERS[name]
    known = [key for key in inspect.signature(launch).parameters if key != "jobs"]
    for key in settings:
        if key not in known:
            listed = f"It has {', '.join(known)}" if known else "It has none"
            raise InvdesignError(f"launcher {name}: has no setting {key!r}. {listed}")

    def launched(jobs: Sequence[Work]) -> Iterator[Ended]:
        return launch(jobs, **settings)

    return launched


def _submitit(cluster: str, jobs: Sequence[Work]) -> Any:
    library = _import("submitit", "sweep")
    folder = (jobs[0].folder.parent if jobs else Path()) / "submitit"
    executor = library.AutoExecutor(folder=folder, cluster=cluster)
    if cluster == "local":
        executor.update_parameters(timeout_min=60 * 24 * 30, name="invdesign")
    return executor


def _poll(jobs: Sequence[Work], submit: Callable[..., Any], n_jobs: int) -> Iterator[Ended]:
    """Yield how submitted jobs ended, with at most `n_jobs` at a time; those that are left are cancelled."""
    left = list(reversed(jobs))
    running: dict[Any, Work] = {}
    try:
        while left or running:
            while left and len(running) < n_jobs:
                work = left.pop()
                running[submit(execute, work)] = work
            done = [job for job in running if job.done()]
            for job in done:
                yield _result(running.pop(job), job.result)
            if not done:
                time.sleep(POLL_SECONDS)
    finally:
        for job in running:
            job.cancel()


def _result(work: Work, fetch: Callable[[], Any]) -> Ended:
    """Return how a job ended; a worker that was lost, e.g. with its machine, is a failure of its job alone."""
    try:
        ended: Ended = fetch()
        return ended
    except Exception as error:  # the classes of submitit and Ray
        with (work.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(
                f"invdesign: the worker was lost ({type(error).__name__}: {' '.join(str(error).split())[:300]})\n"
            )
        return Ended(work.number, 1, 0.0)


def _import(name: str, extra: str) -> Any:
    try:
        return __import__(name)
    except ImportError as error:
        raise InvdesignError(
            f"launcher: expected the package {name!r}, which is not installed. Run pip install 'invdesign[{extra}]'"
        ) from error
