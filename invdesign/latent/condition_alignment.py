"""Alignment of conditions: what a trained model still adds to the latents under each condition is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.vae.base import VAE, device_of, to_device
from invdesign.vae.conditioning import conditioning_of

MIN_ROWS_PER_COLUMN = 10
"""Designs with known properties for each column of the regression; with fewer the properties are left out."""


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
    Y = _standardized(properties or {}, len(Z))
    is_known = np.isfinite(Y).all(1)
    if is_known.sum() < MIN_ROWS_PER_COLUMN * (C.shape[1] + Y.shape[1]):
        Y, is_known = Y[:, :0], np.ones(len(Z), dtype=bool)
    X = np.concatenate([C, Y], 1)[is_known]
    effects = np.linalg.lstsq(X, Z[is_known], rcond=None)[0][: C.shape[1]]
    n_labels = C.sum(1).mean()
    effects -= C.mean(0) @ effects / n_labels
    reader.shift.weight -= torch.from_numpy(effects.T).to(reader.shift.weight)


def _standardized(properties: Mapping[str, Array], n: int) -> Array:
    """Return properties that vary as columns of mean 0 and standard deviation 1, NaN where unknown."""
    columns = [np.asarray(properties[name], dtype=np.float64) for name in sorted(properties)]
    varied = [column for column in columns if np.isfinite(column).any() and np.nanstd(column) > 0]
    scaled = [(column - np.nanmean(column)) / np.nanstd(column) for column in varied]
    return np.stack(scaled, 1) if scaled else np.zeros((n, 0))
