"""How far designs are from the wild type and from each other, and their naturalness beside what was measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from invdesign.core import Array, Candidate, InvdesignError, Objective
from invdesign.domains.sequences.naturalness.naturalness import (
    WORDS,
    Load,
    Method,
    best_of,
    is_comparable,
    known,
    naturalness,
)
from invdesign.domains.sequences.output.scatter_plots import (
    BETTER,
    LISTED,
    SMALL,
    Axis,
    box,
    captioned,
    frame,
    missing,
    number,
    picture,
    rule,
    text,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance

MAX_LISTED = 40
MAX_BARS = 30
MAX_POINTS = 1500
MAX_SCATTERS = 3


def edits(
    shortlist: Sequence[Candidate[str]],
    told: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    wild_type: WildType | None = None,
) -> dict[str, str]:
    """Edits from the wild type, or from the nearest seed, and between the designs of the shortlist.

    Args:
        shortlist: best first; the matrix shows the first 40.
        told: where there is no wild type, those of round 0 are the seeds.
        objectives: not looked at.
        wild_type: substitutions count where lengths are equal, else the fewest edits.
    """
    designs = [c.design for c in shortlist]
    if not designs:
        return {}
    starts = [c.design for c in told if c.round == 0] if wild_type is None else [wild_type.sequence]
    found = {}
    if starts:
        of = "the nearest seed" if wild_type is None else wild_type.name
        found[f"Edits from {of}"] = _bars([min(distance(start, d) for start in starts) for d in designs], of)
    if len(designs) > 1:
        found["Edits between the designs of the shortlist"] = _matrix(designs[:MAX_LISTED], len(designs))
    return found


def natural_and_measured(
    shortlist: Sequence[Candidate[str]],
    told: Sequence[Candidate[str]],
    objectives: Sequence[Objective],
    *,
    corpus: Load | None = None,
    wild_type: WildType | None = None,
    model: str | Path | None = None,
) -> dict[str, str]:
    """Naturalness beside each property: the score that ranks the measured designs best, and how well each ranks them.

    The scores are the density of the map, which every candidate carries, the companions (`natural.naturalness`) where
    there is a corpus that can be counted place by place, and log p(x) of a model where there is a folder of one.

    Args:
        shortlist: ringed.
        told: measured designs as dots, others at their predictions as small ones.
        objectives: a figure for each of the first three.
        corpus: loads what is natural.
        wild_type: what is compared with.
        model: a folder that training wrote.
    """
    if not told:
        return {}
    designs = [c.design for c in told]
    scores: dict[str, Array] = {"density of the map": np.array([c.log_density for c in told])}
    can_count = corpus is not None and is_comparable(corpus, wild_type)
    methods: list[Method] = ["independent", "pairwise"] if can_count else []
    if model is not None:
        methods.append("vae")
    for method in methods:
        scores[method] = naturalness(designs, corpus=corpus, wild_type=wild_type, method=method, model=model)
    of_corpus = known(corpus) if corpus is not None else frozenset(designs)
    seen = np.array([design in of_corpus for design in designs])
    keys = {c.key for c in shortlist}
    figures = {}
    for j, objective in enumerate(objectives[:MAX_SCATTERS]):
        title = f"Naturalness and {objective.name}"
        figures[title] = _scatter(told, keys, scores, seen, objective, j, "" if wild_type is None else wild_type.name)
    return figures


def _scatter(
    told: Sequence[Candidate[str]], keys: set[str], scores: Mapping[str, Array], seen: np.ndarray, objective: Objective,
    j: int, native: str,
) -> str:  # fmt: skip
    y = np.array([c.y[j] if len(c.y) > j else math.nan for c in told])
    guess = np.array([c.mean[j] if len(c.mean) > j else math.nan for c in told])
    is_measured = np.isfinite(y)
    try:
        choice = best_of(scores, np.asarray(objective.utility(y)), seen=seen)
    except InvdesignError:
        return missing("not drawn: fewer than three designs have a measurement and a naturalness")
    x, shown = scores[choice.chosen], np.where(is_measured, y, guess)
    rows = [i for i in range(len(told)) if math.isfinite(x[i]) and math.isfinite(shown[i])]
    # Of very many, the listed ones and the latest.
    rows = sorted(rows, key=lambda i: (told[i].key not in keys, -i))[:MAX_POINTS][::-1]
    across = Axis.around([x[i] for i in rows], 58, 656)
    upward = Axis.around([shown[i] for i in rows], 300, 34)
    named = f"{objective.name} ({objective.unit})" if objective.unit else objective.name
    unit = " of the latent (nats)" if choice.chosen == "density of the map" else ", log-ratio (nats)"
    parts = [frame(across, upward, f"naturalness: {WORDS.get(choice.chosen, choice.chosen)}{unit}", named)]
    if native and choice.chosen != "density of the map" and across.low < 0 < across.high:
        parts.append(rule(across(0), upward.start, across(0), upward.end))
        parts.append(text(across(0) - 4, upward.end - 2, native, size=SMALL, anchor="end", opacity=0.75))
    for i in rows:
        is_listed = told[i].key in keys
        ring = f"stroke:{LISTED};stroke-width:2" if is_listed else "stroke:none"
        style = f"fill:{BETTER};fill-opacity:{0.55 if is_measured[i] else 0.2};{ring}"
        kind = "measured" if is_measured[i] else "predicted"
        property = f"{objective.name} {number(float(shown[i]))}, {kind}"
        says = f"{_short(told[i].design)}\n{property}; naturalness {number(float(x[i]))}"
        radius = 4.5 if is_listed else 3
        parts.append(
            f'<circle cx="{across(x[i]):.1f}" cy="{upward(shown[i]):.1f}" r="{radius}" style="{style}">'
            f"<title>{escape(says)}</title></circle>"
        )
    drawing = picture(680, 346, parts, says=f"{objective.name} over naturalness")
    faint = "" if is_measured[rows].all() else " Faint: predicted, not measured."
    return captioned(drawing, f"{choice.words()} Ringed: the shortlist.{faint}")


def _bars(edits: Sequence[int], of: str) -> str:
    counts = Counter(edits)
    low, high = min(counts), max(counts)
    width = max(1, -(-(high - low + 1) // MAX_BARS))
    starts = list(range(low, high + 1, width))
    heights = [sum(counts[k] for k in range(start, start + width)) for start in starts]
    most, bottom = max(heights), 178
    cell = min(46.0, 560 / len(starts))
    right = 58 + cell * len(starts)
    parts = [rule(58, bottom, right, bottom), text(2, 14, "designs")]
    every = max(1, math.ceil(30 / cell))
    for k, (start, n) in enumerate(zip(starts, heights, strict=True)):
        x, tall = 58 + k * cell, 136 * n / most
        name = str(start) if width == 1 else f"{start} to {start + width - 1}"
        if n:
            parts.append(box(x + 1, bottom - tall, cell - 2, tall, BETTER, opacity=0.75, says=f"{name} edits: {n}"))
            parts.append(text(x + cell / 2, bottom - tall - 5, str(n), size=SMALL, anchor="middle"))
        if k % every == 0:
            parts.append(text(x + cell / 2, bottom + 16, str(start), size=SMALL, anchor="middle", opacity=0.75))
    parts.append(text(58, bottom + 34, f"edits from {of}"))
    drawing = picture(640, bottom + 42, parts, says=f"edits from {of}")
    middle = number(float(np.median(edits)))
    return captioned(drawing, f"{len(edits)} designs of the shortlist; median {middle}, {low} to {high} edits.")


def _matrix(designs: Sequence[str], n_all: int) -> str:
    n = len(designs)
    apart = np.array([[distance(a, b) for b in designs] for a in designs])
    pairs = apart[np.triu_indices(n, 1)]
    most = int(pairs.max()) or 1
    cell = min(26.0, 440 / n)
    parts = []
    every = 1 if n <= 20 else 5
    for i in range(n):
        if (i + 1) % every == 0 or i == 0:
            parts.append(text(34, 26 + (i + 0.5) * cell + 4, str(i + 1), size=SMALL, anchor="end", opacity=0.75))
            parts.append(text(40 + (i + 0.5) * cell, 20, str(i + 1), size=SMALL, anchor="middle", opacity=0.75))
        for k in range(n):
            if i == k:
                continue
            x, y, share = 40 + k * cell, 26 + i * cell, apart[i, k] / most
            says = f"designs {i + 1} and {k + 1}: {apart[i, k]} edits"
            parts.append(box(x + 0.4, y + 0.4, cell - 0.8, cell - 0.8, BETTER, opacity=0.06 + 0.9 * share, says=says))
            if n <= 20:
                ink = "#ffffff" if share > 0.55 else "currentColor"
                words = str(apart[i, k])
                parts.append(text(x + cell / 2, y + cell / 2 + 4, words, size=SMALL, anchor="middle", fill=ink))
    drawing = picture(max(320.0, 48 + n * cell), 34 + n * cell, parts, says="edits between designs of the shortlist")
    first = f"The first {n} of {n_all} designs, by rank" if n < n_all else "Designs by rank"
    middle = number(float(np.median(pairs)))
    said = f"the stronger the colour, the further apart: {int(pairs.min())} to {most} edits, median {middle}."
    return captioned(drawing, f"{first}; {said}")


def _short(design: str) -> str:
    return design if len(design) <= 40 else f"{design[:24]}...{design[-8:]}"
