"""Figures of the latent space: corpus, evaluated designs and incumbents of the search in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from invdesign.atlas import ProjectionMethod, project, thin
from invdesign.core import Array, Candidate, D
from invdesign.report.data import ReportData, incumbents, pareto_optimal
from invdesign.report.figures import describe_candidate, name_with_unit
from invdesign.report.svg import (
    GREYS_TO_PLUM,
    VIRIDIS,
    Canvas,
    Plot,
    Scale,
    color_index,
    draw_color_bar,
    draw_text,
    make_plot,
)

MAX_CORPUS = 1200
MAX_HISTORY = 800
MAX_TOOLTIPS = 250
MAX_PROPERTIES = 3
SIZE = 430


@dataclass(frozen=True)
class Panel:
    """One picture of the latent space."""

    title: str
    """Projection and colour."""
    picture: str
    """SVG of the picture."""
    key: str
    """SVG of the colour key."""


@dataclass(frozen=True, eq=False)
class ShownDesigns:
    """Selection of designs to show: a sample of the corpus, and evaluated designs."""

    corpus: Array
    """`s x d` latents of the sample of the corpus."""
    rows: tuple[int, ...]
    """Positions of the `n` shown designs among the evaluated ones."""
    history: Array
    """`n x d` latents of the shown designs."""
    path: tuple[int, ...]
    """Rows of `history`: the incumbents in their order."""
    stars: tuple[int, ...]
    """Rows of `history`: the best designs."""


@dataclass(frozen=True, eq=False)
class LatentPlane:
    """The shown designs in the plane."""

    name: str
    """Name of the projection."""
    corpus: Array
    """`s x 2` points of the corpus."""
    history: Array
    """`n x 2` points of the evaluated designs."""
    shown: ShownDesigns
    """The designs of these points."""


def plot_latent_space(data: ReportData[D], methods: Sequence[ProjectionMethod], *, seed: int = 0) -> list[Panel]:
    """Return every projection of the latent space, coloured by each property (three at most) and by density.

    Args:
        data: Corpus sample and evaluated designs.
        methods: Projections.
        seed: Seed of the projections.

    Raises:
        ValueError: There are too few designs for a projection.
    """
    panels = []
    for plane in project_designs(data, methods, seed=seed):
        n_properties = min(MAX_PROPERTIES, len(data.objectives))
        panels += [plot_property(data, plane, j) for j in range(n_properties)]
        panels.append(plot_density(data, plane))
    return panels


def project_designs(data: ReportData[D], methods: Sequence[ProjectionMethod], *, seed: int = 0) -> list[LatentPlane]:
    """Return the projections of a sample of the corpus and of the evaluated designs together.

    Raises:
        ValueError: There are too few designs for a projection.
    """
    shown = _select_designs(data)
    Z = np.concatenate([shown.corpus, shown.history])
    n_corpus = len(shown.corpus)
    planes = []
    for method in methods:
        projection = project(Z, method, seed=seed)
        corpus, history = projection.points[:n_corpus], projection.points[n_corpus:]
        planes.append(LatentPlane(projection.name, corpus, history, shown))
    return planes


def plot_property(data: ReportData[D], plane: LatentPlane, j: int) -> Panel:
    """Return the corpus in grey, the measured designs coloured by the `j`-th property, and the incumbents.

    Raises:
        ValueError: Nothing is measured yet.
    """
    objective = data.objectives[j]
    candidates = _shown_candidates(data, plane)
    y = data.properties(candidates)[:, j]
    measured = np.flatnonzero(np.isfinite(y))
    if not len(measured):
        raise ValueError("nothing is measured yet")
    low, high = np.percentile(y[measured], [2, 98])
    frame = _make_frame(plane)
    parts = [_draw_background(plane, frame)]
    order = measured[np.argsort(objective.utility(y)[measured])]  # the best designs lie on top
    plain, with_tooltip = order[:-MAX_TOOLTIPS], order[-MAX_TOOLTIPS:]
    for step, color in enumerate(VIRIDIS):
        rows = [i for i in plain if color_index(y[i], low, high, VIRIDIS) == step]
        parts.append(frame.draw_dots(plane.history[rows, 0], plane.history[rows, 1], "", radius=2.1, color=color))
    for i in with_tooltip:
        color = VIRIDIS[color_index(y[i], low, high, VIRIDIS)]
        tooltip = describe_candidate(data, candidates[i])
        a, b = plane.history[i]
        parts.append(frame.draw_dot(a, b, "design", radius=2.8, color=color, tooltip=tooltip))
    parts += _draw_best(data, plane, frame)
    key = draw_color_bar(VIRIDIS, float(low), float(high), name_with_unit(objective))
    return Panel(f"{plane.name}, coloured by {objective.name}", _render(frame, parts, plane.name), key)


def plot_density(data: ReportData[D], plane: LatentPlane) -> Panel:
    """Return the corpus and the evaluated designs coloured by log-density, and the incumbents.

    Raises:
        ValueError: No design has a density.
    """
    history = np.array([c.log_density for c in _shown_candidates(data, plane)], dtype=np.float64)
    corpus = np.full(len(plane.corpus), np.nan)
    if data.corpus_log_density is not None and len(plane.corpus):
        values = np.asarray(data.corpus_log_density, dtype=np.float64)
        corpus = values[thin(len(values), MAX_CORPUS)]
    log_density = np.concatenate([corpus, history])
    finite = log_density[np.isfinite(log_density)]
    if not len(finite):
        raise ValueError("no design has a density")
    low, high = np.percentile(finite, [3, 97])
    frame = _make_frame(plane)
    parts = [_draw_background(plane, frame)]
    for values, points, radius in ((corpus, plane.corpus, 1.6), (history, plane.history, 2.3)):
        steps = [color_index(v, low, high, GREYS_TO_PLUM) if math.isfinite(v) else -1 for v in values]
        for step, color in enumerate(GREYS_TO_PLUM):
            rows = [i for i, own in enumerate(steps) if own == step]
            parts.append(frame.draw_dots(points[rows, 0], points[rows, 1], "", radius=radius, color=color))
    parts += _draw_best(data, plane, frame)
    key = draw_color_bar(GREYS_TO_PLUM, float(low), float(high), "log-density of real designs")
    return Panel(f"{plane.name}, coloured by density", _render(frame, parts, plane.name), key)


def _select_designs(data: ReportData[D]) -> ShownDesigns:
    """Return the designs to show.

    The best designs, the incumbents and the shortlist are always shown; the other ones are thinned evenly.
    """
    evaluated = data.evaluated
    placed = [i for i, c in enumerate(evaluated) if c.is_placed]
    if data.corpus_latents is not None:
        corpus = np.asarray(data.corpus_latents, dtype=np.float64)
    else:
        corpus = np.zeros((0, len(evaluated[0].z) if evaluated else 0))
    path, best = incumbents(data), pareto_optimal(data)
    marked = {c.key for c in (*path, *best, *data.shortlist)}
    always = [i for i in placed if evaluated[i].key in marked]
    rows = tuple(sorted({*always, *(placed[i] for i in thin(len(placed), MAX_HISTORY).tolist())}))
    positions = {evaluated[row].key: i for i, row in enumerate(rows)}
    return ShownDesigns(
        corpus=corpus[thin(len(corpus), MAX_CORPUS)],
        rows=rows,
        history=np.array([evaluated[row].z.numpy() for row in rows]).reshape(len(rows), corpus.shape[1]),
        path=tuple(positions[c.key] for c in path if c.key in positions),
        stars=tuple(positions[c.key] for c in best if c.key in positions),
    )


def _shown_candidates(data: ReportData[D], plane: LatentPlane) -> list[Candidate[D]]:
    evaluated = data.evaluated
    return [evaluated[row] for row in plane.shown.rows]


def _draw_best(data: ReportData[D], plane: LatentPlane, frame: Plot) -> list[str]:
    """Return the incumbents as a line and the best design as a star; a star per design of a Pareto front.

    A ring marks the first incumbent.
    """
    candidates = _shown_candidates(data, plane)
    path, stars = plane.shown.path, plane.shown.stars
    size = 6 if data.is_pareto else 9
    star_parts = [_draw_star(data, candidates[i], plane.history[i], frame, size=size) for i in stars]
    if not path:
        return star_parts
    points = plane.history[list(path)]
    parts = [
        frame.draw_line(points[:, 0], points[:, 1], "halo"),
        frame.draw_line(points[:, 0], points[:, 1], "path"),
    ]
    for n, (i, (a, b)) in enumerate(zip(path[:-1], points[:-1], strict=True)):
        css, radius = ("path-turn", 2.4) if n else ("path-start", 4.5)
        parts.append(frame.draw_dot(a, b, css, radius=radius, tooltip=describe_candidate(data, candidates[i])))
    a, b = points[-1]
    is_right = frame.x(a) > 0.72 * frame.width
    x = frame.x(a) + (-11 if is_right else 11)
    name = f"best, round {candidates[path[-1]].round}"
    return [*parts, *star_parts, draw_text(x, frame.y(b) + 4, name, "point-note end" if is_right else "point-note")]


def _draw_star(data: ReportData[D], candidate: Candidate[D], point: Array, frame: Plot, *, size: float) -> str:
    """Return a five-pointed star with a tooltip; `size` is its outer radius [pixels]."""
    x, y = frame.x(float(point[0])), frame.y(float(point[1]))
    corners = []
    for k in range(10):
        radius = size if k % 2 == 0 else 0.42 * size
        angle = math.pi * (k / 5 - 0.5)
        corners.append(f"{x + radius * math.cos(angle):.1f} {y + radius * math.sin(angle):.1f}")
    title = f"<title>{escape(describe_candidate(data, candidate))}</title>"
    return f'<path class="star" d="M{"L".join(corners)}Z">{title}</path>'


def _make_frame(plane: LatentPlane) -> Plot:
    points = np.concatenate([plane.corpus, plane.history])
    canvas = Canvas(SIZE, SIZE * 0.86, left=6, right=6)
    frame = make_plot(points[:, 0], points[:, 1], canvas)
    return replace(frame, y=Scale(frame.y.low, frame.y.high, canvas.height - 6, 6))


def _draw_background(plane: LatentPlane, frame: Plot) -> str:
    field = f'<rect class="field" x="0" y="0" width="{frame.width:.0f}" height="{frame.height:.0f}" rx="4"/>'
    return field + frame.draw_dots(plane.corpus[:, 0], plane.corpus[:, 1], "corpus", radius=1.4)


def _render(frame: Plot, parts: Sequence[str], name: str) -> str:
    return frame.render(*parts, description=f"latent space, {name}", css="latent")
