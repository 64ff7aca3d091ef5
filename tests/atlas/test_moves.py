"""Moves of a design along directions: straight, and as a chain of hops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import toy

from invdesign.atlas.directions import fit_direction
from invdesign.atlas.moves import Goal, chain, move, nearest
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
    return [Goal(along_x, right, first), Goal(along_y, up, second)]


def test_two_directions_add() -> None:
    steps = move(SPACE, (2, 3), goals(8, -6), n_steps=9, others={"sum": lambda p: first(p) + second(p)})
    assert steps[0].design == (2, 3) and steps[0].values == {"x": 2, "y": 3, "sum": 5}
    found = nearest(steps)
    assert found.fraction == pytest.approx(1) and found.design == (10, -3)
    assert found.miss < 0.1


def test_a_chain_arrives_where_it_is_asked_to() -> None:
    steps = chain(SPACE, (2, 3), goals(12, -6), n_hops=6)
    assert len(steps) == 7 and steps[0].design == (2, 3)
    assert steps[-1].values["x"] > steps[0].values["x"] and steps[-1].values["y"] < steps[0].values["y"]
    assert nearest(steps).miss < 0.5
    assert [step.design for step in steps] == [step.design for step in chain(SPACE, (2, 3), goals(12, -6), n_hops=6)]


def test_a_straight_step_that_decodes_to_the_design_itself_is_lengthened() -> None:
    steps = move(SPACE, (2, 3), goals(0.4, 1e-9), n_steps=5)
    assert [step.fraction for step in steps] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [step.factor for step in steps] == [1.0, 1.73, 1.44, 1.0, 1.0]
    assert [step.design for step in steps] == [(2, 3), (2, 3), (3, 3), (3, 3), (3, 3)]


def test_a_step_that_decodes_to_nothing_is_listed_and_never_the_nearest() -> None:
    steps = move(SPACE, (28, 0), goals(20, 1), n_steps=5)
    assert steps[-1].design is None and np.isinf(steps[-1].miss)
    assert nearest(steps).design is not None
