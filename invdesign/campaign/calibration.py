"""Calibration of what a campaign states: past predictions against outcomes, or cross-validation of the surrogate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from invdesign.campaign.state import Calibration, State
from invdesign.core import Array, Candidate, D, Objective, improved_columns
from invdesign.surrogate import SurrogateReport
from invdesign.surrogate.calibration import coverage, sd_factor

MIN_OUTCOMES = 20
"""Outcomes of predicted designs from which these, and not the cross-validation, decide."""
MAX_OUTCOMES = 200
"""Latest outcomes that count."""


def calibrate(state: State[D], objectives: Sequence[Objective], report: SurrogateReport | None) -> Calibration:
    """Return the factors of the standard deviations that the next round states, and how well earlier ones held.

    The designs of a batch are chosen for their predictions, so that their errors are larger than those of a
    cross-validation. Where enough of them were measured their outcomes decide; before, the cross-validation does for
    properties that are maximized or minimized.

    Args:
        state: Its predicted and measured designs are compared.
        objectives: The `m` properties.
        report: Cross-validation of the surrogate of the round.
    """
    stated = _deviations(state.evaluated, len(objectives))
    by_round, plain = _factors_by_round(state, len(objectives)), (1.0,) * len(objectives)
    used = np.array([by_round.get(c.round, plain) for c in state.evaluated]).reshape(stated.shape)
    columns = {j: k for k, j in enumerate(improved_columns(objectives))}
    factors, bases, shares = [], [], []
    for j, objective in enumerate(objectives):
        known = np.isfinite(stated[:, j])
        own = stated[known, j][-MAX_OUTCOMES:]
        shares.append(coverage(own))
        if len(own) >= MIN_OUTCOMES:
            # What was stated contains earlier factors: the errors in units of the surrogate's own deviations count.
            factors.append(sd_factor(own * used[known, j][-MAX_OUTCOMES:]))
            bases.append("outcomes")
            continue
        factor = _validated_factor(objective, columns.get(j), report, len(columns))
        factors.append(1.0 if factor is None else factor)
        bases.append("none" if factor is None else "cross-validation")
    return Calibration(
        tuple(factors), tuple(bases), tuple(share[0] for share in shares), tuple(share[1] for share in shares)
    )


def _validated_factor(
    objective: Objective, column: int | None, report: SurrogateReport | None, n_columns: int
) -> float | None:
    """Return the factor by the cross-validation of a property's utility; None where that is not the property itself."""
    is_own = objective.goal in ("maximize", "minimize") and column is not None
    if not is_own or report is None or len(report.sd_factor) != n_columns:
        return None
    return report.sd_factor[column or 0]


def _deviations(evaluated: Sequence[Candidate[D]], m: int) -> Array:
    """Return `(measured - predicted) / sd` as stated, `n x m`; NaN where a design was not predicted or measured."""
    rows = [[(c.y[j] - c.mean[j]) / c.sd[j] if _is_compared(c, j) else math.nan for j in range(m)] for c in evaluated]
    return np.array(rows, dtype=np.float64).reshape(len(rows), m)


def _is_compared(candidate: Candidate[D], j: int) -> bool:
    is_measured = candidate.status == "measured" and j < len(candidate.y)
    return is_measured and j < len(candidate.mean) and j < len(candidate.sd) and candidate.sd[j] > 0


def _factors_by_round(state: State[D], m: int) -> dict[int, tuple[float, ...]]:
    """Return the factors with which rounds stated their predictions, by their numbers."""
    stated = {record.round: record.calibration.factors for record in state.records if record.calibration is not None}
    return {number: factors for number, factors in stated.items() if len(factors) == m}
