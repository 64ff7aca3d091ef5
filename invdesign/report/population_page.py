"""Page of the interpolation between two populations: histograms, composition and validity along the way."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from invdesign.core import Array
from invdesign.io.atomic import write_atomically
from invdesign.report.svg import Canvas, Scale, draw_text, format_number, make_plot, padded_range
from invdesign.report.templates import created_at, render_page

N_BINS = 28
ROW_HEIGHT, RIDGE = 26, 40
"""Distance of the histograms and height of the highest bar [pixels]."""
MAX_RIDGES = 11


@dataclass(frozen=True, eq=False)
class PopulationStep:
    """A population on the way."""

    t: float
    """Fraction of the way, 0 to 1."""
    n: int
    """Number of pairs."""
    n_valid: int
    """Pairs that decode to a design."""
    n_distinct: int
    """Distinct designs among these."""
    values: Mapping[str, Array]
    """Sizes and properties of the designs by name, NaN where unknown."""
    traits: Mapping[str, float]
    """Share of the designs that has each trait."""
    from_first: float
    """Wasserstein-2 distance in latent space of the decoded designs to the first population."""
    to_last: float
    """The same to the last one."""

    def median(self, name: str) -> float:
        """Return the median of a value; NaN where none is known."""
        known = self.values[name][np.isfinite(self.values[name])]
        return float(np.median(known)) if len(known) else math.nan


def write_population_page(
    steps: Sequence[PopulationStep], traits: Sequence[str], out: Path, *, names: tuple[str, str], command: str
) -> Path:
    """Write the page.

    Args:
        steps: Populations along the way.
        traits: Traits whose shares are shown.
        out: Path of the .html file.
        names: Names of the two populations.
        command: Command line.

    Raises:
        InvdesignError: The file cannot be written.
    """
    quantities = list(dict.fromkeys(name for step in steps for name in step.values))
    context: dict[str, Any] = {
        "names": names,
        "created": created_at(""),
        "command": command,
        "sentences": _sentences(steps),
        "ridges": [(name, Markup(plot_ridges(steps, name))) for name in quantities if _is_known(steps, name)],
        "distances": Markup(plot_distances(steps)),
        "steps": steps,
        "traits": traits,
    }
    page = render_page("population_page.html.j2", context)
    return write_atomically(out, lambda path: path.write_text(page, encoding="utf-8"))


def _sentences(steps: Sequence[PopulationStep]) -> list[str]:
    between = steps[1:-1] or steps
    n, n_valid = sum(step.n for step in between), sum(step.n_valid for step in between)
    sentences = [f"{steps[0].n:,} pairs of designs; {n_valid / n:.0%} of the points between them decode to a design."]
    if n_valid < n:
        lowest = min(between, key=lambda step: step.n_valid / step.n)
        sentences.append(f"Fewest do at t = {lowest.t:.2f}: {lowest.n_valid / lowest.n:.0%}.")
    return sentences


def _is_known(steps: Sequence[PopulationStep], name: str) -> bool:
    return all(name in step.values and math.isfinite(step.median(name)) for step in steps)


def plot_ridges(steps: Sequence[PopulationStep], name: str) -> str:
    """Return the histograms of a quantity along the way, one above the other, with their medians."""
    rows = np.unique(np.linspace(0, len(steps) - 1, min(MAX_RIDGES, len(steps))).round().astype(int))
    shown = [steps[row] for row in rows]
    known = [step.values[name][np.isfinite(step.values[name])] for step in shown]
    low, high = padded_range(np.percentile(np.concatenate(known), [0.5, 99.5]))
    x = Scale(low, high, 52, 416)
    bottom = RIDGE + ROW_HEIGHT * len(shown)
    parts = [draw_text(x(tick), bottom + 18, f"{tick:g}", "tick mid") for tick in x.ticks(5)]
    for i, (step, values) in enumerate(zip(shown, known, strict=True)):
        counts, edges = np.histogram(values.clip(low, high), bins=N_BINS, range=(low, high))
        base = RIDGE + ROW_HEIGHT * (i + 1) - 4
        height = RIDGE * counts / max(1, counts.max())
        moves = "".join(f"L{x(float(a)):.1f} {base - h:.1f}H{x(float(b)):.1f}" for a, b, h in _bars(edges, height))
        outline = f"M{x.start:.1f} {base:.1f}{moves}L{x.end:.1f} {base:.1f}Z"
        parts.append(f'<path d="{outline}" fill="#1f5fa8" fill-opacity=".28" stroke="#1f5fa8" stroke-width="1"/>')
        middle = x(float(np.median(values)))
        ends = f'x1="{middle:.1f}" x2="{middle:.1f}" y1="{base}" y2="{base - 14}"'
        parts.append(f'<line stroke="#b3372f" stroke-width="2" {ends}/>')
        parts.append(draw_text(44, base, f"t {step.t:.2f}", "tick end"))
    box = f'viewBox="0 0 430 {bottom + 24}" role="img" aria-label="{name} along the way"'
    return f'<svg class="chart" {box}>{"".join(parts)}</svg>'


def _bars(edges: Array, height: Array) -> list[tuple[float, float, float]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), height.tolist(), strict=True))


def plot_distances(steps: Sequence[PopulationStep]) -> str:
    """Return the distances of the decoded populations to both ends, beside straight lines."""
    t = [step.t for step in steps]
    first, last = [step.from_first for step in steps], [step.to_last for step in steps]
    total = max(first[-1], last[0])
    frame = make_plot(t, [0, *first, *last], Canvas(430, 280), x_label="t", y_label="distance")
    parts = [
        frame.draw_axes(n_x=5),
        frame.draw_line([0, 1], [0, total], "diagonal"),
        frame.draw_line([0, 1], [total, 0], "diagonal"),
    ]
    for css, values in (("ours", first), ("random", last)):
        parts += [frame.draw_line(t, values, css), frame.draw_dots(t, values, css, radius=2.6)]
    parts.append(draw_text(frame.x(1) - 4, frame.y(first[-1]) + 16, "from the first", "tick end"))
    parts.append(draw_text(frame.x(0) + 4, frame.y(last[0]) + 16, "to the last", "tick"))
    return frame.render(*parts, description=f"distance to both ends, {format_number(total)} between them")
