"""Acquisition functions: what is good. Functions `(Landscape, *, options)` to a BoTorch acquisition function.

Each of them takes a `density_weight`: how many standard deviations of utility one standard deviation of log-density is
worth (for the logarithmic ones: how many nats). Where designs have failed, the log-probability of feasibility is added
in the same unit. With several objectives the scalar ones see a weighted sum with weights drawn anew at every call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from botorch.acquisition import AcquisitionFunction
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.models.model import Model
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from botorch.utils.probability.utils import log_erfcx, log_phi, ndtr, phi
from botorch.utils.safe_math import log1mexp
from botorch.utils.transforms import t_batch_mode_transform
from torch import Tensor

from invdesign.core import InvdesignError, Landscape


class Value(Protocol):
    """What mean and standard deviation (any shape, alike) are worth, given the best utility so far."""

    def __call__(self, mean: Tensor, sd: Tensor, best: Tensor) -> Tensor: ...


class Pointwise(AcquisitionFunction):
    """An acquisition that mean and sd of one (scalarized) utility decide, plus a term for the place.

    Args:
        model: of the utilities.
        value: of mean and sd.
        weights: `m`, of the objectives.
        best: best scalarized utility so far.
        place: `b x (d + f) -> b`, added: density and feasibility.
    """

    def __init__(
        self, model: Model, value: Value, *, weights: Tensor, best: Tensor, place: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(model)
        self.value, self.weights, self.best, self.place = value, weights, best, place

    @t_batch_mode_transform(expected_q=1)  # type: ignore[arg-type]
    def forward(self, X: Tensor) -> Tensor:
        means, variances = marginals(self.model, X.squeeze(-2))
        mean, variance = (means * self.weights).sum(-1), (variances * self.weights**2).sum(-1)
        return self.value(mean, variance.clamp_min(1e-20).sqrt(), self.best) + self.place(X.squeeze(-2))


class Sampled(AcquisitionFunction):
    """One joint sample of the posterior over all points that it is asked about at once (Thompson sampling).

    Its random numbers stay as they are while the number of points does, so that it can be climbed in one batch.
    """

    def __init__(
        self,
        model: Model,
        *,
        weigh: Callable[[], Callable[[Tensor], Tensor]],
        place: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__(model)
        self.weigh, self.place = weigh, place
        self._scalar = weigh()
        self._noise: Tensor | None = None

    @t_batch_mode_transform(expected_q=1)  # type: ignore[arg-type]
    def forward(self, X: Tensor) -> Tensor:
        flat = X.squeeze(-2)
        columns = [moments(self.model, flat, j) for j in range(self.model.num_outputs)]
        if self._noise is None or self._noise.shape != (len(flat), len(columns)):
            self._noise = torch.randn(len(flat), len(columns), dtype=flat.dtype)
        draws = [mean + root(cov) @ self._noise[:, j] for j, (mean, cov) in enumerate(columns)]
        return self._scalar(torch.stack(draws, -1)) + self.place(flat)


class HypervolumeImprovement(AcquisitionFunction):
    """Logarithm of the noisy expected hypervolume improvement, plus a term for the place.

    Its boxes are built when it is first asked for a value: `select` works along rays and never does.
    """

    def __init__(
        self, landscape: Landscape, *, n_samples: int, n_baseline: int, place: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(landscape.model)
        self.baseline = landscape.X[pareto_front(landscape.U, n_baseline)]
        self.reference = reference_point(landscape.U)
        self.n_samples, self.place = n_samples, place
        self._inner: AcquisitionFunction | None = None

    def forward(self, X: Tensor) -> Tensor:
        if self._inner is None:
            self._inner = qLogNoisyExpectedHypervolumeImprovement(
                self.model,
                ref_point=self.reference.tolist(),
                X_baseline=self.baseline,
                sampler=SobolQMCNormalSampler(torch.Size([self.n_samples]), seed=int(torch.randint(2**31, ()))),
                prune_baseline=False,
                cache_root=False,
            )
        return self._inner(X) + self.place(X).mean(-1)


def log_ei(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """Logarithm of the expected improvement on the best measured utility.

    References:
        Ament et al., Unexpected Improvements to Expected Improvement (2023), arXiv:2310.20708.
    """
    weights = _weights(landscape)
    return Pointwise(
        landscape.model,
        log_improvement,
        weights=weights,
        best=(landscape.U * weights).sum(1).max(),
        place=_place(landscape, density_weight, unit=1.0),
    )


def ucb(
    landscape: Landscape, *, beta: float | tuple[float, float] = 4.0, density_weight: float = 0.0
) -> AcquisitionFunction:
    """Upper confidence bound `mean + sqrt(beta) sd`.

    Args:
        landscape: what the search sees.
        beta: fixed, or a range `(low, high)` from which it is drawn log-uniformly at each call (each round), which
            keeps successive batches different.
        density_weight: see the module.

    References:
        Srinivas et al., Gaussian Process Optimization in the Bandit Setting (2010), arXiv:0912.3995.
    """
    if isinstance(beta, int | float):
        drawn = float(beta)
    else:
        low, high = beta
        if not 0 < low <= high:
            raise InvdesignError(f"ucb: beta is a number or a range [low, high] with 0 < low <= high, got {beta!r}")
        drawn = math.exp(float(torch.empty(1).uniform_(math.log(low), math.log(high))))
    return _in_utilities(landscape, lambda mean, sd, best: mean + math.sqrt(drawn) * sd, density_weight)


def posterior_mean(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """The posterior mean: pure exploitation."""
    return _in_utilities(landscape, lambda mean, sd, best: mean, density_weight)


def posterior_sample(landscape: Landscape, *, density_weight: float = 0.0) -> AcquisitionFunction:
    """A joint sample of the posterior (Thompson sampling); `select` draws another one for each pick."""
    spread = float(_scalar_spread(landscape, _weights(landscape)))
    return Sampled(
        landscape.model,
        weigh=lambda: _chebyshev(landscape),
        place=_place(landscape, density_weight, unit=spread if landscape.U.shape[1] == 1 else 1.0),
    )


def density_alone(landscape: Landscape) -> AcquisitionFunction:
    """Log-density of real designs and the log-probability of feasibility; the surrogate is not asked."""
    d, feasibility = landscape.d, landscape.feasibility
    weights = _weights(landscape)

    def place(X: Tensor) -> Tensor:
        worth = landscape.density(X[..., :d])
        return worth if feasibility is None else worth + feasibility(X)

    return Pointwise(
        landscape.model,
        lambda mean, sd, best: torch.zeros_like(mean),
        weights=weights,
        best=(landscape.U * weights).sum(1).max(),
        place=place,
    )


def log_nehvi(
    landscape: Landscape, *, density_weight: float = 0.0, n_samples: int = 32, n_baseline: int = 64
) -> AcquisitionFunction:
    """Logarithm of the noisy expected improvement of the hypervolume, for several objectives.

    The reference point is inferred from the measured front. The baseline is thinned to the front and the designs
    nearest to it, at most `n_baseline`.

    References:
        Daulton et al., Parallel Bayesian Optimization of Multiple Noisy Objectives (2021), arXiv:2105.08195.
        Ament et al. (2023), arXiv:2310.20708.
    """
    if landscape.U.shape[1] < 2:
        raise InvdesignError("log_nehvi needs at least two objectives; use log_ei, or combine: pareto in the campaign")
    return HypervolumeImprovement(
        landscape,
        n_samples=n_samples,
        n_baseline=n_baseline,
        place=_place(landscape, density_weight, unit=1.0),
    )


def log_improvement(mean: Tensor, sd: Tensor, best: Tensor) -> Tensor:
    """Log of the expected improvement of a normal variable over `best`, accurate and with gradients far below it."""
    u = (mean - best) / sd
    near = u.clamp_min(-1.0)
    direct = (phi(near) + near * ndtr(near)).log()
    far = u.clamp(-1e6, -1.0)
    # phi(u) + u Phi(u) = phi(u) (1 - exp(w)) with w = log(|u| Phi(u) / phi(u)) < 0.
    w = (log_erfcx(-far / math.sqrt(2)) + far.abs().log() + math.log(math.pi / 2) / 2).clamp_max(-1e-15)
    tail = log_phi(u) + torch.where(u > -1e6, log1mexp(w), -2 * u.clamp_max(-1.0).abs().log())
    return torch.where(u > -1.0, direct, tail) + sd.log()


def marginals(model: Model, X: Tensor) -> tuple[Tensor, Tensor]:
    """Means and variances (`... x m` each) of single points (`... x (d + f)`)."""
    posterior: Any = model.posterior(X.unsqueeze(-2))
    return posterior.mean.squeeze(-2), posterior.variance.squeeze(-2)


def moments(model: Model, X: Tensor, output: int) -> tuple[Tensor, Tensor]:
    """Mean (`n`) and covariance (`n x n`) of one objective at `n x (d + f)`."""
    part = model if model.num_outputs == 1 else model.subset_output([output])
    posterior: Any = part.posterior(X)
    return posterior.mean.squeeze(-1), posterior.distribution.covariance_matrix


def root(cov: Tensor) -> Tensor:
    """Lower Cholesky factor of a covariance that may be singular."""
    scale = cov.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(len(cov), dtype=cov.dtype)
    for jitter in (1e-8, 1e-6, 1e-4):
        factor, info = torch.linalg.cholesky_ex(cov + jitter * scale * eye)
        if int(info) == 0:
            return factor
    return cov.diagonal().clamp_min(0).sqrt().diag()


def reference_point(U: Tensor) -> Tensor:
    """Reference point of the hypervolume (`m`): a tenth of the front's range below its nadir."""
    return infer_reference_point(U[is_non_dominated(U)], scale=0.1)


