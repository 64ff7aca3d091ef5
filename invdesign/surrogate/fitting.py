"""How surrogates are fitted: kernels with priors, which part of a history hyperparameters see, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import botorch
import torch
from botorch.models import SingleTaskGP
from botorch.models.model import Model
from botorch.optim.fit import fit_gpytorch_mll_scipy
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import Kernel, MaternKernel, RBFKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs

Smoothness = Literal["matern", "rbf"]


def latent_kernel(d: int, *, kernel: Smoothness = "matern", ard: bool = True) -> Kernel:
    """Kernel on the first `d` columns with a lengthscale prior that grows as the square root of `d`.

    Hvarfner's prior is for the unit cube, whose sides have sd `1 / sqrt(12)`; standardized latents have sd 1, so the
    prior is stretched by `sqrt(12)`. The output scale is 1, as utilities are standardized.
    """
    prior = LogNormalPrior(loc=math.sqrt(2) + math.log(12 * d) / 2, scale=math.sqrt(3))
    build = {"matern": MaternKernel, "rbf": RBFKernel}.get(kernel)
    if build is None:
        raise InvdesignError(f"surrogate kernel {kernel!r} is none of 'matern', 'rbf'")
    covariance: Kernel = build(
        ard_num_dims=d if ard else None,
        active_dims=tuple(range(d)),
        lengthscale_prior=prior,
        lengthscale_constraint=GreaterThan(0.05, transform=None, initial_value=prior.mode),
    )
    return covariance


def subset(U: Tensor, max_points: int) -> Tensor:
    """Positions (ascending) of at most `max_points` rows: a third the best, a third the newest, the rest at random."""
    n = len(U)
    if n <= max_points:
        return torch.arange(n)
    score = ((U - U.mean(0)) / U.std(0).clamp_min(1e-12)).sum(1)
    is_kept = torch.zeros(n, dtype=torch.bool)
    is_kept[score.topk(max_points // 3).indices] = True
    is_kept[n - max_points // 3 :] = True
    rest = (~is_kept).nonzero().squeeze(1)
    is_kept[rest[torch.randperm(len(rest))[: max_points - int(is_kept.sum())]]] = True
    return is_kept.nonzero().squeeze(1)


def each(U: Tensor, one: Callable[[Tensor], ConditionedGP]) -> Model:
    """One process for each objective."""
    models = [one(U[:, j : j + 1]) for j in range(U.shape[1])]
    return models[0] if len(models) == 1 else IndependentGPs(models)


def scaled(kernel: Kernel) -> Kernel:
    prior = LogNormalPrior(loc=math.log(0.5), scale=1.0)
    constraint = GreaterThan(1e-4, transform=None, initial_value=0.5)
    return ScaleKernel(kernel, outputscale_prior=prior, outputscale_constraint=constraint)


def likelihood(
    covariance: Kernel, X: Tensor, u: Tensor, *, part: Tensor, noise_floor: float
) -> ExactMarginalLogLikelihood:
    """The marginal likelihood of a part of the data, utilities standardized by all of it."""
    standardized = (u - u.mean(0)) / u.std(0).clamp_min(1e-12)
    prior = LogNormalPrior(loc=-4.0, scale=1.0)
    observed = GaussianLikelihood(
        noise_prior=prior,
        noise_constraint=GreaterThan(
            noise_floor, transform=None, initial_value=max(float(prior.mode), 2 * noise_floor)
        ),
    )
    with botorch.settings.validate_input_scaling(False):
        model = SingleTaskGP(
            X[part], standardized[part], likelihood=observed, covar_module=covariance, outcome_transform=None
        )
    return ExactMarginalLogLikelihood(model.likelihood, model)


def hyperparameters(
    covariance: Kernel, X: Tensor, u: Tensor, *, fit_points: int, max_steps: int, noise_floor: float
) -> tuple[Kernel, float, Tensor]:
    mll = likelihood(covariance, X, u, part=subset(u, fit_points), noise_floor=noise_floor)
    mll.train()
    fit_gpytorch_mll_scipy(mll, options={"maxiter": max_steps})
    return read_off(mll, noise_floor=noise_floor)


def fitted(
    covariance: Kernel, X: Tensor, u: Tensor, *, fit_points: int, max_steps: int, noise_floor: float
) -> ConditionedGP:
    covariance, noise, mean = hyperparameters(
        covariance, X, u, fit_points=fit_points, max_steps=max_steps, noise_floor=noise_floor
    )
    return ConditionedGP(covariance, X, u, noise=noise, means=mean)


def read_off(mll: ExactMarginalLogLikelihood, *, noise_floor: float) -> tuple[Kernel, float, Tensor]:
    """Kernel, noise and prior mean of a fitted model."""
    mean = mll.model.mean_module.constant.detach().reshape(1).clone()
    return mll.model.covar_module, max(mll.likelihood.noise.item(), noise_floor), mean
