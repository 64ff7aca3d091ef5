"""Profiles as bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 320.0, 120.0
MAX_BARS = 160
"""Bars of a picture; of more features, the largest ones are drawn."""


def bars(names: Sequence[str], values: Sequence[float], strengths: Sequence[float]) -> str:
    """Return an SVG picture: one bar for each feature, its name as the tooltip, marked ones in red.

    Args:
        names: Names of the features.
        values: Their values; the axis is that of the square root of their size.
        strengths: From 0 (not marked) to 1.
    """
    shown = sorted(sorted(range(len(values)), key=lambda i: -abs(values[i]))[:MAX_BARS])
    top = max((abs(values[i]) for i in shown), default=0.0) ** 0.5 or 1.0
    step = WIDTH / max(1, len(shown))
    drawn = []
    for position, i in enumerate(shown):
        size = abs(values[i]) ** 0.5 / top * (HEIGHT - 20)
        color = "#c0392b" if strengths[i] > 0 else "#8a8fa0" if values[i] < 0 else "#3b6ea5"
        drawn.append(
            f'<rect x="{position * step:.2f}" y="{HEIGHT - size:.2f}" width="{max(step - 0.6, 0.6):.2f}" '
            f'height="{size:.2f}" fill="{color}"><title>{escape(names[i])}: {values[i]:.5g}</title></rect>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img">{"".join(drawn)}'
        "</svg>"
    )