def pareto_front(U: Tensor, most: int) -> Tensor:
    """Positions of the best rows, at most `most`: front after front (for one objective: the best)."""
    score = ((U - U.mean(0)) / (U.std(0) if len(U) > 1 else torch.ones_like(U[0])).clamp_min(1e-12)).sum(1)
    order = score.argsort(descending=True)
    if U.shape[1] == 1 or len(U) <= 1:
        return order[:most]
    chosen: list[int] = []
    left = order[: max(20 * most, 200)]
    while len(left) and len(chosen) < most:
        is_first = is_non_dominated(U[left], deduplicate=False)
        chosen += left[is_first].tolist()
        left = left[~is_first]
    return torch.tensor(chosen[:most])


def _in_utilities(landscape: Landscape, value: Value, density_weight: float) -> Pointwise:
    weights = _weights(landscape)
    spread = float(_scalar_spread(landscape, weights))
    return Pointwise(
        landscape.model,
        value,
        weights=weights,
        best=(landscape.U * weights).sum(1).max(),
        place=_place(landscape, density_weight, unit=spread),
    )


def _weights(landscape: Landscape) -> Tensor:
    """Weights of the objectives: 1 for one, else random shares of standardized utilities."""
    m = landscape.U.shape[1]
    if m == 1:
        return torch.ones(1, dtype=torch.float64)
    shares = torch.distributions.Exponential(torch.ones(m, dtype=torch.float64)).sample()
    return shares / shares.sum() / landscape.U.std(0).clamp_min(1e-12)


