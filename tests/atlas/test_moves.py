"""Moves of a design along directions: single ones, and a chain of hops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import toy

from invdesign.atlas.decodings import ChangeModel, decode_around, fit_change_model
from invdesign.atlas.directions import Direction, Measure, fit_direction, ridge_gradient
from invdesign.atlas.dose_response import measure_decodings
from invdesign.atlas.moves import Goal, chain, choose, decode_towards, move, nearest
from invdesign.core import Array

SPACE = toy.engine(toy.campaign()).latent_space
DESIGNS = toy.corpus(200).designs


def first(points: Sequence[tuple[int, int]]) -> Array:
    return np.array([float(point[0]) for point in points])


def second(points: Sequence[tuple[int, int]]) -> Array:
    return np.array([float(point[1]) for point in points])


def goals(right: float, up: float) -> list[Goal]:
    Z = SPACE.encode(DESIGNS).numpy()
    x, y = first(DESIGNS), second(DESIGNS)
    along_x = fit_direction("x", Z, x, nuisances={"y": y})
    along_y = fit_direction("y", Z, y, nuisances={"x": x})
    models = [model(along_x, first), model(along_y, second)]
    return [Goal(along_x, right, first, models[0]), Goal(along_y, up, second, models[1])]


def model(direction: Direction, measure: Measure) -> ChangeModel:
    given = DESIGNS[:40]
    starts, before = SPACE.encode(given).numpy(), measure(given)
    side = decode_around(SPACE, starts, given, [direction], [1.0])
    gradient = ridge_gradient(SPACE.encode(DESIGNS).numpy(), measure(DESIGNS))
    return fit_change_model(direction, gradient, before, side, measure_decodings(side, before, measure))


def test_two_directions_add() -> None:
    steps = move(SPACE, (2, 3), goals(8, -6), n_steps=9, others={"sum": lambda p: first(p) + second(p)})
    assert steps[0].design == (2, 3) and steps[0].values == {"x": 2, "y": 3, "sum": 5}
    found = nearest(steps)
    assert 0.75 <= found.fraction <= 1.25 and found.miss < 0.5
    assert found.values["x"] > 6 and found.values["y"] < 0


def test_a_chain_arrives_where_it_is_asked_to() -> None:
    steps = chain(SPACE, (2, 3), goals(12, -6), n_hops=6)
    assert len(steps) == 7 and steps[0].design == (2, 3)
    assert steps[-1].values["x"] > steps[0].values["x"] and steps[-1].values["y"] < steps[0].values["y"]
    assert nearest(steps).miss < 0.5
    assert [step.design for step in steps] == [step.design for step in chain(SPACE, (2, 3), goals(12, -6), n_hops=6)]


def test_several_designs_are_moved_at_once_as_each_of_them_alone() -> None:
    asked, designs = goals(5, -5), [(2, 3), (0, 0), (-4, 2)]
    decodings, before = decode_towards(designs, SPACE, asked)
    together = choose(decodings, asked, before)
    assert all(x is not None and x[0] > d[0] and x[1] < d[1] for x, d in zip(together, designs, strict=True))


def test_the_points_that_are_asked_for_are_among_those_that_are_decoded() -> None:
    steps = move(SPACE, (2, 3), goals(5, 1e-9), n_steps=3)
    assert [step.fraction for step in steps] == [0.0, 1.0, 2.0]
    assert steps[1].values["x"] == pytest.approx(7, abs=1) and steps[2].values["x"] == pytest.approx(12, abs=1)


def test_a_step_that_decodes_to_nothing_is_listed_and_never_the_nearest() -> None:
    steps = move(SPACE, (29, 0), goals(200, 1), n_steps=5)
    assert nearest(steps).design is not None
    lost = [step for step in steps if step.design is None]
    assert all(np.isinf(step.miss) for step in lost)
