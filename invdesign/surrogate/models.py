"""Surrogates: functions `(X, U, *, d, ...)` that return a fitted BoTorch model of the utilities.

`X` is `n x (d + f)`, latents first, then the features of the domain; `U` is `n x m`, more is better. In shapes,
`c = d + f`. All of them have the parameter `noise_floor`, the smallest variance of the noise (in standardized
utilities).
"""

from __future__ import annotations

from typing import Literal

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from jaxtyping import Float
from torch import Tensor

from invdesign.surrogate.descriptors import descriptor_gp
from invdesign.surrogate.fitting import (
    N_THINNED,
    Smoothness,
    add_output_scale,
    build_latent_kernel,
    build_likelihood,
    choose_rows,
    extend_gp,
    extend_sparse_gp,
    fit_each_objective,
    fit_gp,
    fit_hyperparameters,
    read_hyperparameters,
)
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs
from invdesign.surrogate.kernels import DeepKernel, MinMaxKernel, check_counts

NOISE_GRID = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Noise variances that `tanimoto_gp` chooses from."""
MAX_NOISE_POINTS = 1000
"""Largest number of rows that the noise is chosen by."""
SPARSE_NOISE = 0.1
"""Smallest noise of a Tanimoto process with inducing points: it stands for what these leave unexplained."""


def exact_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    kernel: Smoothness = "matern",
    ard: bool = False,
    max_fit_points: int = 512,
    max_steps: int = 25,
    noise_floor: float = 1e-4,
) -> Model:
    """Fit an exact GP on the latents; the features are not used.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: Number of latent columns.
        kernel: Matern-5/2 or RBF.
        ard: Whether each latent dimension has its own lengthscale. On latents of our VAEs one lengthscale for all
            predicts new designs better (rank correlation 0.33, 0.43, 0.53 against 0.32, 0.41, 0.50 for QED, logP, TPSA
            after 1,000 designs), takes half the time, and does not make leave-one-out results too optimistic.
        max_fit_points: Largest number of rows that hyperparameters are fitted to (the best, the newest and random
            ones); the posterior uses all rows.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.

    References:
        Hvarfner et al., Vanilla Bayesian Optimization Performs Great in High Dimensions (2024), arXiv:2402.02229.

    Example:
        >>> X = torch.linspace(0, 3, 8, dtype=torch.float64)[:, None]
        >>> model = exact_gp(X, X.sin(), d=1)
        >>> model.posterior(X[:2]).mean.shape
        torch.Size([2, 1])
    """

    def fit(u: Tensor) -> ConditionedGP:
        covariance = build_latent_kernel(d, kernel=kernel, ard=ard)
        return fit_gp(covariance, X, u, max_fit_points=max_fit_points, max_steps=max_steps, noise_floor=noise_floor)

    return fit_each_objective(U, fit)


def sparse_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    kernel: Smoothness = "matern",
    ard: bool = False,
    n_inducing: int = 1000,
    max_fit_points: int = 512,
    max_steps: int = 25,
    noise_floor: float = 1e-3,
) -> Model:
    """Fit a sparse GP on the latents, for large histories: all rows are used, through `n_inducing` of them.

    For fixed hyperparameters the variational posterior has a closed form, so there is no stochastic training. The
    hyperparameters are fitted to some of the rows as in `exact_gp`.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: Number of latent columns.
        kernel: Matern-5/2 or RBF.
        ard: Whether each latent dimension has its own lengthscale.
        n_inducing: Number of inducing points: the best, the newest and random rows.
        max_fit_points: Largest number of rows that hyperparameters are fitted to.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.

    References:
        Titsias, Variational Learning of Inducing Variables in Sparse Gaussian Processes, AISTATS 2009.
    """

    def fit(u: Tensor) -> ConditionedGP:
        fitted = fit_hyperparameters(
            build_latent_kernel(d, kernel=kernel, ard=ard),
            X,
            u,
            max_fit_points=max_fit_points,
            max_steps=max_steps,
            noise_floor=noise_floor,
        )
        inducing = X[choose_rows(u, n_inducing)] if len(X) > n_inducing else None
        return ConditionedGP(fitted.kernel, X, u, noise=fitted.noise, prior_means=fitted.mean, inducing_points=inducing)

    return fit_each_objective(U, fit)


def tanimoto_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    noise: float = 1e-4,
    is_noise_fitted: bool = False,
    max_points: int = 12_000,
    n_inducing: int | None = None,
    noise_floor: float = 1e-6,
    previous: Model | None = None,
) -> Model:
    """Fit a GP with the MinMax kernel on the features; the latents are not used.

    By default nothing is fitted: mean 0 and output scale 1 in standardized utilities, noise 1e-4. With a similarity
    that suits the domain, fixed hyperparameters predict better than fitted ones while data are few. They also let the
    Cholesky factor of a round be extended by the rows that are new, in O(n^2 b) operations.

    Args:
        X: `n x (d + f)` inputs, features `>= 0` (counts are fast).
        U: `n x m` utilities; all objectives share one kernel matrix.
        d: Number of latent columns.
        noise: Variance of the noise in standardized utilities.
        is_noise_fitted: Whether to choose the noise of each objective by marginal likelihood, on a grid.
        max_points: Largest number of rows that are all used in an exact process.
        n_inducing: Of a longer history, all rows are used through this many of them (the best, the newest and random
            ones), in O(n k^2) operations once and O(b k^2) for each batch; None uses only 4,000 rows.
        noise_floor: Smallest noise variance.
        previous: Model of the round before, whose Cholesky factor is extended.

    Raises:
        InvdesignError: There are no features, or there are negative ones.

    References:
        Tripp and Hernandez-Lobato, Diagnosing and fixing common problems in Bayesian optimization for molecule
        design (2024), arXiv:2406.07709.
    """
    check_counts(X[:, d:])
    if len(X) > max_points and n_inducing is not None:
        level = max(noise, noise_floor, SPARSE_NOISE)
        return extend_sparse_gp(previous, MinMaxKernel(d), X, U, noise=level, n_inducing=n_inducing)
    if len(X) > max_points:
        rows = choose_rows(U, N_THINNED)
        X, U = X[rows], U[rows]
    covariance = MinMaxKernel(d)
    if not is_noise_fitted:
        return extend_gp(previous, covariance, X, U, noise=max(noise, noise_floor))
    grid = [max(noise_floor, level) for level in NOISE_GRID]
    some = choose_rows(U, MAX_NOISE_POINTS)
    likelihoods = [ConditionedGP(covariance, X[some], U[some], noise=level).log_marginal_likelihood() for level in grid]
    best = torch.stack(likelihoods).argmax(0).tolist()
    models = [ConditionedGP(covariance, X, U[:, j : j + 1], noise=grid[i]) for j, i in enumerate(best)]
    return models[0] if len(models) == 1 else IndependentGPs(models)


def joint_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    combine: Literal["sum", "product"] = "sum",
    kernel: Smoothness = "matern",
    ard: bool = False,
    max_points: int = 4000,
    max_fit_points: int = 512,
    max_steps: int = 40,
    noise_floor: float = 1e-4,
) -> Model:
    """Fit a GP on latents and features: the sum or product of a latent kernel and the MinMax kernel, scales fitted.

    Args:
        X: `n x (d + f)` inputs, features `>= 0` (counts are fast).
        U: `n x m` utilities.
        d: Number of latent columns.
        combine: Whether the kernels are added or multiplied.
        kernel: Matern-5/2 or RBF on the latents.
        ard: Whether each latent dimension has its own lengthscale.
        max_points: Largest number of rows; of a longer history the best, the newest and random ones are used.
        max_fit_points: Largest number of rows that hyperparameters are fitted to.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.

    Raises:
        InvdesignError: There are no features, or there are negative ones.
    """
    check_counts(X[:, d:])
    rows = choose_rows(U, max_points)
    X, U = X[rows], U[rows]
    features = MinMaxKernel(d)
    latents = build_latent_kernel(d, kernel=kernel, ard=ard)

    def fit(u: Tensor) -> ConditionedGP:
        if combine == "sum":
            covariance = add_output_scale(latents) + add_output_scale(features)
        else:
            covariance = add_output_scale(latents * features)
        return fit_gp(covariance, X, u, max_fit_points=max_fit_points, max_steps=max_steps, noise_floor=noise_floor)

    model = fit_each_objective(U, fit)
    features.clear_cache()
    return model


def deep_kernel_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    widths: tuple[int, ...] = (64, 16),
    n_steps: int = 60,
    learning_rate: float = 0.01,
    weight_decay: float = 1e-3,
    max_fit_points: int = 512,
    max_points: int = 4000,
    noise_floor: float = 1e-3,
) -> Model:
    """Fit a GP on the output of a small network, both trained together on the marginal likelihood.

    The network reads latents and features. Leave-one-out results on its training rows are too optimistic, so at least
    a fifth of the rows is held out from its training for cross-validation.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: Number of latent columns.
        widths: Widths of the layers.
        n_steps: Number of AdamW steps.
        learning_rate: Learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        max_fit_points: Largest number of rows that network and hyperparameters are trained on.
        max_points: Largest number of rows; of a longer history the best, the newest and random ones are used.
        noise_floor: Smallest noise variance.

    References:
        Wilson et al., Deep Kernel Learning, AISTATS 2016, arXiv:1511.02222.
    """
    rows = choose_rows(U, max_points)
    X, U = X[rows], U[rows]

    def fit(u: Tensor) -> ConditionedGP:
        base = build_latent_kernel(widths[-1], kernel="rbf", ard=False)
        covariance: Kernel = DeepKernel(base, d=d, n_inputs=X.shape[1], widths=widths)
        trained = choose_rows(u, min(max_fit_points, max(2, round(0.8 * len(u)))))
        mll = build_likelihood(covariance, X, u, rows=trained, noise_floor=noise_floor)
        mll.train()
        optimizer = torch.optim.AdamW(mll.parameters(), lr=learning_rate, weight_decay=weight_decay)
        for _ in range(n_steps):
            optimizer.zero_grad()
            gp = mll.model
            loss = -mll(gp(*gp.train_inputs), gp.train_targets)
            loss.backward()
            optimizer.step()
        fitted = read_hyperparameters(mll, noise_floor=noise_floor)
        every = torch.arange(len(u), device=u.device)
        held_out = every[~torch.isin(every, trained)]
        return ConditionedGP(fitted.kernel, X, u, noise=fitted.noise, prior_means=fitted.mean, held_out_rows=held_out)

    return fit_each_objective(U, fit)


def auto(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    n_descriptors: int = 0,
    max_exact_points: int = 2000,
    noise_floor: float = 1e-4,
    previous: Model | None = None,
) -> Model:
    """Fit the surrogate that benchmarks recommend.

    Counts and descriptors are read by `descriptor_gp`, counts alone by `tanimoto_gp`, latents by an exact or sparse GP.

    Args:
        X: `n x (d + f + p)` inputs: latents, features, descriptors.
        U: `n x m` utilities.
        d: Number of latent columns.
        n_descriptors: Number of descriptors `p`, the last columns; the campaign sets it.
        max_exact_points: Largest number of rows for the exact GP on latents.
        noise_floor: Smallest noise variance.
        previous: Model of the round before, see `tanimoto_gp`.
    """
    n_counted = X.shape[1] - n_descriptors
    has_counts = n_counted > d and float(X[:, d:n_counted].amin()) >= 0
    if has_counts and n_descriptors:
        return descriptor_gp(X, U, d=d, n_descriptors=n_descriptors, noise_floor=noise_floor, previous=previous)
    if has_counts:
        return tanimoto_gp(X, U, d=d, noise_floor=noise_floor, previous=previous)
    if len(X) <= max_exact_points:
        return exact_gp(X, U, d=d, noise_floor=noise_floor)
    return sparse_gp(X, U, d=d, noise_floor=max(1e-3, noise_floor))