def _chebyshev(landscape: Landscape) -> Callable[[Tensor], Tensor]:
    """Utilities (`... x m`) to one number; for several an augmented Chebyshev scalarization, weights drawn.

    References:
        Knowles, IEEE Trans. Evol. Comput. 10 (2006) 50, doi:10.1109/TEVC.2005.851274.
    """
    if landscape.U.shape[1] == 1:
        return lambda u: u.squeeze(-1)
    weights = _weights(landscape)
    low = landscape.U.amin(0)

    def scalar(u: Tensor) -> Tensor:
        scaled = (u - low) * weights
        return scaled.amin(-1) + 0.05 * scaled.sum(-1)

    return scalar


def _scalar_spread(landscape: Landscape, weights: Tensor) -> Tensor:
    """Standard deviation of the scalarized utilities; 1 where there is none."""
    scalar = (landscape.U * weights).sum(1)
    spread = scalar.std() if len(scalar) > 1 else torch.ones((), dtype=scalar.dtype)
    return spread if float(spread) > 1e-12 else torch.ones_like(spread)


def _place(landscape: Landscape, density_weight: float, *, unit: float) -> Callable[[Tensor], Tensor]:
    """What a place is worth beside its utility: standardized log-density and feasibility, times `unit`.

    Log-density is counted from the median of the measured designs in units of their interquartile range / 1.349, at
    least one nat, and saturates two units above the median: being more typical than typical is no merit.
    """
    feasibility, d = landscape.feasibility, landscape.d
    if density_weight == 0 and feasibility is None:
        return lambda X: X.new_zeros(X.shape[:-1])
    with torch.no_grad():
        known = landscape.density(landscape.Z)
    quartiles = torch.quantile(known, torch.tensor([0.25, 0.5, 0.75], dtype=known.dtype))
    width = ((quartiles[2] - quartiles[0]) / 1.349).clamp_min(1.0)

    def place(X: Tensor) -> Tensor:
        worth = X.new_zeros(X.shape[:-1])
        if density_weight != 0:
            worth = worth + density_weight * ((landscape.density(X[..., :d]) - quartiles[1]) / width).clamp_max(2.0)
        if feasibility is not None:
            worth = worth + feasibility(X)
        return unit * worth

    return place
