"""Whole sweeps: one folder, one index, and the same command goes on where it was stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from invdesign.core import InvdesignError, silent
from invdesign.io.locks import hold
from invdesign.runs.folders import RunConfig, write_config
from invdesign.sweep import driver
from invdesign.sweep.execute import Ended, Work
from invdesign.sweep.index import LOCK, Index, Job
from invdesign.sweep.plan import Source, make_plan

PLAN = make_plan(Source("ehrlich"), ["search.acquire.beta=1,4"], n_seeds=2)


@pytest.fixture(autouse=True)
def without_ledgers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the figures of a run from its summary alone."""
    monkeypatch.setattr(driver, "figures_of", lambda folder: json.loads((folder / "finished.json").read_text()))


def launch(codes: dict[int, int], started: list[int]) -> driver.Launched:
    """Return a launcher that ends jobs with given codes."""

    def launched(jobs: Sequence[Work]) -> Iterator[Ended]:
        for job in jobs:
            started.append(job.number)
            job.folder.mkdir(exist_ok=True)
            code = codes.get(job.number, 0)
            (job.folder / "log.txt").write_text("" if code == 0 else "invdesign: no luck\n")
            if code == 0:
                (job.folder / "finished.json").write_text(json.dumps({"utility": job.number, "best": {"y": 1.0}}))
            yield Ended(job.number, code, 1.0)

    return launched


def run(index: Index, codes: dict[int, int], *, fail_fast: bool = False) -> tuple[list[int], list[Job]]:
    """Run a sweep; return which jobs were started, and all jobs."""
    started: list[int] = []
    jobs = driver.run_jobs(index, launch(codes, started), n_parallel=2, fail_fast=fail_fast, progress=silent)
    return started, jobs


def test_failed_jobs_are_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    index = driver.find_or_make(tmp_path, PLAN)
    started, jobs = run(index, {1: 2})
    assert started == [0, 1, 2, 3] and [job.state for job in jobs] == ["done", "failed", "done", "done"]
    assert jobs[1].reason == "no luck" and jobs[3].figures["utility"] == 3
    assert run(index, {})[0] == [], "neither finished nor failed jobs are run by the same command"
    index.reset([jobs[1]])
    assert run(index, {})[0] == [1]


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    started, jobs = run(driver.find_or_make(tmp_path, PLAN), {1: 2}, fail_fast=True)
    assert started == [0, 1] and [job.state for job in jobs] == ["done", "failed", "waiting", "waiting"]


def test_an_interrupted_job_is_run_by_the_same_command(tmp_path: Path) -> None:
    index = driver.find_or_make(tmp_path, PLAN)
    _, jobs = run(index, {2: 143})
    assert [job.state for job in jobs] == ["done", "done", "interrupted", "done"]
    assert run(index, {})[0] == [2]


def test_the_same_campaign_and_axes_are_the_same_sweep(tmp_path: Path) -> None:
    index = driver.find_or_make(tmp_path, PLAN)
    assert index.folder.parent == tmp_path / "ehrlich" and index.folder.name.endswith(PLAN.digest)
    assert driver.find_or_make(tmp_path, PLAN) == index
    other = make_plan(Source("ehrlich"), ["search.acquire.beta=1,5"])
    assert driver.find_or_make(tmp_path, other) != index
    time.sleep(1)
    assert driver.find_or_make(tmp_path, PLAN, fresh=True) != index


def test_a_job_is_an_ordinary_run_in_its_own_folder(tmp_path: Path) -> None:
    plan = make_plan(Source("ehrlich", allow=("mine",)), ["budget=1"])
    index = driver.find_or_make(tmp_path, plan, cache=tmp_path / "cache")
    work: list[Work] = []

    def look(jobs: Sequence[Work]) -> Iterator[Ended]:
        work.extend(jobs)
        return iter(())

    driver.run_jobs(index, look, n_parallel=1, progress=silent)
    folder = str(index.folder / "job-0000")
    expected = [
        *("-m", "invdesign", "run", "ehrlich", "budget=1", "--json", "--allow", "mine"),
        *("--cache", str(tmp_path / "cache"), "--folder", folder, "--baselines", str(index.folder / "baselines")),
    ]
    assert list(work[0].command[1:]) == expected


def test_a_sweep_runs_once_at_a_time(tmp_path: Path) -> None:
    index = driver.find_or_make(tmp_path, PLAN)
    with hold(index.folder / LOCK), pytest.raises(InvdesignError, match="another process runs this sweep"):
        run(index, {})


def test_progress_states_all_jobs_the_best_and_the_time_left(tmp_path: Path) -> None:
    index = driver.find_or_make(tmp_path, PLAN)
    stages: list[str] = []
    driver.run_jobs(
        index,
        launch({1: 2}, []),
        n_parallel=2,
        progress=lambda stage, done, total: stages.append(f"{stage} {done}/{total}"),
    )
    assert stages[0] == "sweep · 0 of 4 jobs done 0/4"
    assert stages[-2] == "sweep · 2 of 4 jobs done · 1 failed · best y 1 (job-0002) · about 0 s left 3/4"


def test_a_folder_of_other_files_is_no_place_for_a_run(tmp_path: Path) -> None:
    from invdesign.runs.folders import at

    assert not at(tmp_path / "new").is_resumed
    (tmp_path / "new" / "job.lock").touch()
    assert not at(tmp_path / "new").is_resumed
    write_config(tmp_path / "new", RunConfig("toy", {}))
    assert at(tmp_path / "new").is_resumed
    (tmp_path / "letters.doc").touch()
    with pytest.raises(InvdesignError, match="expected a new folder or that of a run"):
        at(tmp_path)


ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
SMALL = ["corpus.n=150", "n_seeds=20", "budget=30", "batch=10", "vae.epochs=2", "search.generations=1"]


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    start = [sys.executable, "-m", "invdesign", "run", "ehrlich", *SMALL, "--cache", str(tmp_path / "cache")]

    def invdesign(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*start, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)

    sweep = ["-m", "seed=0,1", "--jobs", "2", "--results", str(tmp_path / "killed"), "--json"]
    killed = invdesign(*sweep)
    while not list(tmp_path.glob("killed/ehrlich/sweep-*/job-*/ledger.sqlite")):
        assert killed.poll() is None
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    again = invdesign(*sweep)
    printed, messages = again.communicate()
    assert again.returncode == 0, messages
    assert [job["state"] for job in json.loads(printed)["jobs"]] == ["done", "done"]
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 1, "the VAE is trained once"
    subprocess.run([*start, "seed=1", "--folder", str(tmp_path / "whole")], env=ENV, capture_output=True, check=True)
    (second,) = tmp_path.glob("killed/ehrlich/sweep-*/job-0001")
    assert (second / "evaluated.csv").read_bytes() == (tmp_path / "whole" / "evaluated.csv").read_bytes()
