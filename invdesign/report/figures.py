"""Figures of a report, each a function of its data; `latent_space_figures` draws the latent space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from invdesign.core import GIVEN, Array, Candidate, D, Objective, pareto_front
from invdesign.report.data import ReportData, best_score, best_so_far, funnel_stages, n_digits, score
from invdesign.report.svg import Canvas, Plot, Scale, draw_text, format_number, make_plot

MAX_TOOLTIPS = 400
MAX_WHISKERS = 200
MAX_PAIRS = 3
MAX_BAR_WIDTH = 60.0
MIN_LABEL_DISTANCE = 30.0


def name_with_unit(objective: Objective) -> str:
    """Return the name of a property with its unit, e.g. `hardness (GPa)`."""
    return f"{objective.name} ({objective.unit})" if objective.unit else objective.name


def describe_goal(objective: Objective) -> str:
    """Return the goal of an objective as a phrase, e.g. `maximize hardness`.

    Example:
        >>> describe_goal(Objective("gap", "eV", (1.0, 2.0)))
        'keep gap between 1 and 2 eV'
    """
    unit = f" {objective.unit}" if objective.unit else ""
    if isinstance(objective.goal, str):
        return f"{objective.goal} {objective.name}"
    if isinstance(objective.goal, tuple):
        low, high = objective.goal
        if low is None or high is None:
            side, bound = ("at most", high) if low is None else ("at least", low)
            return f"keep {objective.name} {side} {format_number(bound or 0.0)}{unit}"
        return f"keep {objective.name} between {format_number(low)} and {format_number(high)}{unit}"
    return f"bring {objective.name} to {format_number(objective.goal)}{unit}"


def describe_candidate(data: ReportData[D], candidate: Candidate[D]) -> str:
    """Return the tooltip of a candidate: the design, its properties and its origin, one per line."""
    lines = [data.label(candidate.design)]
    for j, objective in enumerate(data.objectives):
        if j < len(candidate.y):
            lines.append(f"{objective.name} {format_number(candidate.y[j], 4)} {objective.unit}".rstrip())
    return "\n".join([*lines, f"round {candidate.round}, {candidate.origin}"])


def plot_best_so_far(data: ReportData[D]) -> str:
    """Return the best score over oracle calls, beside the random search and the reference designs."""
    given = [c for c in data.evaluated if c.origin == GIVEN]
    spent = [c for c in data.evaluated if c.origin != GIVEN]
    campaign = best_so_far(data, data.properties([*given, *spent]))[len(given) :]
    random = best_so_far(data, data.properties([*given, *data.baseline_calls[: len(spent)]]))[len(given) :]
    reference = best_score(data, data.reference_properties)
    axis = score(data)
    label = axis.label + (f" ({axis.unit})" if axis.unit else "")
    canvas = Canvas(880, 330, right=120)
    calls = [0, len(campaign), len(random)]
    frame = make_plot(
        calls, np.concatenate([campaign, random, [reference]]), canvas, x_label="oracle calls", y_label=label
    )
    frame = replace(frame, x=Scale(0, max(1, *calls), frame.x.start, frame.x.end, is_count=True))
    parts = [_shade_seeds(frame, sum(c.round == 0 for c in spent)), frame.draw_axes()]
    if math.isfinite(reference):
        name = f"{data.best_reference_name}: {format_number(reference, n_digits(data))}"
        parts.append(frame.draw_level(reference, name, "muted"))
    curves = [("random search", "random", random), ("this campaign", "ours", campaign)]
    parts += _draw_curves(frame, curves, n_digits(data))
    against = ", compared with a random search" if data.has_baseline else ""
    return frame.render(*parts, description=f"{label} over oracle calls{against}")


def _shade_seeds(frame: Plot, n_seeds: int) -> str:
    """Return a shaded area over the oracle calls that measured seed designs."""
    if not n_seeds:
        return ""
    width = frame.x(n_seeds) - frame.x.start
    height = frame.y.start - frame.y.end
    area = (
        f'<rect class="seeds" x="{frame.x.start}" y="{frame.y.end}" width="{width:.1f}" '
        f'height="{height:.1f}"/>'
    )  # fmt: skip
    return area + draw_text(frame.x.start + 6, frame.y.end - 4, "seed designs", "note")


def _draw_curves(frame: Plot, curves: Sequence[tuple[str, str, Array]], digits: int) -> list[str]:
    """Return step lines, each with its last value and its name at the end; labels do not overlap.

    Args:
        frame: Frame of the chart.
        curves: Name, CSS class and values of each curve; a value per oracle call, from the first on.
        digits: Significant digits of the last value.
    """
    parts = []
    ends = []
    for name, css, values in curves:
        if len(values) and math.isfinite(values[-1]):
            parts.append(frame.draw_line(range(1, len(values) + 1), values, css, is_step=True))
            ends.append((frame.y(values[-1]), len(values), format_number(values[-1], digits), name, css))
    lowest = -math.inf
    for top, n_calls, value, name, css in sorted(ends):
        y = max(top, lowest + MIN_LABEL_DISTANCE)
        lowest = y
        parts.append(draw_text(frame.x(n_calls) + 8, y, value, f"end-value {css}"))
        parts.append(draw_text(frame.x(n_calls) + 8, y + 13, name, f"end-name {css}"))
    return parts


def plot_funnel(data: ReportData[D]) -> str:
    """Return the stages from proposals to the shortlist as bars on a logarithmic scale.

    Raises:
        ValueError: No round was started yet.
    """
    stages = funnel_stages(data)
    largest = max(stage.count for stage in stages)
    if largest == 0:
        raise ValueError("no round was started yet")
    width, step, full_length = 880, 33, 400
    parts = []
    previous = 0
    for i, stage in enumerate(stages):
        y = 6 + i * step
        length = full_length * math.log10(1 + stage.count) / math.log10(1 + largest)
        has_share = previous > 0 and stage.count <= previous
        share = f" · {100 * stage.count / previous:.0f} % kept" if has_share else ""
        parts.append(draw_text(96, y + 16, stage.name, "stage end"))
        parts.append(f'<rect class="bar" x="108" y="{y}" width="{max(length, 1.5):.1f}" height="22" rx="2"/>')
        parts.append(draw_text(116 + length, y + 15, format_number(stage.count, 9), "count"))
        parts.append(draw_text(878, y + 15, stage.meaning + share, "tick end"))
        previous = stage.count
    height = 6 + step * len(stages)
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="funnel">{"".join(parts)}</svg>'


def plot_surrogate_quality(data: ReportData[D]) -> str:
    """Return rank correlation and coverage of the surrogate per round; dashed lines are further objectives.

    Raises:
        ValueError: No round has a cross-validated surrogate.
    """
    reports = [(r.round, r.surrogate) for r in data.state.records if r.surrogate and r.surrogate.n]
    if not reports:
        raise ValueError("no round has a cross-validated surrogate")
    rounds = [round_ for round_, _ in reports]
    curves = [
        ("rank correlation", "ours", 58, [report.rank_correlation for _, report in reports]),
        ("50 % and 90 % coverage", "random", 180, [report.coverage_90 for _, report in reports]),
        ("", "random", 0, [report.coverage_50 for _, report in reports]),
    ]
    values = [v for _, _, _, rows in curves for row in rows for v in row]
    lowest = min(0.0, *(v for v in values if math.isfinite(v)))
    frame = make_plot(rounds, [0, 1.0], Canvas(430, 280, right=16), x_label="round")
    y = Scale(lowest, 1.03, frame.y.start, 30)
    frame = replace(frame, x=_round_scale(rounds, frame.x), y=y)
    parts = [frame.draw_axes(n_x=min(6, len(set(rounds)))), *(frame.draw_level(v, "", "random") for v in (0.5, 0.9))]
    for name, css, left, rows in curves:
        for j in range(len(rows[0])):
            ys = [_value(row, j) for row in rows]
            parts.append(frame.draw_line(rounds, ys, css + (" dashed" if j else "")))
            parts.append(frame.draw_dots(rounds, ys, css, radius=2.6))
        if name:
            parts.append(f'<line class="line {css}" x1="{left}" x2="{left + 18}" y1="13" y2="13"/>')
            parts.append(draw_text(left + 24, 17, name, "tick"))
    parts.append('<line class="level random" x1="345" x2="363" y1="13" y2="13"/>')
    parts.append(draw_text(369, 17, "nominal", "tick"))
    return frame.render(*parts, description="rank correlation and coverage of the surrogate per round")


def plot_predictions(data: ReportData[D], j: int) -> str:
    """Return predictions made before the measurement against measurements, for the `j`-th property.

    Raises:
        ValueError: No predicted design is measured yet.
    """
    objective = data.objectives[j]
    pairs = [c for c in data.evaluated if c.status == "measured" and _is_predicted(c, j)]
    if not pairs:
        raise ValueError("no predicted design is measured yet")
    x_label = f"{'surrogate' if data.value_kind == 'predicted' else 'predicted'} {name_with_unit(objective)}"
    mean, y = [c.mean[j] for c in pairs], [c.y[j] for c in pairs]
    canvas = Canvas(430, 280, right=16)
    frame = make_plot(mean, y, canvas, x_label=x_label, y_label=data.value_kind, is_square=True)
    low, high = frame.x.low, frame.x.high
    parts = [frame.draw_axes(n_x=5), frame.draw_line([low, high], [low, high], "diagonal")]
    for c in pairs[-MAX_WHISKERS:]:
        stated = c.interval(j)
        if all(map(math.isfinite, stated)):
            ends = (max(low, stated[0]), min(high, stated[1]))
            if ends[0] < ends[1]:
                parts.append(frame.draw_line(ends, [c.y[j]] * 2, "whisker"))
    newest = max(c.round for c in pairs) or 1
    for c in pairs[-MAX_TOOLTIPS:]:
        age = int((0.35 + 0.65 * c.round / newest) * 4)
        low_90, high_90 = (format_number(end, 3) for end in c.interval(j))
        prediction = f"predicted {format_number(c.mean[j], 4)}, 90 % interval {low_90} to {high_90}"
        tooltip = f"{describe_candidate(data, c)}\n{prediction}"
        parts.append(frame.draw_dot(c.mean[j], c.y[j], f"pair age{age}", radius=2.8, tooltip=tooltip))
    return frame.render(*parts, description=f"predicted and measured {objective.name}")


def plot_region_lengths(data: ReportData[D]) -> str:
    """Return side lengths of the trust regions over the rounds; a jump upwards is a restart or a success.

    Raises:
        ValueError: The search has no trust region.
    """
    records = [r for r in data.state.records if r.lengths]
    if not records:
        raise ValueError("this search has no trust region")
    rounds = [r.round for r in records]
    n_regions = max(len(r.lengths) for r in records)
    lengths = [[_value(r.lengths, j) for r in records] for j in range(n_regions)]
    canvas = Canvas(430, 240, right=16)
    frame = make_plot(rounds, np.array(lengths), canvas, x_label="round", y_label="side length", is_log=True)
    frame = replace(frame, x=_round_scale(rounds, frame.x))
    parts = [frame.draw_axes(n_x=min(6, len(rounds)))]
    for j, values in enumerate(lengths):
        parts.append(frame.draw_line(rounds, values, f"region{j % 4}", is_step=True))
    return frame.render(*parts, description="side lengths of the trust regions per round")


def plot_seconds_by_stage(data: ReportData[D]) -> str:
    """Return the seconds of each round by stage, stacked.

    Raises:
        ValueError: No times were recorded.
    """
    records = [r for r in data.state.records if r.seconds]
    if not records:
        raise ValueError("no times were recorded")
    names = list(dict.fromkeys(name for r in records for name in r.seconds))
    rounds = [r.round for r in records]
    totals = [sum(r.seconds.values()) for r in records]
    frame = make_plot(rounds, [0, *totals], Canvas(430, 240, right=16), x_label="round")
    x = Scale(rounds[0] - 0.5, rounds[-1] + 0.5, frame.x.start, frame.x.end, is_count=True)
    frame = replace(frame, x=x, y=Scale(0, max(totals) * 1.06 or 1.0, frame.y.start, 30))
    parts = [frame.draw_axes(n_x=min(6, len(rounds)))]
    width = min(MAX_BAR_WIDTH, max(1.0, (x(1) - x(0)) * 0.72))
    for r in records:
        bottom = 0.0
        for j, name in enumerate(names):
            top = bottom + r.seconds.get(name, 0.0)
            height = frame.y(bottom) - frame.y(top)
            parts.append(
                f'<rect class="stack{j % 5}" x="{x(r.round) - width / 2:.1f}" y="{frame.y(top):.1f}" '
                f'width="{width:.1f}" height="{height:.1f}"/>'
            )
            bottom = top
    left = frame.x.start
    for j, name in enumerate(names):
        parts.append(f'<rect class="stack{j % 5}" x="{left}" y="6" width="9" height="9"/>')
        parts.append(draw_text(left + 14, 15, name, "tick"))
        left += 26 + 6.2 * len(name)
    return frame.render(*parts, description="seconds per stage and round")


def plot_trade_offs(data: ReportData[D]) -> list[str]:
    """Return a plot for each pair of properties, three at most.

    Each shows the measured designs, the Pareto front of the pair, the shortlist and the random search.

    Raises:
        ValueError: There is only one objective.
    """
    if len(data.objectives) < 2:
        raise ValueError("one objective has no trade-off")
    pairs = list(combinations(range(len(data.objectives)), 2))
    return [_plot_trade_off(data, i, j) for i, j in pairs[:MAX_PAIRS]]


def _plot_trade_off(data: ReportData[D], i: int, j: int) -> str:
    evaluated = data.evaluated
    Y, random = data.properties(evaluated), data.properties(data.baseline)
    pair = [data.objectives[i], data.objectives[j]]
    all_points = np.concatenate([Y, random, data.reference_properties])
    labels = [name_with_unit(objective) for objective in pair]
    frame = make_plot(
        all_points[:, i], all_points[:, j], Canvas(560, 400, right=20), x_label=labels[0], y_label=labels[1]
    )
    is_seed = np.array([c.round == 0 for c in evaluated], dtype=bool)
    U = np.stack([o.utility(Y[:, k]) for k, o in zip((i, j), pair, strict=True)], axis=1)
    front = sorted(pareto_front(U), key=lambda row: Y[row, i])
    parts = [
        frame.draw_axes(),
        frame.draw_dots(random[:, i], random[:, j], "random faint", radius=2.2),
        frame.draw_dots(Y[is_seed, i], Y[is_seed, j], "seed", radius=2.2),
        frame.draw_dots(Y[~is_seed, i], Y[~is_seed, j], "ours faint", radius=2.4),
        frame.draw_line(Y[front, i].tolist(), Y[front, j].tolist(), "ours thin dashed"),
    ]
    shortlisted = {c.key for c in data.shortlist}
    for row in front[:MAX_TOOLTIPS]:
        c = evaluated[row]
        css = "front listed" if c.key in shortlisted else "front"
        parts.append(frame.draw_dot(Y[row, i], Y[row, j], css, radius=4, tooltip=describe_candidate(data, c)))
    on_front = {evaluated[row].key for row in front}
    for c in data.shortlist:
        if c.status == "measured" and c.key not in on_front:
            parts.append(frame.draw_dot(c.y[i], c.y[j], "listed", radius=3.4, tooltip=describe_candidate(data, c)))
    return frame.render(*parts, description=f"{pair[0].name} against {pair[1].name}")


def _is_predicted(candidate: Candidate[D], j: int) -> bool:
    """Return whether the `j`-th property of a measured design has a prediction and a value."""
    return j < len(candidate.mean) and math.isfinite(candidate.mean[j]) and math.isfinite(candidate.y[j])


def _value(values: Sequence[float], j: int) -> float:
    return float(values[j]) if j < len(values) else math.nan


def _round_scale(rounds: Sequence[int], x: Scale) -> Scale:
    """Return a scale of round numbers that spans at least one."""
    low, high = min(rounds), max(rounds)
    padding = 0.5 if low == high else 0.03 * (high - low)
    return Scale(low - padding, high + padding, x.start, x.end, is_count=True)
