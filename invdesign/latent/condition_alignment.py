"""Alignment of conditions: what a trained model still adds to the latents under each condition is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.vae.base import VAE, device_of, to_device
from invdesign.vae.conditioning import conditioning_of

MIN_ROWS_PER_COLUMN = 10
"""Designs with known properties for each column of the regression; with fewer the properties are left out."""
MIN_VARIANCE = 1e-4
"""Smallest variance of a direction in standardized latents."""


@torch.no_grad()
def align_conditions(
    vae: VAE, parts: Iterable[Any], conditions: Float[Tensor, "n c"], properties: Mapping[str, Array] | None = None
) -> None:
    """Make the mean latent of all conditions equal, at equal properties, by a change of the model's shift.

    The posterior means are regressed on conditions and measured properties, and the coefficients of the conditions are
    taken from the shift. Encoder and decoder use the same shift, so that designs are decoded as before. Properties are
    in the regression because a label may be confounded with one: what belongs to the property stays.

    Args:
        vae: A conditional model; changed in place.
        parts: Batches of `n` encoded designs.
        conditions: Their conditions.
        properties: Their measured properties, NaN where unknown.

    References:
        Johnson, Li and Rabinovic, Adjusting Batch Effects in Microarray Expression Data (2007),
        doi:10.1093/biostatistics/kxj037 (ComBat: batches are adjusted beside covariates).
    """
    reader = conditioning_of(vae)
    if reader is None:
        raise InvdesignError("alignment: expected a conditional model, got one without conditions")
    device, start, means = device_of(vae), 0, []
    for part in parts:
        rows = conditions[start : start + len(part)]
        means.append(vae.posterior(to_device(part, device), rows).loc.cpu().double())
        start += len(part)
    Z, C = torch.cat(means).numpy(), conditions.double().cpu().numpy()
    X, is_known = _regressors(C, properties or {})
    effects = np.linalg.lstsq(X, Z[is_known], rcond=None)[0][: C.shape[1]]
    n_labels = C.sum(1).mean()
    effects -= C.mean(0) @ effects / n_labels
    reader.shift.weight -= torch.from_numpy(effects.T).to(reader.shift.weight)


def fit_condition_maps(
    Z: Float64[Tensor, "n d"], conditions: Float[Tensor, "n c"], properties: Mapping[str, Array] | None = None
) -> Float64[Tensor, "c d d"]:
    """Return a matrix for each value of each label that gives its latents the covariance of all, at equal properties.

    M = S^1/2 S_c^-1/2, with the covariances S of all residuals and S_c of those of the value. What a condition adds may
    depend on the design, e.g. on its length; then the means agree and the covariances do not. A value with few designs
    gets the identity.

    Args:
        Z: Standardized latents of designs, of equal means.
        conditions: Their conditions.
        properties: Their measured properties, NaN where unknown.

    References:
        Sun, Feng and Saenko, Return of Frustratingly Easy Domain Adaptation, arXiv:1511.05547 (CORAL).
    """
    d, C = Z.shape[1], conditions.double().cpu().numpy()
    X, is_known = _regressors(C, properties or {})
    residuals = Z.numpy()[is_known] - X @ np.linalg.lstsq(X, Z.numpy()[is_known], rcond=None)[0]
    of_all, maps = _root(residuals, 0.5), torch.eye(d, dtype=torch.float64).repeat(C.shape[1], 1, 1)
    for value in range(C.shape[1]):
        own = residuals[C[is_known, value] == 1]
        if len(own) >= MIN_ROWS_PER_COLUMN * d:
            maps[value] = torch.from_numpy(of_all @ _root(own, -0.5))
    return maps


def _root(residuals: Array, power: float) -> Array:
    """Return a power of the covariance of residuals, which is symmetric."""
    values, vectors = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    root: Array = (vectors * np.maximum(values, MIN_VARIANCE) ** power) @ vectors.T
    return root


def _regressors(C: Array, properties: Mapping[str, Array]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return conditions and properties as columns, of the designs whose properties are known, and which these are."""
    Y = _standardized(properties, len(C))
    is_known: npt.NDArray[np.bool_] = np.asarray(np.isfinite(Y).all(axis=1))
    if is_known.sum() < MIN_ROWS_PER_COLUMN * (C.shape[1] + Y.shape[1]):
        Y, is_known = Y[:, :0], np.ones(len(C), dtype=bool)
    return np.concatenate([C, Y], 1)[is_known], is_known


def _standardized(properties: Mapping[str, Array], n: int) -> Array:
    """Return properties that vary as columns of mean 0 and standard deviation 1, NaN where unknown."""
    columns = [np.asarray(properties[name], dtype=np.float64) for name in sorted(properties)]
    varied = [column for column in columns if np.isfinite(column).any() and np.nanstd(column) > 0]
    scaled = [(column - np.nanmean(column)) / np.nanstd(column) for column in varied]
    return np.stack(scaled, 1) if scaled else np.zeros((n, 0))
