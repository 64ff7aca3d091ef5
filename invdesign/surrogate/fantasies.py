"""Conditioning of a surrogate on pending designs."""

from __future__ import annotations

from typing import Any

import torch
from botorch.models.model import Model
from torch import Tensor

from invdesign.surrogate.gp import ConditionedGP, IndependentGPs


def condition_on(model: Model, X: Tensor, U: Tensor) -> Model:
    """Return a surrogate conditioned on further observations, with its hyperparameters unchanged.

    Args:
        model: Fitted model of `m` utilities.
        X: `k x (d + f)` inputs.
        U: `k x m` utilities.
    """
    if isinstance(model, IndependentGPs):
        return IndependentGPs([_condition_gp(part, X, U[:, [j]]) for j, part in enumerate(model.models)])
    if isinstance(model, ConditionedGP):
        return _condition_gp(model, X, U)
    conditioned: Model = model.condition_on_observations(X, U)
    return conditioned


def _condition_gp(model: ConditionedGP, X: Tensor, U: Tensor) -> ConditionedGP:
    row_noise = None if model.row_noise is None else torch.cat([model.row_noise, model.row_noise.new_zeros(len(X))])
    return ConditionedGP(
        model.kernel,
        torch.cat([model.X, X]),
        torch.cat([model.U, U]),
        noise=model.noise,
        prior_means=model.prior_means,
        inducing_points=model.inducing_points,
        row_noise=row_noise,
        factor=model.factor if model.inducing_points is None else None,
        sums=model.sums,
    )


@torch.no_grad()
def condition_on_pending(model: Model, X: Tensor) -> Model:
    """Return a surrogate conditioned on pending designs at their predicted means (fantasies).

    The variance around pending designs drops, so a batch selected while others are being measured differs from them
    (the kriging believer).

    Args:
        model: Fitted model of `m` utilities.
        X: `k x (d + f)` inputs of the pending designs.

    References:
        Ginsbourger et al. (2010), doi:10.1007/978-3-642-10701-6_6.
    """
    if not len(X):
        return model
    posterior: Any = model.posterior(X.unsqueeze(1))
    mean: Tensor = posterior.mean
    return condition_on(model, X, mean.reshape(len(X), -1))
