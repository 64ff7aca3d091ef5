"""Auxiliary targets of the property head: what shapes a latent space beside reconstruction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import Array, B, Corpus, D, Encoding, InvdesignError, Progress, silent
from invdesign.core.capabilities import features
from invdesign.io.stored_designs import StoredDesigns

BATCH = 2000
MAX_FITTED = 12_500


def auxiliary_targets(
    encoding: Encoding[D, B],
    corpus: Corpus[D],
    n: int,
    *,
    condition: Float[Tensor, "designs c"] | None = None,
    progress: Progress = silent,
) -> Float[Tensor, "designs n"] | FeatureTargets | None:
    """Return standardized targets for a property head of `n` outputs.

    The corpus's properties come first, by name; then the leading principal components of `log(1 + features)`.
    Predicting these targets places structurally similar designs close together, at no oracle cost.

    Args:
        encoding: The encoding of the corpus; it may offer features.
        corpus: Its measured properties are NaN where unknown.
        n: Outputs of the head; 0 for no targets.
        condition: Conditions of the designs. What follows linearly from them is taken out of the targets, which would
            else draw the condition into the latents.
        progress: Called with `(stage, done, total)`.

    Returns:
        One row for each design of the corpus, or None where `n` is 0. Those of a corpus on disk are computed when they
        are trained on.

    Raises:
        InvdesignError: Fewer outputs than properties, or more than properties and features together.
    """
    if not n:
        return None
    names = sorted(corpus.properties)
    if len(names) > n:
        raise InvdesignError(
            f"property head: expected at least {len(names)} outputs, one for each property of corpus {corpus.name!r} "
            f"({', '.join(names)}), got {n}. Set n_properties to at least {len(names)}"
        )
    if isinstance(corpus.designs, StoredDesigns):
        return _targets_on_demand(encoding, corpus, corpus.designs, n)
    columns = [np.asarray(corpus.properties[name], dtype=np.float64)[:, None] for name in names]
    if len(names) < n:
        columns.append(_principal_components(encoding, corpus, n - len(names), progress))
    Y = np.concatenate(columns, axis=1)
    if condition is not None:
        Y = _residuals(Y, condition.double().numpy())
    spread = np.nanstd(Y, axis=0)
    return torch.from_numpy((Y - np.nanmean(Y, axis=0)) / np.where(spread > 0, spread, 1.0)).float()


@dataclass(frozen=True, eq=False)
class FeatureTargets:
    """Principal components of the features of designs on disk, computed for the designs of a training step."""

    encoding: Encoding[Any, Any]
    """Computes the features."""
    designs: StoredDesigns
    """The designs."""
    center: Array
    """Mean of the features."""
    directions: Array
    """The components, each divided by its standard deviation: features x targets."""

    def __len__(self) -> int:
        return len(self.designs)

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return the standardized targets of some designs."""
        values = (_log_features(self.encoding, self.designs.take(rows.numpy())) - self.center) @ self.directions
        return torch.from_numpy(values).float()


def _targets_on_demand(
    encoding: Encoding[Any, Any], corpus: Corpus[Any], designs: StoredDesigns, n: int
) -> FeatureTargets:
    center, leading, variances = _fit_components(encoding, corpus, n)
    return FeatureTargets(encoding, designs, center, leading / np.sqrt(np.maximum(variances, 1e-12)))


def _residuals(Y: Array, condition: Array) -> Array:
    """Return targets without what a linear regression on the condition predicts; NaN stays where unknown."""
    residuals = Y.copy()
    for column in residuals.T:
        is_known = np.isfinite(column)
        C = condition[is_known]
        column[is_known] -= C @ np.linalg.lstsq(C, column[is_known], rcond=None)[0]
    return residuals


def _principal_components(encoding: Encoding[D, B], corpus: Corpus[D], n: int, progress: Progress) -> Array:
    """Return the `n` leading principal components of the designs' features: designs x n."""
    center, leading, _ = _fit_components(encoding, corpus, n)
    blocks = []
    for start in range(0, len(corpus), BATCH):
        progress("computing auxiliary targets", start, len(corpus))
        blocks.append((_log_features(encoding, corpus.designs[start : start + BATCH]) - center) @ leading)
    components: Array = np.concatenate(blocks)
    return components


def _fit_components(encoding: Encoding[D, B], corpus: Corpus[D], n: int) -> tuple[Array, Array, Array]:
    """Return the center of the features of a part of the designs, the leading components, and their variances."""
    fitted = _log_features(encoding, corpus.designs[:: math.ceil(len(corpus) / MAX_FITTED)])
    fitted = fitted[np.isfinite(fitted).all(axis=1)]
    if fitted.shape[1] < n or len(fitted) < 2:
        raise InvdesignError(
            f"property head: expected at most {fitted.shape[1]} outputs beyond the corpus's properties, the number of "
            f"features of the encoding, got {n}. Lower n_properties"
        )
    center = fitted.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov(fitted - center, rowvar=False))
    return center, directions[:, ::-1][:, :n], variances[::-1][:n]


def _log_features(encoding: Encoding[D, B], designs: Sequence[D]) -> Array:
    """Return the logarithms of features, symmetric for negative ones: log(1 + x) of counts."""
    blocks = [features(encoding, designs[i : i + BATCH]) for i in range(0, len(designs), BATCH)]
    given = np.concatenate(blocks)
    values: Array = np.sign(given) * np.log1p(np.abs(given))
    return values
