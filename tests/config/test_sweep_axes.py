"""Axes of a sweep: lists, ranges, choices and globs, and launchers by name."""

import pytest

from invdesign.config.sweep_axes import Launcher, axes, combinations, split_launcher
from invdesign.core import InvdesignError


def test_a_sweep_is_the_product_of_its_lists() -> None:
    assert combinations(axes(["seed=0,1", "search=random,thompson", "budget=5"])) == [
        ["seed=0", "search=random", "budget=5"],
        ["seed=0", "search=thompson", "budget=5"],
        ["seed=1", "search=random", "budget=5"],
        ["seed=1", "search=thompson", "budget=5"],
    ]


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("seed=range(0,3)", ["0", "1", "2"]),
        ("batch=choice(5,10)", ["5", "10"]),
        ("search.acquire.beta=[1,4],[2]", ["[1,4]", "[2]"]),
        ("search=glob(t*,exclude=trust*)", ["thompson"]),
    ],
)
def test_the_grammar_is_that_of_hydra(override: str, values: list[str]) -> None:
    (axis,) = axes([override])
    assert [choice.partition("=")[2] for choice in axis.choices] == values


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batch=interval(1,5)", "invdesign tune"),
        ("search=glob(nothing*)", "no choice of 'search' matches"),
        ("hydra.run.dir=x", "Hydra itself is not configured here"),
        ("hydra/launcher=x", "Hydra itself is not configured here"),
    ],
)
def test_what_is_no_axis_is_refused(override: str, message: str) -> None:
    with pytest.raises(InvdesignError, match=message):
        axes([override])


def test_a_launcher_is_chosen_by_name_and_nothing_else_of_hydra_is() -> None:
    given = ["hydra/launcher=submitit_slurm", "hydra.launcher.mem_gb=16", "seed=0,1", "hydra/sweeper=basic"]
    assert split_launcher(given) == (["seed=0,1"], Launcher("submitit_slurm", {"mem_gb": 16}))
    with pytest.raises(InvdesignError, match="invdesign tune"):
        split_launcher(["hydra/sweeper=optuna"])
    for refused in ("hydra.launcher._target_.x=os.system", "hydra.job.name=x", "hydra/launcher=../x"):
        own, launcher = split_launcher([refused])
        assert own == [refused] and launcher == Launcher()
