"""The page of an interpolation: properties and density along a path, with the designs on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from invdesign.campaign import Interpolation, Step
from invdesign.core import Array, D
from invdesign.io.atomic import write_atomically
from invdesign.io.clock import now
from invdesign.io.json_values import to_plain
from invdesign.report.data import ReportData
from invdesign.report.figures import goal_in_words, named
from invdesign.report.page import _environment, card, rows_of
from invdesign.report.svg import Plot, Scale, number, span, text

WIDTH = 880
LEFT, RIGHT = 58.0, 856.0
DRAWN = 118.0
PANEL = 165.0
GAP = 62.0
MAX_DRAWN = 7
MAX_PANELS = 3
Z_90 = 1.645


def path_report(story: ReportData[D], walk: Interpolation[D], out: Path) -> Path:
    """Write the page of a path.

    Args:
        story: name, domain, objectives, settings and command; its state is not read.
        walk: the path.
        out: the .html file.

    Returns:
        The file.

    Raises:
        InvdesignError: the file cannot be written.
    """
    cards = {
        step.found.key: {**card(story, step.found, 0), "rank": step.number}
        for step in walk.steps
        if step.found is not None and not step.is_repeated
    }
    page = _environment().get_template("interpolation_page.html.j2").render(
        story=story,
        walk=walk,
        made=story.made or now()[:16].replace("T", " ") + " UTC",
        asked=[goal_in_words(o) for o in story.objectives],
        sentences=sentences(story, walk),
        figure=Markup(figure(story, walk, {key: shown["picture"] for key, shown in cards.items()})),
        cards=list(cards.values()),
        rows=[(step, cards[step.found.key] if step.found is not None else None) for step in walk.steps],
        settings=rows_of(to_plain(story.settings)),
        versions=rows_of(to_plain(story.versions)),
    )  # fmt: skip
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def sentences(story: ReportData[D], walk: Interpolation[D]) -> list[str]:
    """What a hurried reader reads: how many designs, where the property goes, whether the target was met."""
    n, n_valid = len(walk.designs), sum(c.is_valid for c in walk.designs)
    passed = "all of them pass" if n_valid == n else f"{n_valid} of them pass"
    said = [f"{n} distinct designs on {len(walk.steps)} steps; {passed} every check."]
    objective = story.objectives[0]
    unit = f" {objective.unit}" if objective.unit else ""
    for kind, values in (("Measured", measured(walk, 0)), ("Predicted", predicted(walk, 0)[0])):
        known = values[np.isfinite(values)]
        if len(known) > 1:
            ends = f"from {number(known[0], 4)} to {number(known[-1], 4)}{unit}"
            between = f"between {number(known.min(), 4)} and {number(known.max(), 4)}{unit}"
            said.append(f"{kind} {objective.name} goes {ends}, and stays {between}.")
            break
    if walk.met is not None and walk.until is not None:
        said.append(f"The path ends at step {walk.met}, the first that reaches {number(walk.until, 4)}{unit}.")
    return said


def measured(walk: Interpolation[D], j: int) -> Array:
    """Property `j` as measured at each step, NaN where it was not."""
    return _along(walk, lambda c: c.y, j)


def predicted(walk: Interpolation[D], j: int) -> tuple[Array, Array]:
    """Property `j` as predicted at each step, and its standard deviation; NaN where nothing was predicted."""
    return _along(walk, lambda c: c.mean, j), _along(walk, lambda c: c.sd, j)


def figure(story: ReportData[D], walk: Interpolation[D], pictures: dict[str, str]) -> str:
    """Properties (three at most) and density percentile over the way, the designs drawn above it.

    Args:
        story: for names and units.
        walk: the path.
        pictures: of designs, by key, as data URIs; empty where there is none.
    """
    way = walk.steps[-1].t or 1.0
    x = Scale(-0.02 * way, 1.02 * way, LEFT, RIGHT)
    known = [j for j in range(len(story.objectives)) if np.isfinite([measured(walk, j), predicted(walk, j)[0]]).any()]
    shown = known[:MAX_PANELS]
    top = DRAWN + 64
    height = top + (len(shown) + 1) * (PANEL + GAP) - 16
    parts = [_drawings(walk, x, pictures, top)]
    for j in shown:
        parts.append(_property(story, walk, j, x, top, height))
        top += PANEL + GAP
    parts.append(_density(walk, x, top, height))
    frame = Plot(x, Scale(0, 1, height, 0), WIDTH, height)
    return frame.draw(*parts, says="properties and density of the designs along the path")


def _property(story: ReportData[D], walk: Interpolation[D], j: int, x: Scale, top: float, height: float) -> str:
    """One property: measured in blue, predicted with 90 % intervals in orange, what is aimed at as a level."""
    objective = story.objectives[j]
    t = [step.t for step in walk.steps]
    y, (mean, sd) = measured(walk, j), predicted(walk, j)
    goals = [] if isinstance(objective.goal, str) else np.atleast_1d(objective.goal).tolist()
    levels = [("goal", goal) for goal in goals]
    if j == 0 and walk.until is not None:
        levels.append(("until", walk.until))
    values = np.concatenate([y, mean - Z_90 * sd, mean + Z_90 * sd, mean, [value for _, value in levels]])
    frame = Plot(x, Scale(*span(values), top + PANEL, top), WIDTH, height)
    parts = [text(2, top - 12, named(objective), "label strong"), frame.axes()]
    parts += [frame.level(v, f"{name} {number(v, 4)}", "muted") for name, v in levels]
    for a, m, s in zip(t, mean, sd, strict=True):
        if math.isfinite(m) and math.isfinite(s):
            parts.append(frame.line([a, a], [m - Z_90 * s, m + Z_90 * s], "whisker"))
    parts.append(frame.line(t, mean.tolist(), "random dashed thin"))
    parts.append(frame.line(t, y.tolist(), "ours"))
    for step, v, m in zip(walk.steps, y, mean, strict=True):
        if math.isfinite(v):
            parts.append(frame.dot(step.t, v, _css(step, walk), radius=4.5, says=_says(story, step)))
        elif math.isfinite(m):
            parts.append(frame.dot(step.t, m, _css(step, walk), radius=3.5, says=_says(story, step)))
    at = RIGHT
    for css, name, values in (("random dashed thin", "predicted", mean), ("ours", "measured", y)):
        if np.isfinite(values).any():
            parts.append(text(at, top - 12, name, "tick end"))
            at -= 8 + 6.2 * len(name)
            parts.append(f'<line class="line {css}" x1="{at - 18}" x2="{at}" y1="{top - 16}" y2="{top - 16}"/>')
            at -= 34
    return "".join(parts)


def _density(walk: Interpolation[D], x: Scale, top: float, height: float) -> str:
    """The density percentile of the designs where they live, and of the places that they were decoded from."""
    frame = Plot(x, Scale(-3, 103, top + PANEL, top), WIDTH, height, "share of the way")
    t = [step.t for step in walk.steps]
    own = [math.nan if step.found is None else step.found.percentile for step in walk.steps]
    parts = [text(2, top - 12, "density percentile of real designs", "label strong"), frame.axes()]
    parts.append(frame.line(t, [step.percentile for step in walk.steps], "diagonal"))
    parts.append(text(RIGHT, top - 12, "line: the path itself, dots: the designs found", "tick end"))
    for step, value in zip(walk.steps, own, strict=True):
        if math.isfinite(value):
            parts.append(frame.dot(step.t, value, _css(step, walk), radius=4.5, says=f"step {step.number}"))
    return "".join(parts)


def _drawings(walk: Interpolation[D], x: Scale, pictures: dict[str, str], top: float) -> str:
    """Some of the designs, evenly chosen and evenly spread, each with a line to its first step."""
    first = [step for step in walk.steps if step.found is not None and not step.is_repeated]
    chosen = np.unique(np.linspace(0, len(first) - 1, min(MAX_DRAWN, len(first))).round().astype(int))
    width = (RIGHT - LEFT) / len(chosen)
    size = min(width - 8, 1.25 * DRAWN)
    parts = []
    for place, row in enumerate(chosen):
        step = first[row]
        assert step.found is not None
        middle = LEFT + (place + 0.5) * width
        picture = pictures.get(step.found.key)
        if picture:
            parts.append(
                f'<image href="{escape(picture)}" x="{middle - size / 2:.1f}" y="0" width="{size:.1f}" '
                f'height="{DRAWN:.0f}"/>'
            )
        parts.append(text(middle, DRAWN + 14, f"step {step.number}", "tick mid"))
        ends = f'x1="{middle:.1f}" x2="{x(step.t):.1f}" y1="{DRAWN + 20:.0f}" y2="{top - 26:.0f}"'
        parts.append(f'<line class="grid" {ends}/>')
    return "".join(parts)


def _css(step: Step[D], walk: Interpolation[D]) -> str:
    """Red where the target was met, filled where every check passed, hollow where one did not."""
    if step.number == walk.met:
        return "star"
    return "front" if step.found is not None and step.found.is_valid else "path-start"


def _says(story: ReportData[D], step: Step[D]) -> str:
    assert step.found is not None
    words = [f"step {step.number}", story.domain.label(step.found.design)]
    for j, objective in enumerate(story.objectives):
        for kind, values in (("measured", step.found.y), ("predicted", step.found.mean)):
            if j < len(values):
                words.append(f"{kind} {objective.name} {number(values[j], 4)} {objective.unit}".rstrip())
    return "\n".join([*words, *(f"failed {c.name}: {c.detail}" for c in step.found.checks if not c.passed)])


def _along(walk: Interpolation[D], values: Any, j: int) -> Array:
    rows: list[Sequence[float]] = [() if step.found is None else values(step.found) for step in walk.steps]
    return np.array([row[j] if j < len(row) else math.nan for row in rows], dtype=np.float64)
