"""Utilities, desirabilities, and goals that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError, Objective
from invdesign.core.objectives import utilities


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        ("maximize", [-1.0, 0.5, 3.0]),
        ("minimize", [1.0, -0.5, -3.0]),
        (0.5, [-1.5, 0.0, -2.5]),
        ((0.0, 1.0), [-1.0, 0.0, -2.0]),
    ],
)
def test_more_utility_is_better_whatever_the_goal(goal: Any, expected: list[float]) -> None:
    y = np.array([-1.0, 0.5, 3.0])
    assert np.allclose(Objective("y", goal=goal).utility(y), expected)
    assert torch.allclose(Objective("y", goal=goal).utility(torch.from_numpy(y)), torch.tensor(expected).double())


def test_desirability_is_0_at_the_worst_and_1_at_the_best_value() -> None:
    y = np.array([0.0, 2.0, 3.0, 4.0, 9.0])
    assert Objective("y", worst=2.0, best=4.0).desirability(y).tolist() == [0, 0, 0.5, 1, 1]
    assert Objective("y", goal="minimize", worst=4.0, best=2.0).desirability(y).tolist() == [1, 1, 0.5, 0, 0]
    assert Objective("y", goal=3.0, worst=2.0).desirability(y).tolist() == [0, 0.5, 1, 0.5, 0]
    assert Objective("y", goal=(2.0, 3.0), worst=2.0).desirability(y).tolist() == [0, 1, 1, 0.5, 0]


def test_a_geometric_combination_is_the_weighted_geometric_mean_of_desirabilities() -> None:
    objectives = [Objective("a", worst=0.0, best=1.0, weight=3.0), Objective("b", worst=0.0, best=1.0)]
    Y = np.array([[0.5, 0.25], [1.0, 0.0], [np.nan, 1.0]])
    U = utilities(objectives, Y, combine="geometric")
    assert U.shape == (3, 1)
    assert U[0, 0] == pytest.approx(0.5**0.75 * 0.25**0.25) and U[1, 0] == 0 and np.isnan(U[2, 0])


@pytest.mark.parametrize(
    "objective", [Objective("y", worst=0.0), Objective("y", goal=3.0), Objective("y", goal=(1, 2))]
)
def test_a_desirability_without_its_scale_is_refused(objective: Objective) -> None:
    with pytest.raises(InvdesignError, match="objective 'y': combine='geometric' needs worst"):
        objective.desirability(np.zeros(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"goal": "max"}, "goal must be 'maximize', 'minimize', 'measure', a number or a window"),
        ({"goal": (2.0, 1.0)}, "low < high"),
        ({"goal": float("nan")}, "the target must be finite"),
        ({"weight": 0.0}, "weight must be positive"),
    ],
)
def test_an_invalid_objective_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvdesignError, match=message):
        Objective("y", **settings)


@pytest.mark.parametrize(
    ("goal", "inside", "outside", "distance"), [((None, 3), 2.0, 4.0, -1.0), ((1, None), 5.0, 0.5, -0.5)]
)
def test_a_window_may_be_open_on_one_side(goal, inside, outside, distance):
    objective = Objective("logp", goal=goal)
    assert objective.utility(np.array([inside, outside])).tolist() == [0.0, distance]
    assert objective.is_inside(inside) and not objective.is_inside(outside)


def test_an_infinite_side_is_open():
    assert Objective("logp", goal=(float("-inf"), 3)).goal == (None, 3.0)


@pytest.mark.parametrize("goal", [(None, None), (3, 1), (2, 2), (1, 2, 3)])
def test_a_window_that_is_none_is_refused(goal):
    with pytest.raises(InvdesignError, match="window"):
        Objective("logp", goal=goal)


def test_every_value_lies_inside_a_goal_that_is_no_window():
    assert Objective("logp").is_inside(1.0)
