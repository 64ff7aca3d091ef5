"""Candidates as a page shows them."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from invdesign.core import Candidate, Check, D, Neighbor, ValueKind
from invdesign.core.capabilities import svg_uri
from invdesign.report.data import ReportData
from invdesign.report.svg import format_number

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PropertyText:
    """One property of a candidate as text."""

    name: str
    """Name of the property."""
    unit: str
    """Unit; empty for a plain number."""
    measured: str
    """Value, or a dash; with its error where the oracle predicted it."""
    predicted: str
    """Prediction of the surrogate and its standard deviation; empty where there is none."""
    kind: ValueKind = "measured"
    """What the value is."""
    is_inside: bool | None = None
    """Whether the value lies in the window that is the goal; None for another goal."""


@dataclass(frozen=True)
class Card:
    """A candidate as a page shows it."""

    rank: int
    """Rank on the shortlist, from 1; in an interpolation the number of the step."""
    label: str
    """Label of the design."""
    picture: str
    """Picture as a data URI; empty where there is none."""
    properties: tuple[PropertyText, ...]
    """The `m` properties."""
    percentile: float | None
    """Plausibility percentile, None where unknown."""
    round: int
    """Round that proposed the design."""
    origin: str
    """Name of the proposer."""
    passed: tuple[Check, ...]
    """Checks that the design passed."""
    failed: tuple[Check, ...]
    """Checks that the design failed."""
    nearest: Neighbor | None = None
    """The nearest known design; None where it was not looked for."""


def make_card(data: ReportData[D], candidate: Candidate[D], rank: int, *, has_picture: bool = True) -> Card:
    """Return the card of a candidate; a design that cannot be drawn has no picture.

    Args:
        data: Objectives and domain.
        candidate: The candidate.
        rank: Rank or number of the card.
        has_picture: Draw the design.
    """
    checks = tuple(dict.fromkeys(candidate.checks))  # a screen may run again as a validator
    return Card(
        rank=rank,
        label=data.label(candidate.design),
        picture=_draw_picture(data, candidate) if has_picture else "",
        properties=tuple(_property_text(data, candidate, j) for j in range(len(data.objectives))),
        percentile=candidate.percentile if math.isfinite(candidate.percentile) else None,
        round=candidate.round,
        origin=candidate.origin.replace("_", " "),
        passed=tuple(check for check in checks if check.passed),
        failed=tuple(check for check in checks if not check.passed),
        nearest=candidate.nearest,
    )


def _draw_picture(data: ReportData[D], candidate: Candidate[D]) -> str:
    """Return the picture of a design as a data URI; empty where the domain cannot draw it."""
    try:
        return svg_uri(data.draw(candidate.design))
    except Exception as error:  # a domain is a plug-in, and a candidate without a picture is still a candidate
        log.warning("report: no picture of %s (%s: %s)", candidate.key, type(error).__name__, error)
        return ""


def _property_text(data: ReportData[D], candidate: Candidate[D], j: int) -> PropertyText:
    objective = data.objectives[j]
    is_window = isinstance(objective.goal, tuple)
    mean = candidate.mean[j] if j < len(candidate.mean) else math.nan
    return PropertyText(
        name=objective.name,
        unit=objective.unit,
        measured=_own_value(candidate, j),
        predicted=_prediction_text(candidate, mean, j) if math.isfinite(mean) else "",
        kind=candidate.value_kind(j),
        is_inside=objective.is_inside(candidate.y[j]) if is_window and j < len(candidate.y) else None,
    )


def _prediction_text(candidate: Candidate[D], mean: float, j: int) -> str:
    """Return a prediction with its 90 % interval, or with its standard deviation where only that is known."""
    if j < len(candidate.quantiles):
        low, high = (format_number(end, 3) for end in candidate.interval(j))
        return f"{format_number(mean, 3)} [{low} to {high}]"
    sd = candidate.sd[j] if j < len(candidate.sd) else math.nan
    return f"{format_number(mean, 3)} ± {format_number(sd, 2)}"


def _own_value(candidate: Candidate[D], j: int) -> str:
    """Return the value of a property; a predicted one has the digits that its error leaves, and the error."""
    if j >= len(candidate.y):
        return "–"
    error = candidate.value_error(j)
    if candidate.value_kind(j) != "predicted" or not math.isfinite(error):
        return format_number(candidate.y[j], 4)
    return f"{format_number(candidate.y[j], 3)} ± {format_number(error, 2)}"
