"""The figures of a report, each a function of the story; the latent map has a room of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from invdesign.campaign import pareto_front
from invdesign.core import Candidate, D, Objective
from invdesign.report.data import ReportData, best_score, best_so_far, digits, funnel, score
from invdesign.report.svg import Plot, Scale, number, plot, text

MAX_TITLED = 400
MAX_WHISKERS = 200


def named(objective: Objective) -> str:
    """A property with its unit."""
    return f"{objective.name} ({objective.unit})" if objective.unit else objective.name


def goal_in_words(objective: Objective) -> str:
    """What was asked for one property."""
    unit = f" {objective.unit}" if objective.unit else ""
    if isinstance(objective.goal, str):
        return f"{objective.goal} {objective.name}"
    if isinstance(objective.goal, tuple):
        return f"keep {objective.name} between {number(objective.goal[0])} and {number(objective.goal[1])}{unit}"
    return f"bring {objective.name} to {number(objective.goal)}{unit}"


def caption_of(story: ReportData[D], candidate: Candidate[D]) -> str:
    """What a dot says: the design, its properties, where it comes from."""
    words = [story.domain.label(candidate.design)]
    for j, objective in enumerate(story.objectives):
        if j < len(candidate.y):
            words.append(f"{objective.name} {number(candidate.y[j], 4)} {objective.unit}".rstrip())
    return "\n".join([*words, f"round {candidate.round}, {candidate.origin}"])


def progress(story: ReportData[D]) -> str:
    """Best so far over oracle calls, beside the random search and what existed before."""
    spent = [c for c in story.told if c.origin != "given"]
    given = [c for c in story.told if c.origin == "given"]
    ours = best_so_far(story, story.properties([*given, *spent]))[len(given) :]
    theirs = best_so_far(story, story.properties([*given, *story.baseline]))[len(given) :]
    before = best_score(story, story.before)
    told = score(story)
    shown = np.concatenate([ours, theirs, [before]])
    calls, their_calls = range(1, len(ours) + 1), range(1, len(theirs) + 1)
    label = told.label + (f" ({told.unit})" if told.unit else "")
    both = [0, len(ours), len(theirs)]
    frame = plot(both, shown, width=880, height=330, right=120, x_label="oracle calls", y_label=label)
    x = Scale(0, max(1, *both), frame.x.start, frame.x.end)
    frame = Plot(x, frame.y, 880, 330, "oracle calls", label)
    n_seeds = sum(c.round == 0 for c in spent)
    parts = []
    if n_seeds:
        edge = frame.x(n_seeds)
        parts.append(f'<rect class="seeds" x="{frame.x.start}" y="{frame.y.end}" width="{edge - frame.x.start:.1f}" '
                     f'height="{frame.y.start - frame.y.end:.1f}"/>')  # fmt: skip
        parts.append(text(frame.x.start + 6, frame.y.end + 14, "seeds", "note"))
    parts.append(frame.axes())
    if math.isfinite(before):
        parts.append(
            frame.level(before, f"best of the {story.reference_name}: {number(before, digits(story))}", "muted")
        )
    ends = []
    for xs, ys, css, name in ((their_calls, theirs, "random", "random search"), (calls, ours, "ours", "this campaign")):
        if len(ys) and math.isfinite(ys[-1]):
            parts.append(frame.line(list(xs), ys.tolist(), css, is_step=True))
            ends.append((frame.y(ys[-1]), xs[-1], f"{number(ys[-1], digits(story))}", name, css))
    ends.sort()
    lowest = -math.inf
    for at, last, value, name, css in ends:
        at = max(at, lowest + 30)
        lowest = at
        parts.append(text(frame.x(last) + 8, at, value, f"end-value {css}"))
        parts.append(text(frame.x(last) + 8, at + 13, name, f"end-name {css}"))
    return frame.draw(*parts, says=f"{label} over oracle calls, against a random search")


def stages(story: ReportData[D]) -> str:
    """The funnel as bars on a logarithmic scale."""
    rows = funnel(story)
    most = max(count for _, count, _ in rows)
    if most == 0:
        raise ValueError("no round was asked yet")
    width, step = 880, 33
    parts = []
    before = 0
    for i, (name, count, meaning) in enumerate(rows):
        y = 6 + i * step
        length = 400 * math.log10(1 + count) / math.log10(1 + most)
        share = f" · {100 * count / before:.0f} % kept" if before and count <= before else ""
        parts.append(text(96, y + 16, name, "stage end"))
        parts.append(f'<rect class="bar" x="108" y="{y}" width="{max(length, 1.5):.1f}" height="22" rx="2"/>')
        parts.append(text(116 + length, y + 15, number(count, 9), "count"))
        parts.append(text(878, y + 15, meaning + share, "tick end"))
        before = count
    height = 6 + step * len(rows)
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="funnel">{"".join(parts)}</svg>'


def surrogate_by_round(story: ReportData[D]) -> str:
    """Rank correlation and coverage of the surrogate, round by round."""
    known = [(r.round, r.surrogate) for r in story.state.records if r.surrogate and r.surrogate.n]
    if not known:
        raise ValueError("no round had a surrogate to judge")
    rounds = [r for r, _ in known]
    frame = plot(rounds, [0, 1.0], width=430, height=280, x_label="round", y_label="", right=16)
    rows = [list(s.rank_correlation) + list(s.coverage_90) for _, s in known]
    lowest = min(0.0, *(v for row in rows for v in row if math.isfinite(v)))
    frame = Plot(_whole(rounds, frame.x), Scale(lowest, 1.03, frame.y.start, 30), 430, 280, "round", "")
    parts = [frame.axes(n_x=min(6, len(set(rounds)))), frame.level(0.9, "0.9, what the intervals promise", "random")]
    for values, css, name in (
        ("rank_correlation", "ours", "rank correlation"),
        ("coverage_90", "random", "inside 90 %"),
    ):
        for j in range(len(getattr(known[0][1], values))):
            ys = [_value(getattr(s, values), j) for _, s in known]
            dash = " dashed" if j else ""
            parts.append(frame.line(rounds, ys, css + dash))
            parts.append(frame.dots(rounds, ys, css, radius=2.6))
        at = 58 if values == "rank_correlation" else 200
        parts.append(
            f'<line class="line {css}" x1="{at}" x2="{at + 18}" y1="13" y2="13"/>' + text(at + 24, 17, name, "tick")
        )
    return frame.draw(*parts, says="rank correlation and coverage of the surrogate per round")


def predicted_and_measured(story: ReportData[D], j: int) -> str:
    """Prediction, made before the measurement, against the measurement, for one property."""
    objective = story.objectives[j]
    known = [
        c
        for c in story.told
        if c.status == "measured" and j < len(c.mean) and math.isfinite(c.mean[j]) and math.isfinite(c.y[j])
    ]
    if not known:
        raise ValueError("nothing that was predicted is measured yet")
    mean, y = [c.mean[j] for c in known], [c.y[j] for c in known]
    frame = plot(mean, y, width=430, height=280, right=16, x_label=f"predicted {named(objective)}", y_label="measured",
                 is_square=True)  # fmt: skip
    low, high = frame.x.low, frame.x.high
    parts = [frame.axes(n_x=5), frame.line([low, high], [low, high], "diagonal")]
    newest = max(c.round for c in known) or 1
    for c in known[-MAX_WHISKERS:]:
        sd = _value(c.sd, j)
        if math.isfinite(sd):
            ends = (max(low, c.mean[j] - 1.645 * sd), min(high, c.mean[j] + 1.645 * sd))
            if ends[0] < ends[1]:
                parts.append(frame.line(ends, [c.y[j]] * 2, "whisker"))
    for c in known[-MAX_TITLED:]:
        age = 0.35 + 0.65 * c.round / newest
        says = f"{caption_of(story, c)}\npredicted {number(c.mean[j], 4)} ± {number(_value(c.sd, j), 2)}"
        parts.append(frame.dot(c.mean[j], c.y[j], f"pair age{int(age * 4)}", radius=2.8, says=says))
    return frame.draw(*parts, says=f"predicted and measured {objective.name}")


def region_lengths(story: ReportData[D]) -> str:
    """Side lengths of the trust regions over the rounds; a jump back up is a new start."""
    records = [r for r in story.state.records if r.lengths]
    if not records:
        raise ValueError("this search has no trust region")
    rounds = [r.round for r in records]
    n = max(len(r.lengths) for r in records)
    lengths = [[_value(r.lengths, j) for r in records] for j in range(n)]
    frame = plot(
        rounds, np.array(lengths), width=430, height=240, x_label="round", y_label="side length", is_log=True, right=16
    )
    frame = Plot(_whole(rounds, frame.x), frame.y, 430, 240, "round", frame.y_label)
    parts = [frame.axes(n_x=min(6, len(rounds)))]
    for j, values in enumerate(lengths):
        parts.append(frame.line(rounds, values, f"region{j % 4}", is_step=True))
    return frame.draw(*parts, says="side lengths of the trust regions")


def seconds_by_stage(story: ReportData[D]) -> str:
    """Where the time of each round went, stacked."""
    records = [r for r in story.state.records if r.seconds]
    if not records:
        raise ValueError("no times were written down")
    names = list(dict.fromkeys(name for r in records for name in r.seconds))
    rounds = [r.round for r in records]
    totals = [sum(r.seconds.values()) for r in records]
    frame = plot([*rounds], [0, *totals], width=430, height=240, x_label="round", y_label=" ", right=16)
    x = Scale(rounds[0] - 0.5, rounds[-1] + 0.5, frame.x.start, frame.x.end)
    frame = Plot(x, Scale(0, max(totals) * 1.06 or 1.0, frame.y.start, 30), 430, 240, "round", "")
    parts = [frame.axes(n_x=min(6, len(rounds)))]
    bar = max(1.0, (x(1) - x(0)) * 0.72)
    for r in records:
        height = 0.0
        for j, name in enumerate(names):
            top = height + r.seconds.get(name, 0.0)
            parts.append(f'<rect class="stack{j % 5}" x="{x(r.round) - bar / 2:.1f}" y="{frame.y(top):.1f}" '
                         f'width="{bar:.1f}" height="{frame.y(height) - frame.y(top):.1f}"/>')  # fmt: skip
            height = top
    at = frame.x.start
    for j, name in enumerate(names):
        parts.append(
            f'<rect class="stack{j % 5}" x="{at}" y="6" width="9" height="9"/>' + text(at + 14, 15, name, "tick")
        )
        at += 26 + 6.2 * len(name)
    return frame.draw(*parts, says="seconds per stage and round")


def pareto(story: ReportData[D]) -> list[str]:
    """For each pair of properties: all measured designs, the front, the shortlist, and the random search."""
    if len(story.objectives) < 2:
        raise ValueError("one objective has no trade-off")
    return [_trade_off(story, i, j) for i, j in list(combinations(range(len(story.objectives)), 2))[:3]]


def _trade_off(story: ReportData[D], i: int, j: int) -> str:
    told = story.told
    Y, others = story.properties(told), story.properties(story.baseline)
    pair = [story.objectives[i], story.objectives[j]]
    both = np.concatenate([Y, others, story.before])
    frame = plot(
        both[:, i], both[:, j], width=560, height=400, right=20, x_label=named(pair[0]), y_label=named(pair[1])
    )
    parts = [frame.axes()]
    parts.append(frame.dots(others[:, i], others[:, j], "random faint", radius=2.2))
    seeds = np.array([c.round == 0 for c in told], dtype=bool)
    parts.append(frame.dots(Y[seeds, i], Y[seeds, j], "seed", radius=2.2))
    parts.append(frame.dots(Y[~seeds, i], Y[~seeds, j], "ours faint", radius=2.4))
    U = np.stack([o.utility(Y[:, k]) for k, o in zip((i, j), pair, strict=True)], axis=1)
    best = sorted(pareto_front(U), key=lambda row: Y[row, i])
    parts.append(frame.line(Y[best, i].tolist(), Y[best, j].tolist(), "ours thin dashed"))
    listed = {c.key for c in story.shortlist}
    for row in best[:MAX_TITLED]:
        css = "front listed" if told[row].key in listed else "front"
        parts.append(frame.dot(Y[row, i], Y[row, j], css, radius=4, says=caption_of(story, told[row])))
    for c in story.shortlist:
        if c.status == "measured" and c.key not in {told[row].key for row in best}:
            parts.append(frame.dot(c.y[i], c.y[j], "listed", radius=3.4, says=caption_of(story, c)))
    return frame.draw(*parts, says=f"{pair[0].name} against {pair[1].name}")


def _value(values: Sequence[float], j: int) -> float:
    return float(values[j]) if j < len(values) else math.nan


def _whole(rounds: Sequence[int], x: Scale) -> Scale:
    """A scale for whole numbers that is never shorter than one."""
    low, high = min(rounds), max(rounds)
    pad = 0.5 if low == high else 0.03 * (high - low)
    return Scale(low - pad, high + pad, x.start, x.end)
