"""The latent map: corpus, history and the path of the search, flattened to a page."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np

from invdesign.core import Array, Candidate, D
from invdesign.report.data import ReportData, incumbents, undominated
from invdesign.report.figures import caption_of, named
from invdesign.report.svg import GREYS_TO_PLUM, VIRIDIS, Plot, color_bar, plot, shade, text

Method = Literal["pca", "umap", "tsne"]
MIN_POINTS = 8
MAX_CORPUS = 1200
MAX_HISTORY = 800
MAX_TITLED = 250
SIZE = 430


@dataclass(frozen=True)
class Panel:
    """One picture of the map, with the key to its colours and what it is called."""

    title: str
    picture: str
    key: str


@dataclass(frozen=True, eq=False)
class Flat:
    """Corpus sample (`s x 2`) and history (`n x 2`) in the plane; `rows` are the places of the latter in `told`.

    `path` and `stars` are rows of `history` to be marked: the incumbents in their order, and the best.
    """

    name: str
    corpus: Array
    history: Array
    rows: tuple[int, ...]
    path: tuple[int, ...]
    stars: tuple[int, ...]


def latent_maps(story: ReportData[D], methods: Sequence[Method], *, seed: int = 0) -> list[Panel]:
    """Every projection, coloured by each property (three at most) and by density.

    Raises:
        ValueError: too few points for a map.
    """
    panels = []
    for flat in flatten(story, methods, seed=seed):
        panels += [by_property(story, flat, j) for j in range(min(3, len(story.objectives)))]
        panels.append(by_density(story, flat))
    return panels


def flatten(story: ReportData[D], methods: Sequence[Method], *, seed: int = 0) -> list[Flat]:
    """The projections that could be made, of a sample of the corpus and of the history together.

    The best designs and the path of the search are always among the history; the rest is thinned evenly.
    """
    told = story.told
    d = story.corpus_latents.shape[1] if story.corpus_latents is not None else (len(told[0].z) if told else 0)
    corpus = np.zeros((0, d)) if story.corpus_latents is None else np.asarray(story.corpus_latents, dtype=np.float64)
    corpus = corpus[_thinned(len(corpus), MAX_CORPUS)]
    path, best = incumbents(story), undominated(story)
    keep = {c.key for c in (*path, *best, *story.shortlist)}
    always = [i for i, c in enumerate(told) if c.key in keep]
    rows = tuple(sorted({*always, *_thinned(len(told), MAX_HISTORY).tolist()}))
    place = {told[row].key: i for i, row in enumerate(rows)}
    marks = tuple(place[c.key] for c in path), tuple(place[c.key] for c in best)
    Z = np.concatenate([corpus, np.array([told[i].z.numpy() for i in rows]).reshape(-1, d)])
    if len(Z) < MIN_POINTS or d < 2:
        raise ValueError(f"a map needs at least {MIN_POINTS} designs of two latent dimensions, got {Z.shape}")
    made = []
    for method in methods:
        name, XY = project(Z, method, seed=seed)
        made.append(Flat(name, XY[: len(corpus)], XY[len(corpus) :], rows, *marks))
    return made


def project(Z: Array, method: Method, *, seed: int = 0) -> tuple[str, Array]:
    """`n x d` latents to `n x 2`, and what the projection is called; where UMAP cannot be had, t-SNE.

    References:
        McInnes et al., 2018, arXiv:1802.03426 (UMAP); van der Maaten and Hinton, JMLR 2008 (t-SNE).
    """
    centered = Z - Z.mean(axis=0)
    _, size, axes = np.linalg.svd(centered, full_matrices=False)
    if method == "pca":
        axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
        share = (size[:2] ** 2).sum() / max((size**2).sum(), 1e-300)
        return f"PCA ({100 * share:.0f} % of the variance)", centered @ axes[:2].T
    if method == "umap":
        try:
            from umap import UMAP

            neighbors = min(15, len(Z) - 1)
            init = "spectral" if len(Z) > 50 else "random"
            return "UMAP", np.asarray(
                UMAP(n_neighbors=neighbors, random_state=seed, n_jobs=1, init=init).fit_transform(Z), dtype=np.float64
            )
        except Exception as error:  # any failure of an optional projection has the same remedy: the other one
            logging.getLogger(__name__).info("UMAP failed (%s); t-SNE takes its place", error)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(Z) - 1) / 3)
    flat = TSNE(perplexity=perplexity, random_state=seed, init="pca", max_iter=500).fit_transform(Z)
    return "t-SNE", np.asarray(flat, dtype=np.float64)


def by_property(story: ReportData[D], flat: Flat, j: int) -> Panel:
    """The corpus in grey, measured designs coloured by a property, and the path."""
    told = [story.told[i] for i in flat.rows]
    y = story.properties(told)[:, j]
    known = np.flatnonzero(np.isfinite(y))
    if not len(known):
        raise ValueError("nothing is measured yet")
    low, high = np.percentile(y[known], [2, 98])
    frame = _frame(flat)
    parts = [_backdrop(flat, frame)]
    utility = story.objectives[j].utility(y)
    order = known[np.argsort(utility[known])]
    plain, titled = order[:-MAX_TITLED], order[-MAX_TITLED:]
    for step, color in enumerate(VIRIDIS):
        mine = [i for i in plain if shade(y[i], low, high, VIRIDIS) == step]
        parts.append(frame.dots(flat.history[mine, 0], flat.history[mine, 1], "", radius=2.1, color=color))
    for i in titled:
        color = VIRIDIS[shade(y[i], low, high, VIRIDIS)]
        says = caption_of(story, told[i])
        parts.append(frame.dot(flat.history[i, 0], flat.history[i, 1], "design", radius=2.8, color=color, says=says))
    parts += _path(story, flat, frame)
    key = color_bar(VIRIDIS, float(low), float(high), named(story.objectives[j]))
    return Panel(f"{flat.name}, coloured by {story.objectives[j].name}", _draw(frame, parts, flat.name), key)


def by_density(story: ReportData[D], flat: Flat) -> Panel:
    """Corpus and history coloured by the log-density of real designs, and the path."""
    told = [story.told[i] for i in flat.rows]
    mine = np.array([c.log_density for c in told], dtype=np.float64)
    theirs = np.full(len(flat.corpus), np.nan)
    if story.corpus_log_density is not None and len(flat.corpus):
        values = np.asarray(story.corpus_log_density, dtype=np.float64)
        theirs = values[_thinned(len(values), MAX_CORPUS)]
    both = np.concatenate([theirs, mine])
    finite = both[np.isfinite(both)]
    if not len(finite):
        raise ValueError("no design has a density")
    low, high = np.percentile(finite, [3, 97])
    frame = _frame(flat)
    parts = [_backdrop(flat, frame)]
    for values, XY, radius in ((theirs, flat.corpus, 1.6), (mine, flat.history, 2.3)):
        for step, color in enumerate(GREYS_TO_PLUM):
            rows = [i for i, v in enumerate(values) if math.isfinite(v) and shade(v, low, high, GREYS_TO_PLUM) == step]
            parts.append(frame.dots(XY[rows, 0], XY[rows, 1], "", radius=radius, color=color))
    parts += _path(story, flat, frame)
    key = color_bar(GREYS_TO_PLUM, float(low), float(high), "log-density of real designs")
    return Panel(f"{flat.name}, coloured by density", _draw(frame, parts, flat.name), key)


def _path(story: ReportData[D], flat: Flat, frame: Plot) -> list[str]:
    """The incumbents joined in their order: a ring where it starts, a star where it ends; stars on a Pareto front."""
    told = [story.told[row] for row in flat.rows]
    size = 6 if story.is_pareto else 9
    stars = [_starred(story, told[i], flat.history[i], frame, size=size) for i in flat.stars]
    if not flat.path:
        return stars
    XY = flat.history[list(flat.path)]
    parts = [frame.line(XY[:, 0], XY[:, 1], "halo"), frame.line(XY[:, 0], XY[:, 1], "path")]
    for n, (i, (a, b)) in enumerate(zip(flat.path[:-1], XY[:-1], strict=True)):
        css, radius = ("path-turn", 2.4) if n else ("path-start", 4.5)
        parts.append(frame.dot(a, b, css, radius=radius, says=caption_of(story, told[i])))
    a, b = XY[-1]
    is_right = frame.x(a) > 0.72 * frame.width
    css = "map-note end" if is_right else "map-note"
    words = f"best, round {told[flat.path[-1]].round}"
    return [*parts, *stars, text(frame.x(a) + (-11 if is_right else 11), frame.y(b) + 4, words, css)]


def _starred(story: ReportData[D], c: Candidate[D], place: Array, frame: Plot, *, size: float) -> str:
    x, y = frame.x(float(place[0])), frame.y(float(place[1]))
    corners = []
    for k in range(10):
        reach = size if k % 2 == 0 else 0.42 * size
        angle = math.pi * (k / 5 - 0.5)
        corners.append(f"{x + reach * math.cos(angle):.1f} {y + reach * math.sin(angle):.1f}")
    title = f"<title>{escape(caption_of(story, c))}</title>"
    return f'<path class="star" d="M{"L".join(corners)}Z">{title}</path>'


def _frame(flat: Flat) -> Plot:
    both = np.concatenate([flat.corpus, flat.history])
    frame = plot(both[:, 0], both[:, 1], width=SIZE, height=SIZE * 0.86, left=6, right=6)
    return Plot(frame.x, type(frame.y)(frame.y.low, frame.y.high, SIZE * 0.86 - 6, 6), SIZE, SIZE * 0.86)


def _backdrop(flat: Flat, frame: Plot) -> str:
    field = f'<rect class="field" x="0" y="0" width="{frame.width:.0f}" height="{frame.height:.0f}" rx="4"/>'
    return field + frame.dots(flat.corpus[:, 0], flat.corpus[:, 1], "corpus", radius=1.4)


def _draw(frame: Plot, parts: Sequence[str], name: str) -> str:
    return frame.draw(*parts, says=f"latent map, {name}", css="map")


def _thinned(n: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `n` things, evenly spread."""
    return np.arange(n) if n <= most else np.unique(np.linspace(0, n - 1, most).astype(int))
