from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from invdesign.surrogate.calibration import coverage, sd_factor


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_too_narrow_and_too_wide_intervals_are_corrected_for_later_outcomes(factor: float) -> None:
    errors = factor * np.random.default_rng(0).normal(size=800)
    found = sd_factor(errors[:400])
    inside_50, inside_90 = coverage(errors[400:], found)
    assert abs(inside_50 - 0.5) < 0.06 and abs(inside_90 - 0.9) < 0.04


def test_right_intervals_are_left_alone_and_few_errors_change_little() -> None:
    assert sd_factor(norm.ppf((np.arange(400) + 0.5) / 400)) == 1.0
    assert sd_factor(np.zeros(0)) == 1.0 and math.isnan(coverage(np.array([np.nan]))[1])
    wild = 5 * np.random.default_rng(2).normal(size=400)
    assert 1 < sd_factor(wild[:5]) < sd_factor(wild[:50]) < 5.5
