"""Projections of latents to the plane: PCA, LLE, t-SNE, UMAP and PaCMAP."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from invdesign.core import Array

log = logging.getLogger(__name__)

ProjectionMethod = Literal["pca", "lle", "tsne", "umap", "pacmap"]
MIN_POINTS = 8
N_NEIGHBORS = 15
PERPLEXITY = 30.0
MAX_ITER = 500


@dataclass(frozen=True, eq=False)
class Projection:
    """Latents in the plane."""

    name: str
    """Name of the method for captions, e.g. `"PCA (63 % of the variance)"`."""
    points: Array
    """`n x 2` coordinates, in the order of the latents."""


def project(Z: Array, method: ProjectionMethod, *, seed: int = 0) -> Projection:
    """Return the projection of latents to the plane.

    PCA preserves distances as well as a linear map can; the others preserve neighbourhoods. UMAP and PaCMAP take about
    20 s on their first call, most of it compilation, and are faster than t-SNE from some thousand designs on. PaCMAP is
    an extra (`invdesign[maps]`). If one of the two fails, t-SNE replaces it, and `Projection.name` names the one that
    was used.

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
        2000, doi:10.1126/science.290.5500.2323 (LLE); Wang et al., JMLR 2021, arXiv:2012.04456 (PaCMAP).

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
    for name, optional in (("UMAP", _umap), ("PaCMAP", _pacmap)):
        if method == name.lower():
            try:
                return Projection(name, optional(Z, seed))
            except Exception as error:  # any failure of an optional projection has the same remedy: the other one
                log.info("%s failed (%s); t-SNE replaces it", name, error)
    return Projection("t-SNE", _tsne(Z, seed))


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


def _umap(Z: Array, seed: int) -> Array:
    from umap import UMAP

    model = UMAP(
        n_neighbors=min(N_NEIGHBORS, len(Z) - 1),
        random_state=seed,
        n_jobs=1,
        init="spectral" if len(Z) > 50 else "random",
    )
    return np.asarray(model.fit_transform(Z), dtype=np.float64)


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
