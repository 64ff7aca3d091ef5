"""Retrospective search: the better coordinates find better designs."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.retrospective import N_SELECTED, best_after_budget, share_of_way


def test_a_search_finds_more_on_coordinates_that_follow_the_values() -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 6))
    y = 2 * X[:, 0] - X[:, 1] + 0.1 * draw.normal(size=200)
    assert best_after_budget(X, y) > 0.85 > best_after_budget(draw.normal(size=(200, 6)), y)
    assert best_after_budget(X, y) == best_after_budget(X, y)


def test_the_figure_is_a_share_of_the_way_from_the_median_to_the_best() -> None:
    y = np.array([0.0, 1.0, 2.0, 3.0, 6.0])
    assert share_of_way(6.0, y) == 1 and share_of_way(4.0, y) == 0.5 and share_of_way(0.0, y) == 0
    assert share_of_way(1.0, np.ones(5)) == 1


def test_too_few_designs_are_refused() -> None:
    with pytest.raises(ValueError, match="expected more than"):
        best_after_budget(np.zeros((N_SELECTED, 2)), np.zeros(N_SELECTED))
