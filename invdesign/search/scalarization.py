"""Scalarization of several objectives, and the terms that acquisition functions add to the utility."""

from __future__ import annotations

from collections.abc import Callable

import torch
from botorch.utils.multi_objective.hypervolume import infer_reference_point
from botorch.utils.multi_objective.pareto import is_non_dominated
from jaxtyping import Float, Int64
from torch import Tensor

from invdesign.core import Landscape, pareto_front

MIN_SPREAD = 1e-12
"""Standard deviation below which utilities count as equal."""
TYPICAL_WIDTHS = 2.0
"""Robust standard deviations above the median at which the density term saturates."""


def draw_weights(U: Float[Tensor, "n m"]) -> Float[Tensor, " m"]:
    """Return weights of the objectives: 1 for one objective, else random weights of standardized utilities.

    Args:
        U: `n x m` utilities of the measured designs.

    Returns:
        `m` weights. For several objectives they are uniform on the simplex, divided by the standard deviations.
    """
    m = U.shape[1]
    if m == 1:
        return torch.ones(1, dtype=U.dtype, device=U.device)
    shares = torch.distributions.Exponential(torch.ones(m, dtype=U.dtype, device=U.device)).sample()
    return shares / shares.sum() / U.std(0).clamp_min(MIN_SPREAD)


def draw_simplex(k: int, m: int, like: Tensor) -> Float[Tensor, "k m"]:
    """Return `k` points that are uniform on the simplex of `m` weights.

    Args:
        k: Number of points.
        m: Number of weights of each.
        like: Tensor whose dtype and device the points have.
    """
    draws = torch.distributions.Exponential(torch.ones(k, m, dtype=like.dtype, device=like.device)).sample()
    return draws / draws.sum(1, keepdim=True)


def draw_chebyshev(U: Float[Tensor, "n m"]) -> Callable[[Tensor], Tensor]:
    """Return a function from utilities (`... x m`) to one number.

    For one objective this is the utility itself, else an augmented Chebyshev scalarization with random weights:
    `min_j w_j (u_j - l_j) + 0.05 sum_j w_j (u_j - l_j)`, where `l` is the componentwise minimum of the measured
    utilities.

    Args:
        U: `n x m` utilities of the measured designs.

    References:
        Knowles, IEEE Trans. Evol. Comput. 10 (2006) 50, doi:10.1109/TEVC.2005.851274.
    """
    if U.shape[1] == 1:
        return lambda u: u.squeeze(-1)
    weights = draw_weights(U)
    low = U.amin(0)

    def scalarize(u: Tensor) -> Tensor:
        scaled = (u - low) * weights
        return scaled.amin(-1) + 0.05 * scaled.sum(-1)

    return scalarize


def scalar_spread(U: Float[Tensor, "n m"], weights: Float[Tensor, " m"]) -> float:
    """Return the standard deviation of the weighted utilities, or 1 where they are all equal.

    Args:
        U: `n x m` utilities of the measured designs.
        weights: `m` weights of the objectives.
    """
    scalar = (U * weights).sum(1)
    spread = float(scalar.std()) if len(scalar) > 1 else 1.0
    return spread if spread > MIN_SPREAD else 1.0


def reference_point(U: Float[Tensor, "n m"]) -> Float[Tensor, " m"]:
    """Return the reference point of the hypervolume: a tenth of the front's range below its nadir.

    Args:
        U: `n x m` utilities of the measured designs.
    """
    return infer_reference_point(U[is_non_dominated(U)], scale=0.1)


def leading_rows(U: Float[Tensor, "n m"], n: int) -> Int64[Tensor, " k"]:
    """Return the positions of the best rows, front after front; for one objective in order of utility.

    Within a front, rows are ordered by the sum of their standardized utilities. For several objectives only the
    `max(20 n, 200)` rows with the largest sum are considered.

    Args:
        U: `n x m` finite utilities.
        n: Number of rows to return, fewer where `U` has fewer.

    Example:
        >>> leading_rows(torch.tensor([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]]), 2).tolist()
        [0, 1]
    """
    score = ((U - U.mean(0)) / (U.std(0) if len(U) > 1 else torch.ones_like(U[0])).clamp_min(MIN_SPREAD)).sum(1)
    order = score.argsort(descending=True)
    if U.shape[1] == 1 or len(U) <= 1:
        return order[:n]
    utilities = U.detach().cpu().double().numpy()
    rest = order[: max(20 * n, 200)].tolist()
    chosen: list[int] = []
    while rest and len(chosen) < n:
        front = pareto_front(utilities[rest])
        if not front:  # Only rows that are not finite are left.
            break
        chosen += [rest[i] for i in front]
        members = set(front)
        rest = [row for i, row in enumerate(rest) if i not in members]
    return torch.tensor(chosen[:n], dtype=torch.long, device=U.device)


def build_location_bonus(landscape: Landscape, density_weight: float, *, unit: float) -> Callable[[Tensor], Tensor]:
    """Return the term that an acquisition function adds to the utility: density and feasibility.

    The term is `unit (density_weight min(s(z), 2) + log p(feasible | x))`. `s` is the log-density relative to the
    median of the measured designs, in units of their interquartile range / 1.349, at least one nat. It saturates two
    units above the median: a design that is more typical than typical ones is no better.

    Args:
        landscape: Surrogate, density, box and measured designs.
        density_weight: Number of standard deviations of utility that one standard deviation of log-density is worth.
        unit: Scale of the term: a standard deviation of utility, or 1 for logarithmic acquisition functions [nats].

    Returns:
        Function from `... x (d + f)` inputs to `...` numbers.
    """
    feasibility, d = landscape.feasibility, landscape.d
    if density_weight == 0 and feasibility is None:
        return lambda X: X.new_zeros(X.shape[:-1])
    with torch.no_grad():
        measured = landscape.density(landscape.Z)
    levels = torch.tensor([0.25, 0.5, 0.75], dtype=measured.dtype, device=measured.device)
    quartiles = torch.quantile(measured, levels)
    width = ((quartiles[2] - quartiles[0]) / 1.349).clamp_min(1.0)

    def location_bonus(X: Tensor) -> Tensor:
        bonus = X.new_zeros(X.shape[:-1])
        if density_weight != 0:
            standardized = (landscape.density(X[..., :d]) - quartiles[1]) / width
            bonus = bonus + density_weight * standardized.clamp_max(TYPICAL_WIDTHS)
        if feasibility is not None:
            bonus = bonus + feasibility(X)
        return unit * bonus

    return location_bonus
