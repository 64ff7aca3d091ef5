"""The page of an interpolation: properties and density along a path, with the designs on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from markupsafe import Markup

from invdesign.campaign import Interpolation, Step
from invdesign.core import Array, Candidate, D, Objective, ValueKind
from invdesign.core.intervals import Z_90
from invdesign.io.atomic import write_atomically
from invdesign.report.cards import Card, make_card
from invdesign.report.data import ReportData
from invdesign.report.figures import describe_goal, name_with_unit
from invdesign.report.svg import Plot, Scale, draw_text, format_number, padded_range
from invdesign.report.templates import created_at, render_page, settings_rows

WIDTH = 880
LEFT, RIGHT = 58.0, 856.0
PICTURE_HEIGHT = 118.0
PANEL_HEIGHT = 165.0
PANEL_GAP = 62.0
MAX_PICTURES = 7
MAX_PANELS = 3


def path_report(data: ReportData[D], interpolation: Interpolation[D], out: Path) -> Path:
    """Write the page of an interpolation.

    Args:
        data: Name, domain, objectives, settings and command; its state is not read.
        interpolation: The path.
        out: Path of the .html file.

    Returns:
        The path of the file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    cards = _make_cards(data, interpolation)
    pictures = {key: card.picture for key, card in cards.items()}
    context = {
        "data": data,
        "interpolation": interpolation,
        "created": created_at(data.created),
        "goals": [describe_goal(objective) for objective in data.objectives],
        "sentences": summarize(data, interpolation),
        "figure": Markup(plot_path(data, interpolation, pictures)),
        "cards": list(cards.values()),
        "rows": [(step, None if step.found is None else cards[step.found.key]) for step in interpolation.steps],
        "settings": settings_rows(data.settings),
        "versions": settings_rows(data.versions),
    }
    page = render_page("interpolation_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def summarize(data: ReportData[D], interpolation: Interpolation[D]) -> list[str]:
    """Return the main sentences: number of designs, range of the first property, and whether the target was reached."""
    designs = interpolation.designs
    n_valid = sum(c.is_valid for c in designs)
    passed = "all of them pass" if n_valid == len(designs) else f"{n_valid} of them pass"
    sentences = [f"{len(designs)} distinct designs on {len(interpolation.steps)} steps; {passed} every check."]
    objective = data.objectives[0]
    unit = f" {objective.unit}" if objective.unit else ""
    for kind, values in (
        (_value_kind(interpolation, 0).capitalize(), measured_values(interpolation, 0)),
        ("Predicted", predicted_values(interpolation, 0)[0]),
    ):
        finite = values[np.isfinite(values)]
        if len(finite) > 1:
            ends = f"from {format_number(finite[0], 4)} to {format_number(finite[-1], 4)}{unit}"
            low, high = format_number(finite.min(), 4), format_number(finite.max(), 4)
            sentences.append(f"{kind} {objective.name} goes {ends}, and stays between {low} and {high}{unit}.")
            break
    target = "" if interpolation.until is None else f"{format_number(interpolation.until, 4)}{unit}"
    if interpolation.met is not None:
        sentences.append(f"Step {interpolation.met} has {target}.")
    if (crossing := interpolation.crossing) is not None:
        distance = f"{format_number(abs(crossing.difference), 2)}{unit}"
        side = "above" if crossing.difference > 0 else "below"
        sentences.append(
            f"{target} is crossed between steps {crossing.before} and {crossing.after}; no design of the path has it. "
            f"The nearest one is step {crossing.nearest}, {distance} {side}."
        )
    return sentences


def measured_values(interpolation: Interpolation[D], j: int) -> Array:
    """Return the `j`-th property as measured at each step, NaN where not measured."""
    return _along(interpolation, lambda c: c.y, j)


def predicted_values(interpolation: Interpolation[D], j: int) -> tuple[Array, Array]:
    """Return the `j`-th property as predicted at each step and its standard deviation, NaN where not predicted."""
    return _along(interpolation, lambda c: c.mean, j), _along(interpolation, lambda c: c.sd, j)


def _value_kind(interpolation: Interpolation[D], j: int) -> ValueKind:
    """Return what the values of the `j`-th property are: measured, or computed or predicted by the oracle."""
    kinds = [c.value_kind(j) for c in interpolation.designs if j < len(c.y)]
    return next((kind for kind in kinds if kind != "measured"), "measured")


def plot_path(data: ReportData[D], interpolation: Interpolation[D], pictures: Mapping[str, str]) -> str:
    """Return properties (three at most) and plausibility percentile over the path, with designs above them.

    Args:
        data: Names and units.
        interpolation: The path.
        pictures: Pictures of the designs by key, as data URIs; empty where there is none.
    """
    t_end = interpolation.steps[-1].t or 1.0
    x = Scale(-0.02 * t_end, 1.02 * t_end, LEFT, RIGHT)
    with_values = [j for j in range(len(data.objectives)) if _has_values(interpolation, j)]
    shown = with_values[:MAX_PANELS]
    top = PICTURE_HEIGHT + 64
    height = top + (len(shown) + 1) * (PANEL_HEIGHT + PANEL_GAP) - 16
    parts = [_draw_designs(interpolation, x, pictures, top)]
    for j in shown:
        parts.append(_plot_property(data, interpolation, j, x, top, height))
        top += PANEL_HEIGHT + PANEL_GAP
    parts.append(_plot_density(interpolation, x, top, height))
    frame = Plot(x, Scale(0, 1, height, 0), WIDTH, height)
    return frame.render(*parts, description="properties and density of the designs along the path")


def _make_cards(data: ReportData[D], interpolation: Interpolation[D]) -> dict[str, Card]:
    """Return the cards of the distinct designs by key, numbered by their first step."""
    cards = {}
    for step in interpolation.steps:
        if step.found is not None and not step.is_repeated:
            cards[step.found.key] = make_card(data, step.found, step.number)
    return cards


def _has_values(interpolation: Interpolation[D], j: int) -> bool:
    values = [measured_values(interpolation, j), predicted_values(interpolation, j)[0]]
    return bool(np.isfinite(values).any())


def _plot_property(
    data: ReportData[D], interpolation: Interpolation[D], j: int, x: Scale, top: float, height: float
) -> str:
    """Return a panel of one property: measured in blue, predicted with 90 % intervals in orange, goals as levels."""
    objective = data.objectives[j]
    t = [step.t for step in interpolation.steps]
    y, (mean, sd) = measured_values(interpolation, j), predicted_values(interpolation, j)
    levels = _target_levels(objective, interpolation.until if j == 0 else None)
    values = np.concatenate([y, mean - Z_90 * sd, mean + Z_90 * sd, mean, [value for _, value in levels]])
    frame = Plot(x, Scale(*padded_range(values), top + PANEL_HEIGHT, top), WIDTH, height)
    parts = [draw_text(2, top - 12, name_with_unit(objective), "label strong"), frame.draw_axes()]
    parts += [frame.draw_level(value, f"{name} {format_number(value, 4)}", "muted") for name, value in levels]
    for a, m, s in zip(t, mean, sd, strict=True):
        if math.isfinite(m) and math.isfinite(s):
            parts.append(frame.draw_line([a, a], [m - Z_90 * s, m + Z_90 * s], "whisker"))
    parts.append(frame.draw_line(t, mean.tolist(), "random dashed thin"))
    parts.append(frame.draw_line(t, y.tolist(), "ours"))
    for step, value, m in zip(interpolation.steps, y, mean, strict=True):
        css = _dot_class(step, interpolation)
        if math.isfinite(value):
            parts.append(frame.draw_dot(step.t, value, css, radius=4.5, tooltip=_describe_step(data, step)))
        elif math.isfinite(m):
            parts.append(frame.draw_dot(step.t, m, css, radius=3.5, tooltip=_describe_step(data, step)))
    kind = _value_kind(interpolation, j)
    surrogate = "surrogate" if kind == "predicted" else "predicted"
    names = [(surrogate, "random dashed thin", mean), (kind, "ours", y)]
    shown = [(name, css) for name, css, series in names if np.isfinite(series).any()]
    return "".join([*parts, _draw_legend(shown, top)])


def _target_levels(objective: Objective, until: float | None) -> list[tuple[str, float]]:
    """Return name and value of the levels to draw: target or window of the objective, and the value to stop at."""
    goal = objective.goal
    sides: tuple[float | None, ...] = goal if isinstance(goal, tuple) else () if isinstance(goal, str) else (goal,)
    levels = [("goal", float(side)) for side in sides if side is not None]
    if until is not None and until not in [value for _, value in levels]:
        levels.append(("target", until))
    return levels


def _draw_legend(names: Sequence[tuple[str, str]], top: float) -> str:
    """Return names and lines of the given CSS classes, from the right end of a panel to the left."""
    parts = []
    right = RIGHT
    for name, css in names:
        parts.append(draw_text(right, top - 12, name, "tick end"))
        right -= 8 + 6.8 * len(name)
        parts.append(f'<line class="line {css}" x1="{right - 18}" x2="{right}" y1="{top - 16}" y2="{top - 16}"/>')
        right -= 34
    return "".join(parts)


def _plot_density(interpolation: Interpolation[D], x: Scale, top: float, height: float) -> str:
    """Return a panel of the plausibility percentile: of the path as a line, of the decoded designs as dots."""
    frame = Plot(x, Scale(-3, 103, top + PANEL_HEIGHT, top), WIDTH, height, "position on the path, t")
    t = [step.t for step in interpolation.steps]
    parts = [draw_text(2, top - 12, "plausibility percentile", "label strong"), frame.draw_axes()]
    parts.append(frame.draw_line(t, [step.percentile for step in interpolation.steps], "diagonal"))
    parts.append(draw_text(RIGHT, top - 12, "line: the path, dots: the decoded designs", "tick end"))
    for step in interpolation.steps:
        if step.found is None or not math.isfinite(step.found.percentile):
            continue
        css, tooltip = _dot_class(step, interpolation), f"step {step.number}"
        parts.append(frame.draw_dot(step.t, step.found.percentile, css, radius=4.5, tooltip=tooltip))
    return "".join(parts)


def _draw_designs(interpolation: Interpolation[D], x: Scale, pictures: Mapping[str, str], top: float) -> str:
    """Return pictures of some designs, evenly chosen and evenly spaced, each with a line to its first step."""
    first = []
    for step in interpolation.steps:
        if step.found is not None and not step.is_repeated:
            first.append((step, step.found))
    chosen = np.unique(np.linspace(0, len(first) - 1, min(MAX_PICTURES, len(first))).round().astype(int))
    width = (RIGHT - LEFT) / len(chosen)
    size = min(width - 8, 1.25 * PICTURE_HEIGHT)
    parts = []
    for column, row in enumerate(chosen):
        step, candidate = first[row]
        middle = LEFT + (column + 0.5) * width
        picture = pictures.get(candidate.key)
        if picture:
            parts.append(
                f'<image href="{escape(picture)}" x="{middle - size / 2:.1f}" y="0" width="{size:.1f}" '
                f'height="{PICTURE_HEIGHT:.0f}"/>'
            )
        parts.append(draw_text(middle, PICTURE_HEIGHT + 14, f"step {step.number}", "tick mid"))
        ends = f'x1="{middle:.1f}" x2="{x(step.t):.1f}" y1="{PICTURE_HEIGHT + 20:.0f}" y2="{top - 26:.0f}"'
        parts.append(f'<line class="grid" {ends}/>')
    return "".join(parts)


def _dot_class(step: Step[D], interpolation: Interpolation[D]) -> str:
    """Return the CSS class of a step: red if it reached the target, filled if every check passed, else hollow."""
    if step.number == interpolation.met:
        return "star"
    return "front" if step.found is not None and step.found.is_valid else "path-start"


def _describe_step(data: ReportData[D], step: Step[D]) -> str:
    """Return the tooltip of a step: its design, values and failed checks, one per line."""
    lines = [f"step {step.number}"]
    candidate = step.found
    if candidate is None:
        return lines[0]
    lines.append(data.label(candidate.design))
    for j, objective in enumerate(data.objectives):
        for kind, values in ((candidate.value_kind(j), candidate.y), ("predicted", candidate.mean)):
            if j < len(values):
                lines.append(f"{kind} {objective.name} {format_number(values[j], 4)} {objective.unit}".rstrip())
    lines += [f"failed {check.name}: {check.detail}" for check in candidate.checks if not check.passed]
    return "\n".join(lines)


def _along(interpolation: Interpolation[D], values: Callable[[Candidate[D]], Sequence[float]], j: int) -> Array:
    """Return the `j`-th of some values of the design at each step, NaN where there is none."""
    rows: list[Sequence[float]] = [() if step.found is None else values(step.found) for step in interpolation.steps]
    return np.array([row[j] if j < len(row) else math.nan for row in rows], dtype=np.float64)
