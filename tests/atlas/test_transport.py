from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.transport import barycentre, distance, match
from invdesign.core import InvdesignError

DRAW = np.random.default_rng(0)


def test_pairs_are_matched_with_the_least_total_distance_and_move_evenly() -> None:
    A = DRAW.normal(size=(40, 3))
    B = (A + np.array([5.0, 0, 0]))[DRAW.permutation(40)]
    path = match(A, B)
    assert np.allclose(path.last - path.first, [5.0, 0, 0])
    assert distance(path.evaluate(0.0), A) == pytest.approx(0, abs=1e-6)
    for t in (0.25, 0.5, 1.0):
        assert distance(A, path.evaluate(t)) == pytest.approx(5 * t, rel=1e-6)
        assert distance(B, path.evaluate(t)) == pytest.approx(5 * (1 - t), rel=1e-6, abs=1e-6)


def test_great_circles_keep_the_length_that_lines_lose() -> None:
    A, B = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert np.linalg.norm(match(A, B).evaluate(0.5)) == pytest.approx(0.5**0.5)
    assert np.linalg.norm(match(A, B, shape="spherical").evaluate(0.5)) == pytest.approx(1.0)


def test_outliers_stay_unmatched() -> None:
    A = np.concatenate([DRAW.normal(size=(38, 2)), [[100.0, 100.0], [-90.0, 100.0]]])
    B = DRAW.normal(size=(40, 2)) + 3
    path = match(A, B, outliers=0.05)
    assert len(path.rows) == 38 and path.rows[:, 0].max() < 38
    assert len(match(A, B).rows) == 40


def test_populations_of_different_sizes_are_matched_and_empty_ones_refused() -> None:
    path = match(DRAW.normal(size=(30, 2)), DRAW.normal(size=(20, 2)))
    assert set(path.rows[:, 0]) == set(range(30)) and set(path.rows[:, 1]) == set(range(20))
    with pytest.raises(InvdesignError, match="expected designs in both"):
        match(np.zeros((0, 2)), np.zeros((3, 2)))


def test_the_barycentre_lies_between_the_populations() -> None:
    A = DRAW.normal(size=(50, 2))
    middle = barycentre([A, A + np.array([8.0, 0]), A + np.array([4.0, 6.0])], n=30)
    assert middle.shape == (30, 2) and np.allclose(middle.mean(0), A.mean(0) + np.array([4.0, 2.0]), atol=0.5)
