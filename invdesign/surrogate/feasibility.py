"""A surrogate of what can be made and measured: from the designs that failed, the probability that another will."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from gpytorch.kernels import MaternKernel
from torch import Tensor

from invdesign.core import Array
from invdesign.surrogate.fitting import subset
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.kernels import MinMaxKernel


def feasibility_surrogate(
    X: Tensor, is_feasible: Tensor, d: int, *, noise: float = 0.25, max_points: int = 2000
) -> Callable[[Tensor], Tensor]:
    """Log-probability that a design at X is feasible, learnt from designs that were and were not.

    A GP regression on labels +1 and -1 read through a probit link: nothing to iterate, differentiable in the latents.
    Its prior mean is the base rate, so that far from all data the answer is the base rate. It reads the features where
    they are counts, else the latents with a lengthscale of `0.7 sqrt(d)`.

    Args:
        X: `n x (d + f)` inputs of designs that were tried.
        is_feasible: `n` booleans.
        d: number of latent columns.
        noise: variance of the labels; larger is more forgiving of a single failure.
        max_points: a longer history is thinned to so many points.

    Returns:
        A function of `... x (d + f)` to log-probabilities `...`.
    """
    share = (float(is_feasible.sum()) + 1) / (len(is_feasible) + 2)
    if len(X) == 0 or bool(is_feasible.all()) or not bool(is_feasible.any()):
        return lambda x: torch.full(x.shape[:-1], math.log(share) if len(X) else 0.0, dtype=torch.float64)
    labels = torch.where(is_feasible, 1.0, -1.0).to(torch.float64)[:, None]
    rare = -labels if share > 0.5 else labels
    keep = subset(rare, max_points)
    features = X[:, d:]
    if features.shape[1] and not bool((features < 0).any()):
        model = ConditionedGP(MinMaxKernel(tuple(range(d, X.shape[1]))), X[keep], labels[keep], noise=noise)
    else:
        kernel = MaternKernel(active_dims=tuple(range(d))).to(torch.float64)
        kernel.lengthscale = 0.7 * math.sqrt(d)
        model = ConditionedGP(kernel, X[keep], labels[keep], noise=noise)
    # At the prior (mean and variance of the labels) the probability must be the base rate.
    spread = float(model.scale)
    offset = math.sqrt(1 + noise) * spread * math.sqrt(2) * float(torch.erfinv(torch.tensor(2 * share - 1.0)))

    def log_probability(x: Tensor) -> Tensor:
        flat = x.reshape(-1, 1, x.shape[-1])
        mean, variance = model.moments(flat)
        centered = spread * mean.reshape(-1) + offset
        sd = spread * (noise + variance.reshape(-1)).sqrt()
        answer: Tensor = torch.special.log_ndtr(centered / sd)
        return answer.reshape(x.shape[:-1])

    return log_probability


def transition_feasibility(
    X: Tensor,
    is_feasible: Tensor,
    d: int,
    *,
    letters: int,
    prior: float = 0.7,
    strength: float = 2.0,
    known: Array | None = None,
) -> Callable[[Tensor], Tensor]:
    """Log-probability that a sequence is feasible, from the neighbours (two letters in a row) that it holds.

    A pair of neighbours that stands in a feasible sequence is allowed. Another one may be forbidden: a sequence that
    failed lays its blame on those of its pairs that no feasible sequence holds, the likelier culprits more.

    Args:
        X: `n x (d + f)` inputs, features in blocks of `letters` 0/1 columns.
        is_feasible: `n` booleans.
        d: number of latent columns.
        letters: columns of each site.
        prior: probability that a pair never seen is allowed.
        strength: how many sequences that prior counts for.
        known: `k x f` features of further designs that are known to be feasible, such as a corpus of what exists.

    Returns:
        A function of `... x (d + f)` to log-probabilities `...`.
    """
    pairs = _neighbours(X[:, d:], letters)
    is_seen = (pairs[is_feasible] > 0).any(0)
    if known is not None:
        is_seen |= (_neighbours(torch.as_tensor(known), letters) > 0).any(0)
    suspects = (pairs[~is_feasible] > 0) & ~is_seen
    can_blame = suspects.any(1)
    # Failures that no pair explains are due to something else.
    n_other, n_clear = int((~can_blame).sum()), int(is_feasible.sum())
    other = math.log((n_clear + 1) / (n_clear + n_other + 1))
    blamed = suspects[can_blame].to(torch.float64)
    is_banned = torch.full((pairs.shape[1],), 1 - prior, dtype=torch.float64)
    for _ in range(10):
        guilt = blamed * is_banned
        blame = (guilt / guilt.sum(1, keepdim=True).clamp_min(1e-12)).sum(0)
        is_banned = (strength * (1 - prior) + blame) / (strength + blame)
    cost = torch.where(is_seen, torch.zeros_like(is_banned), torch.log1p(-is_banned.clamp_max(1 - 1e-6)))

    def log_probability(x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        held = torch.cat([(_neighbours(part[:, d:], letters) > 0).double() @ cost for part in flat.split(500)])
        return (other + held).reshape(x.shape[:-1])

    return log_probability


def _neighbours(F: Tensor, letters: int) -> Tensor:
    """How often each two letters stand in a row, `n x letters^2`."""
    sites = F.to(torch.float32).unflatten(-1, (-1, letters))
    return (sites[..., :-1, :].mT @ sites[..., 1:, :]).flatten(-2)
