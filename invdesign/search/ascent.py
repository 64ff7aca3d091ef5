"""Proposals that climb: acquisition maximizers, and density-penalized gradient ascent. Both read the latent model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from botorch.generation.gen import gen_candidates_scipy
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape, first_occurrences
from invdesign.search.acquisition import log_ei, ucb
from invdesign.search.cloud import elites, sobol_cloud

CHUNK = 512
TYPICAL_AND_GOOD = partial(ucb, beta=1.0, density_weight=0.5)


def maximize_acquisition(
    landscape: Landscape,
    n: int,
    *,
    acquire: Acquire = log_ei,
    n_raw: int = 512,
    max_starts: int = 64,
    max_steps: int = 30,
) -> Tensor:
    """Local maxima of an acquisition function of the latents, from many starts in one batch of L-BFGS-B.

    Args:
        landscape: what the search sees; its `latent_model` is climbed.
        n: proposals. Beyond `max_starts`, the rest are the best points of the cloud.
        acquire: the acquisition. With several objectives it is built anew for each of four groups of starts, so that
            a scalar one climbs four scalarizations (log_nehvi can be climbed too, but takes a minute).
        n_raw: points of the cloud that starts are chosen from.
        max_starts: starts that are climbed.
        max_steps: of L-BFGS-B; bounds the cost.

    Returns:
        `n x d`.
    """
    latents, n_starts = of_latents(landscape), min(n, max_starts)
    cloud = torch.cat([sobol_cloud(landscape, max(n_raw, n)), _nearby(landscape, n)])
    climbed, order = [], torch.empty(0, dtype=torch.long)
    n_groups = min(n_starts, 1 if landscape.U.shape[1] == 1 else 4)
    for group in range(n_groups):
        acquisition = acquire(latents)
        values = evaluate(acquisition, cloud)
        order = values.argsort(descending=True)
        count = n_starts // n_groups + (group < n_starts % n_groups)
        starts = torch.cat([order[: count // 2 + 1], _tempered(values, count)])
        starts = starts[torch.tensor(first_occurrences(map(str, starts.tolist())))][:count]
        ends, _ = gen_candidates_scipy(
            cloud[starts].unsqueeze(1),
            acquisition,
            lower_bounds=landscape.bounds[0],
            upper_bounds=landscape.bounds[1],
            options={"maxiter": max_steps, "maxfun": 2 * max_steps},
        )
        climbed.append(ends.detach().squeeze(1))
    done = torch.cat(climbed)
    return torch.cat([done, cloud[order[: n - len(done)]]])


def density_ascent(
    landscape: Landscape,
    n: int,
    *,
    acquire: Acquire = TYPICAL_AND_GOOD,
    n_steps: int = 30,
    step: float = 0.1,
    along: int = 3,
    n_elites: int = 20,
) -> Tensor:
    """Gradient ascent of utility and density of real designs inside the trust region, all starts in one batch.

    Half of the starts are the best measured designs (moved a little), half come from the cloud.

    Args:
        landscape: what the search sees; its `latent_model` is climbed.
        n: proposals.
        acquire: what is climbed; its `density_weight` is the penalty on places where no real design lives.
        n_steps: of ascent.
        step: length of a step in each coordinate, as a share of the box's half-length.
        along: points taken from each path: the end, and `along - 1` at even distances on the way.
        n_elites: measured designs to start from.

    Returns:
        `n x d`.
    """
    n_paths = -(-n // along)
    near = _nearby(landscape, n_paths - n_paths // 2, n_elites=n_elites)
    starts = torch.cat([near, sobol_cloud(landscape, n_paths // 2)])
    acquisition = acquire(of_latents(landscape))
    path = climb(acquisition, starts, landscape.bounds, n_steps=n_steps, step=step)
    stops = [round(n_steps * k / along) for k in range(along, 0, -1)]
    return path[stops].reshape(-1, landscape.d)[:n]


def climb(value: Callable[[Tensor], Tensor], starts: Tensor, bounds: Tensor, *, n_steps: int, step: float) -> Tensor:
    """Projected gradient ascent with steps that fit each coordinate (Adam), every start at once.

    Args:
        value: `s x 1 x d -> s`, to be climbed; each start only counts for itself.
        starts: `s x d`.
        bounds: `2 x d`, the box that every point is brought back to after each step.
        n_steps: steps.
        step: length of a step in each coordinate, as a share of the box's half-length; it falls to a tenth.

    Returns:
        The trajectory, `(n_steps + 1) x s x d`, starts included.
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
        # One scale for all coordinates of a start: the direction of the gradient is kept.
        second = 0.9 * second + 0.1 * gradient.square().mean(1, keepdim=True)
        unbiased = (first / (1 - 0.8 ** (k + 1))) / (second / (1 - 0.9 ** (k + 1))).sqrt().clamp_min(1e-12)
        shrink = 1 - 0.9 * k / max(n_steps - 1, 1)
        Z = (Z.detach() + step * shrink * half * unbiased.clamp(-3, 3)).clamp(low, high)
        path.append(Z)
    return torch.stack(path)


def of_latents(landscape: Landscape) -> Landscape:
    """The landscape as a model of the latents sees it; feasibility, which may read features, is left to `select`.

    Raises:
        InvdesignError: the only model there is reads features too.
    """
    if landscape.latent_model is landscape.model and landscape.X.shape[1] > landscape.d:
        raise InvdesignError(
            "a proposer that climbs in the latent space needs a surrogate of the latents alone; there is none, or it "
            "could not be fitted: set latent_surrogate, or leave that proposer out of search.propose"
        )
    return replace(landscape, model=landscape.latent_model, X=landscape.Z, feasibility=None)


@torch.no_grad()
def evaluate(acquisition: Callable[[Tensor], Tensor], X: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Acquisition values (`n`) of single points (`n x (d + f)`), in pieces that fit into memory."""
    return torch.cat([acquisition(rows.unsqueeze(1)) for rows in X.split(chunk)])


def _nearby(landscape: Landscape, n: int, *, n_elites: int = 20) -> Tensor:
    """Starts inside the box around the best measured designs in it, or around its center."""
    low, high = landscape.bounds
    around = elites(landscape, n_elites, least=1).clamp(low, high)
    around = around if len(around) else landscape.center[None]
    picked = around[torch.arange(n) % len(around)]
    return (picked + 0.05 * (high - low) * torch.randn_like(picked)).clamp(low, high)


def _tempered(values: Tensor, n: int) -> Tensor:
    """Positions drawn with probability rising with their standardized value, without replacement."""
    spread = values.std().clamp_min(1e-12)
    odds = ((values - values.max()) / spread).clamp_min(-30).exp() + 1e-12
    return torch.multinomial(odds, min(n, len(values)), replacement=False)
