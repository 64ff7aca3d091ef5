"""Figures of edit distances, and of naturalness beside measured properties."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

from invdesign.core import Array, Candidate, InvdesignError, Objective
from invdesign.domains.sequences.naturalness.naturalness import (
    TITLES,
    Load,
    Method,
    choose_score,
    corpus_designs,
    is_comparable,
    naturalness,
)
from invdesign.domains.sequences.output.scatter_plots import (
    BETTER,
    LISTED,
    SMALL,
    Axis,
    add_caption,
    assemble_svg,
    draw_axes,
    draw_line,
    draw_rectangle,
    draw_text,
    format_number,
    missing_figure,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance

MAX_LISTED = 40
MAX_BARS = 30
MAX_POINTS = 1500
MAX_SCATTERS = 3
DENSITY = "latent density"


def edit_distances(
    shortlist: Sequence[Candidate[str]],
    evaluated: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
) -> dict[str, str]:
    """Return figures of edit distances: to the wild type or the nearest seed, and between designs of the shortlist.

    Args:
        shortlist: Candidates, best first; the matrix shows the first 40.
        evaluated: Evaluated candidates; those of round 0 are the seeds where there is no wild type.
        objectives: Not used.
        wild_type: Reference.

    Returns:
        HTML by title.
    """
    designs = [c.design for c in shortlist]
    if not designs:
        return {}
    starts = [c.design for c in evaluated if c.round == 0] if wild_type is None else [wild_type.sequence]
    figures = {}
    if starts:
        reference = "the nearest seed" if wild_type is None else wild_type.name
        n_edits = [min(distance(start, design) for start in starts) for design in designs]
        figures[f"Edits from {reference}"] = _draw_bars(n_edits, reference)
    if len(designs) > 1:
        title = "Edits between the designs of the shortlist"
        figures[title] = _draw_matrix(designs[:MAX_LISTED], len(designs))
    return figures


def naturalness_scatter(
    shortlist: Sequence[Candidate[str]],
    evaluated: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    corpus: Load | None = None,
    wild_type: WildType | None = None,
    model: str | Path | None = None,
) -> dict[str, str]:
    """Return scatter plots of each property and the naturalness score with the highest rank correlation with it.

    The scores are the latent density, which every candidate has; the frequency models (see `naturalness.naturalness`)
    where there is a corpus that they apply to; and log p(x) of a model where its folder is given.

    Args:
        shortlist: Candidates that are ringed.
        evaluated: Evaluated candidates: measured ones as dots, others as small dots at their predictions.
        objectives: A figure is drawn for each of the first three.
        corpus: Function that loads the corpus.
        wild_type: Reference of the naturalness.
        model: Folder written by training.

    Returns:
        HTML by title.
    """
    if not evaluated:
        return {}
    designs = [c.design for c in evaluated]
    scores: dict[str, Array] = {DENSITY: np.array([c.log_density for c in evaluated])}
    has_frequencies = corpus is not None and is_comparable(corpus, wild_type)
    methods: list[Method] = ["independent", "pairwise"] if has_frequencies else []
    if model is not None:
        methods.append("vae")
    for method in methods:
        scores[method] = naturalness(designs, corpus=corpus, wild_type=wild_type, method=method, model=model)
    in_corpus = corpus_designs(corpus) if corpus is not None else frozenset(designs)
    is_seen = np.array([design in in_corpus for design in designs])
    keys = frozenset(c.key for c in shortlist)
    native = "" if wild_type is None else wild_type.name
    figures = {}
    for j, objective in enumerate(objectives[:MAX_SCATTERS]):
        title = f"Naturalness and {objective.name}"
        figures[title] = _draw_scatter(evaluated, keys, scores, is_seen, objective, j, native)
    return figures


def _draw_scatter(
    evaluated: Sequence[Candidate[str]], keys: frozenset[str], scores: Mapping[str, Array],
    is_seen: npt.NDArray[np.bool_], objective: Objective, j: int, native: str,
) -> str:  # fmt: skip
    """Draw objective `j` over the best of the scores; `native` is the wild type's name."""
    y = np.array([c.y[j] if len(c.y) > j else math.nan for c in evaluated])
    predicted = np.array([c.mean[j] if len(c.mean) > j else math.nan for c in evaluated])
    is_measured = np.isfinite(y)
    try:
        choice = choose_score(scores, np.asarray(objective.utility(y)), is_seen=is_seen)
    except InvdesignError:
        return missing_figure("not drawn: fewer than three designs have a measurement and a naturalness")
    points = _Points(evaluated, keys, scores[choice.chosen], np.where(is_measured, y, predicted), is_measured)
    rows = points.rows()
    across = Axis.around([points.x[i] for i in rows], 58, 656)
    upward = Axis.around([points.y[i] for i in rows], 300, 34)
    y_label = f"{objective.name} ({objective.unit})" if objective.unit else objective.name
    unit = " (nats)" if choice.chosen == DENSITY else ", log-ratio (nats)"
    x_label = f"naturalness: {TITLES.get(choice.chosen, choice.chosen)}{unit}"
    parts = [draw_axes(across, upward, x_label, y_label)]
    if native and choice.chosen != DENSITY and across.low < 0 < across.high:
        parts.append(draw_line(across(0), upward.start, across(0), upward.end))
        parts.append(draw_text(across(0) - 4, upward.end - 2, native, size=SMALL, anchor="end", opacity=0.75))
    parts += [points.draw(i, across, upward, objective) for i in rows]
    drawing = assemble_svg(680, 346, parts, description=f"{objective.name} over naturalness")
    faint = "" if is_measured[rows].all() else " Faint: predicted, not measured."
    return add_caption(drawing, f"{choice.describe()} Ringed: the shortlist.{faint}")


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of a scatter plot."""

    evaluated: Sequence[Candidate[str]]
    """Candidates."""
    keys: frozenset[str]
    """Keys of the shortlist."""
    x: Array
    """Naturalness (`n`)."""
    y: Array
    """Measured or predicted values (`n`)."""
    is_measured: npt.NDArray[np.bool_]
    """Whether each value is measured (`n`)."""

    def rows(self) -> list[int]:
        """Return the points to draw: of more than the maximum, the shortlist and the latest ones."""
        finite = [i for i in range(len(self.evaluated)) if math.isfinite(self.x[i]) and math.isfinite(self.y[i])]
        ranked = sorted(finite, key=lambda i: (self.evaluated[i].key not in self.keys, -i))
        return ranked[:MAX_POINTS][::-1]

    def draw(self, i: int, across: Axis, upward: Axis, objective: Objective) -> str:
        """Return a point with its tooltip."""
        candidate, is_measured = self.evaluated[i], self.is_measured[i]
        is_listed = candidate.key in self.keys
        ring = f"stroke:{LISTED};stroke-width:2" if is_listed else "stroke:none"
        style = f"fill:{BETTER};fill-opacity:{0.55 if is_measured else 0.2};{ring}"
        status = "measured" if is_measured else "predicted"
        value = f"{objective.name} {format_number(float(self.y[i]))}, {status}"
        tooltip = f"{_shorten(candidate.design)}\n{value}; naturalness {format_number(float(self.x[i]))}"
        radius = 4.5 if is_listed else 3
        center = f'cx="{across(self.x[i]):.1f}" cy="{upward(self.y[i]):.1f}"'
        return f'<circle {center} r="{radius}" style="{style}"><title>{escape(tooltip)}</title></circle>'


def _draw_bars(n_edits: Sequence[int], reference: str) -> str:
    """Draw a histogram of numbers of edits."""
    counts = Counter(n_edits)
    low, high = min(counts), max(counts)
    width = max(1, -(-(high - low + 1) // MAX_BARS))
    starts = list(range(low, high + 1, width))
    totals = [sum(counts[k] for k in range(start, start + width)) for start in starts]
    largest, bottom = max(totals), 178
    cell = min(46.0, 560 / len(starts))
    right = 58 + cell * len(starts)
    parts = [draw_line(58, bottom, right, bottom), draw_text(2, 14, "designs")]
    label_step = max(1, math.ceil(30 / cell))
    for k, (start, n) in enumerate(zip(starts, totals, strict=True)):
        x, height = 58 + k * cell, 136 * n / largest
        label = str(start) if width == 1 else f"{start} to {start + width - 1}"
        if n:
            box = (x + 1, bottom - height, cell - 2, height)
            parts.append(draw_rectangle(*box, BETTER, opacity=0.75, tooltip=f"{label} edits: {n}"))
            parts.append(draw_text(x + cell / 2, bottom - height - 5, str(n), size=SMALL, anchor="middle"))
        if k % label_step == 0:
            parts.append(draw_text(x + cell / 2, bottom + 16, str(start), size=SMALL, anchor="middle", opacity=0.75))
    parts.append(draw_text(58, bottom + 34, f"edits from {reference}"))
    drawing = assemble_svg(640, bottom + 42, parts, description=f"edits from {reference}")
    median = format_number(float(np.median(n_edits)))
    return add_caption(drawing, f"{len(n_edits)} designs of the shortlist; median {median}, {low} to {high} edits.")


def _draw_matrix(designs: Sequence[str], n_all: int) -> str:
    """Draw the edit distances between designs."""
    n = len(designs)
    distances = np.array([[distance(a, b) for b in designs] for a in designs])
    pairs = distances[np.triu_indices(n, 1)]
    largest = int(pairs.max()) or 1
    cell = min(26.0, 440 / n)
    parts = []
    label_step = 1 if n <= 20 else 5
    for i in range(n):
        if (i + 1) % label_step == 0 or i == 0:
            label, middle = str(i + 1), (i + 0.5) * cell
            parts.append(draw_text(34, 26 + middle + 4, label, size=SMALL, anchor="end", opacity=0.75))
            parts.append(draw_text(40 + middle, 20, label, size=SMALL, anchor="middle", opacity=0.75))
        for k in range(n):
            if i != k:
                parts += _draw_pair(i, k, int(distances[i, k]), largest, cell, has_text=n <= 20)
    drawing = assemble_svg(
        max(320.0, 48 + n * cell), 34 + n * cell, parts, description="edits between designs of the shortlist"
    )
    first = f"The first {n} of {n_all} designs, by rank" if n < n_all else "Designs by rank"
    median = format_number(float(np.median(pairs)))
    scale = f"stronger colours are larger distances: {int(pairs.min())} to {largest} edits, median {median}."
    return add_caption(drawing, f"{first}; {scale}")


def _draw_pair(i: int, k: int, n_edits: int, largest: int, cell: float, *, has_text: bool) -> list[str]:
    """Return the cell of two designs, with the number of edits if there is space for text."""
    x, y, share = 40 + k * cell, 26 + i * cell, n_edits / largest
    box = (x + 0.4, y + 0.4, cell - 0.8, cell - 0.8)
    tooltip = f"designs {i + 1} and {k + 1}: {n_edits} edits"
    parts = [draw_rectangle(*box, BETTER, opacity=0.06 + 0.9 * share, tooltip=tooltip)]
    if has_text:
        ink = "#ffffff" if share > 0.55 else "currentColor"
        parts.append(draw_text(x + cell / 2, y + cell / 2 + 4, str(n_edits), size=SMALL, anchor="middle", fill=ink))
    return parts


def _shorten(design: str) -> str:
    return design if len(design) <= 40 else f"{design[:24]}...{design[-8:]}"
