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

from invdesign.core import Array, InvdesignError
from invdesign.surrogate.fitting import choose_rows
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.kernels import MinMaxKernel

CHUNK = 500
"""Designs that are evaluated at once, which bounds the memory."""
MAX_SDS = 1e6
"""Standard deviations that stand for an infinite distance from a limit."""
N_STEPS = 20
"""Steps of the belief propagation of `transition_feasibility`."""


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

    A pair that occurs in a feasible sequence is allowed. A sequence fails if one of its other pairs, the suspects, is
    forbidden, or for another cause. The probability of each suspect follows by belief propagation, so that a suspect
    that is alone is nearly certain. The fraction of allowed pairs, which rates a pair without data, is learned too
    (empirical Bayes, expectation maximization): from all pairs that were tried since the first failure. Pairs of
    earlier and of further designs are no trials, because those are known to be feasible.

    Args:
        X: `n x (d + f)` inputs in order of measurement, features in blocks of `n_letters` 0/1 columns, one block per
            position.
        is_feasible: `n` booleans.
        d: Number of latent columns.
        n_letters: Size of the alphabet: columns per position.
        prior: Expected fraction of allowed pairs, before any was tried; between 0 and 1.
        strength: Number of tried pairs that `prior` counts as. It is small by default, so that the fraction follows
            from the first batch with failures; a very large one fixes it at `prior`.
        feasible_features: `k x f` features of further feasible designs, such as a corpus of real sequences.

    Returns:
        Function from inputs `... x (d + f)` to log-probabilities `...`.

    Raises:
        InvdesignError: `prior` is not between 0 and 1, or `strength` is not positive.

    References:
        Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3 (noisy-or gates).
    """
    if not 0 < prior < 1 or not strength > 0:
        raise InvdesignError(
            "transition_feasibility: expected a prior between 0 and 1, both excluded, and a positive strength, got "
            f"{prior!r} and {strength!r}. Change prior or strength"
        )
    contains = _count_adjacent_pairs(X[:, d:], n_letters) > 0
    is_given = (contains & (is_feasible.cumprod(0) > 0)[:, None]).any(0)
    if feasible_features is not None:
        further = torch.as_tensor(feasible_features, device=X.device)
        is_given |= (_count_adjacent_pairs(further, n_letters) > 0).any(0)
    is_allowed = is_given | contains[is_feasible].any(0)
    failures = contains[~is_feasible] & ~is_allowed
    # Failures that no pair explains have other causes.
    n_unexplained, n_feasible = int((~failures.any(1)).sum()), int(is_feasible.sum())
    log_other = math.log((n_feasible + 1) / (n_feasible + n_unexplained + 1))
    p_other = (n_unexplained + 1) / (n_feasible + n_unexplained + 2)
    p_forbidden = _infer_forbidden_pairs(
        failures[failures.any(1)],
        n_allowed=int((is_allowed & ~is_given).sum()),
        p_other=p_other,
        prior=prior,
        strength=strength,
    )
    cost = torch.where(is_allowed, torch.zeros_like(p_forbidden), torch.log1p(-p_forbidden.clamp_max(1 - 1e-6)))

    def log_probability(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        costs = []
        for part in torch.split(flat, CHUNK):
            costs.append((_count_adjacent_pairs(part[:, d:], n_letters) > 0).double() @ cost)
        return (log_other + torch.cat(costs)).reshape(x.shape[:-1])

    return log_probability


def _infer_forbidden_pairs(
    failures: Bool[Tensor, "k p"], *, n_allowed: int, p_other: float, prior: float, strength: float
) -> Float[Tensor, " p"]:
    """Return the probability of each pair to be forbidden, from the suspects of each failure.

    Belief propagation, in which the fraction of allowed pairs is updated at each step.

    Args:
        failures: Whether a failure contains a pair that occurs in no feasible sequence; one at least in each row.
        n_allowed: Number of pairs that were tried and are allowed.
        p_other: Probability of a failure for another cause.
        prior: See `transition_feasibility`.
        strength: See `transition_feasibility`.
    """
    is_suspect = failures.any(0)
    suspects = failures[:, is_suspect]
    n_tried = n_allowed + suspects.shape[1]
    log_odds = math.log((1 - prior) / prior)
    # Log-likelihood ratio that each failure contributes for each of its suspects: forbidden over allowed.
    evidence = torch.zeros(suspects.shape, dtype=torch.float64, device=failures.device)
    for _ in range(N_STEPS):
        # A suspect's probability of being allowed, by the other failures alone.
        log_p_allowed = torch.nn.functional.logsigmoid(evidence - evidence.sum(0) - log_odds) * suspects
        p_others_allowed = (log_p_allowed.sum(1, keepdim=True) - log_p_allowed).exp()
        evidence = -torch.log1p((p_other - 1) * p_others_allowed) * suspects
        n_forbidden = float(torch.sigmoid(log_odds + evidence.sum(0)).sum())
        allowed = (strength * prior + n_tried - n_forbidden) / (strength + n_tried)
        log_odds = math.log((1 - allowed) / allowed)
    total = torch.zeros(failures.shape[1], dtype=torch.float64, device=failures.device)
    total[is_suspect] = evidence.sum(0)
    return torch.sigmoid(log_odds + total)


def _count_adjacent_pairs(F: Tensor, n_letters: int) -> Tensor:
    """Return how often each pair of letters is adjacent: `n x n_letters^2`, single precision."""
    positions = torch.unflatten(F.to(torch.float32), -1, (-1, n_letters))
    counts: Tensor = positions[..., :-1, :].mT @ positions[..., 1:, :]
    return counts.flatten(-2)
