"""Projections of latents to the plane: PCA, LLE, t-SNE, UMAP and PaCMAP."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from invdesign.core import Array

log = logging.getLogger(__name__)

ProjectionMethod = Literal["pca", "lle", "tsne", "umap", "pacmap"]
MIN_POINTS = 8
N_NEIGHBORS = 15
PERPLEXITY = 30.0
MAX_ITER = 500
MIN_STARTED = 1_000
"""Number of designs from which t-SNE is initialized by UMAP."""
N_LANDMARKS = 2_000
"""Largest number of designs that UMAP places; each of the others starts among its nearest ones."""
START_NEIGHBORS, START_MIN_DIST = 50, 0.5
"""Neighbours and spacing of UMAP: large values preserve distances between clusters."""
START_SD = 10.0
"""Standard deviation of the initial layout. In a much smaller one t-SNE loses the positions of the clusters."""
PERPLEXITY_FRACTION, MAX_PAIRS = 1 / 11, 500_000
"""The perplexity is this fraction of the number of designs, limited so that perplexity times designs, which decides the
cost, is at most `MAX_PAIRS`."""
REFINING_ITER = 250
MIN_COARSE, COARSE_ANGLE = 5_000, 1.0
"""Number of designs from which the forces of distant groups are approximated more coarsely (0.5 below)."""
MAX_EXACT_UMAP = 4_096
"""Number of designs from which UMAP approximates the neighbours, by its own choice."""
N_ANCHORS = 5
"""Number of fitted designs by whose coordinates another design is placed."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Latents in the plane."""

    name: str
    """Name of the method for captions, e.g. `"PCA (63 % of the variance)"`."""
    points: Array
    """`n x 2` coordinates, in the order of the latents."""


def project(Z: Array, method: ProjectionMethod, *, seed: int = 0) -> Projection:
    """Return the projection of latents to the plane.

    PCA preserves distances as well as a linear map can; the others preserve neighbourhoods. From 1,000 designs on t-SNE
    is initialized by UMAP, which preserves distances between clusters, and has a large perplexity: of the methods here
    only this one reaches a trustworthiness of .94 and a continuity of .93 at once on latents of
    molecules. UMAP and PaCMAP take about 10 s on their first call, most of it compilation. PaCMAP is an extra
    (`invdesign[maps]`). If one of the two fails, t-SNE from principal components replaces it, and `Projection.name`
    names the one that was used.

    Args:
        Z: `n x d` latents.
        method: `"pca"`, `"lle"` (locally linear embedding), `"tsne"`, `"umap"` or `"pacmap"`.
        seed: Seed of all methods but PCA, which is deterministic.

    Returns:
        Name and `n x 2` points.

    Raises:
        ValueError: Fewer than 8 points, or fewer than two latent dimensions.

    References:
        McInnes et al., 2018, arXiv:1802.03426 (UMAP); van der Maaten and Hinton, JMLR 2008 (t-SNE); Roweis and Saul,
        2000, doi:10.1126/science.290.5500.2323 (LLE); Wang et al., JMLR 2021, arXiv:2012.04456 (PaCMAP); Kobak and
        Linderman, 2021, doi:10.1038/s41587-020-00809-z (the start of t-SNE and UMAP).

    Example:
        >>> import numpy as np
        >>> project(np.random.default_rng(0).normal(size=(20, 2)), "pca").name
        'PCA (100 % of the variance)'
    """
    if Z.ndim != 2 or len(Z) < MIN_POINTS or Z.shape[1] < 2:
        raise ValueError(f"a projection needs at least {MIN_POINTS} designs of two latent dimensions, got {Z.shape}")
    if method == "pca":
        return _pca(Z)
    if method == "lle":
        return Projection("LLE", _lle(Z, seed))
    compiled = {"umap": ("UMAP", _umap), "pacmap": ("PaCMAP", _pacmap)}
    if len(Z) >= MIN_STARTED:
        compiled["tsne"] = ("t-SNE", _refined_tsne)
    if method in compiled:
        name, layout = compiled[method]
        try:
            return Projection(name, layout(Z, seed))
        except Exception as error:  # any failure of a compiled projection has the same remedy: t-SNE by itself
            log.info("%s failed (%s); t-SNE from principal components replaces it", name, error)
    return Projection("t-SNE", _tsne(Z, seed))


