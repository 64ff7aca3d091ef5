"""The surrogates: functions `(X, U, *, d, ...)` to a fitted BoTorch model of the utilities.

`X` is `n x (d + f)`, latents first and the domain's features behind them; `U` is `n x m`, more is better. Every one of
them takes `noise_floor`, the smallest variance of the noise (in standardized utilities) that it may settle on.
"""

from __future__ import annotations

from typing import Literal

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from torch import Tensor

from invdesign.surrogate.fitting import (
    Smoothness,
    each,
    fitted,
    hyperparameters,
    latent_kernel,
    likelihood,
    read_off,
    scaled,
    subset,
)
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs
from invdesign.surrogate.kernels import DeepKernel, MinMaxKernel, check_counts


def exact_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    kernel: Smoothness = "matern",
    ard: bool = False,
    fit_points: int = 512,
    max_steps: int = 25,
    noise_floor: float = 1e-4,
) -> Model:
    """Exact GP on the latents; the features are not read.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: number of latent columns.
        kernel: Matern-5/2 or RBF.
        ard: one lengthscale for each latent dimension, or one for all. On latents of our VAEs one for all predicts new
            designs better (rank correlation 0.33, 0.43, 0.53 against 0.32, 0.41, 0.50 for QED, logP, TPSA after 1,000
            designs), takes half the time, and does not flatter its leave-one-out report.
        fit_points: hyperparameters are fitted to so many points (best, newest and random ones); the posterior uses all.
        max_steps: of L-BFGS.
        noise_floor: smallest noise variance.

    References:
        Hvarfner et al., Vanilla Bayesian Optimization Performs Great in High Dimensions (2024), arXiv:2402.02229.
    """
    return each(
        U,
        lambda u: fitted(
            latent_kernel(d, kernel=kernel, ard=ard),
            X,
            u,
            fit_points=fit_points,
            max_steps=max_steps,
            noise_floor=noise_floor,
        ),
    )


def sparse_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    kernel: Smoothness = "matern",
    ard: bool = False,
    n_inducing: int = 1000,
    fit_points: int = 512,
    max_steps: int = 25,
    noise_floor: float = 1e-3,
) -> Model:
    """Sparse GP on the latents for large histories: every point counts, through `n_inducing` of them.

    The variational posterior is known in closed form once the hyperparameters are settled, so there is no stochastic
    training: they are fitted to a part of the data as in `exact_gp`.

    References:
        Titsias, Variational Learning of Inducing Variables in Sparse Gaussian Processes, AISTATS 2009.
    """

    def one(u: Tensor) -> ConditionedGP:
        covariance, noise, mean = hyperparameters(
            latent_kernel(d, kernel=kernel, ard=ard),
            X,
            u,
            fit_points=fit_points,
            max_steps=max_steps,
            noise_floor=noise_floor,
        )
        inducing = X[subset(u, n_inducing)] if len(X) > n_inducing else None
        return ConditionedGP(covariance, X, u, noise=noise, means=mean, inducing=inducing)

    return each(U, one)


def tanimoto_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    noise: float = 1e-4,
    is_fitted: bool = False,
    max_points: int = 4000,
    noise_floor: float = 1e-6,
) -> Model:
    """GP with the MinMax kernel on the features; the latents are not read.

    By default nothing is fitted: mean 0 and output scale 1 in standardized utilities, noise 1e-4. With a similarity
    that is right for the domain, fixed hyperparameters beat fitted ones while data are few.

    Args:
        X: `n x (d + f)` inputs, features `>= 0` (counts are fast).
        U: `n x m` utilities; all objectives share one kernel matrix.
        d: number of latent columns.
        noise: variance of the noise in standardized utilities.
        is_fitted: choose the noise by marginal likelihood, on a grid, for each objective.
        max_points: a longer history is thinned to so many points: the best, the newest, and random ones.
        noise_floor: smallest noise variance.

    References:
        Tripp and Hernandez-Lobato, Diagnosing and fixing common problems in Bayesian optimization for molecule
        design (2024), arXiv:2406.07709.
    """
    check_counts(X[:, d:])
    covariance = MinMaxKernel(active_dims=tuple(range(d, X.shape[1])))
    keep = subset(U, max_points)
    if not is_fitted:
        model = ConditionedGP(covariance, X[keep], U[keep], noise=max(noise, noise_floor))
        covariance.forget()
        return model
    grid = [max(noise_floor, level) for level in (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)]
    part = subset(U, 1000)
    fits = [ConditionedGP(covariance, X[part], U[part], noise=level).log_marginal() for level in grid]
    chosen = torch.stack(fits).argmax(0).tolist()
    models = [ConditionedGP(covariance, X[keep], U[keep, j : j + 1], noise=grid[best]) for j, best in enumerate(chosen)]
    covariance.forget()
    return models[0] if len(models) == 1 else IndependentGPs(models)


