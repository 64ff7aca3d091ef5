"""Charts as SVG text: scales, axes, marks. Colours and type are classes that the page's style sheet knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from invdesign.core import Array

Numbers = Sequence[float] | Array
VIRIDIS = (
    "#440154", "#482173", "#433e85", "#38588c", "#2d708e", "#25858e", "#1e9b8a", "#2ab07f", "#52c569", "#86d549",
    "#c2df23", "#fde725",
)  # fmt: skip
GREYS_TO_PLUM = (
    "#e6e6ea", "#dcd9e3", "#d0cadb", "#c4bad3", "#b7a8cb", "#aa96c2", "#9c83b8", "#8d70ad", "#7d5ca0", "#6c4891",
    "#583380", "#421d6b",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Data from `low` to `high` onto pixels from `start` to `end`, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low * 1e-3))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, n: int = 5) -> list[float]:
        """About `n` round values inside the scale; powers of two on a logarithmic one."""
        if self.is_log:
            lowest, highest = math.ceil(math.log2(self.low) - 1e-9), math.floor(math.log2(self.high) + 1e-9)
            step = max(1, math.ceil((highest - lowest) / n))
            return [2.0**k for k in range(lowest, highest + 1, step)]
        raw = (self.high - self.low) / n
        size = 10 ** math.floor(math.log10(raw))
        step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= raw * 0.85)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


@dataclass(frozen=True)
class Plot:
    """The frame of a chart: its size in pixels, its two scales, its words."""

    x: Scale
    y: Scale
    width: float
    height: float
    x_label: str = ""
    y_label: str = ""

    def axes(self, *, n_x: int = 6, n_y: int = 5) -> str:
        """Hairlines, tick labels and axis titles."""
        x, y = self.x, self.y
        parts = []
        for value in y.ticks(n_y):
            at = y(value)
            parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
            parts.append(text(x.start - 8, at + 3.5, tick(value), "tick end"))
        for value in x.ticks(n_x):
            parts.append(text(x(value), y.start + 17, tick(value), "tick mid"))
        parts.append(f'<line class="axis" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{y.start:.1f}" y2="{y.start:.1f}"/>')
        if self.x_label:
            parts.append(text((x.start + x.end) / 2, y.start + 36, self.x_label, "label mid"))
        if self.y_label:
            parts.append(text(2, 13, self.y_label, "label"))
        return "".join(parts)

    def line(self, xs: Numbers, ys: Numbers, css: str, *, is_step: bool = False) -> str:
        """A line through the finite points; as steps for values that hold until they change."""
        points = [(self.x(a), self.y(b)) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if not points:
            return ""
        moves = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for a, b in points[1:]:
            moves.append(f"H{a:.1f}V{b:.1f}" if is_step else f"L{a:.1f} {b:.1f}")
        return f'<path class="line {css}" d="{"".join(moves)}"/>'

    def dots(self, xs: Numbers, ys: Numbers, css: str, *, radius: float, color: str = "") -> str:
        """Many dots without words, as one path: a zero-length stroke with round ends is a dot."""
        moves = [
            f"M{self.x(a):.1f} {self.y(b):.1f}h0"
            for a, b in zip(xs, ys, strict=True)
            if math.isfinite(a) and math.isfinite(b)
        ]
        paint = f' stroke="{color}"' if color else ""
        size = f'stroke-width="{2 * radius:.1f}"'
        return f'<path class="dots {css}" {size}{paint} d="{"".join(moves)}"/>' if moves else ""

    def dot(self, a: float, b: float, css: str, *, radius: float, color: str = "", says: str = "") -> str:
        """One dot that says something when pointed at."""
        paint = f' fill="{color}"' if color else ""
        words = f"<title>{escape(says)}</title>" if says else ""
        return f'<circle class="{css}" cx="{self.x(a):.1f}" cy="{self.y(b):.1f}" r="{radius}"{paint}>{words}</circle>'

    def level(self, value: float, words: str, css: str) -> str:
        """A dashed horizontal line with its name."""
        at = self.y(value)
        line = f'<line class="level {css}" x1="{self.x.start:.1f}" x2="{self.x.end:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>'
        return line + text(self.x.end - 2, at - 5, words, f"note end {css}")

    def draw(self, *parts: str, says: str, css: str = "") -> str:
        """The whole chart; `says` tells those who cannot see it what it shows."""
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        return f'<svg class="chart {css}" {size} role="img" aria-label="{escape(says)}">{"".join(parts)}</svg>'


def plot(
    xs: Numbers,
    ys: Numbers,
    *,
    width: float = 640,
    height: float = 320,
    x_label: str = "",
    y_label: str = "",
    right: float = 24,
    left: float = 58,
    is_log: bool = False,
    x_from: float | None = None,
    is_square: bool = False,
) -> Plot:
    """A frame around the finite values of some data, with a little air.

    Raises:
        ValueError: no value is finite.
    """
    (x_low, x_high), (y_low, y_high) = span(xs), span(ys, is_log=is_log)
    if x_from is not None:
        x_low = min(x_low, x_from)
    if is_square:
        x_low, y_low = (min(x_low, y_low),) * 2
        x_high, y_high = (max(x_high, y_high),) * 2
    bottom = height - (46 if x_label else 26)
    return Plot(
        Scale(x_low, x_high, left, width - right),
        Scale(y_low, y_high, bottom, 30 if y_label else 12, is_log),
        width,
        height,
        x_label,
        y_label,
    )


def span(values: Numbers, *, is_log: bool = False, air: float = 0.06) -> tuple[float, float]:
    """The range of the finite values with air around it; never empty."""
    finite = np.asarray(values, dtype=np.float64).ravel()
    finite = finite[np.isfinite(finite) & ((finite > 0) | (not is_log))]
    if not len(finite):
        raise ValueError("nothing finite to show")
    low, high = float(finite.min()), float(finite.max())
    if is_log:
        return low / 1.25, high * 1.25
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        pad = 0.5 * abs(low) or 0.5
        return low - pad, high + pad
    return low - air * (high - low), high + air * (high - low)


def text(x: float, y: float, words: str, css: str) -> str:
    """Words at a place."""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: significant digits, thousands kept apart, a true minus sign; whole numbers stay whole."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = math.floor(math.log10(abs(value))) if value else 0
    if float(value).is_integer() and size < 6:
        said = f"{value:,.0f}"
    elif size >= 6 or size < -4:
        mantissa, exponent = f"{value:.{max(digits - 1, 0)}e}".split("e")
        said = f"{mantissa}e{int(exponent)}"
    else:
        said = f"{value:,.{max(digits - 1 - size, 0)}f}"
    return said.replace("-", "−").replace(",", "\u202f")


def tick(value: float) -> str:
    """A number on an axis: no more digits than it needs."""
    said = number(value, 4)
    mantissa, mark, exponent = said.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}{mark}{exponent}"


def shade(value: float, low: float, high: float, ramp: Sequence[str]) -> int:
    """Which step of a colour ramp a value has."""
    share = (value - low) / (high - low) if high > low else 0.5
    return min(len(ramp) - 1, max(0, int(share * len(ramp))))


def color_bar(ramp: Sequence[str], low: float, high: float, words: str, *, width: float = 170) -> str:
    """The key to a colour ramp, as an SVG of its own."""
    step = width / len(ramp)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="16" width="{step + 0.5:.1f}" height="7" fill="{c}"/>' for i, c in enumerate(ramp)
    )
    ends = text(0, 35, tick(low), "tick") + text(width, 35, tick(high), "tick end")
    title = text(0, 10, words, "tick strong")
    return f'<svg class="key" viewBox="0 0 {width:.0f} 38" width="{width:.0f}" role="img">{title}{bars}{ends}</svg>'