def place_among(Z: Array, fitted: Array, points: Array) -> Array:
    """Return coordinates of latents: the mean of those of the nearest fitted ones, by inverse squared distance.

    Args:
        Z: `m x d` latents.
        fitted: `n x d` latents that have coordinates.
        points: `n x 2` coordinates.

    Returns:
        `m x 2` coordinates; a fitted latent is placed exactly where it is.
    """
    distance, rows = cKDTree(fitted).query(Z, k=min(N_ANCHORS, len(fitted)))
    distance, rows = distance.reshape(len(Z), -1), rows.reshape(len(Z), -1)
    weights = 1 / np.maximum(distance, 1e-9 * (1 + distance[:, -1:])) ** 2
    weights /= weights.sum(1, keepdims=True)
    placed: Array = (weights[:, :, None] * points[rows]).sum(1)
    return placed


def thin(n: int, max_points: int) -> npt.NDArray[np.intp]:
    """Return the positions of at most `max_points` of `n` items, evenly spread.

    Example:
        >>> thin(10, 4).tolist()
        [0, 3, 6, 9]
    """
    if n <= max_points:
        return np.arange(n)
    return np.unique(np.linspace(0, n - 1, max_points).astype(int))


def _pca(Z: Array) -> Projection:
    """Return the first two principal components; the largest loading of each axis is positive."""
    centered = Z - Z.mean(axis=0)
    _, singular_values, axes = np.linalg.svd(centered, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    axes = axes * signs[:, None]
    explained = (singular_values[:2] ** 2).sum() / max((singular_values**2).sum(), 1e-300)
    return Projection(f"PCA ({100 * explained:.0f} % of the variance)", centered @ axes[:2].T)


def _umap(Z: Array, seed: int, *, n_neighbors: int = N_NEIGHBORS, min_dist: float = 0.1) -> Array:
    from umap import UMAP

    # UMAP computes the distances of few designs pair by pair in Python, which takes longer than its layout.
    has_distances = len(Z) < MAX_EXACT_UMAP
    model = UMAP(
        n_neighbors=min(n_neighbors, len(Z) - 1),
        min_dist=min_dist,
        metric="precomputed" if has_distances else "euclidean",
        random_state=seed,
        n_jobs=1,
        init="spectral" if len(Z) > 50 else "random",
    )
    inputs = cdist(Z, Z) if has_distances else Z
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="using precomputed metric")
        return np.asarray(model.fit_transform(inputs), dtype=np.float64)


def _pacmap(Z: Array, seed: int) -> Array:
    from pacmap import PaCMAP

    model = PaCMAP(n_neighbors=min(N_NEIGHBORS, len(Z) - 1), apply_pca=False, random_state=seed)
    return np.asarray(model.fit_transform(Z.astype(np.float32), init="pca"), dtype=np.float64)


def _lle(Z: Array, seed: int) -> Array:
    from sklearn.manifold import LocallyLinearEmbedding

    model = LocallyLinearEmbedding(n_neighbors=min(N_NEIGHBORS, len(Z) - 1), random_state=seed)
    return np.asarray(model.fit_transform(Z), dtype=np.float64)


def _tsne(Z: Array, seed: int) -> Array:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(Z) - 1) / 3)
    model = TSNE(perplexity=perplexity, random_state=seed, init="pca", max_iter=MAX_ITER)
    return np.asarray(model.fit_transform(Z), dtype=np.float64)


def _refined_tsne(Z: Array, seed: int) -> Array:
    """Return a t-SNE layout initialized by UMAP.

    Early exaggeration is left out, because it would discard the initial layout.
    """
    from sklearn.manifold import TSNE

    landmarks = Z[thin(len(Z), N_LANDMARKS)]
    layout = _umap(landmarks, seed, n_neighbors=START_NEIGHBORS, min_dist=START_MIN_DIST)
    start = place_among(Z, landmarks, layout - layout.mean(0)) * START_SD / layout.std()
    model = TSNE(
        perplexity=max(PERPLEXITY, min(PERPLEXITY_FRACTION * len(Z), MAX_PAIRS / len(Z))),
        random_state=seed,
        init=start.astype(np.float32),
        early_exaggeration=1.0,
        angle=COARSE_ANGLE if len(Z) >= MIN_COARSE else 0.5,
        max_iter=REFINING_ITER,
    )
    return np.asarray(model.fit_transform(Z), dtype=np.float64)
