"""Launchers: every job once, whatever the others do, and all of them stopped together."""

import signal
import threading
import time
from pathlib import Path

import pytest
from sweep_jobs import n_starts, work

from invdesign.core import InvdesignError
from invdesign.io.locks import is_held
from invdesign.sweep.execute import Children, execute, reason_of
from invdesign.sweep.index import JOB_LOCK
from invdesign.sweep.launchers import default_launcher, make_launcher


def run(name: str, folder: Path, **settings: object) -> dict[int, int]:
    """Run five jobs of which one fails and one crashes; return their exit codes."""
    codes = {0: 0, 1: 3, 2: 0, 3: -signal.SIGKILL, 4: 0}
    jobs = [work(folder, number, code=code) for number, code in codes.items()]
    return {ended.number: ended.code for ended in make_launcher(name, settings)(jobs)}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("basic", {}),
        ("joblib", {"n_jobs": 3}),
        pytest.param("submitit_local", {"n_jobs": 3}, marks=pytest.mark.slow),
        pytest.param("ray", {"n_jobs": 2}, marks=pytest.mark.slow),
    ],
)
def test_a_job_that_fails_or_crashes_ends_alone(name: str, settings: dict[str, int], tmp_path: Path) -> None:
    if name in ("ray", "submitit_local"):
        pytest.importorskip(name.split("_")[0])
    assert run(name, tmp_path, **settings) == {0: 0, 1: 3, 2: 0, 3: -signal.SIGKILL, 4: 0}
    assert [n_starts(tmp_path, number) for number in range(5)] == [1] * 5
    assert reason_of(tmp_path / "job-0001", 3) == "no luck"
    assert reason_of(tmp_path / "job-0003", -9) == "ended by signal 9"


def test_a_finished_job_is_not_started_again(tmp_path: Path) -> None:
    jobs = [work(tmp_path, 0)]
    for _ in range(2):
        assert [ended.code for ended in make_launcher("basic", {})(jobs)] == [0]
    assert n_starts(tmp_path, 0) == 1


def test_a_closed_launcher_stops_its_jobs_and_starts_no_others(tmp_path: Path) -> None:
    jobs = [work(tmp_path, 0), *(work(tmp_path, number, seconds=60) for number in range(1, 6))]
    launched = make_launcher("joblib", {"n_jobs": 2})(jobs)
    start = time.monotonic()
    assert next(launched).number == 0
    launched.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 30
    assert not any(is_held(tmp_path / f"job-{number:04d}" / JOB_LOCK) for number in range(6))
    assert sum(n_starts(tmp_path, number) for number in range(6)) <= 4


def test_a_job_that_another_process_still_runs_is_waited_for(tmp_path: Path) -> None:
    orphan = work(tmp_path, 0, seconds=1.5)
    first = threading.Thread(target=execute, args=(orphan,))
    first.start()
    while not n_starts(tmp_path, 0):
        time.sleep(0.02)
    assert execute(orphan, Children()).code == 0
    first.join()
    assert n_starts(tmp_path, 0) == 1


def test_launchers_are_chosen_by_name_and_have_settings() -> None:
    assert default_launcher(None, 1) == default_launcher(1, 5) == "basic" and default_launcher(2, 5) == "joblib"
    with pytest.raises(InvdesignError, match="expected one of basic, joblib"):
        make_launcher("os.system", {})
    with pytest.raises(InvdesignError, match=r"launcher joblib: has no setting 'partition'\. It has n_jobs"):
        make_launcher("joblib", {"partition": "gpu"})


def test_slurm_gets_the_resources_of_a_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    submitit = pytest.importorskip("submitit")
    given: dict[str, object] = {}

    class Job:
        def __init__(self, result: object) -> None:
            self.result = lambda: result

        def done(self) -> bool:
            return True

        def cancel(self) -> None: ...

    class Executor:
        def __init__(self, folder: Path, cluster: str) -> None:
            given["cluster"] = cluster

        def update_parameters(self, **parameters: object) -> None:
            given.update(parameters)

        def submit(self, function: object, job: object) -> Job:
            return Job(function(job))  # type: ignore[operator]

    monkeypatch.setattr(submitit, "AutoExecutor", Executor)
    launch = make_launcher("submitit_slurm", {"partition": "gpu", "cpus_per_task": 4, "extra": {"account": "me"}})
    assert [ended.code for ended in launch([work(tmp_path, 0)])] == [0]
    assert given["cluster"] == "slurm" and given["slurm_partition"] == "gpu" and given["cpus_per_task"] == 4
    assert given["slurm_additional_parameters"] == {"account": "me"}
