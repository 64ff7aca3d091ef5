"""Parts of charts of sequences: SVG that stands by itself, and takes the colour of the text around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

BETTER, WORSE, LISTED = "#2f6db5", "#c2702a", "#2b8a57"
SMALL, PLAIN = 10.5, 11.5
FONT = "font-family:Helvetica,Arial,'DejaVu Sans',sans-serif"


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> Axis:
        """An axis with a little air around finite values."""
        low, high = min(values), max(values)
        air = 0.06 * (high - low) or 0.5 * abs(low) or 0.5
        return cls(low - air, high + air, start, end)

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, n: int = 5) -> list[float]:
        """About `n` round values."""
        raw = (self.high - self.low) / n
        size = 10 ** math.floor(math.log10(raw))
        step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= 0.85 * raw)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def text(
    x: float, y: float, words: str, *, size: float = PLAIN, anchor: str = "start", fill: str = "currentColor",
    opacity: float = 1.0, more: str = "",
) -> str:  # fmt: skip
    """Words at a place; their style stands in the element, for a page's style sheet outweighs plain attributes."""
    style = f"font-size:{size:g}px;text-anchor:{anchor};fill:{fill}"
    style += f";fill-opacity:{opacity:g}" if opacity < 1 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}"{more}>{escape(words)}</text>'


def box(
    x: float, y: float, width: float, height: float, fill: str, *, opacity: float = 1.0, says: str = "", more: str = ""
) -> str:
    """A rectangle that says something when pointed at."""
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    title = f"<title>{escape(says)}</title>" if says else ""
    return f'<rect {shape} style="fill:{fill};fill-opacity:{opacity:.2f}"{more}>{title}</rect>'


def rule(x1: float, y1: float, x2: float, y2: float, *, opacity: float = 0.4) -> str:
    """A hairline."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} style="stroke:currentColor;stroke-opacity:{opacity:g}"/>'


def frame(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    """Gridlines, ticks and the words of two axes; `y` has its start below."""
    parts = []
    for value in y.ticks():
        parts.append(rule(x.start, y(value), x.end, y(value), opacity=0.12))
        parts.append(text(x.start - 8, y(value) + 3.5, number(value), size=SMALL, anchor="end", opacity=0.75))
    for value in x.ticks(6):
        parts.append(text(x(value), y.start + 17, number(value), size=SMALL, anchor="middle", opacity=0.75))
    parts.append(rule(x.start, y.start, x.end, y.start))
    parts.append(text((x.start + x.end) / 2, y.start + 36, x_label, anchor="middle"))
    parts.append(text(2, y.end - 14, y_label))
    return "".join(parts)


def picture(width: float, height: float, parts: Sequence[str], *, says: str) -> str:
    """The whole chart, never drawn larger than its size; `says` is for those who cannot see it."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    style = f"max-width:{width:.0f}px;width:100%;height:auto;{FONT}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size} style="{style}" role="img"'
    return f'{head} aria-label="{escape(says)}">{"".join(parts)}</svg>'


def captioned(drawing: str, words: str) -> str:
    """A drawing with its caption."""
    return f"{drawing}<figcaption>{escape(words)}</figcaption>"


def missing(why: str) -> str:
    """What stands in the place of a figure."""
    return f'<p class="missing">{escape(why)}</p>'


def number(value: float) -> str:
    """Three digits, with a true minus sign."""
    said = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return said.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")
