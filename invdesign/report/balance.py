"""The balance of a latent space as a chemist reads it: what it keeps, what it spends, and what lies between designs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from invdesign.core import D
from invdesign.latent.diagnosis import MAX_GAP, describe_failures
from invdesign.latent.leakage import describe_leakage
from invdesign.report.data import ReportData
from invdesign.report.svg import Canvas, draw_text, format_number, make_plot

Plot = Callable[[ReportData[D]], str]
SOURCES = {
    "prior": "anywhere (prior)",
    "density": "where real designs lie",
    "midpoints": "midway between two designs",
    "corpus": "beside a real design",
}
"""Where points were decoded, for people."""
WIDTH, HEIGHT = 430, 280
IDLE = ' opacity=".3"'


def describe_balance(card: Mapping[str, Any]) -> list[str]:
    """Return plain sentences on the balance of a latent space; none of a model without a diagnosis.

    Example:
        >>> diagnosis = {"n_held_out": 100, "reconstruction": 0.9, "kl": [1.0, 0.0], "active_units": 1, "rate": 30.0,
        ...     "neg_elbo": 32.0, "information": 28.0, "samples": []}
        >>> describe_balance({"diagnosis": diagnosis})[1]
        '1 of 2 dimensions hold something; the others could be left out.'
    """
    found = card.get("diagnosis")
    if not found:
        return []
    n_active, d = found["active_units"], len(found["kl"])
    rest = "the others could be left out" if n_active < d else "none is idle"
    lines = [
        f"Kept: {found['reconstruction']:.0%} of {found['n_held_out']:,} designs that the model has not seen come back "
        "exactly from their latent.",
        f"{n_active} of {d} dimensions hold something; {rest}.",
        f"Spent: {_describe_cost(found['neg_elbo'], found['information'])}",
    ]
    between = next((samples for samples in found["samples"] if samples["source"] == "midpoints"), None)
    if between:
        nonsense = between["quality"].get("nonsense")
        sane = "" if nonsense is None else f", and {nonsense:.0%} of these are nonsense to an expert"
        own = found.get("quality", {}).get("nonsense")
        beside = "" if nonsense is None or own is None else f" (of real designs {own:.0%})"
        lines.append(
            f"Between: {between['validity']:.0%} of midpoints of two designs decode to a design{sane}{beside}."
        )
    if found.get("decode_failures"):
        lines.append(f"Failures: {describe_failures(found['decode_failures'])}.")
    lines += _describe_conditions(card)
    return [*lines, *(f"Warning: {warning}." for warning in found.get("warnings", ()))]


def _describe_conditions(card: Mapping[str, Any]) -> list[str]:
    """Return what the model reads beside a design, and what its latents still hold of that; or nothing."""
    if not card.get("condition"):
        return []
    wanted = ", ".join(f"{name} {value}" for name, value in card["condition"]["decode_under"].items())
    found = [f"{line[0].upper()}{line[1:]}." for line in describe_leakage(card["leakage"])]
    return [f"Conditions: designs are decoded as those of {wanted}.", *found]


def _describe_cost(neg_elbo: float, information: float | None) -> str:
    if information is None:
        return f"{neg_elbo:.0f} nats a design; what the designs hold was not measured."
    gap = neg_elbo - information
    judged = (
        "much of the space is empty, and what lies between designs is often none"
        if gap > MAX_GAP
        else "little of the space is empty"
    )
    return f"{neg_elbo:.0f} nats a design, where the designs hold {information:.0f}: {judged}."


def figures(data: ReportData[D]) -> Iterator[tuple[str, Plot[D], str]]:
    """Yield name, function and caption of each figure; none of a model without a diagnosis."""
    if not data.model_card.get("diagnosis"):
        return
    yield (
        "information by dimension",
        plot_dimensions,
        "Nats that each dimension holds on average, largest first. Dimensions in grey hold nothing.",
    )
    yield (
        "what lies where",
        plot_sources,
        "Points of the latent space by where they lie: the part that decodes to a design (whole bar), and the part of "
        "these that an expert would call nonsense (light end of the bar).",
    )
    if data.rate_curve is not None:
        yield (
            "rate and distortion",
            plot_rate_curve,
            "The same recipe held at several rates. A higher rate reconstructs more (lower distortion) and leaves more "
            f"of the space empty. Chosen (ring): {data.rate_curve.reason}.",
        )


def plot_dimensions(data: ReportData[D]) -> str:
    """Return the KL divergence of each dimension as bars, in falling order."""
    kl = sorted(data.model_card["diagnosis"]["kl"], reverse=True)
    n_active = data.model_card["diagnosis"]["active_units"]
    frame = make_plot([0.5, len(kl) + 0.5], [0, max(kl)], Canvas(WIDTH, HEIGHT), x_label="dimension", y_label="nats")
    width = max(1.0, 0.8 * (frame.x(2) - frame.x(1)))
    zero = frame.y(0)
    bars = [
        f'<rect class="bar" x="{frame.x(i + 1) - width / 2:.1f}" y="{frame.y(value):.1f}" width="{width:.1f}" '
        f'height="{max(zero - frame.y(value), 0.5):.1f}"{"" if i < n_active else IDLE}/>'
        for i, value in enumerate(kl)
    ]
    return frame.render(frame.draw_axes(), *bars, description="KL divergence of each latent dimension")


def plot_sources(data: ReportData[D]) -> str:
    """Return validity and nonsense by source as bars."""
    by_source = {samples["source"]: samples for samples in data.model_card["diagnosis"]["samples"]}
    step, left, full = 48, 172, 200
    parts = []
    for i, (source, name) in enumerate((s, n) for s, n in SOURCES.items() if s in by_source):
        y, samples = 8 + i * step, by_source[source]
        valid, nonsense = samples["validity"], samples["quality"].get("nonsense", 0.0)
        sane = full * valid * (1 - nonsense)
        parts.append(draw_text(left - 10, y + 16, name, "tick end"))
        parts.append(f'<rect class="bar" x="{left}" y="{y}" width="{full * valid:.1f}" height="22" opacity=".35"/>')
        parts.append(f'<rect class="bar" x="{left}" y="{y}" width="{sane:.1f}" height="22"/>')
        shown = f"{valid:.0%}" + (f", {nonsense:.0%} nonsense" if "nonsense" in samples["quality"] else "")
        parts.append(draw_text(left, y + 36, shown, "tick"))
    height = 8 + step * len(parts) // 4
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="validity by source"'
    return f'<svg class="chart" {box}>{"".join(parts)}</svg>'


def plot_rate_curve(data: ReportData[D]) -> str:
    """Return distortion over rate, with the chosen point and its neighbours' reconstruction.

    Raises:
        ValueError: No curve was measured.
    """
    curve = data.rate_curve
    if curve is None:
        raise ValueError("no rate-distortion curve was measured")
    rates, distortions = [p.rate for p in curve.points], [p.distortion for p in curve.points]
    canvas = Canvas(WIDTH, HEIGHT, right=60)
    frame = make_plot(rates, [0, *distortions], canvas, x_label="rate [nats]", y_label="distortion [nats]")
    parts = [frame.draw_axes(n_x=5), frame.draw_line(rates, distortions, "ours")]
    for i, point in enumerate(curve.points):
        tooltip = f"target {format_number(point.target_rate)} nats: -ELBO {point.neg_elbo:.1f}"
        parts.append(frame.draw_dot(point.rate, point.distortion, "design", radius=4, color="#1f5fa8", tooltip=tooltip))
        x, y = frame.x(point.rate), frame.y(point.distortion)
        parts.append(draw_text(x + 9, y - 5, f"{point.reconstruction:.0%} exact", "tick"))
        if i == curve.chosen:
            parts.append(frame.draw_dot(point.rate, point.distortion, "path-start", radius=7))
    return frame.render(*parts, description="rate-distortion curve")
