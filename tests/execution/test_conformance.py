"""What every place where oracles run keeps: ten designs, four of them bad in four ways, and a campaign that goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign.campaign import initialize, run, start
from invdesign.core import Call, Corpus, Executor, MakeExecutor, OracleSetup, Outcome
from invdesign.execution.concurrent import Concurrent
from invdesign.execution.in_process import InProcess
from invdesign.execution.process_pool import ProcessPool
from invdesign.execution.ray_actors import RayActors
from invdesign.execution.slurm_array import SlurmArray
from invdesign.search.search import Search

TIMEOUT = 1.0
Reason = Callable[[str], bool]
EXPECTED = {
    6: ("failed", "ValueError: no such thing"),
    7: ("invalid", "not finite: value 1 is nan"),
    8: ("crashed", ""),
    9: ("timeout", "stopped after "),
}
"""Status and start of the reason of the bad designs, by their x."""


def processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(max_workers=2)


PLACES: dict[str, MakeExecutor] = {
    "process_pool": partial(ProcessPool, workers=2, timeout=TIMEOUT),
    "process_pool in chunks": partial(ProcessPool, workers=2, timeout=TIMEOUT, chunk=4),
    "concurrent.futures": partial(Concurrent, make=processes, timeout=TIMEOUT),
    "ray": partial(RayActors, workers=2, timeout=TIMEOUT),
    "slurm_array": partial(SlurmArray, timeout=TIMEOUT, chunk=5, seconds_between_looks=0.5),
}
"""Places that separate the campaign from its oracle."""
SHARED: dict[str, MakeExecutor] = {
    "in_process": InProcess,
    "threads": partial(Concurrent, make=partial(ThreadPoolExecutor, max_workers=2), timeout=TIMEOUT),
}
"""Places in the process of the campaign, which a crash or a hang of the oracle is one of the campaign."""


def campaign(n: int, oracle: Any) -> Any:
    corpus = Corpus(tuple((x, 0) for x in range(n)), name="axis", sha256="0")
    search = Search(acquire=None, trust_region=None, oversample=4)
    return corpus, toy.campaign(
        oracle=oracle, corpus=lambda: corpus, n_seeds=n, budget=n + 4, batch=2, search=search, max_failure_rate=0.9
    )


def outcomes_of(place: MakeExecutor, oracle: Any, n: int, folder: Path) -> dict[int, Any]:
    """Run a campaign of `n` seed designs and two rounds, and return its seed designs by x."""
    corpus, parts = campaign(n, oracle)
    engine = toy.engine(parts)
    state = run(engine, start(engine, initialize(engine, corpus)), executor=place, folder=folder)
    assert state.n_calls == n + 4 and not state.open and not state.leases and state.n_leases == n + 4
    later = [c for c in state.history if c.round > 0]
    assert len(later) == 4 and all(c.y == (float(sum(c.design)),) for c in later)
    return {c.design[0]: c for c in state.history if c.round == 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLACES)
def test_six_answer_one_raises_one_is_nan_one_crashes_one_hangs_and_the_campaign_goes_on(
    name: str, oracles: Any, tmp_path: Path, scheduler: Path
) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    found = outcomes_of(PLACES[name], oracles.point, 10, tmp_path)
    check(found)
    assert any(word in found[8].reason for word in ("SIGKILL", "broke", "died"))


@pytest.mark.parametrize("name", SHARED)
def test_places_without_isolation_keep_it_for_designs_that_raise_or_are_nan(
    name: str, oracles: Any, tmp_path: Path
) -> None:
    check(outcomes_of(SHARED[name], oracles.point, 8, tmp_path))


def check(found: dict[int, Any]) -> None:
    for x, c in found.items():
        status, reason = EXPECTED.get(x, ("measured", ""))
        assert (c.status, c.reason[: len(reason)]) == (status, reason), c
        assert status != "measured" or c.y == (float(x),)


@pytest.mark.parametrize("place", [*SHARED.values(), PLACES["process_pool"]])
def test_a_place_is_an_executor_that_forgets_what_is_cancelled_and_can_be_closed_twice(
    place: MakeExecutor, oracles: Any
) -> None:

    executor: Executor = place(OracleSetup(oracles.length, 1))
    assert executor.poll(0.01) == [] and executor.name and executor.capacity is None and not executor.is_durable
    executor.submit([Call("C1", "a"), Call("C2", "bb")])
    executor.cancel({"C2"})
    found: list[tuple[str, Outcome]] = []
    while not found:
        found = executor.poll(1.0)
    assert [(call, outcome.y) for call, outcome in found] == [("C1", (1.0,))]
    assert executor.poll(0.05) == []
    executor.close()
    executor.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its watchers running
def test_a_local_executor_of_submitit_measures_and_reports_errors_crashes_and_time_outs(
    oracles: Any, tmp_path: Path
) -> None:
    submitit = pytest.importorskip("submitit", reason="needs the extra sweep")
    make = partial(submitit.LocalExecutor, folder=tmp_path / "jobs")
    executor: Executor = Concurrent(OracleSetup(oracles.stranger, 1), make=make, timeout=20.0)
    executor.submit([Call(design, design) for design in ("four", "raise", "nan", "die", "hang")])
    found: dict[str, Outcome] = {}
    while len(found) < 5:
        found |= dict(executor.poll(1.0))
    executor.close()
    assert found["four"].y == (4.0,)
    assert {design: outcome.status for design, outcome in found.items()} == {
        "four": "measured",
        "raise": "failed",
        "nan": "invalid",
        "die": "crashed",
        "hang": "timeout",
    }
    assert found["raise"].reason == "ValueError: no such thing"
