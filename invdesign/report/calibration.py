"""Whether the intervals that a campaign stated held, in sentences."""

from __future__ import annotations

import math

from invdesign.campaign.calibration import calibrate
from invdesign.core import D
from invdesign.core.intervals import Z_90
from invdesign.report.data import ReportData
from invdesign.report.svg import format_number
from invdesign.surrogate.calibration import SCORES


def describe_calibration(data: ReportData[D]) -> list[str]:
    """Return for each property how many outcomes lay inside their stated intervals, and how these were corrected."""
    found = calibrate(data.state, data.objectives, None)
    last = next((record.calibration for record in reversed(data.state.records) if record.calibration), None)
    lines = []
    for j, objective in enumerate(data.objectives):
        inside = found.coverage_50[j], found.coverage_90[j]
        if not math.isfinite(inside[1]):
            continue
        line = (
            f"{objective.name}: {inside[0]:.0%} of the outcomes lie inside the 50 % interval that was stated before, "
            f"{inside[1]:.0%} inside the 90 % one."
        )
        if last is not None and j < len(last.residual_quantiles) and last.residual_quantiles[j] != SCORES:
            below, *_, above = (format_number(abs(score), 2) for score in last.residual_quantiles[j])
            basis = f"{'the' if last.bases[j] == 'cross-validation' else 'earlier'} {last.bases[j]}"
            line += (
                f" By {basis}, the last 90 % intervals reach from {below} of the surrogate's standard deviations below "
                f"a prediction to {above} above it, instead of {Z_90:.2f} to either side."
            )
        lines.append(line)
    return lines
