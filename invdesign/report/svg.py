"""Charts as SVG text: scales, axes and marks. Colours and type are CSS classes of the page's style sheet."""

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
    """Linear or logarithmic map from data to pixels."""

    low: float
    """Value at `start`."""
    high: float
    """Value at `end`."""
    start: float
    """Position of `low` [pixels]."""
    end: float
    """Position of `high` [pixels]."""
    is_log: bool = False
    """Whether the scale is logarithmic."""
    is_count: bool = False
    """Whether the values are whole numbers, so that ticks are too."""

    def __call__(self, value: float) -> float:
        """Return the position of a value [pixels]."""
        low, high = self.low, self.high
        if self.is_log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, self.low * 1e-3))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, n: int = 5) -> list[float]:
        """Return about `n` round values inside the scale.

        They are powers of two on a logarithmic scale that contains at least two of them.

        Example:
            >>> Scale(0, 10, 0, 100).ticks()
            [0, 2, 4, 6, 8, 10]
        """
        if self.is_log:
            lowest, highest = math.ceil(math.log2(self.low) - 1e-9), math.floor(math.log2(self.high) + 1e-9)
            if highest > lowest:
                every = max(1, math.ceil((highest - lowest) / n))
                return [2.0**k for k in range(lowest, highest + 1, every)]
        raw = (self.high - self.low) / n
        if self.is_count:
            raw = max(raw, 1.0)
        size = 10 ** math.floor(math.log10(raw))
        multiples = (1, 2, 5, 10) if self.is_count and size < 10 else (1, 2, 2.5, 5, 10)
        step = next(size * k for k in multiples if size * k >= raw * 0.85)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]


@dataclass(frozen=True)
class Canvas:
    """Size of a chart and its side margins [pixels]."""

    width: float = 640
    """Width of the chart."""
    height: float = 320
    """Height of the chart."""
    left: float = 58
    """Margin for the labels of the vertical axis."""
    right: float = 24
    """Margin for labels at the ends of lines."""


@dataclass(frozen=True)
class Plot:
    """Frame of a chart."""

    x: Scale
    """Horizontal scale."""
    y: Scale
    """Vertical scale; pixels count downwards."""
    width: float
    """Width of the chart [pixels]."""
    height: float
    """Height of the chart [pixels]."""
    x_label: str = ""
    """Title of the horizontal axis."""
    y_label: str = ""
    """Title of the vertical axis, above its top."""

    def draw_axes(self, *, n_x: int = 6, n_y: int = 5) -> str:
        """Return grid lines, tick labels and axis titles; about `n_x` and `n_y` ticks."""
        x, y = self.x, self.y
        parts = []
        for value in y.ticks(n_y):
            top = y(value)
            parts.append(f'<line class="grid" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{top:.1f}" y2="{top:.1f}"/>')
            parts.append(draw_text(x.start - 8, top + 3.5, format_tick(value), "tick end"))
        for value in x.ticks(n_x):
            parts.append(draw_text(x(value), y.start + 17, format_tick(value), "tick mid"))
        parts.append(f'<line class="axis" x1="{x.start:.1f}" x2="{x.end:.1f}" y1="{y.start:.1f}" y2="{y.start:.1f}"/>')
        if self.x_label:
            parts.append(draw_text((x.start + x.end) / 2, y.start + 36, self.x_label, "label mid"))
        if self.y_label:
            parts.append(draw_text(2, 13, self.y_label, "label"))
        return "".join(parts)

    def draw_line(self, xs: Numbers, ys: Numbers, css: str, *, is_step: bool = False) -> str:
        """Return a line through the finite points.

        Args:
            xs: Horizontal values.
            ys: Vertical values.
            css: Classes of the line.
            is_step: Draw steps: each value holds until the next one.
        """
        points = self._positions(xs, ys)
        if not points:
            return ""
        moves = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for a, b in points[1:]:
            moves.append(f"H{a:.1f}V{b:.1f}" if is_step else f"L{a:.1f} {b:.1f}")
        return f'<path class="line {css}" d="{"".join(moves)}"/>'

    def draw_dots(self, xs: Numbers, ys: Numbers, css: str, *, radius: float, color: str = "") -> str:
        """Return many dots without tooltips, as one path: a zero-length stroke with round ends is a dot."""
        moves = [f"M{a:.1f} {b:.1f}h0" for a, b in self._positions(xs, ys)]
        paint = f' stroke="{color}"' if color else ""
        size = f'stroke-width="{2 * radius:.1f}"'
        return f'<path class="dots {css}" {size}{paint} d="{"".join(moves)}"/>' if moves else ""

    def draw_dot(self, a: float, b: float, css: str, *, radius: float, color: str = "", tooltip: str = "") -> str:
        """Return one dot, with a tooltip where there is one."""
        paint = f' fill="{color}"' if color else ""
        title = f"<title>{escape(tooltip)}</title>" if tooltip else ""
        return f'<circle class="{css}" cx="{self.x(a):.1f}" cy="{self.y(b):.1f}" r="{radius}"{paint}>{title}</circle>'

    def draw_level(self, value: float, name: str, css: str) -> str:
        """Return a dashed horizontal line, with its name above the right end where it has one."""
        top = self.y(value)
        ends = f'x1="{self.x.start:.1f}" x2="{self.x.end:.1f}" y1="{top:.1f}" y2="{top:.1f}"'
        title = draw_text(self.x.end - 2, top - 5, name, f"note end {css}") if name else ""
        return f'<line class="level {css}" {ends}/>{title}'

    def render(self, *parts: str, description: str, css: str = "") -> str:
        """Return the whole chart.

        Args:
            *parts: Marks, back to front.
            description: Content of the chart, for screen readers.
            css: Classes of the chart.
        """
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        return f'<svg class="chart {css}" {size} role="img" aria-label="{escape(description)}">{"".join(parts)}</svg>'

    def _positions(self, xs: Numbers, ys: Numbers) -> list[tuple[float, float]]:
        """Return the positions of the finite points [pixels]."""
        points = zip(xs, ys, strict=True)
        return [(self.x(a), self.y(b)) for a, b in points if math.isfinite(a) and math.isfinite(b)]


