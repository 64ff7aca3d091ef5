"""Stated intervals contain what they promise, also where residuals are skewed or heavy-tailed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from invdesign.surrogate.calibration import (
    LEVELS,
    SCORES,
    adapt_levels,
    coverage,
    normal_scores,
    recalibrate,
    residual_quantiles,
)

Draw = Callable[[np.random.Generator], np.ndarray]
DISTRIBUTIONS: dict[str, Draw] = {
    "too narrow": lambda rng: 2.5 * rng.normal(size=800),
    "too wide": lambda rng: 0.4 * rng.normal(size=800),
    "skewed": lambda rng: rng.exponential(2, size=800) - 1,
    "heavy tails": lambda rng: 0.5 * rng.standard_t(2, size=800),
    "biased": lambda rng: rng.normal(1.5, 1, size=800),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_intervals_hold_for_later_residuals_of_any_distribution(name: str) -> None:
    errors = DISTRIBUTIONS[name](np.random.default_rng(0))
    found = residual_quantiles(errors[:400])
    inside_50, inside_90 = coverage(errors[400:], found)
    assert abs(inside_50 - 0.5) < 0.06 and abs(inside_90 - 0.9) < 0.04
    below, above = (errors[400:] < found[0]).mean(), (errors[400:] > found[-1]).mean()
    assert max(abs(below - 0.05), abs(above - 0.05)) < 0.035, "each end by itself"


def test_right_intervals_are_left_alone_and_few_residuals_change_little() -> None:
    assert residual_quantiles(norm.ppf((np.arange(400) + 0.5) / 400)) == SCORES
    assert residual_quantiles(np.zeros(0)) == SCORES and math.isnan(coverage(np.array([np.nan]))[1])
    wild = 5 * np.random.default_rng(2).normal(size=400)
    median_widths = [found[3] - found[1] for found in (residual_quantiles(wild[:n]) for n in (3, 50, 400))]
    assert SCORES[3] - SCORES[1] < median_widths[0] < median_widths[1] < median_widths[2]


def test_residuals_that_are_all_alike_keep_an_interval() -> None:
    found = residual_quantiles(np.full(1000, 0.3))
    assert all(a < b for a, b in itertools.pairwise(found))


@given(
    widths=st.lists(st.floats(0.01, 5), min_size=4, max_size=4),
    middle=st.floats(-3, 3),
    score=st.floats(-6, 6),
)
def test_scores_of_recalibrated_residuals_are_the_scores(widths: list[float], middle: float, score: float) -> None:
    quantiles = tuple((middle + np.cumsum([0.0, *widths]) - widths[0] - widths[1]).tolist())
    residual = recalibrate(np.array([score]), quantiles)
    assert normal_scores(residual, quantiles)[0] == pytest.approx(score, abs=1e-6)
    assert recalibrate(np.array(SCORES), quantiles).tolist() == pytest.approx(list(quantiles))
    assert len(LEVELS) == len(SCORES)


def test_levels_that_hold_stay_and_others_move_against_their_error() -> None:
    nominal = np.array(LEVELS)
    assert adapt_levels([], []).tolist() == list(LEVELS)
    assert adapt_levels([nominal] * 5, [20] * 5).tolist() == pytest.approx(list(LEVELS))
    wide = np.array([0.0, 0.05, 0.5, 0.95, 1.0])
    once, few = adapt_levels([wide], [20]), adapt_levels([wide], [5])
    assert np.abs(few - nominal).tolist() == pytest.approx((np.abs(once - nominal) / 4).tolist())
    often = adapt_levels([wide] * 50, [20] * 50)
    assert (np.diff(often) >= 0).all() and often.min() >= 0.005 and often.max() <= 0.995
