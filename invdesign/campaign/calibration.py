"""Calibration of what a campaign states: past predictions against outcomes, or cross-validation of the surrogate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

import numpy as np

from invdesign.campaign.state import Calibration, State
from invdesign.core import Array, Candidate, D, Objective, improved_columns
from invdesign.core.intervals import QUANTILE_SCORES
from invdesign.surrogate import SurrogateReport
from invdesign.surrogate.calibration import SCORES, adapt_levels, coverage, recalibrate, residual_quantiles

MIN_OUTCOMES = 20
"""Outcomes of predicted designs from which these, and not the cross-validation, decide."""
MAX_OUTCOMES = 200
"""Latest outcomes that count."""


def calibrate(state: State[D], objectives: Sequence[Objective], report: SurrogateReport | None) -> Calibration:
    """Return the quantiles of the residuals that the next round states, and how well earlier intervals held.

    Residuals are those of the surrogate, after the outcome transform and in units of its standard deviations. The
    designs of a batch are chosen for their predictions, so that their errors are larger than those of a
    cross-validation. Where enough of them were measured their outcomes decide, at levels that follow from how the
    quantiles of each round held; before, the cross-validation does for properties that are maximized or minimized.

    Args:
        state: Its predicted and measured designs are compared.
        objectives: The `m` properties.
        report: Cross-validation of the surrogate of the round.
    """
    used = _quantiles_by_round(state, len(objectives))
    columns = {j: k for k, j in enumerate(improved_columns(objectives))}
    quantiles, bases, shares = [], [], []
    for j, objective in enumerate(objectives):
        known = latest_scores(state.evaluated, j)
        shares.append(coverage(np.array([score for _, score in known])))
        if len(known) >= MIN_OUTCOMES:
            # What was stated contains earlier corrections: the residuals of the surrogate itself count.
            own = [recalibrate(np.array([score]), _used(used, candidate, j)) for candidate, score in known]
            quantiles.append(residual_quantiles(np.concatenate(own), _adapted_levels(state, j)))
            bases.append("outcomes")
            continue
        validated = _validated_quantiles(objective, columns.get(j), report, len(columns))
        quantiles.append(validated or SCORES)
        bases.append("cross-validation" if validated else "none")
    return Calibration(
        tuple(quantiles), tuple(bases), tuple(share[0] for share in shares), tuple(share[1] for share in shares)
    )


def _adapted_levels(state: State[D], j: int) -> Array:
    """Return the levels of the quantiles of a property, by how those held that earlier outcomes had decided."""
    decided = {r.round for r in state.records if r.calibration and r.calibration.bases[j : j + 1] == ("outcomes",)}
    by_round: dict[int, list[float]] = {}
    for candidate, score in latest_scores(state.evaluated, j, n=len(state.evaluated)):
        if candidate.round in decided:
            by_round.setdefault(candidate.round, []).append(score)
    rounds = [np.array(by_round[number]) for number in sorted(by_round)]
    below = [(scores[:, None] < np.array(SCORES)).mean(0) for scores in rounds]
    return adapt_levels(below, [len(scores) for scores in rounds])


def latest_scores(
    evaluated: Sequence[Candidate[D]], j: int, *, n: int = MAX_OUTCOMES
) -> list[tuple[Candidate[D], float]]:
    """Return the latest candidates that were predicted and measured, each with the normal score of its outcome.

    A score of 1.645 is the upper end of the 90 % interval that was stated.

    Args:
        evaluated: Candidates with an outcome.
        j: Number of the property.
        n: Largest number of candidates.

    Returns:
        At most `n` pairs, in the order of `evaluated`.
    """
    scored = ((candidate, _stated_score(candidate, j)) for candidate in reversed(evaluated))
    known = islice((pair for pair in scored if math.isfinite(pair[1])), n)
    return list(known)[::-1]


def _stated_score(candidate: Candidate[D], j: int) -> float:
    """Return the normal score of an outcome, by linear interpolation between the stated quantiles; 8 at most."""
    if candidate.status != "measured" or j >= len(candidate.y) or not math.isfinite(candidate.y[j]):
        return math.nan
    if j >= len(candidate.quantiles) and j >= len(candidate.mean):
        return math.nan
    quantiles = np.array(candidate.predicted_quantiles(j))
    if not np.isfinite(quantiles).all() or quantiles[-1] <= quantiles[0]:
        return math.nan
    return float(np.interp(candidate.y[j], quantiles, QUANTILE_SCORES))


def _validated_quantiles(
    objective: Objective, column: int | None, report: SurrogateReport | None, n_columns: int
) -> tuple[float, ...] | None:
    """Return the quantiles by the cross-validation of a property's utility; None where that is not the property."""
    is_own = objective.goal in ("maximize", "minimize") and column is not None
    if not is_own or report is None or len(report.residual_quantiles) != n_columns:
        return None
    found = report.residual_quantiles[column or 0]
    return found if objective.goal == "maximize" else tuple(-value for value in reversed(found))


def _quantiles_by_round(state: State[D], m: int) -> dict[int, tuple[tuple[float, ...], ...]]:
    """Return the quantiles of residuals with which rounds stated their predictions, by their numbers."""
    stated = {record.round: record.calibration.residual_quantiles for record in state.records if record.calibration}
    return {number: quantiles for number, quantiles in stated.items() if len(quantiles) == m}


def _used(by_round: dict[int, tuple[tuple[float, ...], ...]], candidate: Candidate[D], j: int) -> tuple[float, ...]:
    return by_round[candidate.round][j] if candidate.round in by_round else SCORES
