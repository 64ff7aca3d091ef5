"""Fitting of hyperparameters: kernels with priors, the marginal likelihood, and the choice of training rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

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
from jaxtyping import Float, Int64
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate.gp import CHUNK, ConditionedGP, IndependentGPs
from invdesign.surrogate.kernels import MinMaxKernel

N_THINNED = 4000
"""Rows of a history that is too long for the exact process."""
GROWTH = 1.1
"""Growth of the data at which the inducing points of a sparse process are chosen again."""
Smoothness = Literal["matern", "rbf"]
"""Kernel on the latents: Matern-5/2 or squared exponential."""


class Hyperparameters(NamedTuple):
    """Fitted hyperparameters of one objective."""

    kernel: Kernel
    """Kernel of standardized utilities."""
    noise: float
    """Variance of the noise, in standardized utilities."""
    mean: Float[Tensor, " 1"]
    """Prior mean, in standardized utilities."""


def build_latent_kernel(d: int, *, kernel: Smoothness = "matern", ard: bool = True) -> Kernel:
    """Return a kernel on the first `d` columns with a lengthscale prior that grows as the square root of `d`.

    Hvarfner's prior is for the unit cube, whose sides have standard deviation `1 / sqrt(12)`. Standardized latents have
    standard deviation 1, so the prior is scaled by `sqrt(12)`. The output scale is 1, as utilities are standardized.

    Args:
        d: Number of latent columns.
        kernel: Matern-5/2 or RBF.
        ard: Whether each dimension has its own lengthscale.

    Raises:
        InvdesignError: The kernel is unknown.

    References:
        Hvarfner et al., Vanilla Bayesian Optimization Performs Great in High Dimensions (2024), arXiv:2402.02229.
    """
    prior = LogNormalPrior(loc=math.sqrt(2) + math.log(12 * d) / 2, scale=math.sqrt(3))
    build = {"matern": MaternKernel, "rbf": RBFKernel}.get(kernel)
    if build is None:
        raise InvdesignError(f"surrogate: expected kernel 'matern' or 'rbf', got {kernel!r}")
    covariance: Kernel = build(
        ard_num_dims=d if ard else None,
        active_dims=tuple(range(d)),
        lengthscale_prior=prior,
        lengthscale_constraint=GreaterThan(0.05, transform=None, initial_value=prior.mode),
    )
    return covariance


def add_output_scale(kernel: Kernel) -> Kernel:
    """Return a kernel multiplied by an output scale with a log-normal prior of median 0.5.

    Args:
        kernel: Kernel to scale.
    """
    prior = LogNormalPrior(loc=math.log(0.5), scale=1.0)
    constraint = GreaterThan(1e-4, transform=None, initial_value=0.5)
    return ScaleKernel(kernel, outputscale_prior=prior, outputscale_constraint=constraint)


def choose_rows(U: Float[Tensor, "n m"], max_points: int) -> Int64[Tensor, " k"]:
    """Return the positions of at most `max_points` rows: a third the best, a third the newest, the rest at random.

    Args:
        U: `n x m` utilities, oldest first.
        max_points: Largest number of rows.

    Returns:
        `k` positions, ascending.
    """
    n = len(U)
    if n <= max_points:
        return torch.arange(n, device=U.device)
    score = ((U - U.mean(0)) / U.std(0).clamp_min(1e-12)).sum(1)
    is_chosen = torch.zeros(n, dtype=torch.bool, device=U.device)
    is_chosen[score.topk(max_points // 3).indices] = True
    is_chosen[n - max_points // 3 :] = True
    rest = (~is_chosen).nonzero().squeeze(1)
    shuffled = rest[torch.randperm(len(rest), device=U.device)]
    is_chosen[shuffled[: max_points - int(is_chosen.sum())]] = True
    return is_chosen.nonzero().squeeze(1)


def fit_each_objective(U: Float[Tensor, "n m"], fit: Callable[[Tensor], ConditionedGP]) -> Model:
    """Return one process for each objective, as one model.

    Args:
        U: `n x m` utilities.
        fit: Function from the utilities of one objective (`n x 1`) to its process.
    """
    models = [fit(U[:, j : j + 1]) for j in range(U.shape[1])]
    return models[0] if len(models) == 1 else IndependentGPs(models)


def extend_gp(
    previous: Model | None,
    kernel: MinMaxKernel,
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    noise: float,
) -> ConditionedGP:
    """Return a process with the MinMax kernel, which extends the Cholesky factor of a previous one as far as it can.

    Args:
        previous: Model of fewer data, or None.
        kernel: Kernel of standardized utilities.
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        noise: Variance of the noise, in standardized utilities.
    """
    if not isinstance(previous, ConditionedGP) or previous.inducing_points is not None:
        return ConditionedGP(kernel, X, U, noise=noise)
    old = previous.kernel
    if not isinstance(old, MinMaxKernel) or (old.start, previous.noise) != (kernel.start, noise):
        return ConditionedGP(kernel, X, U, noise=noise)
    if previous.row_noise is not None or previous.X.shape[1] != X.shape[1]:
        return ConditionedGP(kernel, X, U, noise=noise)
    return ConditionedGP(old, X, U, noise=noise, factor=previous.factor.first(count_equal_rows(previous.X, X)))


def extend_sparse_gp(
    previous: Model | None,
    kernel: MinMaxKernel,
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    noise: float,
    n_inducing: int,
) -> ConditionedGP:
    """Return a sparse process with the MinMax kernel that adds the new rows to the sums of a previous one.

    The inducing points are chosen again when the data have grown by a tenth since they were.

    Args:
        previous: Model of fewer data, or None.
        kernel: Kernel of standardized utilities.
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        noise: Variance of the noise, in standardized utilities.
        n_inducing: Number of inducing points: the best, the newest and random rows.
    """
    if isinstance(previous, ConditionedGP) and previous.sums is not None:
        sums, old = previous.sums, previous.kernel
        is_same = isinstance(old, MinMaxKernel) and (old.start, previous.noise) == (kernel.start, noise)
        is_recent = len(X) < GROWTH * sums.n_chosen and len(sums.points) == n_inducing
        if is_same and is_recent and _starts_with(X, U, previous):
            return ConditionedGP(old, X, U, noise=noise, inducing_points=sums.points, sums=sums)
    return ConditionedGP(kernel, X, U, noise=noise, inducing_points=X[choose_rows(U, n_inducing)])


def _starts_with(X: Tensor, U: Tensor, model: ConditionedGP) -> bool:
    """Return whether the data of a model are the first rows of others, with the same utilities."""
    n = len(model.X)
    if model.X.shape[1] != X.shape[1] or count_equal_rows(model.X, X) < n:
        return False
    return torch.equal(model.U, U[:n])


def count_equal_rows(A: Float[Tensor, "n c"], B: Float[Tensor, "k c"]) -> int:
    """Return the number of first rows that two matrices have in common.

    Args:
        A: `n x c` values.
        B: `k x c` values.
    """
    n = min(len(A), len(B))
    if A.data_ptr() == B.data_ptr() and A.stride() == B.stride():
        return n
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        is_equal = (A[start:stop] == B[start:stop]).all(1)
        if not bool(is_equal.all()):
            return start + int((~is_equal).nonzero()[0])
    return n


def build_likelihood(
    covariance: Kernel,
    X: Float[Tensor, "n c"],
    u: Float[Tensor, "n 1"],
    *,
    rows: Int64[Tensor, " k"],
    noise_floor: float,
) -> ExactMarginalLogLikelihood:
    """Return the marginal likelihood of some rows of the data; utilities are standardized by all rows.

    Args:
        covariance: Kernel of standardized utilities.
        X: `n x (d + f)` inputs.
        u: `n x 1` utilities of one objective.
        rows: Rows of the likelihood.
        noise_floor: Smallest noise variance.
    """
    standardized = (u - u.mean(0)) / u.std(0).clamp_min(1e-12)
    prior = LogNormalPrior(loc=-4.0, scale=1.0)
    start = max(float(prior.mode), 2 * noise_floor)
    likelihood = GaussianLikelihood(
        noise_prior=prior,
        noise_constraint=GreaterThan(noise_floor, transform=None, initial_value=start),
    )
    with botorch.settings.validate_input_scaling(False):
        model = SingleTaskGP(
            X[rows], standardized[rows], likelihood=likelihood, covar_module=covariance, outcome_transform=None
        )
    return ExactMarginalLogLikelihood(model.likelihood, model)


def fit_hyperparameters(
    covariance: Kernel,
    X: Float[Tensor, "n c"],
    u: Float[Tensor, "n 1"],
    *,
    max_fit_points: int,
    max_steps: int,
    noise_floor: float,
) -> Hyperparameters:
    """Maximize the marginal likelihood of one objective by L-BFGS.

    Args:
        covariance: Kernel of standardized utilities; its parameters are changed.
        X: `n x (d + f)` inputs.
        u: `n x 1` utilities of one objective.
        max_fit_points: Largest number of rows in the likelihood: the best, the newest and random ones.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.
    """
    rows = choose_rows(u, max_fit_points)
    mll = build_likelihood(covariance, X, u, rows=rows, noise_floor=noise_floor)
    mll.train()
    fit_gpytorch_mll_scipy(mll, options={"maxiter": max_steps})
    return read_hyperparameters(mll, noise_floor=noise_floor)


def fit_gp(
    covariance: Kernel,
    X: Float[Tensor, "n c"],
    u: Float[Tensor, "n 1"],
    *,
    max_fit_points: int,
    max_steps: int,
    noise_floor: float,
) -> ConditionedGP:
    """Fit the hyperparameters of one objective and return the process, conditioned on all rows.

    Args:
        covariance: Kernel of standardized utilities; its parameters are changed.
        X: `n x (d + f)` inputs.
        u: `n x 1` utilities of one objective.
        max_fit_points: Largest number of rows that the hyperparameters are fitted to.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.
    """
    fitted = fit_hyperparameters(
        covariance, X, u, max_fit_points=max_fit_points, max_steps=max_steps, noise_floor=noise_floor
    )
    return ConditionedGP(fitted.kernel, X, u, noise=fitted.noise, prior_means=fitted.mean)


def read_hyperparameters(mll: ExactMarginalLogLikelihood, *, noise_floor: float) -> Hyperparameters:
    """Return kernel, noise and prior mean of a fitted model.

    Args:
        mll: Marginal likelihood of the fitted model.
        noise_floor: Smallest noise variance.
    """
    mean = mll.model.mean_module.constant.detach().reshape(1).clone()
    return Hyperparameters(mll.model.covar_module, max(mll.likelihood.noise.item(), noise_floor), mean)
