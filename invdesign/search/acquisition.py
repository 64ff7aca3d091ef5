"""Acquisition functions.

The functions here have the signature `(Landscape, *, options)`, and build an acquisition function that also selects a
batch (`invdesign.search.select.BatchAcquisition`). Most of them have an option `density_weight`: the number of standard
deviations of utility that one standard deviation of log-density is worth (for logarithmic acquisition functions: the
number of nats). Where designs have failed, the log-probability of feasibility is added in the same unit. For several
objectives the scalar acquisition functions use a weighted sum whose weights are drawn at every call.

In shapes, `c = d + f` is the number of columns of the surrogate's inputs: latents, then features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.acquisition.multi_objective import logei
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.models.model import Model
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.probability.utils import log_erfcx, log_phi, ndtr, phi
from botorch.utils.safe_math import log1mexp
from botorch.utils.transforms import t_batch_mode_transform
from jaxtyping import Float, Int64
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape
from invdesign.search.scalarization import (
    build_location_bonus,
    draw_chebyshev,
    draw_simplex,
    draw_weights,
    leading_rows,
    reference_point,
    scalar_spread,
)
from invdesign.search.select import CHUNK, BatchRules, Picks, evaluate

# BoTorch compiles an extension at the first use of this acquisition function. A process that is killed meanwhile leaves
# a lock for which all later ones wait for ever, and the last digits depend on the compiler. Its Python code is used.
logei._load_attempted = True

MAX_CORRELATION = 0.95
"""Correlation of utility with a pick above which `OneAtATime` defers a point."""


Value = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Function of the mean and sd of the utility (any shape) and of the best utility so far, to the acquisition value."""


