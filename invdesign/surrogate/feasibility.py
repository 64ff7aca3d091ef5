"""Feasibility surrogates: the probability that a design can be made and measured, and keeps limits of properties."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from botorch.models.model import Model
from botorch.utils.safe_math import log1mexp
from gpytorch.kernels import MaternKernel
from jaxtyping import Bool, Float
from torch import Tensor

from invdesign.core import Array
from invdesign.surrogate.fitting import choose_rows
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.kernels import MinMaxKernel

CHUNK = 500
"""Designs that are evaluated at once, which bounds the memory."""
MAX_SDS = 1e6
"""Standard deviations that stand for an infinite distance from a limit."""
N_STEPS = 10
"""Steps of the fixed-point iteration of `transition_feasibility`."""


def feasibility_surrogate(
    X: Float[Tensor, "n c"], is_feasible: Bool[Tensor, " n"], d: int, *, noise: float = 0.25, max_points: int = 2000
) -> Callable[[Tensor], Tensor]:
    """Return the log-probability that a design is feasible, learned from feasible and infeasible designs.

    The model is a GP regression on labels +1 and -1 with a probit link: no iterations, and differentiable in the
    latents. Its prior mean is the base rate, so that the prediction far from all data is the base rate. It reads the
    features if they are counts, else the latents with a lengthscale of `0.7 sqrt(d)`.

    Args:
        X: `n x (d + f)` inputs of designs that were tried.
        is_feasible: `n` booleans.
        d: Number of latent columns.
        noise: Variance of the labels; a larger one reduces the effect of a single failure.
        max_points: Largest number of rows; of a longer history those of the rarer outcome, the newest and random ones
            are used.

    Returns:
        Function from inputs `... x (d + f)` to log-probabilities `...`.

    Example:
        >>> X = torch.tensor([[-1.0], [-0.8], [0.8], [1.0]], dtype=torch.float64)
        >>> log_probability = feasibility_surrogate(X, X[:, 0] < 0, 1)
        >>> bool(log_probability(X[0]) > log_probability(X[3]))
        True
    """
    base_rate = (float(is_feasible.sum()) + 1) / (len(is_feasible) + 2)
    if len(X) == 0 or bool(is_feasible.all()) or not bool(is_feasible.any()):
        constant = math.log(base_rate) if len(X) else 0.0
        return lambda x: torch.full(x.shape[:-1], constant, dtype=torch.float64, device=x.device)
    labels = torch.where(is_feasible, 1.0, -1.0).to(torch.float64)[:, None]
    rare = -labels if base_rate > 0.5 else labels
    rows = choose_rows(rare, max_points)
    features = X[:, d:]
    if features.shape[1] and not bool((features < 0).any()):
        model = ConditionedGP(MinMaxKernel(d), X[rows], labels[rows], noise=noise)
    else:
        kernel = MaternKernel(active_dims=tuple(range(d))).to(X)
        kernel.lengthscale = 0.7 * math.sqrt(d)
        model = ConditionedGP(kernel, X[rows], labels[rows], noise=noise)
    # At the prior (mean and variance of the labels) the probability is the base rate.
    spread = float(model.scale)
    quantile = float(torch.erfinv(torch.tensor(2 * base_rate - 1.0, device="cpu")))
    offset = math.sqrt(1 + noise) * spread * math.sqrt(2) * quantile

    def log_probability(x: Tensor) -> Tensor:
        flat = x.reshape(-1, 1, x.shape[-1])
        mean, variance = model.standardized_moments(flat)
        centered = spread * mean.reshape(-1) + offset
        sd = spread * (noise + variance.reshape(-1)).sqrt()
        result: Tensor = torch.special.log_ndtr(centered / sd)
        return result.reshape(x.shape[:-1])

    return log_probability


def constraint_feasibility(
    model: Model, lows: Float[Tensor, " k"], highs: Float[Tensor, " k"]
) -> Callable[[Tensor], Tensor]:
    """Return the log-probability that `k` predicted properties keep their limits, as if they were independent.

    Added to the logarithm of the expected improvement it is the constrained expected improvement.

    Args:
        model: Fitted model of the properties.
        lows: Smallest allowed values; minus infinity for none.
        highs: Largest allowed values; infinity for none.

    Returns:
        Function from inputs `... x (d + f)` to log-probabilities `...`.

    References:
        Gardner et al., Bayesian Optimization with Inequality Constraints, ICML 2014.
    """

    def log_probability(x: Tensor) -> Tensor:
        posterior: Any = model.posterior(x.reshape(-1, 1, x.shape[-1]))
        mean, variance = posterior.mean.squeeze(-2), posterior.variance.squeeze(-2)
        sd = variance.clamp_min(1e-20).sqrt()
        low, high = ((limit - mean) / sd for limit in (lows, highs))
        result: Tensor = _log_probability_between(low, high).sum(-1)
        return result.reshape(x.shape[:-1])

    return log_probability


def _log_probability_between(low: Tensor, high: Tensor) -> Tensor:
    """Return the log-probability that a standard normal variable lies between two numbers, accurate in both tails."""
    is_right = low > 0
    upper = torch.where(is_right, -low, high).clamp(-MAX_SDS, MAX_SDS)
    lower = torch.where(is_right, -high, low).clamp(-MAX_SDS, MAX_SDS)
    first = torch.special.log_ndtr(upper)
    between: Tensor = first + log1mexp((torch.special.log_ndtr(lower) - first).clamp_max(-1e-12))
    return between


def transition_feasibility(
    X: Float[Tensor, "n c"],
    is_feasible: Bool[Tensor, " n"],
    d: int,
    *,
    n_letters: int,
    prior: float = 0.7,
    strength: float = 2.0,
    feasible_features: Array | None = None,
) -> Callable[[Tensor], Tensor]:
    """Return the log-probability that a sequence is feasible, from its pairs of adjacent letters.

    A pair that occurs in a feasible sequence is allowed. Any other pair is forbidden with some probability: a failure
    is attributed to those of its pairs that occur in no feasible sequence, in proportion to their current
    probabilities of being forbidden (a fixed-point iteration).

    Args:
        X: `n x (d + f)` inputs, features in blocks of `n_letters` 0/1 columns, one block per position.
        is_feasible: `n` booleans.
        d: Number of latent columns.
        n_letters: Size of the alphabet: columns per position.
        prior: Probability that a pair without data is allowed.
        strength: Number of sequences that the prior counts as.
        feasible_features: `k x f` features of further feasible designs, such as a corpus of real sequences.

    Returns:
        Function from inputs `... x (d + f)` to log-probabilities `...`.
    """
    pairs = _count_adjacent_pairs(X[:, d:], n_letters)
    is_allowed = (pairs[is_feasible] > 0).any(0)
    if feasible_features is not None:
        further = torch.as_tensor(feasible_features, device=X.device)
        is_allowed |= (_count_adjacent_pairs(further, n_letters) > 0).any(0)
    suspects = (pairs[~is_feasible] > 0) & ~is_allowed
    has_suspect = suspects.any(1)
    # Failures that no pair explains have other causes.
    n_unexplained, n_feasible = int((~has_suspect).sum()), int(is_feasible.sum())
    log_other = math.log((n_feasible + 1) / (n_feasible + n_unexplained + 1))
    explained = suspects[has_suspect].to(torch.float64)
    p_forbidden = torch.full((pairs.shape[1],), 1 - prior, dtype=torch.float64, device=X.device)
    for _ in range(N_STEPS):
        weights = explained * p_forbidden
        n_attributed = (weights / weights.sum(1, keepdim=True).clamp_min(1e-12)).sum(0)
        p_forbidden = (strength * (1 - prior) + n_attributed) / (strength + n_attributed)
    cost = torch.where(is_allowed, torch.zeros_like(p_forbidden), torch.log1p(-p_forbidden.clamp_max(1 - 1e-6)))

    def log_probability(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        costs = []
        for part in torch.split(flat, CHUNK):
            costs.append((_count_adjacent_pairs(part[:, d:], n_letters) > 0).double() @ cost)
        return (log_other + torch.cat(costs)).reshape(x.shape[:-1])

    return log_probability


def _count_adjacent_pairs(F: Tensor, n_letters: int) -> Tensor:
    """Return how often each pair of letters is adjacent: `n x n_letters^2`, single precision."""
    positions = torch.unflatten(F.to(torch.float32), -1, (-1, n_letters))
    counts: Tensor = positions[..., :-1, :].mT @ positions[..., 1:, :]
    return counts.flatten(-2)
