"""Gradient-based proposers: acquisition maximization and density-penalized ascent of the latent model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from botorch.generation.gen import gen_candidates_scipy
from jaxtyping import Float, Int64
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape, first_occurrences
from invdesign.search.acquisition import log_ei, ucb
from invdesign.search.sampling import select_elites, sobol_cloud
from invdesign.search.select import evaluate

TYPICAL_AND_GOOD = partial(ucb, beta=1.0, density_weight=0.5)
"""Upper confidence bound plus log-density: the default objective of `density_ascent`."""


def maximize_acquisition(
    landscape: Landscape,
    n: int,
    *,
    acquire: Acquire = log_ei,
    n_raw: int = 512,
    max_starts: int = 64,
    max_steps: int = 30,
) -> Float[Tensor, "n d"]:
    """Return local maxima of an acquisition function of the latents, from many starts in one batch of L-BFGS-B.

    Args:
        landscape: Surrogate, density, box and measured designs; the acquisition function reads its `latent_model`.
        n: Number of proposals. Beyond `max_starts`, the rest are the best points of the cloud.
        acquire: Function that builds the acquisition function. With several objectives it is called for each of four
            groups of starts, so that a scalar one is maximized for four scalarizations (log_nehvi can be maximized
            too, but takes a minute).
        n_raw: Points of the cloud that starts are chosen from.
        max_starts: Largest number of starts.
        max_steps: Largest number of L-BFGS-B iterations, which bounds the cost.

    Returns:
        `n x d` latent points.

    Example:
        >>> from invdesign.testing import landscape
        >>> maximize_acquisition(landscape(d=2), 3, n_raw=32).shape
        torch.Size([3, 2])
    """
    latents, n_starts = restrict_to_latents(landscape), min(n, max_starts)
    cloud = torch.cat([sobol_cloud(landscape, max(n_raw, n)), _sample_near_elites(landscape, n)])
    maxima, order = [], torch.empty(0, dtype=torch.long, device=cloud.device)
    n_groups = min(n_starts, 1 if landscape.U.shape[1] == 1 else 4)
    for group in range(n_groups):
        acquisition = acquire(latents)
        values = evaluate(acquisition, cloud)
        order = values.argsort(descending=True)
        n_here = n_starts // n_groups + (group < n_starts % n_groups)
        starts = _choose_starts(values, order, n_here)
        ends, _ = gen_candidates_scipy(
            cloud[starts].unsqueeze(1),
            acquisition,
            lower_bounds=landscape.bounds[0],
            upper_bounds=landscape.bounds[1],
            options={"maxiter": max_steps, "maxfun": 2 * max_steps},
        )
        maxima.append(ends.detach().squeeze(1))
    found = torch.cat(maxima)
    return torch.cat([found, cloud[order[: n - len(found)]]])


def density_ascent(
    landscape: Landscape,
    n: int,
    *,
    acquire: Acquire = TYPICAL_AND_GOOD,
    n_steps: int = 30,
    step_size: float = 0.1,
    n_per_path: int = 3,
    n_elites: int = 20,
) -> Float[Tensor, "n d"]:
    """Return points of gradient ascent of utility and density inside the trust region, all starts in one batch.

    Half of the starts are the best measured designs (moved a little), half are Sobol points.

    Args:
        landscape: Surrogate, density, box and measured designs; the ascent reads its `latent_model`.
        n: Number of proposals.
        acquire: Function that builds the objective; its `density_weight` penalizes regions without real designs.
        n_steps: Number of steps.
        step_size: Length of a step in each coordinate, as a fraction of the box's half-length.
        n_per_path: Points taken from each path: its end, and `n_per_path - 1` at even distances before it.
        n_elites: Measured designs to start from.

    Returns:
        `n x d` latent points.
    """
    n_paths = -(-n // n_per_path)
    near = _sample_near_elites(landscape, n_paths - n_paths // 2, n_elites=n_elites)
    starts = torch.cat([near, sobol_cloud(landscape, n_paths // 2)])
    acquisition = acquire(restrict_to_latents(landscape))
    path = climb(acquisition, starts, landscape.bounds, n_steps=n_steps, step_size=step_size)
    stops = [round(n_steps * k / n_per_path) for k in range(n_per_path, 0, -1)]
    return path[stops].reshape(-1, landscape.d)[:n]


def climb(
    value: Callable[[Tensor], Tensor],
    starts: Float[Tensor, "s d"],
    bounds: Float[Tensor, "2 d"],
    *,
    n_steps: int,
    step_size: float,
) -> Float[Tensor, "t s d"]:
    """Return the trajectories of projected gradient ascent with Adam-like steps, all starts at once.

    One second moment is shared by all coordinates of a start, so that the direction of the gradient is preserved.

    Args:
        value: Function `s x 1 x d -> s` to maximize; each value depends on its own point only.
        starts: `s x d` first points.
        bounds: `2 x d`, the box that points are clamped to after each step.
        n_steps: Number of steps.
        step_size: Length of a step in each coordinate, as a fraction of the box's half-length; it decreases to a tenth.

    Returns:
        The trajectories, `(n_steps + 1) x s x d`, starts included.
    """
    low, high = bounds
    half = (high - low) / 2
    Z = starts.detach().clamp(low, high)
    path = [Z]
    first, second = torch.zeros_like(Z), torch.zeros_like(Z)
    for k in range(n_steps):
        Z = Z.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(value(Z.unsqueeze(1)).sum(), Z)
        gradient = torch.nan_to_num(gradient * half, nan=0.0, posinf=0.0, neginf=0.0)
        first = 0.8 * first + 0.2 * gradient
        second = 0.9 * second + 0.1 * gradient.square().mean(1, keepdim=True)
        unbiased = (first / (1 - 0.8 ** (k + 1))) / (second / (1 - 0.9 ** (k + 1))).sqrt().clamp_min(1e-12)
        shrink = 1 - 0.9 * k / max(n_steps - 1, 1)
        Z = (Z.detach() + step_size * shrink * half * unbiased.clamp(-3, 3)).clamp(low, high)
        path.append(Z)
    return torch.stack(path)


def restrict_to_latents(landscape: Landscape) -> Landscape:
    """Return the landscape of the latent model; feasibility, which may read features, is applied at selection only.

    Args:
        landscape: Surrogate, density, box and measured designs.

    Raises:
        InvdesignError: The only model reads features too.
    """
    if landscape.latent_model is landscape.model and landscape.X.shape[1] > landscape.d:
        raise InvdesignError(
            "search: a gradient-based proposer expected a surrogate of the latents alone, got none, or it could not "
            "be fitted. Set latent_surrogate, or leave that proposer out of search.propose."
        )
    return replace(landscape, model=landscape.latent_model, X=landscape.Z, feasibility=None)


def _sample_near_elites(landscape: Landscape, n: int, *, n_elites: int = 20) -> Float[Tensor, "n d"]:
    """Return starts inside the box around the best measured designs in it, or around its center."""
    low, high = landscape.bounds[0], landscape.bounds[1]
    elites = select_elites(landscape, n_elites, min_inside=1).clamp(low, high)
    elites = elites if len(elites) else landscape.center[None]
    chosen = elites[torch.arange(n, device=elites.device) % len(elites)]
    return (chosen + 0.05 * (high - low) * torch.randn_like(chosen)).clamp(low, high)


def _choose_starts(values: Float[Tensor, " k"], order: Int64[Tensor, " k"], n: int) -> Int64[Tensor, " s"]:
    """Return at most `n` distinct positions: half of them the best, the rest drawn by value."""
    starts = torch.cat([order[: n // 2 + 1], _draw_by_value(values, n)])
    distinct = torch.tensor(first_occurrences(map(str, starts.tolist())), dtype=torch.long, device=starts.device)
    return starts[distinct][:n]


def _draw_by_value(values: Float[Tensor, " k"], n: int) -> Int64[Tensor, " s"]:
    """Return positions drawn without replacement, with probability proportional to `exp` of standardized values."""
    spread = values.std().clamp_min(1e-12)
    odds: Tensor = ((values - values.max()) / spread).clamp_min(-30).exp() + 1e-12
    return torch.multinomial(odds, min(n, len(values)), replacement=False)
