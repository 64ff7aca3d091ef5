"""The page of a structure solution: candidates with their calculated patterns beside the measured one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from invdesign.core import Array
from invdesign.core.capabilities import svg_uri
from invdesign.io.atomic import write_atomically
from invdesign.report.svg import Canvas, Plot, Scale
from invdesign.report.templates import created_at, render_page

MAX_POINTS = 1500
"""Points of a curve; of more, the largest in each interval is drawn."""
CANVAS = Canvas(900, 260)
TOP, BOTTOM = 22.0, 46.0


@dataclass(frozen=True, eq=False)
class DrawnSolution:
    """A candidate on the page."""

    label: str
    """What it is."""
    facts: Mapping[str, Any]
    """Names and values of what is shown about it."""
    drawing: str
    """Its cell as SVG."""
    pattern: Array
    """Its calculated pattern, the largest intensity 100 (`n`)."""


def write_solution_page(
    title: str,
    sentence: str,
    angles: Array,
    measured: Array,
    solutions: Sequence[DrawnSolution],
    out: Path,
) -> Path:
    """Write the page.

    Args:
        title: Heading.
        sentence: What was searched, and how.
        angles: 2 theta of the points of the patterns [degrees] (`n`).
        measured: The measured pattern without background, the largest intensity 100 (`n`).
        solutions: The candidates, the best first.
        out: Path of the .html file.

    Raises:
        InvdesignError: The file cannot be written.
    """
    context = {
        "title": title,
        "sentence": sentence,
        "created": created_at(""),
        "solutions": [
            {
                "label": solution.label,
                "facts": solution.facts,
                "drawing": svg_uri(solution.drawing),
                "chart": Markup(draw_patterns(angles, measured, solution.pattern)),
            }
            for solution in solutions
        ],
    }
    page = render_page("solution_page.html.j2", context)
    return write_atomically(Path(out), lambda path: path.write_text(page, encoding="utf-8"))


def draw_patterns(angles: Array, measured: Array, calculated: Array) -> str:
    """Return a chart of a measured pattern, a calculated one, and below them their difference.

    Example:
        >>> import numpy as np
        >>> "measured" in draw_patterns(np.arange(10.0, 12.0, 0.5), np.ones(4), np.ones(4))
        True
    """
    x = Scale(float(angles[0]), float(angles[-1]), CANVAS.left, CANVAS.width - CANVAS.right)
    y = Scale(-45.0, 105.0, CANVAS.height - BOTTOM, TOP)
    plot = Plot(x, y, CANVAS.width, CANVAS.height, "2θ [degrees]", "intensity")
    every = max(1, -(-len(angles) // MAX_POINTS))
    n = len(angles) // every * every
    at = angles[:n].reshape(-1, every)[:, 0]
    tops = [curve[:n].reshape(-1, every).max(1) for curve in (measured, calculated)]
    return plot.render(
        plot.draw_axes(n_x=9, n_y=3),
        plot.draw_line(at, tops[0], "measured"),
        plot.draw_line(at, tops[1], "calculated"),
        plot.draw_line(at, (tops[0] - tops[1]) / 4 - 22, "difference"),
        description="measured pattern, calculated pattern, and a quarter of their difference",
        css="pattern",
    )