def make_plot(
    xs: Numbers,
    ys: Numbers,
    canvas: Canvas,
    *,
    x_label: str = "",
    y_label: str = "",
    is_log: bool = False,
    is_square: bool = False,
) -> Plot:
    """Return a frame around the finite values of some data, padded by 6 %.

    Args:
        xs: Horizontal values.
        ys: Vertical values, of any number.
        canvas: Size and margins.
        x_label: Title of the horizontal axis.
        y_label: Title of the vertical axis.
        is_log: Use a logarithmic vertical scale.
        is_square: Use one range for both axes.

    Raises:
        ValueError: No value is finite.
    """
    x_low, x_high = padded_range(xs)
    y_low, y_high = padded_range(ys, is_log=is_log)
    if is_square:
        x_low = y_low = min(x_low, y_low)
        x_high = y_high = max(x_high, y_high)
    top = 30 if y_label else 12
    bottom = canvas.height - (46 if x_label else 26)
    x = Scale(x_low, x_high, canvas.left, canvas.width - canvas.right)
    return Plot(x, Scale(y_low, y_high, bottom, top, is_log), canvas.width, canvas.height, x_label, y_label)


def padded_range(values: Numbers, *, is_log: bool = False, padding: float = 0.06) -> tuple[float, float]:
    """Return the range of the finite values with padding; never empty.

    Args:
        values: Data; values that are not finite (on a logarithmic scale also not positive) do not count.
        is_log: Pad by a factor of 1.25 instead.
        padding: Padding at each end, as a share of the range.

    Raises:
        ValueError: No value counts.

    Example:
        >>> padded_range([0.0, 10.0], padding=0.1)
        (-1.0, 11.0)
    """
    finite = np.asarray(values, dtype=np.float64).ravel()
    finite = finite[np.isfinite(finite) & ((finite > 0) | (not is_log))]
    if not len(finite):
        raise ValueError("no finite value to show")
    low, high = float(finite.min()), float(finite.max())
    if is_log:
        return low / 1.25, high * 1.25
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        half = 0.5 * abs(low) or 0.5
        return low - half, high + half
    return low - padding * (high - low), high + padding * (high - low)


def draw_text(x: float, y: float, content: str, css: str) -> str:
    """Return a text at a position [pixels]."""
    return f'<text class="{css}" x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>'


def format_number(value: float | None, digits: int = 3) -> str:
    """Return a number for people: significant digits, spaces between thousands, a typographic minus sign.

    Whole numbers below a million keep all their digits.

    Args:
        value: The number; None and NaN are shown as a dash.
        digits: Significant digits.

    Example:
        >>> format_number(-0.5), format_number(3.0), format_number(None)
        ('−0.500', '3', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = math.floor(math.log10(abs(value))) if value else 0
    if float(value).is_integer() and size < 6:
        text = f"{value:,.0f}"
    elif size >= 6 or size < -4:
        mantissa, exponent = f"{value:.{max(digits - 1, 0)}e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{value:,.{max(digits - 1 - size, 0)}f}"
    return text.replace("-", "−").replace(",", "\u202f")


def format_tick(value: float) -> str:
    """Return a number on an axis, without trailing zeros.

    Example:
        >>> format_tick(0.5)
        '0.5'
    """
    mantissa, mark, exponent = format_number(value, 4).partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}{mark}{exponent}"


def color_index(value: float, low: float, high: float, ramp: Sequence[str]) -> int:
    """Return the position of a value's colour in a colour ramp from `low` to `high`."""
    share = (value - low) / (high - low) if high > low else 0.5
    return min(len(ramp) - 1, max(0, int(share * len(ramp))))


def draw_color_bar(ramp: Sequence[str], low: float, high: float, title: str, *, width: float = 170) -> str:
    """Return the key of a colour ramp, as an SVG of its own.

    Args:
        ramp: Colours from `low` to `high`.
        low: Value of the first colour.
        high: Value of the last colour.
        title: Name of the quantity.
        width: Width of the bar [pixels].
    """
    step = width / len(ramp)
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="16" width="{step + 0.5:.1f}" height="7" fill="{c}"/>' for i, c in enumerate(ramp)
    )
    ends = draw_text(0, 35, format_tick(low), "tick") + draw_text(width, 35, format_tick(high), "tick end")
    head = draw_text(0, 10, title, "tick strong")
    return f'<svg class="key" viewBox="0 0 {width:.0f} 38" width="{width:.0f}" role="img">{head}{bars}{ends}</svg>'
