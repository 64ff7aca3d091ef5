"""Tuning: a better setting is found where there is one, and none is claimed where there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invdesign.config import compose, instantiate
from invdesign.config.search_space import Dimension
from invdesign.core import InvdesignError, silent
from invdesign.io.tables import read_table
from invdesign.sweep.plan import Source
from invdesign.sweep.trials import N_STEPS, TrialFailedError, Watch
from invdesign.sweep.tuned_campaign import write_tuned
from invdesign.sweep.tuning import Tuned, TunePlan, check_dimension, find_or_make, tune

pytest.importorskip("optuna")
BETA = Dimension("search.acquire.beta", 0.1, 10.0, is_log=True)


def plan(**changes: Any) -> TunePlan:
    return TunePlan("toy", Source("ehrlich"), ("budget=150",), (BETA,), **{"n_trials": 9, "n_held_out": 4, **changes})


class Hill:
    """Stands for runs: the value of a setting is highest at beta = 1, or the same everywhere."""

    def __init__(self, *, height: float = 1.0, noise: float = 0.05, n_objectives: int = 1) -> None:
        self.height, self.noise, self.n_objectives = height, noise, n_objectives
        self.calls: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Watch | None = None) -> list[list[float]]:
        beta = float(overrides[0].partition("=")[2]) if overrides else 8.0
        value = -self.height * np.log10(beta) ** 2
        with self.lock:
            self.calls += [(" ".join(overrides), seed) for seed in seeds]
        if watch is not None:
            for step in range(1, N_STEPS + 1):
                watch(step, value)
        draw = [np.random.default_rng([seed, len(overrides)]) for seed in seeds]
        return [[value + self.noise * d.normal(), -beta][: self.n_objectives] for d in draw]


def run(folder: Path, hill: Any, given: TunePlan, *, n_workers: int = 2) -> Tuned:
    folder.mkdir(exist_ok=True)
    return tune(given, folder, hill, n_workers=n_workers, first_seed=0, stop=threading.Event(), progress=silent)


def test_a_better_setting_is_found_and_compared_on_seeds_that_no_trial_used(tmp_path: Path) -> None:
    hill = Hill()
    found = run(tmp_path / "t", hill, plan())
    assert 0.3 < float(found.overrides[0].partition("=")[2]) < 3
    assert found.held_out["auc"].verdict == "better" and found.held_out["auc"].n == 4
    assert "is better than the campaign as it is" in found.statement
    assert found.n_trials == 9 and found.n_pruned >= 1, "asynchronous halving stops trials that fall behind"
    on_trials = {seed for overrides, seed in hill.calls if seed < 1000}
    assert on_trials == {0, 1} and {seed for _, seed in hill.calls} - on_trials == set(range(1000, 1004))
    facts = json.loads((tmp_path / "t" / "tune.json").read_text())
    assert facts["statement"] == found.statement and facts["overrides"] == list(found.overrides)
    trials = read_table(tmp_path / "t" / "trials.csv")
    assert len(trials["trial"]) == 9 and set(trials["state"]) == {"COMPLETE", "PRUNED"}


@pytest.mark.slow
def test_no_better_setting_is_claimed_where_there_is_none(tmp_path: Path) -> None:
    found = run(tmp_path / "t", Hill(height=0.0, noise=1.0), plan())
    assert found.held_out["auc"].verdict == "no difference shown"
    assert "no setting was shown to be better" in found.statement
    assert "No setting was shown to be better" in (tmp_path / "t" / "tuned.yaml").read_text()


@pytest.mark.slow
def test_a_tuning_that_was_stopped_goes_on_with_the_trials_that_it_has(tmp_path: Path) -> None:
    class Stopping(Hill):
        def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Any = None) -> list[list[float]]:
            if len(self.calls) > 10:
                raise KeyboardInterrupt
            return super().__call__(overrides, seeds, watch)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t", Stopping(), plan(is_pruned=False), n_workers=1)
    hill = Hill()
    found = run(tmp_path / "t", hill, plan(is_pruned=False))
    n_trials = len({overrides for overrides, seed in hill.calls if overrides and seed < 1000})
    assert found.n_trials == 9 and 2 < n_trials < 7
    again = Hill()
    assert run(tmp_path / "t", again, plan(is_pruned=False)).overrides == found.overrides
    assert not [overrides for overrides, seed in again.calls if overrides and seed < 1000]


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    class Failing(Hill):
        def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Any = None) -> list[list[float]]:
            if overrides and float(overrides[0].partition("=")[2]) > 2:
                raise TrialFailedError("no luck")
            return super().__call__(overrides, seeds, watch)

    found = run(tmp_path / "t", Failing(), plan())
    assert found.n_trials == 9 and float(found.overrides[0].partition("=")[2]) <= 2
    assert "no luck" in read_table(tmp_path / "t" / "trials.csv")["reason"]


def test_where_no_trial_has_a_value_the_reason_is_stated(tmp_path: Path) -> None:
    class Failing(Hill):
        def __call__(self, overrides: Sequence[str], seeds: Sequence[int], watch: Any = None) -> list[list[float]]:
            if overrides:
                raise TrialFailedError("no luck")
            return [[0.0]]

    with pytest.raises(InvdesignError, match=r"expected a trial with a value, got none of 3\. no luck"):
        run(tmp_path / "t", Failing(), plan(n_trials=3))


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    given = plan(objectives=("auc", "seconds"))
    found = run(tmp_path / "t", Hill(n_objectives=2), given)
    assert len(found.front) >= 2 and set(found.held_out) == {"auc", "seconds"} and not found.n_pruned


def test_the_same_plan_is_the_same_folder(tmp_path: Path) -> None:
    folder = find_or_make(tmp_path, plan(), {"budget": 1})
    assert find_or_make(tmp_path, plan(n_trials=99), {"budget": 1}) == folder, "more trials continue"
    assert find_or_make(tmp_path, plan(n_seeds=3), {"budget": 1}) != folder
    with pytest.raises(InvdesignError, match="expected an objective among elbo"):
        plan(stage="vae").directions()


@pytest.mark.parametrize(
    ("campaign", "overrides"),
    [
        ("ehrlich", ["search.acquire.beta=[1,4]", "batch=20"]),
        ("demo", ["search=thompson", "budget=70"]),
        ("demo", ["search/acquire=log_ei", "vae.epochs=3"]),
        (None, ["corpus.n=50"]),
    ],
)
def test_the_result_is_a_campaign_with_exactly_the_tuned_settings(
    campaign: str | None, overrides: list[str], tmp_path: Path
) -> None:
    path = write_tuned(Source(campaign), overrides, tmp_path / "tuned.yaml", comment=["found it"])
    tuned, wanted = compose.compose(str(path)), compose.compose(campaign, overrides)
    assert {**tuned.values, "name": ""} == {**wanted.values, "name": ""}
    instantiate.check(tuned.values, tuned.where)
    assert path.read_text().startswith("# found it\n")


def test_an_interval_of_a_setting_of_whole_numbers_has_only_those() -> None:
    ehrlich = Source("ehrlich")
    assert check_dimension(ehrlich, [], Dimension("search.generations", 1.0, 12.0)).is_int
    assert not check_dimension(ehrlich, [], Dimension("mutations.fraction", 0.0, 1.0)).is_int
    with pytest.raises(InvdesignError, match="generations"):
        check_dimension(ehrlich, [], Dimension("search.generations", 0.5, 12.0))


def test_a_block_in_the_campaign_is_no_setting_of_its_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [base: molecules, _self_]\ntune:\n  space: {batch: [5, 10]}\n  trials: 3\n")
    composed = compose.compose(str(file))
    assert composed.tune == {"space": {"batch": [5, 10]}, "trials": 3} and "tune" not in composed.values
    instantiate.check(composed.values, composed.where)
