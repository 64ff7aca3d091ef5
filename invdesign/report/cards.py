"""Candidates as a page shows them."""

from __future__ import annotations

import base64
import logging
import math
from dataclasses import dataclass

from invdesign.core import Candidate, Check, D
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
    """Measured value, or a dash."""
    predicted: str
    """Prediction and standard deviation; empty where there is none."""


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
    )


def _draw_picture(data: ReportData[D], candidate: Candidate[D]) -> str:
    """Return the picture of a design as a data URI; empty where the domain cannot draw it.

    As an image of its own, no script in the picture runs and no identifier in it clashes with another one.
    """
    try:
        svg = data.draw(candidate.design)
    except Exception as error:  # a domain is a plug-in, and a candidate without a picture is still a candidate
        log.warning("report: no picture of %s (%s: %s)", candidate.key, type(error).__name__, error)
        return ""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _property_text(data: ReportData[D], candidate: Candidate[D], j: int) -> PropertyText:
    objective = data.objectives[j]
    mean = candidate.mean[j] if j < len(candidate.mean) else math.nan
    sd = candidate.sd[j] if j < len(candidate.sd) else math.nan
    is_met = objective.is_met(candidate.y[j]) if j < len(candidate.y) else None
    mark = "" if is_met is None else " (in the window)" if is_met else " (outside the window)"
    return PropertyText(
        name=objective.name,
        unit=objective.unit,
        measured=f"{format_number(candidate.y[j], 4)}{mark}" if j < len(candidate.y) else "–",
        predicted=f"{format_number(mean, 3)} ± {format_number(sd, 2)}" if math.isfinite(mean) else "",
    )