def joint_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    combine: Literal["sum", "product"] = "sum",
    kernel: Smoothness = "matern",
    ard: bool = False,
    max_points: int = 4000,
    fit_points: int = 512,
    max_steps: int = 40,
    noise_floor: float = 1e-4,
) -> Model:
    """GP that reads both: a kernel on the latents and MinMax on the features, added or multiplied, scales fitted.

    Args as in `exact_gp` and `tanimoto_gp`.
    """
    check_counts(X[:, d:])
    keep = subset(U, max_points)
    X, U = X[keep], U[keep]
    features = MinMaxKernel(active_dims=tuple(range(d, X.shape[1])))
    latents = latent_kernel(d, kernel=kernel, ard=ard)

    def one(u: Tensor) -> ConditionedGP:
        covariance = scaled(latents) + scaled(features) if combine == "sum" else scaled(latents * features)
        return fitted(covariance, X, u, fit_points=fit_points, max_steps=max_steps, noise_floor=noise_floor)

    model = each(U, one)
    features.forget()
    return model


def deep_kernel_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    widths: tuple[int, ...] = (64, 16),
    n_steps: int = 60,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-3,
    fit_points: int = 512,
    max_points: int = 4000,
    noise_floor: float = 1e-3,
) -> Model:
    """GP on what a small network makes of latents and features, both trained together on the marginal likelihood.

    A network flatters leave-one-out, so a fifth of the rows at least is kept from its training for the report.

    References:
        Wilson et al., Deep Kernel Learning, AISTATS 2016, arXiv:1511.02222.
    """
    keep = subset(U, max_points)
    X, U = X[keep], U[keep]

    def one(u: Tensor) -> ConditionedGP:
        base = latent_kernel(widths[-1], kernel="rbf", ard=False)
        covariance: Kernel = DeepKernel(base, d=d, n_inputs=X.shape[1], widths=widths)
        part = subset(u, min(fit_points, max(2, round(0.8 * len(u)))))
        mll = likelihood(covariance, X, u, part=part, noise_floor=noise_floor)
        mll.train()
        optimizer = torch.optim.AdamW(mll.parameters(), lr=learning_rate, weight_decay=weight_decay)
        for _ in range(n_steps):
            optimizer.zero_grad()
            gp = mll.model
            loss = -mll(gp(*gp.train_inputs), gp.train_targets)
            loss.backward()
            optimizer.step()
        covariance, noise, mean = read_off(mll, noise_floor=noise_floor)
        rows = torch.arange(len(u))
        return ConditionedGP(covariance, X, u, noise=noise, means=mean, unseen=rows[~torch.isin(rows, part)])

    return each(U, one)


def auto(X: Tensor, U: Tensor, *, d: int, largest_exact: int = 2000, noise_floor: float = 1e-4) -> Model:
    """The surrogate that measurement recommends: Tanimoto where features are counts, else exact or sparse on latents.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: number of latent columns.
        largest_exact: longest history for the exact GP on latents.
        noise_floor: smallest noise variance.
    """
    features = X[:, d:]
    if features.shape[1] and not bool((features < 0).any()):
        return tanimoto_gp(X, U, d=d, noise_floor=noise_floor)
    if len(X) <= largest_exact:
        return exact_gp(X, U, d=d, noise_floor=noise_floor)
    return sparse_gp(X, U, d=d, noise_floor=max(1e-3, noise_floor))
