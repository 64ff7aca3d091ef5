"""Semantics of a latent space: neighbours are similar designs, properties vary smoothly, nonsense is implausible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from invdesign.core import Array, InvdesignError


def structure_distances(F: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n n"]:
    """Return distances between designs from their features.

    Counts (no feature is negative) give 1 - sum min / sum max, the Tanimoto distance of counts; other features give the
    Euclidean distance of standardized features.

    Args:
        F: Features of `n` designs.
    """
    if (F >= 0).all():
        total = F.sum(1)
        # sum |a - b| = total_a + total_b - 2 sum min
        differences = torch.cdist(torch.from_numpy(F), torch.from_numpy(F), p=1).numpy()
        sums = total[:, None] + total[None]
        shared, joined = (sums - differences) / 2, (sums + differences) / 2
        tanimoto: Array = np.divide(shared, joined, out=np.ones_like(shared), where=joined > 0)
        return 1 - tanimoto
    standardized = torch.from_numpy((F - F.mean(0)) / F.std(0).clip(1e-9))
    distances: Array = torch.cdist(standardized, standardized).numpy()
    return distances


def neighbour_correlation(
    Z: Float[np.ndarray, "n d"], distances: Float[np.ndarray, "n n"], *, n_near: int = 50
) -> float:
    """Return the rank correlation of latent with structure distances from a design to its nearest ones, on average.

    Over all pairs most distances carry no information: two random molecules are dissimilar, and it does not matter how
    much. Pairs of different designs are not compared with each other: large designs have more features that can differ,
    so that even principal components of the features correlate negatively (-.09) over pooled pairs of molecules, and
    positively (.37) from each molecule.

    Args:
        Z: Latents of `n` designs.
        distances: Their structure distances.
        n_near: Designs nearest in structure that are compared.

    Raises:
        InvdesignError: Fewer than three designs.
    """
    if len(Z) < 3:
        raise InvdesignError(f"neighbour correlation: expected at least three designs, got {len(Z)}")
    latent = torch.cdist(torch.from_numpy(Z), torch.from_numpy(Z)).numpy()
    k = min(n_near, len(Z) - 1)
    order = np.argsort(distances + np.diag(np.full(len(Z), np.inf)), axis=1)[:, :k]
    near = [(latent[i, row], distances[i, row]) for i, row in enumerate(order)]
    # Where all near designs are equally far, no correlation is defined.
    from scipy.stats import spearmanr  # takes a second, which most commands need not spend

    correlations = [spearmanr(*pair).statistic for pair in near if all(np.ptp(values) > 0 for values in pair)]
    return float(np.mean(correlations)) if correlations else 0.0


def neighbour_r2(Z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], *, k: int = 5) -> float:
    """Return the fraction of the variance of a property that the mean of the nearest other designs explains.

    Args:
        Z: Coordinates of `n` designs.
        y: Their property; NaN where unknown.
        k: Nearest designs that are averaged.
    """
    is_known = np.isfinite(y)
    X, values = torch.from_numpy(Z[is_known]), y[is_known]
    distances = torch.cdist(X, X)
    distances.fill_diagonal_(torch.inf)
    nearest = distances.topk(min(k, len(values) - 1), largest=False).indices.numpy()
    error = values - values[nearest].mean(1)
    return float(1 - (error**2).mean() / values.var())


def principal_components(F: Float[np.ndarray, "n f"], d: int) -> Float[np.ndarray, "n d"]:
    """Return the first principal components of features: the linear baseline of a latent space."""
    centered = torch.from_numpy(F - F.mean(0))
    U, S, _ = torch.linalg.svd(centered, full_matrices=False)
    components: Array = (U[:, :d] * S[:d]).numpy()
    return components


def auroc(low: Sequence[float] | Array, high: Sequence[float] | Array) -> float:
    """Return the probability that a value of `high` exceeds one of `low`, ties counted half.

    Example:
        >>> auroc([0.0, 1.0], [1.0, 2.0])
        0.875
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([np.asarray(low, dtype=float), np.asarray(high, dtype=float)]))
    n, m = len(low), len(high)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))
