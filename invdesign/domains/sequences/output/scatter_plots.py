"""Elements of charts of sequences: self-contained SVG in the colour of the surrounding text."""

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
    """Linear map from values to pixels."""

    low: float
    """Value at `start`."""
    high: float
    """Value at `end`."""
    start: float
    """First pixel."""
    end: float
    """Last pixel."""

    @classmethod
    def around(cls, values: Sequence[float], start: float, end: float) -> Axis:
        """Return an axis that contains finite values with a margin of 6 % on both sides."""
        low, high = min(values), max(values)
        margin = 0.06 * (high - low) or 0.5 * abs(low) or 0.5
        return cls(low - margin, high + margin, start, end)

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, n: int = 5) -> list[float]:
        """Return about `n` round values."""
        raw = (self.high - self.low) / n
        size = 10 ** math.floor(math.log10(raw))
        step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= 0.85 * raw)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


def draw_text(
    x: float, y: float, content: str, *, size: float = PLAIN, anchor: str = "start", fill: str = "currentColor",
    opacity: float = 1.0, attributes: str = "",
) -> str:  # fmt: skip
    """Return a text element.

    Its style is in the `style` attribute, because a page's style sheet overrides presentation attributes.
    """
    style = f"font-size:{size:g}px;text-anchor:{anchor};fill:{fill}"
    style += f";fill-opacity:{opacity:g}" if opacity < 1 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" style="{style}"{attributes}>{escape(content)}</text>'


def draw_rectangle(
    x: float, y: float, width: float, height: float, fill: str, *, opacity: float = 1.0, tooltip: str = "",
    attributes: str = "",
) -> str:  # fmt: skip
    """Return a rectangle with an optional tooltip."""
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    title = f"<title>{escape(tooltip)}</title>" if tooltip else ""
    return f'<rect {shape} style="fill:{fill};fill-opacity:{opacity:.2f}"{attributes}>{title}</rect>'


def draw_line(x1: float, y1: float, x2: float, y2: float, *, opacity: float = 0.4) -> str:
    """Return a thin line."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} style="stroke:currentColor;stroke-opacity:{opacity:g}"/>'


def draw_axes(x: Axis, y: Axis, x_label: str, y_label: str) -> str:
    """Return gridlines, ticks and labels of two axes; the first pixel of `y` is the lowest one."""
    parts = []
    for value in y.ticks():
        parts.append(draw_line(x.start, y(value), x.end, y(value), opacity=0.12))
        parts.append(
            draw_text(x.start - 8, y(value) + 3.5, format_number(value), size=SMALL, anchor="end", opacity=0.75)
        )
    for value in x.ticks(6):
        parts.append(draw_text(x(value), y.start + 17, format_number(value), size=SMALL, anchor="middle", opacity=0.75))
    parts.append(draw_line(x.start, y.start, x.end, y.start))
    parts.append(draw_text((x.start + x.end) / 2, y.start + 36, x_label, anchor="middle"))
    parts.append(draw_text(2, y.end - 14, y_label))
    return "".join(parts)


def assemble_svg(width: float, height: float, parts: Sequence[str], *, description: str) -> str:
    """Return a chart, which is never displayed larger than its size.

    Args:
        width: Width [pixel].
        height: Height [pixel].
        parts: SVG elements.
        description: Text for screen readers.
    """
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    style = f"max-width:{width:.0f}px;width:100%;height:auto;{FONT}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size} style="{style}" role="img"'
    return f'{head} aria-label="{escape(description)}">{"".join(parts)}</svg>'


def add_caption(drawing: str, caption: str) -> str:
    """Return a drawing followed by its caption."""
    return f"{drawing}<figcaption>{escape(caption)}</figcaption>"


def missing_figure(reason: str) -> str:
    """Return the paragraph that replaces a figure which is not drawn."""
    return f'<p class="missing">{escape(reason)}</p>'


def format_number(value: float) -> str:
    """Return a number with three digits and a typographic minus sign.

    Example:
        >>> format_number(1.2345)
        '1.23'
    """
    text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "\N{MINUS SIGN}").replace(",", "\N{NARROW NO-BREAK SPACE}")
