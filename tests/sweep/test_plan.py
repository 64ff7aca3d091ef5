"""The plan of a sweep: its jobs, its seeds, and what is refused before anything runs."""

from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.sweep.plan import Source, make_plan

EHRLICH = Source("ehrlich")


def test_every_setting_is_repeated_with_every_seed() -> None:
    plan = make_plan(EHRLICH, ["search.acquire.beta=1,4", "budget=150"], n_seeds=2)
    jobs = plan.jobs()
    assert plan.name == "ehrlich" and plan.settings == ("search.acquire.beta",)
    assert [(job.setting["search.acquire.beta"], job.seed) for job in jobs] == [("1", 0), ("1", 1), ("4", 0), ("4", 1)]
    assert jobs[1].overrides == ("search.acquire.beta=1", "budget=150", "seed=1")
    assert jobs[0].label == "search.acquire.beta=1"


def test_a_plan_is_recognized_by_its_content(tmp_path: Path) -> None:
    given = ["search.acquire.beta=1,4"]
    assert make_plan(EHRLICH, given).digest == make_plan(EHRLICH, given).digest
    assert make_plan(EHRLICH, given).digest != make_plan(EHRLICH, ["search.acquire.beta=1,5"]).digest
    assert make_plan(EHRLICH, given).digest != make_plan(EHRLICH, given, n_seeds=2).digest
    mine = tmp_path / "ehrlich.yaml"
    mine.write_text("defaults: [base: sequences, {override oracle: sequences/ehrlich}, _self_]\n")
    before = make_plan(Source(str(mine)), ["seed=0,1"]).digest
    mine.write_text(mine.read_text() + "budget: 7\n")
    assert make_plan(Source(str(mine)), ["seed=0,1"]).digest != before


@pytest.mark.parametrize(
    ("overrides", "n_seeds", "message"),
    [
        (["search.acquire.beta=1,x"], None, "beta"),
        (["search=random,nothing"], None, "no choice 'nothing'"),
        (["seed=0,1"], 3, "expected --seeds or seed="),
        ([], 0, "--seeds must be from 1"),
        (["seed=range(0,100000)", "batch=5,6"], None, "at most 100,000 jobs"),
        (["batch=5,6", "batch=7"], None, "got it twice"),
    ],
)
def test_a_plan_that_cannot_run_is_refused(overrides: list[str], n_seeds: int | None, message: str) -> None:
    with pytest.raises(InvdesignError, match=message):
        make_plan(EHRLICH, overrides, n_seeds=n_seeds)
