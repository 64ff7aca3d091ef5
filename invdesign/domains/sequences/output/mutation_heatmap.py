"""Heatmap of mutations, position by letter: mean measured value of the designs that carry each mutation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invdesign.core import Candidate, Objective
from invdesign.domains.sequences.alphabet import GAP, letters_of
from invdesign.domains.sequences.naturalness.frequency_models import align_designs
from invdesign.domains.sequences.output.drawing import GROUPS, letter_colour
from invdesign.domains.sequences.output.scatter_plots import (
    BETTER,
    SMALL,
    WORSE,
    add_caption,
    assemble_svg,
    draw_rectangle,
    draw_text,
    format_number,
    missing_figure,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType

LEFT, TOP, ROW_HEIGHT = 46, 44, 15.0
MAX_HEATMAPS = 3
LISTED_EDGE = ' stroke="currentColor" stroke-width="1.6"'


@dataclass(frozen=True, eq=False)
class MutationEffects:
    """Measured values of designs by the mutations that they carry."""

    reference: str
    """Sequence relative to which mutations are defined."""
    reference_name: str
    """Display name of the reference."""
    baseline: float
    """Value that mutations are compared with."""
    is_measured: bool
    """Whether the baseline is the measured value of the reference; otherwise it is the median of all values."""
    values: Mapping[tuple[int, str], Sequence[float]]
    """Measured values by position (0-based) and letter."""
    shortlisted: frozenset[tuple[int, str]]
    """Positions and letters in which the shortlist differs from the reference."""


@dataclass(frozen=True, eq=False)
class _Heatmap:
    """All that is needed to draw one heatmap."""

    effects: MutationEffects
    """Measured values."""
    objective: Objective
    """Measured objective."""
    positions: Sequence[int]
    """Positions (0-based) of the columns."""
    numbers: Sequence[int | str]
    """Residue number of each position of the reference."""
    letters: Sequence[str]
    """Letters of the rows."""
    means: Mapping[tuple[int, str], float]
    """Mean measured value of each mutation."""
    gains: Mapping[tuple[int, str], float]
    """Utility of the mean minus utility of the baseline."""
    limit: float
    """Gain, positive or negative, at which colours saturate."""

    @property
    def cell_width(self) -> float:
        return min(28.0, max(13.0, 800 / len(self.positions)))


def mutation_heatmap(
    shortlist: Sequence[Candidate[str]],
    evaluated: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
    kind: str = "protein",
    max_positions: int = 60,
) -> dict[str, str]:
    """Return heatmaps of the mean value of the designs with each mutation, compared with the wild type.

    Args:
        shortlist: Candidates whose mutations are framed.
        evaluated: All evaluated candidates.
        objectives: A heatmap is drawn for each of the first three.
        wild_type: Reference and residue numbers. Without one, the reference consists of the most common letters, for
            designs of one length.
        kind: Kind of sequence, which determines the letters.
        max_positions: Maximum number of positions shown. Positions mutated in the shortlist have priority, then those
            mutated in most designs.

    Returns:
        HTML by title.
    """
    heatmaps = {}
    for j, objective in enumerate(objectives[:MAX_HEATMAPS]):
        title = f"Mutations and {objective.name}"
        measured = [c for c in evaluated if len(c.y) > j and math.isfinite(c.y[j])]
        sizes = {len(c.design) for c in measured}
        if not measured:
            heatmaps[title] = missing_figure("not drawn: there are no measurements")
        elif wild_type is None and len(sizes) > 1:
            heatmaps[title] = missing_figure(
                "not drawn: designs differ in length, and there is no wild type to number residues by"
            )
        else:
            effects = collect_effects(shortlist, measured, [c.y[j] for c in measured], wild_type=wild_type)
            heatmaps[title] = _draw(effects, objective, wild_type, kind, max_positions)
    return heatmaps


def collect_effects(
    shortlist: Sequence[Candidate[str]],
    measured: Sequence[Candidate[str]],
    y: Sequence[float],
    *,
    wild_type: WildType | None = None,
) -> MutationEffects:
    """Collect measured values by the mutations that designs carry; insertions are ignored.

    Args:
        shortlist: Candidates whose mutations are marked.
        measured: `n` measured candidates.
        y: `n` values.
        wild_type: Reference; without one, the most common letters.
    """
    rows = align_designs([c.design for c in measured], wild_type)
    if wild_type is None:
        reference = "".join(Counter(column).most_common(1)[0][0] for column in zip(*rows, strict=True))
    else:
        reference = wild_type.sequence
    values: dict[tuple[int, str], list[float]] = {}
    own = []
    for row, candidate, value in zip(rows, measured, y, strict=True):
        for i, letter in enumerate(row):
            if letter != reference[i]:
                values.setdefault((i, letter), []).append(value)
        if candidate.design == reference:
            own.append(value)
    aligned = align_designs([c.design for c in shortlist], wild_type)
    shortlisted = {
        (i, letter)
        for row in aligned
        if len(row) == len(reference)
        for i, letter in enumerate(row)
        if letter != reference[i]
    }
    baseline = float(np.mean(own)) if own else float(np.median(y))
    name = "the most common letters" if wild_type is None else wild_type.name
    return MutationEffects(reference, name, baseline, bool(own), values, frozenset(shortlisted))


def _draw(
    effects: MutationEffects, objective: Objective, wild_type: WildType | None, kind: str, max_positions: int
) -> str:
    positions = _choose_positions(effects, max_positions)
    if not positions:
        return missing_figure("not drawn: no measured design has a substitution relative to the wild type")
    heatmap = _compare_with_baseline(effects, objective, positions, wild_type, kind)
    cell = heatmap.cell_width
    parts = []
    for k, i in enumerate(positions):
        parts += _draw_column(heatmap, i, LEFT + k * cell)
    for r, letter in enumerate(heatmap.letters):
        label = "del" if letter == GAP else letter
        y = TOP + (r + 0.5) * ROW_HEIGHT + 4
        fill = letter_colour(letter, kind)
        parts.append(draw_text(LEFT - 10, y, label, anchor="end", fill=fill, attributes=' font-weight="bold"'))
    bottom = TOP + len(heatmap.letters) * ROW_HEIGHT
    parts += _draw_key(heatmap.limit, objective, bottom + 16)
    width = max(LEFT + cell * len(positions) + 8, 480)
    drawing = assemble_svg(width, bottom + 50, parts, description=f"mean {objective.name} by position and letter")
    return add_caption(drawing, _caption(effects, objective, len(positions)))


def _compare_with_baseline(
    effects: MutationEffects, objective: Objective, positions: Sequence[int], wild_type: WildType | None, kind: str
) -> _Heatmap:
    shown = set(positions)
    means = {key: float(np.mean(values)) for key, values in effects.values.items() if key[0] in shown}
    baseline, *utilities = objective.utility(np.array([effects.baseline, *means.values()])).tolist()
    gains = {key: utility - baseline for key, utility in zip(means, utilities, strict=True)}
    limit = float(np.quantile(np.abs(list(gains.values())), 0.95)) if gains else 0.0
    limit = limit or max(map(abs, gains.values()), default=0.0) or 1.0
    numbers: list[int | str] = [
        i + 1 if wild_type is None else wild_type.number(i) for i in range(len(effects.reference))
    ]
    return _Heatmap(effects, objective, positions, numbers, _row_letters(kind, effects), means, gains, limit)


def _draw_column(heatmap: _Heatmap, position: int, x: float) -> list[str]:
    """Return the residue number, the letter of the reference and the cells of a position."""
    own = heatmap.effects.reference[position]
    middle = x + heatmap.cell_width / 2
    rotation = f' transform="rotate(-90 {middle:.1f} {TOP - 22:.1f})"'
    number = str(heatmap.numbers[position])
    parts = [
        draw_text(middle, TOP - 18.5, number, size=9.5, opacity=0.75, attributes=rotation),
        draw_text(middle, TOP - 6, own, anchor="middle"),
    ]
    for r, letter in enumerate(heatmap.letters):
        parts.append(_draw_cell(heatmap, position, letter, x, TOP + r * ROW_HEIGHT))
    return parts


def _draw_cell(heatmap: _Heatmap, position: int, letter: str, x: float, y: float) -> str:
    own, key, width = heatmap.effects.reference[position], (position, letter), heatmap.cell_width
    if own == letter:
        center = f'cx="{x + width / 2:.1f}" cy="{y + ROW_HEIGHT / 2:.1f}"'
        return f'<circle {center} r="2.2" style="fill:currentColor"/>'
    name = f"{own}{heatmap.numbers[position]}{'del' if letter == GAP else letter}"
    is_shortlisted = key in heatmap.effects.shortlisted
    edge = LISTED_EDGE if is_shortlisted else ""
    if key not in heatmap.means:
        if not is_shortlisted:
            return ""
        tooltip = f"{name}: not measured, in the shortlist"
        return draw_rectangle(x + 1, y + 1, width - 2, ROW_HEIGHT - 2, "none", tooltip=tooltip, attributes=edge)
    n = len(heatmap.effects.values[key])
    mean = f"{format_number(heatmap.means[key])} {heatmap.objective.unit}".rstrip()
    tooltip = f"{name}: {mean}, mean of {n} design{'s' if n > 1 else ''}"
    share = min(1.0, abs(heatmap.gains[key]) / heatmap.limit)
    fill = BETTER if heatmap.gains[key] >= 0 else WORSE
    inset = 1.4 if is_shortlisted else 0.4
    box = (x + inset, y + inset, width - 2 * inset, ROW_HEIGHT - 2 * inset)
    return draw_rectangle(*box, fill, opacity=0.1 + 0.9 * share, tooltip=tooltip, attributes=edge)


def _choose_positions(effects: MutationEffects, max_positions: int) -> list[int]:
    length = len(effects.reference)
    if length <= max_positions:
        return list(range(length))
    n_designs = Counter({i: 0 for i, _ in (*effects.values, *effects.shortlisted)})
    for (i, _), values in effects.values.items():
        n_designs[i] += len(values)
    in_shortlist = {i for i, _ in effects.shortlisted}
    ranked = sorted(n_designs, key=lambda i: (i not in in_shortlist, -n_designs[i], i))
    return sorted(ranked[:max_positions])


def _row_letters(kind: str, effects: MutationEffects) -> list[str]:
    """Return the letters of the rows: residues by their chemistry; deletions last, if there are any."""
    ordered = [letter for group in GROUPS.get(kind, {}) for letter in group] or list(letters_of(kind))
    has_deletions = any(letter == GAP for _, letter in effects.values)
    return [*ordered, GAP] if has_deletions else ordered


def _draw_key(limit: float, objective: Objective, y: float) -> list[str]:
    """Return the colour scale and the meaning of dots and frames."""
    n, step = 11, 20.0
    parts = []
    for k in range(n):
        share = 2 * k / (n - 1) - 1
        fill = BETTER if share >= 0 else WORSE
        parts.append(draw_rectangle(LEFT + k * step, y, step - 0.8, 9, fill, opacity=0.1 + 0.9 * abs(share)))
    unit = f" {objective.unit}" if objective.unit else ""
    gain = format_number(limit)
    parts.append(draw_text(LEFT, y + 22, f"worse by {gain}", size=SMALL, opacity=0.75))
    end = LEFT + n * step
    parts.append(draw_text(end, y + 22, f"better by {gain}{unit}", size=SMALL, anchor="end", opacity=0.75))
    parts.append(f'<circle cx="{end + 30:.0f}" cy="{y + 5:.0f}" r="2.2" style="fill:currentColor"/>')
    parts.append(draw_text(end + 38, y + 9, "wild type", size=SMALL, opacity=0.75))
    parts.append(draw_rectangle(end + 104, y, 13, 9, "none", attributes=LISTED_EDGE))
    parts.append(draw_text(end + 123, y + 9, "in the shortlist", size=SMALL, opacity=0.75))
    return parts


def _caption(effects: MutationEffects, objective: Objective, n_shown: int) -> str:
    unit = f" {objective.unit}" if objective.unit else ""
    baseline = f"{format_number(effects.baseline)}{unit}"
    reference = f"{effects.reference_name} ({baseline})"
    if not effects.is_measured:
        reference = f"the median of all measurements ({baseline}; {effects.reference_name} was not measured)"
    selection = ""
    if n_shown < len(effects.reference):
        selection = (
            f" {n_shown} of {len(effects.reference)} positions are shown: those mutated in the shortlist, then those "
            "mutated most often."
        )
    return (
        f"Mean {objective.name} of the measured designs that carry each mutation, regardless of their other mutations, "
        f"compared with {reference}; empty if no design carries it.{selection} Point at a cell for its value and its "
        "number of designs."
    )
