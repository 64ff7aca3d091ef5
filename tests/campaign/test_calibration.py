from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from invdesign.campaign.calibration import calibrate, latest_scores
from invdesign.campaign.state import Calibration, RoundRecord, State
from invdesign.core import Candidate, Objective
from invdesign.core.intervals import QUANTILE_SCORES
from invdesign.surrogate import SurrogateReport
from invdesign.surrogate.calibration import SCORES, recalibrate

OBJECTIVES = (Objective("affinity"), Objective("mass", goal=(300.0, 400.0)))
SKEWED = (-1.0, -0.5, 0.0, 1.0, 3.0)
REPORT = SurrogateReport("leave-one-out", 30, residual_quantiles=(SKEWED, SCORES))


def outcomes(
    n: int,
    number: int,
    *,
    true_sd: float,
    stated: tuple[float, ...] = SCORES,
    to_property: Callable[[np.ndarray], np.ndarray] = lambda w: w,
) -> list[Candidate[str]]:
    """Return designs of a round with the residuals of a surrogate that states an sd of 1 on its scale."""
    errors = true_sd * np.random.default_rng(number).normal(size=n)
    quantiles = tuple(to_property(1 + recalibrate(np.array(QUANTILE_SCORES), stated)).tolist())
    return [
        Candidate(
            f"{number}-{i}",
            f"{number}-{i}",
            torch.zeros(2),
            round=number,
            mean=(float(to_property(np.ones(1))[0]), math.nan),
            sd=(1.0, math.nan),
            quantiles=(quantiles, (math.nan,) * len(quantiles)),
            y=(float(to_property(1 + error)), 350.0),
            status="measured",
        )
        for i, error in enumerate(errors)
    ]


def test_the_cross_validation_decides_before_there_are_outcomes() -> None:
    found = calibrate(State(), OBJECTIVES, REPORT)
    assert (found.residual_quantiles, found.bases) == ((SKEWED, SCORES), ("cross-validation", "none"))
    assert calibrate(State(), OBJECTIVES, None).bases == ("none", "none")
    combined = replace(REPORT, residual_quantiles=(SKEWED,))
    assert calibrate(State(), OBJECTIVES, combined).residual_quantiles == (SCORES, SCORES)


def test_the_interval_of_a_minimized_property_is_skewed_the_other_way() -> None:
    minimized = (replace(OBJECTIVES[0], goal="minimize"), OBJECTIVES[1])
    assert calibrate(State(), minimized, REPORT).residual_quantiles[0] == (-3.0, -1.0, -0.0, 0.5, 1.0)


def test_outcomes_decide_where_there_are_enough_and_earlier_corrections_are_undone() -> None:
    wide = tuple(2 * score for score in SCORES)
    records = (RoundRecord(1), RoundRecord(2, calibration=Calibration((wide, SCORES), ("outcomes", "none"))))
    first = outcomes(150, 1, true_sd=2.0)
    second = outcomes(150, 2, true_sd=2.0, stated=wide)
    found = calibrate(State((*first, *second), records=records), OBJECTIVES, REPORT)
    assert found.bases == ("outcomes", "none")
    assert found.residual_quantiles[0] == pytest.approx(wide, abs=0.7)
    late = calibrate(State(tuple(second), records=records), OBJECTIVES, REPORT)
    assert late.coverage_90[0] == pytest.approx(0.9, abs=0.05) and math.isnan(late.coverage_90[1])
    assert late.residual_quantiles[0] == pytest.approx(wide, abs=0.7), "intervals that hold by a correction keep it"


def test_residuals_are_those_before_the_outcome_transform_is_undone() -> None:
    plain = outcomes(100, 1, true_sd=2.0)
    transformed = outcomes(100, 1, true_sd=2.0, to_property=np.exp)
    found, other = (calibrate(State(tuple(own)), OBJECTIVES, None) for own in (plain, transformed))
    assert found.coverage_90 == pytest.approx(other.coverage_90, nan_ok=True)
    assert found.residual_quantiles[0][1:4] == pytest.approx(other.residual_quantiles[0][1:4], abs=0.15)


def test_a_prediction_without_quantiles_is_taken_as_normal() -> None:
    old = [replace(c, quantiles=()) for c in outcomes(3, 1, true_sd=1.0)]
    expected = [c.y[0] - c.mean[0] for c in old]
    assert [score for _, score in latest_scores(old, 0)] == pytest.approx(expected)
    assert latest_scores([*old, replace(old[0], mean=(), sd=())], 0)[-1][0] is old[-1]


def run_rounds(sds: list[float]) -> list[tuple[float, ...]]:
    """Return the quantiles that each round states, where the residuals of the rounds have these standard deviations."""
    known: list[Candidate[str]] = []
    records: list[RoundRecord] = []
    stated = []
    for number, sd in enumerate(sds, 1):
        found = calibrate(State(tuple(known), records=tuple(records)), OBJECTIVES, None)
        records.append(RoundRecord(number, calibration=found))
        stated.append(found.residual_quantiles[0])
        known += outcomes(40, number, true_sd=sd, stated=stated[-1])
    return stated


def test_intervals_follow_residuals_that_shrink_from_round_to_round() -> None:
    sds = [2.0 * 0.8**k for k in range(12)]
    stated = run_rounds(sds)
    inside = [math.erf(q[3] / sd / math.sqrt(2)) for q, sd in zip(stated, sds, strict=True)]
    assert 0.35 < np.mean(inside[4:]) < 0.65
    residuals = [sd * np.random.default_rng(number).normal(size=40) for number, sd in enumerate(sds, 1)]
    earlier = [float(np.quantile(np.concatenate(residuals[:k]), 0.75)) for k in range(4, len(sds))]
    without = [math.erf(upper / sd / math.sqrt(2)) for upper, sd in zip(earlier, sds[4:], strict=True)]
    assert np.mean(without) > 0.7


def test_intervals_that_hold_are_hardly_moved() -> None:
    last = run_rounds([1.0] * 12)[-1]
    assert last == pytest.approx(SCORES, abs=0.5)