class Pointwise(AcquisitionFunction):
    """Acquisition function of the mean and sd of one (scalarized) utility, plus a term of the location.

    A batch is selected with the kriging believer: each pick counts as measured at its posterior mean, which reduces
    the variance around it (GP-BUCB).

    References:
        Desautels et al., JMLR 15 (2014) 4053 (GP-BUCB).
        Ginsbourger et al. (2010), doi:10.1007/978-3-642-10701-6_6.
    """

    def __init__(
        self,
        model: Model,
        value: Value,
        *,
        weights: Float[Tensor, " m"],
        best: Float[Tensor, ""],
        location_bonus: Callable[[Tensor], Tensor],
    ) -> None:
        """Create the acquisition function.

        Args:
            model: Surrogate of the utilities.
            value: Function of mean, sd and best utility.
            weights: `m` weights of the objectives.
            best: Best scalarized utility so far.
            location_bonus: Function from `b x (d + f)` inputs to `b` numbers, added: density and feasibility.
        """
        super().__init__(model)
        self.value, self.weights, self.best, self.location_bonus = value, weights, best, location_bonus

    @t_batch_mode_transform(expected_q=1)  # type: ignore[arg-type]
    def forward(self, X: Float[Tensor, "*b 1 c"]) -> Float[Tensor, "*b"]:
        """Return the acquisition values of `b x 1 x (d + f)` points."""
        means, variances = marginals(self.model, X.squeeze(-2))
        mean, variance = (means * self.weights).sum(-1), (variances * self.weights**2).sum(-1)
        return self.value(mean, variance.clamp_min(1e-20).sqrt(), self.best) + self.location_bonus(X.squeeze(-2))

    def merit(self, X: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Return the acquisition value of each point."""
        return evaluate(self, X)

    @torch.no_grad()
    def select_batch(
        self, X: Float[Tensor, "p c"], q: int, rules: BatchRules
    ) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Select a batch with the kriging believer: means stay, each pick updates the covariance (rank one).

        Args:
            X: `p x (d + f)` inputs of the pool.
            q: Number of picks.
            rules: Shortlist and distances.
        """
        picks = Picks.from_values(X, self.merit(X), q, rules)
        mean = torch.zeros(len(picks.X), dtype=X.dtype, device=X.device)
        cov = torch.zeros(len(picks.X), len(picks.X), dtype=X.dtype, device=X.device)
        for j, weight in enumerate(self.weights.tolist()):
            mean_j, cov_j = moments(self.model, picks.X, j)
            mean, cov = mean + weight * mean_j, cov + weight**2 * cov_j
        bonus, best = self.location_bonus(picks.X), self.best
        noise = 1e-4 * cov.diagonal().mean()
        while picks.has_room(q):
            values = self.value(mean, cov.diagonal().clamp_min(1e-20).sqrt(), best) + bonus
            i = picks.add_best(values)
            best = torch.maximum(best, mean[i])
            update = cov[:, i] / (cov[i, i].clamp_min(0) + noise).sqrt()
            cov.addr_(update, update, alpha=-1.0)
        return picks.result()


class PosteriorSample(AcquisitionFunction):
    """One joint posterior sample over all points of a call (Thompson sampling).

    The random numbers are kept while the number of points stays the same, so that the sample can be maximized in one
    batch. For a batch of designs, each pick is the best point of a sample of its own.
    """

    def __init__(
        self,
        landscape: Landscape,
        *,
        draw_scalarization: Callable[[], Callable[[Tensor], Tensor]],
        location_bonus: Callable[[Tensor], Tensor],
    ) -> None:
        """Create the acquisition function and draw a scalarization.

        Args:
            landscape: Surrogate and utilities of the measured designs.
            draw_scalarization: Returns a function from utilities (`... x m`) to one number.
            location_bonus: Function from `b x (d + f)` inputs to `b` numbers, added: density and feasibility.
        """
        super().__init__(landscape.model)
        self.U = landscape.U
        self.draw_scalarization, self.location_bonus = draw_scalarization, location_bonus
        self._scalarize = draw_scalarization()
        self._noise: Tensor | None = None

    @t_batch_mode_transform(expected_q=1)  # type: ignore[arg-type]
    def forward(self, X: Float[Tensor, "b 1 c"]) -> Float[Tensor, " b"]:
        """Return the values of one joint sample at `b x 1 x (d + f)` points."""
        points = X.squeeze(-2)
        columns = [moments(self.model, points, j) for j in range(self.model.num_outputs)]
        if self._noise is None or self._noise.shape != (len(points), len(columns)):
            self._noise = torch.randn(len(points), len(columns), dtype=points.dtype, device=points.device)
        draws = [mean + cholesky_factor(cov) @ self._noise[:, j] for j, (mean, cov) in enumerate(columns)]
        return self._scalarize(torch.stack(draws, -1)) + self.location_bonus(points)

    def merit(self, X: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Return the value of each point in a posterior sample, drawn jointly within chunks of points."""
        return evaluate(self, X)

    @torch.no_grad()
    def select_batch(
        self, X: Float[Tensor, "p c"], q: int, rules: BatchRules
    ) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Select the best point of one posterior sample for each pick.

        Args:
            X: `p x (d + f)` inputs of the pool, shortened by an optimistic bound.
            q: Number of picks.
            rules: Shortlist and distances.
        """
        ranks = rank_by_optimistic_bound(self.model, X, U=self.U, location_bonus=self.location_bonus)
        picks = Picks.from_values(X, ranks, q, rules)
        draws = []
        for j in range(self.model.num_outputs):
            mean, cov = moments(self.model, picks.X, j)
            noise = torch.randn(len(picks.X), q, dtype=X.dtype, device=X.device)
            draws.append(mean[:, None] + cholesky_factor(cov) @ noise)
        bonus = self.location_bonus(picks.X)
        while picks.has_room(q):
            k, scalarize = len(picks), self.draw_scalarization()
            picks.add_best(scalarize(torch.stack([draw[:, k] for draw in draws], -1)) + bonus)
        return picks.result()


class HypervolumeImprovement(AcquisitionFunction):
    """Logarithm of the noisy expected hypervolume improvement, plus a term of the location.

    The partition into boxes is computed at the first evaluation. Batch selection does not need it: it estimates
    hypervolumes along random directions.
    """

    N_BATCH_SAMPLES = 24
    """Joint posterior samples that a batch is selected with."""
    N_DIRECTIONS = 128
    """Directions along which hypervolumes are estimated."""

    def __init__(
        self,
        landscape: Landscape,
        *,
        n_samples: int,
        n_baseline: int,
        location_bonus: Callable[[Tensor], Tensor],
    ) -> None:
        """Create the acquisition function.

        Args:
            landscape: Surrogate and measured designs.
            n_samples: Posterior samples of an evaluation.
            n_baseline: Measured designs of the baseline: the front and the next best ones.
            location_bonus: Function from `... x (d + f)` inputs to numbers, added: density and feasibility.
        """
        super().__init__(landscape.model)
        self.U = landscape.U
        self.baseline = landscape.X[leading_rows(landscape.ranking_U, n_baseline)]
        if landscape.is_admissible is not None and bool(landscape.is_admissible.any()):
            self.baseline = self.baseline[: int(landscape.is_admissible.sum())]
        given = landscape.reference
        self.reference = reference_point(landscape.admissible_U) if given is None else given.to(landscape.U)
        self.n_samples, self.location_bonus = n_samples, location_bonus
        self._improvement: AcquisitionFunction | None = None

    def forward(self, X: Float[Tensor, "*b q c"]) -> Float[Tensor, "*b"]:
        """Return the acquisition values of `b x q x (d + f)` points."""
        if self._improvement is None:
            self._improvement = qLogNoisyExpectedHypervolumeImprovement(
                self.model,
                ref_point=self.reference.tolist(),
                X_baseline=self.baseline,
                sampler=SobolQMCNormalSampler(
                    torch.Size([self.n_samples]), seed=int(torch.randint(2**31, (), device="cpu"))
                ),
                prune_baseline=False,
                cache_root=False,
            )
        improvement: Tensor = self._improvement(X)
        return improvement + self.location_bonus(X).mean(-1)

    @torch.no_grad()
    def merit(self, X: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Return minus the rank of each point by optimistic bounds.

        The acquisition value itself takes minutes for three objectives.
        """
        return rank_by_optimistic_bound(self.model, X, U=self.U, location_bonus=self.location_bonus)

    @torch.no_grad()
    def select_batch(
        self, X: Float[Tensor, "p c"], q: int, rules: BatchRules
    ) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Select a batch by greedy hypervolume improvement over joint samples; each pick joins the sampled fronts.

        The hypervolume is, up to a constant, the mean over directions from the reference point of `r^m`, where `r` is
        the distance at which the ray leaves the dominated region.

        Args:
            X: `p x (d + f)` inputs of the pool, shortened by an optimistic bound.
            q: Number of picks.
            rules: Shortlist and distances.

        References:
            Zhang and Golovin (2020), arXiv:2006.04655, Lemma 5.
        """
        picks = Picks.from_values(X, self.merit(X), q, rules)
        volumes = self._sample_volumes(torch.cat([self.baseline, picks.X]))
        front, pool = volumes[:, : len(self.baseline)].amax(1), volumes[:, len(self.baseline) :]
        bonus = self.location_bonus(picks.X)
        while picks.has_room(q):
            gain = (pool - front[:, None]).clamp_min_(0).mean((0, 2))
            i = picks.add_best(gain.double().clamp_min(1e-300).log() + bonus)
            front = torch.maximum(front, pool[:, i])
        return picks.result()

    def _sample_volumes(self, X: Tensor) -> Tensor:
        """Return `r^m` of each sample, point and direction: `s x n x k`, single precision."""
        m = self.U.shape[1]
        span = (self.U.amax(0) - self.reference).clamp_min(1e-12)
        directions = torch.randn(self.N_DIRECTIONS, m, dtype=X.dtype, device=X.device).abs().clamp_min(1e-3)
        directions = directions / directions.norm(dim=1, keepdim=True)
        shape = (self.N_BATCH_SAMPLES, len(X), self.N_DIRECTIONS)
        reach = torch.full(shape, torch.inf, dtype=X.dtype, device=X.device)
        for j in range(m):
            mean, cov = moments(self.model, X, j)
            noise = torch.randn(len(X), self.N_BATCH_SAMPLES, dtype=X.dtype, device=X.device)
            draws = mean[:, None] + cholesky_factor(cov) @ noise
            above = ((draws - self.reference[j]) / span[j]).clamp_min(0)
            reach = torch.minimum(reach, above.mT[..., None] / directions[:, j])
        # Single precision suffices: these are sums of millions of numbers of similar size.
        return reach.pow(m).float()


class OneAtATime(AcquisitionFunction):
    """Adapter for an acquisition function without batch selection, such as one of BoTorch.

    The acquisition function is evaluated once at each point of the pool. Points are selected in this order, but a point
    whose utility correlates with that of a pick by more than 0.95 is deferred.
    """

    def __init__(self, landscape: Landscape, acquisition: AcquisitionFunction) -> None:
        """Wrap an acquisition function.

        Args:
            landscape: Surrogate, whose posterior covariance says which points are alike.
            acquisition: Function from `b x 1 x (d + f)` points to `b` values.
        """
        super().__init__(landscape.model)
        self.acquisition = acquisition

    def forward(self, X: Float[Tensor, "*b q c"]) -> Float[Tensor, "*b"]:
        """Return the values of the wrapped acquisition function."""
        values: Tensor = self.acquisition(X)
        return values

    def merit(self, X: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Return the acquisition value of each point."""
        return evaluate(self, X)

    @torch.no_grad()
    def select_batch(
        self, X: Float[Tensor, "p c"], q: int, rules: BatchRules
    ) -> tuple[Int64[Tensor, " q"], Float[Tensor, " q"]]:
        """Select a batch in order of value, correlated points last.

        Args:
            X: `p x (d + f)` inputs of the pool.
            q: Number of picks.
            rules: Shortlist and distances.
        """
        every = self.merit(X)
        picks = Picks.from_values(X, every, q, rules)
        values = every[picks.positions]
        cov = torch.stack([moments(self.model, picks.X, j)[1] for j in range(self.model.num_outputs)]).sum(0)
        sd = cov.diagonal().clamp_min(1e-20).sqrt()
        correlation = cov / sd[:, None] / sd
        largest = torch.zeros(len(picks.X), dtype=X.dtype, device=X.device)
        finite = values[values.isfinite()]
        span = (finite.amax() - finite.amin()).clamp_min(1e-12)
        while picks.has_room(q):
            i = picks.add_best(values - 2 * span * (largest > MAX_CORRELATION), recorded=values)
            largest = torch.maximum(largest, correlation[:, i])
        return picks.result()


def log_ei(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """Return the logarithm of the expected improvement on the best measured utility.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of nats that one standard deviation of log-density is worth.

    References:
        Ament et al., Unexpected Improvements to Expected Improvement (2023), arXiv:2310.20708.

    Example:
        >>> from invdesign.testing import landscape
        >>> scene = landscape(d=2)
        >>> log_ei(scene)(scene.X[:3, None]).shape
        torch.Size([3])
    """
    weights = draw_weights(landscape.U)
    return Pointwise(
        landscape.model,
        log_expected_improvement,
        weights=weights,
        best=(landscape.admissible_U * weights).sum(1).max(),
        location_bonus=build_location_bonus(landscape, density_weight, unit=1.0),
    )


def log_pi(landscape: Landscape, *, density_weight: float = 1.0, margin: float = 0.05) -> AcquisitionFunction:
    """Return the log-probability that a design is as good as the best measured one, or nearly so.

    Among designs that are all good enough (a window that many designs meet) it prefers the sure and the plausible ones.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of nats that one standard deviation of log-density is worth.
        margin: Standard deviations of the measured utilities below the best one that count as good.

    References:
        Kushner, A New Method of Locating the Maximum Point of an Arbitrary Multipeak Curve in the Presence of Noise
        (1964), doi:10.1115/1.3653121.
    """
    weights = draw_weights(landscape.U)
    spread = scalar_spread(landscape.U, weights)
    return Pointwise(
        landscape.model,
        lambda mean, sd, best: torch.special.log_ndtr((mean - best + margin * spread) / sd),
        weights=weights,
        best=(landscape.admissible_U * weights).sum(1).max(),
        location_bonus=build_location_bonus(landscape, density_weight, unit=1.0),
    )


def ucb(
    landscape: Landscape, *, beta: float | tuple[float, float] = 4.0, density_weight: float = 0.0
) -> AcquisitionFunction:
    """Return the upper confidence bound `mean + sqrt(beta) sd`.

    Args:
        landscape: Surrogate, density, box and measured designs.
        beta: A number, or a range `(low, high)` from which it is drawn log-uniformly at each call (each round), which
            makes successive batches differ.
        density_weight: Number of standard deviations of utility that one of log-density is worth.

    Raises:
        InvdesignError: The range of `beta` is empty or not positive.

    References:
        Srinivas et al., Gaussian Process Optimization in the Bandit Setting (2010), arXiv:0912.3995.
    """
    if isinstance(beta, int | float):
        factor = float(beta)
    else:
        low, high = beta
        if not 0 < low <= high:
            raise InvdesignError(f"ucb: expected beta as a number or a range [low, high], 0 < low <= high, got {beta}")
        factor = math.exp(float(torch.empty(1, device="cpu").uniform_(math.log(low), math.log(high))))
    return _build_in_utilities(landscape, lambda mean, sd, best: mean + math.sqrt(factor) * sd, density_weight)


def posterior_mean(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """Return the posterior mean: pure exploitation.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of standard deviations of utility that one of log-density is worth.
    """
    return _build_in_utilities(landscape, lambda mean, sd, best: mean, density_weight)


def posterior_sample(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """Return a joint posterior sample (Thompson sampling); a batch uses a sample for each pick.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of standard deviations of utility that one of log-density is worth.
    """
    spread = scalar_spread(landscape.U, draw_weights(landscape.U))
    unit = spread if landscape.U.shape[1] == 1 else 1.0
    return PosteriorSample(
        landscape,
        draw_scalarization=lambda: draw_chebyshev(landscape.U),
        location_bonus=build_location_bonus(landscape, density_weight, unit=unit),
    )


def density_alone(landscape: Landscape) -> AcquisitionFunction:
    """Return the log-density of real designs plus the log-probability of feasibility, without the surrogate.

    Args:
        landscape: Surrogate, density, box and measured designs.
    """
    d, feasibility = landscape.d, landscape.feasibility
    weights = draw_weights(landscape.U)

    def location_bonus(X: Tensor) -> Tensor:
        bonus = landscape.density(X[..., :d])
        return bonus if feasibility is None else bonus + feasibility(X)

    return Pointwise(
        landscape.model,
        lambda mean, sd, best: torch.zeros_like(mean),
        weights=weights,
        best=(landscape.admissible_U * weights).sum(1).max(),
        location_bonus=location_bonus,
    )


def log_nehvi(
    landscape: Landscape, *, density_weight: float = 0.0, n_samples: int = 32, n_baseline: int = 64
) -> AcquisitionFunction:
    """Return the logarithm of the noisy expected hypervolume improvement, for several objectives.

    The reference point is inferred from the measured front, unless the campaign states it.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of nats that one standard deviation of log-density is worth.
        n_samples: Posterior samples of an evaluation.
        n_baseline: Largest number of measured designs in the baseline: the front and the designs nearest to it.

    Raises:
        InvdesignError: There is one objective only.

    References:
        Daulton et al., Parallel Bayesian Optimization of Multiple Noisy Objectives (2021), arXiv:2105.08195.
        Ament et al. (2023), arXiv:2310.20708.
    """
    if landscape.U.shape[1] < 2:
        raise InvdesignError(
            "log_nehvi: expected at least two objectives, got one. Use log_ei, or set combine: pareto in the campaign."
        )
    return HypervolumeImprovement(
        landscape,
        n_samples=n_samples,
        n_baseline=n_baseline,
        location_bonus=build_location_bonus(landscape, density_weight, unit=1.0),
    )


def one_at_a_time(landscape: Landscape, *, acquire: Acquire) -> OneAtATime:
    """Return an acquisition function that has no batch selection, wrapped in `OneAtATime`.

    Args:
        landscape: Surrogate, density, box and measured designs.
        acquire: Function from the landscape to an acquisition function of single points.

    Example:
        >>> from botorch.acquisition import UpperConfidenceBound
        >>> from invdesign.testing import landscape
        >>> def bound(scene):
        ...     return UpperConfidenceBound(scene.model, beta=1.0)
        >>> scene = landscape(d=2)
        >>> one_at_a_time(scene, acquire=bound)(scene.X[:3, None]).shape
        torch.Size([3])
    """
    return OneAtATime(landscape, acquire(landscape))


def log_expected_improvement(mean: Tensor, sd: Tensor, best: Tensor) -> Tensor:
    """Return the log of the expected improvement of a normal variable over `best`.

    Values and gradients are accurate also where the mean is far below `best`.

    Args:
        mean: Means, any shape.
        sd: Standard deviations, in the shape of `mean`.
        best: Value to improve on.
    """
    u = (mean - best) / sd
    near = u.clamp_min(-1.0)
    direct = (phi(near) + near * ndtr(near)).log()
    far = u.clamp(-1e6, -1.0)
    # phi(u) + u Phi(u) = phi(u) (1 - exp(w)) with w = log(|u| Phi(u) / phi(u)) < 0.
    w = (log_erfcx(-far / math.sqrt(2)) + far.abs().log() + math.log(math.pi / 2) / 2).clamp_max(-1e-15)
    tail = log_phi(u) + torch.where(u > -1e6, log1mexp(w), -2 * u.clamp_max(-1.0).abs().log())
    return torch.where(u > -1.0, direct, tail) + sd.log()


def marginals(model: Model, X: Float[Tensor, "*b c"]) -> tuple[Float[Tensor, "*b m"], Float[Tensor, "*b m"]]:
    """Return means and variances (`... x m` each) of single points.

    Args:
        model: Surrogate of the utilities.
        X: `... x (d + f)` inputs.
    """
    posterior: Any = model.posterior(X.unsqueeze(-2))
    return posterior.mean.squeeze(-2), posterior.variance.squeeze(-2)


def moments(model: Model, X: Float[Tensor, "n c"], output: int) -> tuple[Float[Tensor, " n"], Float[Tensor, "n n"]]:
    """Return mean (`n`) and covariance (`n x n`) of one objective.

    Args:
        model: Surrogate of the utilities.
        X: `n x (d + f)` inputs.
        output: Index of the objective.
    """
    single = model if model.num_outputs == 1 else model.subset_output([output])
    posterior: Any = single.posterior(X)
    return posterior.mean.squeeze(-1), posterior.distribution.covariance_matrix


def cholesky_factor(cov: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Return the lower Cholesky factor of a covariance that may be singular.

    Jitter is added in steps of 100; where none suffices, correlations are ignored.

    Args:
        cov: `n x n` covariance.
    """
    scale = cov.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(len(cov), dtype=cov.dtype, device=cov.device)
    for jitter in (1e-8, 1e-6, 1e-4):
        factor: Tensor
        factor, info = torch.linalg.cholesky_ex(cov + jitter * scale * eye)
        if int(info) == 0:
            return factor
    return cov.diagonal().clamp_min(0).sqrt().diag()


def rank_by_optimistic_bound(
    model: Model, X: Float[Tensor, "n c"], *, U: Float[Tensor, "k m"], location_bonus: Callable[[Tensor], Tensor]
) -> Float[Tensor, " n"]:
    """Return minus the rank of each point by `mean + 1.5 sd` of standardized utilities, plus a term of the location.

    For several objectives it is the best rank in eight random scalarizations.

    Args:
        model: Surrogate of the utilities.
        X: `n x (d + f)` inputs.
        U: `k x m` utilities of the measured designs, which define the scale.
        location_bonus: Function from `n x (d + f)` inputs to `n` numbers, added: density and feasibility.
    """
    scale = U.std(0).clamp_min(1e-12) if len(U) > 1 else torch.ones_like(U[0])
    predictions = [marginals(model, rows) for rows in torch.split(X, CHUNK)]
    bound = torch.cat([mean + 1.5 * variance.sqrt() for mean, variance in predictions]) / scale
    m = bound.shape[1]
    weights = torch.ones(1, 1, dtype=bound.dtype, device=bound.device) if m == 1 else draw_simplex(8, m, bound)
    bonus = location_bonus(X) / (scale[0] if m == 1 else 1.0)
    ranks = (bound @ weights.mT + bonus[:, None]).argsort(0, descending=True).argsort(0)
    return -ranks.amin(1).double()


def _build_in_utilities(landscape: Landscape, value: Value, density_weight: float) -> Pointwise:
    """Build an acquisition function in units of utility: the density term is scaled by the spread of utilities."""
    weights = draw_weights(landscape.U)
    spread = scalar_spread(landscape.U, weights)
    return Pointwise(
        landscape.model,
        value,
        weights=weights,
        best=(landscape.admissible_U * weights).sum(1).max(),
        location_bonus=build_location_bonus(landscape, density_weight, unit=spread),
    )
