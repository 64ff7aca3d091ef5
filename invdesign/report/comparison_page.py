"""Page that compares the runs of a sweep: curves, differences with intervals, settings and shortlists."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from invdesign.core import Array
from invdesign.io.atomic import write_bytes
from invdesign.report.comparison import LEVEL, MIN_SEEDS, Comparison, Difference, Metric
from invdesign.report.svg import VIRIDIS, Canvas, Scale, color_index, draw_text, format_number, format_tick, make_plot
from invdesign.report.templates import created_at, render_page

MAX_CURVES = 8
"""Settings whose curves are drawn: the best ones, and the reference."""
MAX_SETTINGS = 100
MAX_LINES = 500
MAX_UNION = 200
N_SIDE_BY_SIDE = 6
N_FIRST = 5
COLORS = ("#1f5fa8", "#c2702a", "#2b7a52", "#6c4891", "#b3372f", "#3a9aa8", "#8a7a2b", "#7a8294", "#d06fa8")


@dataclass(frozen=True)
class Facts:
    """What a sweep is, besides its results."""

    command: str = ""
    """Command line."""
    version: str = ""
    """Version that ran it."""
    created: str = ""
    """Time of the page; the present time where empty."""
    unfinished: Sequence[str] = ()
    """Jobs without results, each with its state and reason."""


def write_comparison(comparison: Comparison, path: Path, *, reference: str, facts: Facts) -> Path:
    """Write the page.

    Args:
        comparison: The runs.
        path: File to write.
        reference: Setting that the others are compared with.
        facts: Command, version and jobs without results.

    Raises:
        InvdesignError: The file cannot be written.
    """
    ranked = comparison.ranked()
    union = comparison.union()
    context = {
        "comparison": comparison,
        "reference": reference,
        "created": created_at(facts.created),
        "facts": facts,
        "headline": headline(comparison, reference),
        "curves": _drawn(_plot_curves, comparison, _shown(ranked, reference)),
        "coordinates": _drawn(_plot_parallel_coordinates, comparison),
        "importance": comparison.importance(),
        "settings": [_setting(comparison, label, reference) for label in ranked[:MAX_SETTINGS]],
        "n_settings": len(ranked),
        "metrics": [metric for metric in comparison.metrics if _is_known(comparison, metric)],
        "shortlists": [_shortlist(comparison, label) for label in ranked[:N_SIDE_BY_SIDE]],
        "union": union[:MAX_UNION],
        "n_union": len(union),
        "level": f"{100 * LEVEL:.0f}",
        "min_seeds": MIN_SEEDS,
        "rows": comparison.table,
    }
    return write_bytes(path, render_page("comparison_page.html.j2", context).encode())


def headline(comparison: Comparison, reference: str) -> list[str]:
    """Return the main sentences: the best setting, and whether it differs from the reference beyond its seeds."""
    ranked = comparison.ranked()
    if not any(comparison.values("auc", label) for label in ranked):
        return ["No run has a value yet."]
    best, auc = ranked[0], comparison.metrics[1]
    values = list(comparison.values("final", best).values())
    seeds = f"{len(values)} seed{'' if len(values) == 1 else 's'}"
    most = "largest" if comparison.score.more_is_better else "smallest"
    final = format_number(float(np.mean(values)), 4)
    sentences = [
        f"The {most} mean over the oracle calls has {best} ({seeds}; final {comparison.score.label} "
        f"{final} in the mean)."
    ]
    differences = {label: comparison.difference(auc, label, reference) for label in ranked if label != reference}
    if not differences:
        return sentences
    counts = {verdict: sum(d.verdict == verdict for d in differences.values()) for verdict in ("better", "worse")}
    if all(d.verdict == "too few seeds" for d in differences.values()):
        return [*sentences, f"With fewer than {MIN_SEEDS} seeds a difference cannot be told from noise."]
    chance = (1 - LEVEL) * len(differences)
    text = f"Of {len(differences)} other settings {counts['better']} are better and {counts['worse']} worse"
    return [
        *sentences,
        f"{text} than {reference}; by chance alone about {format_number(chance, 2)} would seem to differ.",
    ]


def _shown(ranked: Sequence[str], reference: str) -> list[str]:
    best = list(ranked[:MAX_CURVES])
    return best if reference in best else [*best, reference]


def _is_known(comparison: Comparison, metric: Metric) -> bool:
    return any(row[metric.name] is not None for row in comparison.table)


def _drawn(draw: Any, *arguments: Any) -> Markup:
    try:
        return Markup(draw(*arguments))
    except ValueError as error:  # nothing to draw yet
        return Markup('<p class="muted">{}</p>').format(str(error))


def _setting(comparison: Comparison, label: str, reference: str) -> dict[str, Any]:
    cells = {}
    for metric in comparison.metrics:
        values = list(comparison.values(metric.name, label).values())
        difference = comparison.difference(metric, label, reference)
        cells[metric.name] = {
            "mean": float(np.mean(values)) if values else math.nan,
            "difference": describe_difference(difference),
            "css": "" if metric.more_is_better is None else difference.verdict,
        }
    n = len(comparison.settings[label])
    return {"label": label, "n": n, "cells": cells, "is_reference": label == reference}


def describe_difference(difference: Difference) -> str:
    """Return a difference with its interval, e.g. `+0.050 [0.020, 0.080]`."""
    if difference.verdict == "reference" or math.isnan(difference.mean):
        return ""
    sign = "+" if difference.mean > 0 else ""
    text = f"{sign}{format_number(difference.mean, 3)}"
    if math.isnan(difference.low):
        return text
    return f"{text} [{format_number(difference.low, 3)}, {format_number(difference.high, 3)}]"


def _shortlist(comparison: Comparison, label: str) -> dict[str, Any]:
    """Return the first designs of the shortlists of a setting, all seeds together."""
    runs = [comparison.runs[i] for i in comparison.settings[label]]
    part = Comparison(comparison.name, comparison.objectives, runs, combine=comparison.combine)
    return {"label": label, "rows": part.union()[:N_FIRST]}


def _plot_curves(comparison: Comparison, labels: Sequence[str]) -> str:
    """Return the mean best-so-far curve of settings with the interval over their seeds."""
    bands = {label: comparison.band(label) for label in labels}
    bands = {label: band for label, band in bands.items() if len(band[0])}
    if not bands:
        raise ValueError("no run has a value yet")
    ends = np.concatenate([values for _, _, low, high in bands.values() for values in (low, high)])
    longest = max(band[0][-1] for band in bands.values())
    axis = comparison.score
    title = axis.label + (f" ({axis.unit})" if axis.unit else "")
    height = 360.0
    frame = make_plot([0, longest], ends, Canvas(880, height, right=30), x_label="oracle calls", y_label=title)
    frame = replace(frame, x=Scale(0, max(1, longest), frame.x.start, frame.x.end, is_count=True))
    parts = [frame.draw_axes()]
    for i, (calls, _, low, high) in enumerate(bands.values()):
        color = COLORS[i % len(COLORS)]
        parts.append(_band(frame.x, frame.y, calls, low, high, color))
    for i, (calls, mean, _, _) in enumerate(bands.values()):
        line = frame.draw_line(calls, mean, "", is_step=True)
        parts.append(line.replace('class="line "', f'class="line" style="stroke:{COLORS[i % len(COLORS)]}"'))
    legend = "".join(
        f'<span><i style="background:{COLORS[i % len(COLORS)]}"></i>{Markup.escape(label)}</span>'
        for i, label in enumerate(bands)
    )
    return frame.render(*parts, description=f"{title} over oracle calls") + f'<p class="lines">{legend}</p>'


def _band(x: Scale, y: Scale, calls: Array, low: Array, high: Array, color: str) -> str:
    ok = np.isfinite(low) & np.isfinite(high)
    if not ok.any():
        return ""
    upper = [f"{x(a):.1f} {y(b):.1f}" for a, b in zip(calls[ok], high[ok], strict=True)]
    lower = [f"{x(a):.1f} {y(b):.1f}" for a, b in zip(calls[ok][::-1], low[ok][::-1], strict=True)]
    return f'<path d="M{"L".join([*upper, *lower])}Z" fill="{color}" opacity="0.14"/>'


def _plot_parallel_coordinates(comparison: Comparison) -> str:
    """Return a line for each run through its settings to its figure of merit, coloured by that."""
    keys = list(comparison.runs[0].setting) if comparison.runs else []
    rows = [row for row in comparison.table if row["auc"] is not None][:MAX_LINES]
    if not keys or not rows:
        raise ValueError("no setting varies, or no run has a value")
    axes = [*((key, _axis([row[key] for row in rows])) for key in keys)]
    values = [row["auc"] for row in rows]
    low, high = min(values), max(values)
    last = Scale(low, high if high > low else low + 1, 250, 40)
    width, left = 880.0, 90.0
    step = (width - left - 110) / len(axes)
    parts = []
    sign = 1 if comparison.score.more_is_better else -1
    for row in sorted(rows, key=lambda row: sign * row["auc"]):
        points = [(left + i * step, place[str(row[key])]) for i, (key, place) in enumerate(axes)]
        points.append((left + len(axes) * step, last(row["auc"])))
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        color = VIRIDIS[
            color_index(sign * row["auc"], min(sign * low, sign * high), max(sign * low, sign * high), VIRIDIS)
        ]
        parts.append(f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.4" opacity="0.75"/>')
    for i, (key, place) in enumerate(axes):
        parts.append(_draw_axis(left + i * step, key, place))
    ticks = {format_number(value, 3): last(value) for value in (low, high)}
    parts.append(_draw_axis(left + len(axes) * step, "mean over calls", ticks))
    return (
        f'<svg class="chart" viewBox="0 0 880 280" role="img" aria-label="settings of all runs">{"".join(parts)}</svg>'
    )


def _axis(values: Sequence[str]) -> dict[str, float]:
    """Return the position of each value of a setting: numbers to scale, logarithmic over two decades, others evenly."""
    distinct = sorted(set(values), key=lambda text: (_as_number(text) is None, _as_number(text) or 0.0, text))
    numbers = [_as_number(text) for text in distinct]
    known = [number for number in numbers if number is not None]
    if len(known) == len(distinct) > 1:
        is_log = min(known) > 0 and max(known) / min(known) >= 30
        scale = Scale(min(known), max(known), 250, 40, is_log)
        return {text: scale(number) for text, number in zip(distinct, known, strict=True)}
    return {text: 250 - 210 * (i + 0.5) / len(distinct) for i, text in enumerate(distinct)}


def _draw_axis(x: float, name: str, ticks: Mapping[str, float]) -> str:
    parts = [f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="36" y2="254"/>', draw_text(x, 22, name, "label mid")]
    shown = list(ticks.items())
    every = max(1, len(shown) // 12)
    for text, y in shown[::every]:
        number = _as_number(text)
        parts.append(draw_text(x - 6, y + 3.5, format_tick(number) if number is not None else text, "point-note end"))
    return "".join(parts)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
