from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from invdesign.campaign.calibration import calibrate
from invdesign.campaign.state import Calibration, RoundRecord, State
from invdesign.core import Candidate, Objective
from invdesign.surrogate import SurrogateReport

OBJECTIVES = (Objective("affinity"), Objective("mass", goal=(300.0, 400.0)))
REPORT = SurrogateReport("leave-one-out", 30, sd_factor=(2.0, 3.0))


def outcomes(n: int, number: int, *, true_sd: float, stated_sd: float) -> list[Candidate[str]]:
    errors = true_sd * np.random.default_rng(number).normal(size=n)
    return [
        Candidate(
            f"{number}-{i}",
            f"{number}-{i}",
            torch.zeros(2),
            round=number,
            mean=(1.0, math.nan),
            sd=(stated_sd, math.nan),
            y=(1.0 + error, 350.0),
            status="measured",
        )
        for i, error in enumerate(errors)
    ]


def test_the_cross_validation_decides_before_there_are_outcomes() -> None:
    found = calibrate(State(), OBJECTIVES, REPORT)
    assert (found.factors, found.bases) == ((2.0, 1.0), ("cross-validation", "none"))
    assert calibrate(State(), OBJECTIVES, None).bases == ("none", "none")
    combined = replace(REPORT, sd_factor=(2.0,))
    assert calibrate(State(), OBJECTIVES, combined).factors == (1.0, 1.0)


def test_outcomes_decide_where_there_are_enough_and_earlier_factors_are_undone() -> None:
    records = (RoundRecord(1), RoundRecord(2, calibration=Calibration((2.0, 1.0), ("outcomes", "none"))))
    first = outcomes(150, 1, true_sd=2.0, stated_sd=1.0)
    second = outcomes(150, 2, true_sd=2.0, stated_sd=2.0)
    found = calibrate(State((*first, *second), records=records), OBJECTIVES, REPORT)
    assert found.bases == ("outcomes", "none")
    assert found.factors[0] == pytest.approx(2.0, rel=0.15)
    late = calibrate(State(tuple(second), records=records), OBJECTIVES, REPORT)
    assert late.coverage_90[0] == pytest.approx(0.9, abs=0.05) and math.isnan(late.coverage_90[1])
    assert late.factors[0] == pytest.approx(2.0, rel=0.15), "intervals that hold because of a factor keep it"
