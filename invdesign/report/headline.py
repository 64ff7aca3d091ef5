"""Headline of a report: its main sentences, and tiles with its main numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from invdesign.core import D
from invdesign.core.value_source import describe_predicted
from invdesign.latent.diagnosis import warn_of_reconstruction
from invdesign.report.data import ReportData, best_score, gain, n_digits, pareto_optimal, score
from invdesign.report.svg import format_number

EQUAL_WITHIN = 1e-3
"""Relative difference up to which two scores count as equal."""
MAX_CHECKS = 4


@dataclass(frozen=True)
class Tile:
    """One number of the headline."""

    name: str
    """Name of the number."""
    value: str
    """The number as text."""
    unit: str = ""
    """Unit; empty for a plain number."""
    remark: str = ""
    """Comparison or explanation."""
    css: str = ""
    """CSS class."""


@dataclass(frozen=True)
class Comparison:
    """A score that the campaign is compared with."""

    tile_name: str
    """Name on a tile."""
    phrase: str
    """Name in a sentence."""
    value: float
    """The score; NaN where there is none."""


def headline(data: ReportData[D]) -> list[str]:
    """Return the main sentences: the best result, and its comparison with reference designs and a random search."""
    if not data.evaluated:
        return ["Nothing was measured yet."]
    if not np.isfinite(data.properties(data.evaluated)).any():
        return ["No oracle call has returned a value yet.", *warn_of_reconstruction(data.model_card)]
    axis = score(data)
    value = _campaign_score(data)
    unit = f" {axis.unit}" if axis.unit else ""
    text = format_number(value, n_digits(data))
    if data.is_pareto:
        front = pareto_optimal(data)
        n_new = sum(c.round > 0 for c in front)
        sentences = [
            f"{n_new} of the {len(front)} designs on the Pareto front are new.",
            f"The {data.value_kind} designs dominate {text} of the hypervolume that all measurements span.",
        ]
    else:
        best = "best valid candidate" if data.shortlist else "best design (no new candidate passed every check)"
        objective = data.improved[0]
        is_plain = data.value_kind == "measured" or axis.label.startswith(data.value_kind)
        kind = "" if is_plain else f"a {data.value_kind} "
        if len(data.improved) > 1 or isinstance(objective.goal, str):
            sentences = [f"The {best} has {kind}{axis.label} {_of(kind)}{text}{unit}."]
        elif value == 0:
            sentences = [_count_inside(data)]
        else:
            sentences = [f"The {best} is {text}{unit} away from the goal of {objective.name} ({data.value_kind})."]
    sentences += describe_predicted(data.objectives, data.sources)
    for other in _comparisons(data):
        sentences += _compare_with(data, value, other)
    if not data.has_baseline:
        sentences.append("No random search was run for comparison.")
    return sentences + warn_of_reconstruction(data.model_card)


def _compare_with(data: ReportData[D], value: float, other: Comparison) -> list[str]:
    """Return a sentence that compares the campaign's score with another one; none where there is nothing to compare."""
    unit = f" {score(data).unit}" if score(data).unit else ""
    better = gain(data, value, other.value)
    if not math.isfinite(better) or not (data.shortlist or data.is_pareto):
        return []
    if better == 0 and value == 0:
        return [f"The goal is reached by {other.phrase} too."]
    result = f"({format_number(other.value, n_digits(data))}{unit})"
    if _is_equal(better, other.value):
        return [f"That is about as good as {other.phrase} {result}."]
    how = "better than" if better > 0 else "worse than"
    return [f"That is {format_number(abs(better), 3)}{unit} {how} {other.phrase} {result}."]


def _of(kind: str) -> str:
    return "of " if kind else ""


def _count_inside(data: ReportData[D]) -> str:
    """Return how many candidates reach the target or lie in the window of the only objective."""
    utilities = data.utilities(data.properties(data.shortlist or data.evaluated))[:, 0]
    n = int((utilities == 0).sum())
    group = "candidates on the shortlist" if data.shortlist else "evaluated designs"
    objective = data.improved[0]
    where = "in the window" if isinstance(objective.goal, tuple) else "at the target"
    return f"{n:,} of {len(utilities):,} {group} are {where} of {objective.name} ({data.value_kind})."


def tiles(data: ReportData[D]) -> list[Tile]:
    """Return the main numbers: scores, oracle calls and valid designs."""
    axis, value = score(data), _campaign_score(data)
    name = "Pareto front" if data.is_pareto else "Best found"
    result = [Tile(name, format_number(value, n_digits(data)), axis.unit, axis.label, "strong")]
    for other in _comparisons(data):
        if math.isfinite(other.value):
            text = format_number(other.value, n_digits(data))
            result.append(Tile(other.tile_name, text, axis.unit, _compare(data, value, other.value)))
    if not data.has_baseline:
        result.append(Tile("Random search", "–", remark="not run"))
    result.append(_calls_tile(data))
    if data.n_valid is not None:
        result.append(_valid_tile(data, data.n_valid))
    return result


def _calls_tile(data: ReportData[D]) -> Tile:
    n_failed = sum(c.status != "measured" for c in data.evaluated)
    n_pending = sum(c.status == "pending" for c in data.state.pending)
    remark = f"{n_failed} failed" if n_failed else "none failed"
    if n_pending:
        remark += f", {n_pending} pending"
    return Tile("Oracle calls", format_number(data.state.n_calls), "", remark)


def _valid_tile(data: ReportData[D], n_valid: int) -> Tile:
    n_measured = sum(c.status == "measured" and c.round > 0 for c in data.evaluated)
    remark = f"of {format_number(n_measured)} {data.value_kind}"
    if data.failure_counts:
        counts = list(data.failure_counts.items())[:MAX_CHECKS]
        remark += "; failed checks: " + ", ".join(f"{name} {n}" for name, n in counts)
    return Tile("Valid new designs", format_number(n_valid), "", remark)


def _comparisons(data: ReportData[D]) -> list[Comparison]:
    """Return the scores of the reference designs and of the random search at the campaign's number of calls."""
    reference = best_score(data, data.reference_properties)
    name = data.best_reference_name
    result = [Comparison(name[0].upper() + name[1:], f"the {name}", reference)]
    if data.has_baseline:
        draws = data.baseline_draws
        calls = f"{len(draws):,} oracle call{'' if len(draws) == 1 else 's'}"
        phrase = f"a random search of {calls} after the same seed designs"
        candidates = [*(c for c in data.evaluated if c.round == 0), *draws] if data.is_pareto else draws
        result.append(Comparison("Random search", phrase, best_score(data, data.properties(candidates))))
    return result


def _campaign_score(data: ReportData[D]) -> float:
    """Return the score of the shortlist; of all measured designs without a shortlist, or in a Pareto search."""
    candidates = data.evaluated if data.is_pareto or not data.shortlist else data.shortlist
    return best_score(data, data.properties(candidates))


def _compare(data: ReportData[D], value: float, other: float) -> str:
    """Return by how much the campaign's score is better or worse than another one."""
    better = gain(data, value, other)
    if not math.isfinite(better):
        return ""
    if _is_equal(better, other):
        return "campaign about equal"
    share = f" ({100 * abs(better) / other:.0f} %)" if other > 0 and not data.is_pareto else ""
    return f"campaign {'better' if better > 0 else 'worse'} by {format_number(abs(better), 3)}{share}"


def _is_equal(better: float, other: float) -> bool:
    return abs(better) <= EQUAL_WITHIN * abs(other)
