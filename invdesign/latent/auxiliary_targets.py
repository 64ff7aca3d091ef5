"""Room of the map: what shapes a latent space beside reconstruction, the labels of the VAE's property head."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, B, Corpus, D, Domain, InvdesignError, Progress, silent

PART = 2000
FITTED_ON = 12_500


def auxiliary_targets(domain: Domain[D, B], corpus: Corpus[D], n: int, *, progress: Progress = silent) -> Tensor | None:
    """Labels for a property head of `n` outputs: the corpus's properties by name, then components of its features.

    The components are the leading principal ones of `log(1 + features)`: a latent space that foretells them lays
    designs of like structure side by side, at no cost of measurement.

    Args:
        domain: fitted.
        corpus: its measured properties come first; NaN where unknown.
        n: outputs of the head; 0 for no labels.
        progress: told the designs done.

    Returns:
        Designs `x n`, standardized, or None.

    Raises:
        InvdesignError: fewer outputs than properties, or more than properties and features together.
    """
    if not n:
        return None
    names = sorted(corpus.properties)
    if len(names) > n:
        raise InvdesignError(
            f"the property head has {n} outputs and corpus {corpus.name!r} {len(names)} properties "
            f"({', '.join(names)}); set n_properties to at least {len(names)}"
        )
    columns = [np.asarray(corpus.properties[name], dtype=np.float64)[:, None] for name in names]
    if len(names) < n:
        columns.append(_components(domain, corpus, n - len(names), progress))
    Y = np.concatenate(columns, axis=1)
    spread = np.nanstd(Y, axis=0)
    return torch.from_numpy((Y - np.nanmean(Y, axis=0)) / np.where(spread > 0, spread, 1.0)).float()


def _components(domain: Domain[D, B], corpus: Corpus[D], n: int, progress: Progress) -> Array:
    """The `n` leading principal components of the designs' features: designs `x n`."""
    seen = _features(domain, corpus.designs[:: math.ceil(len(corpus) / FITTED_ON)])
    seen = seen[np.isfinite(seen).all(axis=1)]
    if seen.shape[1] < n or len(seen) < 2:
        raise InvdesignError(
            f"the property head asks for {n} hints beyond the corpus's properties, but domain {domain.name!r} offers "
            f"{seen.shape[1]} features; lower n_properties"
        )
    center = seen.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(seen - center, rowvar=False))
    leading = directions[:, ::-1][:, :n]
    blocks = []
    for start in range(0, len(corpus), PART):
        progress("computing hints from features", start, len(corpus))
        blocks.append((_features(domain, corpus.designs[start : start + PART]) - center) @ leading)
    return np.concatenate(blocks)


def _features(domain: Domain[D, B], designs: tuple[D, ...]) -> Array:
    return np.log1p(np.concatenate([domain.features(designs[i : i + PART]) for i in range(0, len(designs), PART)]))
