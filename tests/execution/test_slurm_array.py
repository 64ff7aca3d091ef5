"""Array jobs of a stub scheduler: collected by a later process, requeued, lost, cancelled."""

from __future__ import annotations

import math
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from toy_grid import Grid

from invdesign.core import Call, InvdesignError, OracleSetup, Outcome
from invdesign.execution.references import describe, restore
from invdesign.execution.slurm_array import SlurmArray


class Words:
    """Texts as designs; no dataclass."""

    name = "words"


def place(oracles: Any, folder: Path, **settings: Any) -> SlurmArray:
    setup = OracleSetup(partial(oracles.note, folder=str(folder)), 1, oracles.Texts(), folder)
    return SlurmArray(setup, seconds_between_looks=0.2, **settings)


def collect(executor: SlurmArray, n: int, seconds: float = 60.0) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    end = time.monotonic() + seconds
    while len(found) < n:
        assert time.monotonic() < end, found
        found |= dict(executor.poll(0.5))
    return found


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def n_runs(folder: Path, word: str) -> int:
    return len((folder / f"ran-{word}").read_text())


@pytest.mark.slow
def test_a_later_process_collects_what_an_earlier_one_submitted(oracles: Any, tmp_path: Path, scheduler: Path) -> None:
    calls = [Call("C00001", "a"), Call("C00002", "wait"), Call("C00003", "bbb")]
    first = place(oracles, tmp_path, chunk=3)
    first.submit(calls)
    assert first.capacity == 997
    first.close()
    wait_for(tmp_path / "ran-wait")
    # The process ended before it noted the job: the queue knows it by its name.
    (job,) = tmp_path.glob("jobs/*/job")
    job.unlink()
    with closing(place(oracles, tmp_path)) as second:
        second.submit(calls)
        assert {call for call, _ in second.poll(0.5)} == {"C00001"}
        (tmp_path / "go").touch()
        found = collect(second, 2)
    assert {call: outcome.y for call, outcome in found.items()} == {"C00002": (4.0,), "C00003": (3.0,)}
    assert [n_runs(tmp_path, word) for word in ("a", "wait", "bbb")] == [1, 1, 1]
    assert len(list(scheduler.glob("*.name"))) == 1
    with closing(place(oracles, tmp_path)) as third:
        third.submit(calls[:1])
        assert third.poll(0.0)[0][1].y == (1.0,)
    assert n_runs(tmp_path, "a") == 1


@pytest.mark.slow
def test_a_worker_that_is_preempted_goes_on_with_what_has_no_result(
    oracles: Any, tmp_path: Path, scheduler: Path
) -> None:
    with closing(place(oracles, tmp_path, chunk=2)) as executor:
        executor.submit([Call("C00001", "a"), Call("C00002", "linger")])
        wait_for(tmp_path / "ran-linger")
        (scheduler / "preempt-0").touch()
        found = collect(executor, 2)
    assert [found[f"C0000{i}"].y for i in (1, 2)] == [(1.0,), (6.0,)]
    assert n_runs(tmp_path, "a") == 1 and n_runs(tmp_path, "linger") == 2


@pytest.mark.slow
def test_a_job_that_ends_without_a_result_is_a_crash_and_one_that_is_cancelled_has_no_outcome(
    oracles: Any, tmp_path: Path, scheduler: Path
) -> None:
    with closing(place(oracles, tmp_path)) as executor:
        executor.submit([Call("C00001", "wait"), Call("C00002", "linger")])
        wait_for(tmp_path / "ran-wait")
        wait_for(tmp_path / "ran-linger")
        executor.cancel({"C00002"})
        (scheduler / "lose-0").touch()
        found = collect(executor, 1)
        assert executor.poll(0.5) == []
    outcome = found["C00001"]
    assert outcome.status == "crashed" and math.isnan(outcome.y[0])
    assert "the job 1_0 ended without a result" in outcome.reason and "0.log" in outcome.reason


def test_what_a_scheduler_refuses_is_a_message_with_the_command(oracles: Any, tmp_path: Path, scheduler: Path) -> None:
    executor = place(oracles, tmp_path, options=["--partition=bad"])
    with pytest.raises(InvdesignError, match=r"sbatch .* failed: sbatch: error: invalid partition"):
        executor.submit([Call("C00001", "a")])


def test_without_a_scheduler_or_a_folder_it_says_what_to_choose(
    oracles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvdesignError, match="squeue cannot be run"):
        place(oracles, tmp_path).submit([Call("C00001", "a")])
    with pytest.raises(InvdesignError, match="expected the folder of a run"):
        SlurmArray(OracleSetup(oracles.length))


def test_functions_and_records_are_described_by_name_and_rebuilt(oracles: Any) -> None:
    bound = partial(oracles.two, scale=3.0)
    for value in (bound, Grid(), (1, 2.5, None, True, "a"), [Path("/a/b")], {"x": frozenset({1})}, math.inf):
        again = restore(describe(value))
        if isinstance(value, partial):
            assert (again.func, again.keywords) == (value.func, value.keywords)
        else:
            assert again == value
    for unnamed in (lambda designs: [0.0], partial(oracles.two, scale=Words()), Words()):
        with pytest.raises(InvdesignError, match="import by name"):
            describe(unnamed)
    with pytest.raises(InvdesignError, match="cannot be imported"):
        restore({"name": "strange_oracles:nothing"})
