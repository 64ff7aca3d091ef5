"""Proposals that need no gradient: clouds, paths between good designs, steps around them, draws from the prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from invdesign.core import InvdesignError, Landscape
from invdesign.search.acquisition import pareto_front
from invdesign.search.paths import slerp


def sobol_cloud(landscape: Landscape, n: int, *, perturbed: float = 20.0) -> Tensor:
    """Sobol points in the box, of which each differs from the center in a few coordinates only (TuRBO's mask).

    Args:
        landscape: what the search sees.
        n: proposals.
        perturbed: coordinates that differ on average; each one does with probability `min(perturbed / d, 1)`, and at
            least one does.

    Returns:
        `n x d`.

    References:
        Eriksson et al. (2019), arXiv:1910.01739; Regis and Shoemaker (2013), doi:10.1080/0305215X.2012.687731.
    """
    low, high = landscape.bounds
    points = low + (high - low) * sobol(n, landscape.d)
    is_moved = torch.rand(n, landscape.d) < min(perturbed / landscape.d, 1.0)
    still = (~is_moved.any(1)).nonzero().squeeze(1)
    is_moved[still, torch.randint(landscape.d, (len(still),))] = True
    return torch.where(is_moved, points, landscape.center.clamp(low, high))


def elite_paths(
    landscape: Landscape,
    n: int,
    *,
    n_elites: int = 20,
    shape: Literal["spherical", "straight"] = "spherical",
    noise: float = 0.05,
    is_boxed: bool = True,
) -> Tensor:
    """Points on paths between pairs of the best designs: the latent space's crossover.

    Args:
        landscape: what the search sees.
        n: proposals.
        n_elites: the best so many measured designs (with several objectives front by front); those inside the box
            if there are two of them or more.
        shape: a great circle with the length interpolated, which stays where a normal prior has its mass, or a line.
        noise: standard deviation of what is added, so that two proposals never coincide.
        is_boxed: bring proposals into the box; without it a path may lead from one end of the space to the other.

    Returns:
        `n x d`.
    """
    Z = elites(landscape, n_elites, is_boxed=is_boxed)
    if len(Z) < 2:
        return local_steps(landscape, n, n_elites=n_elites, is_boxed=is_boxed)
    first = torch.randint(len(Z), (n,))
    second = (first + torch.randint(1, len(Z), (n,))) % len(Z)
    a, b, t = Z[first], Z[second], torch.rand(n, 1, dtype=torch.float64)
    path = slerp(a, b, t) if shape == "spherical" else a + t * (b - a)
    return _boxed(landscape, path + noise * torch.randn_like(path), is_boxed)


def local_steps(
    landscape: Landscape,
    n: int,
    *,
    n_elites: int = 20,
    sizes: Sequence[float] = (0.1, 0.2, 0.4, 0.7),
    is_boxed: bool = True,
) -> Tensor:
    """Normal steps of mixed sizes around the best designs: the latent space's mutation.

    Args:
        landscape: what the search sees.
        n: proposals.
        n_elites: the best so many measured designs, as in `elite_paths`.
        sizes: standard deviations of the steps, one drawn for each proposal.
        is_boxed: bring proposals into the box.

    Returns:
        `n x d`.
    """
    Z = elites(landscape, n_elites, is_boxed=is_boxed, least=1)
    Z = Z if len(Z) else landscape.center[None]
    start = Z[torch.randint(len(Z), (n,))]
    size = torch.tensor(sizes, dtype=torch.float64)[torch.randint(len(sizes), (n, 1))]
    return _boxed(landscape, start + size * torch.randn_like(start), is_boxed)


def prior_draws(landscape: Landscape, n: int, *, scale: float = 1.0) -> Tensor:
    """Standard normal draws that ignore the box: the random baseline, and a way out of a bad neighbourhood.

    Args:
        landscape: what the search sees.
        n: proposals.
        scale: standard deviation.

    Returns:
        `n x d`.
    """
    return scale * torch.randn(n, landscape.d, dtype=torch.float64)


def sobol(n: int, d: int) -> Tensor:
    """`n x d` scrambled Sobol points in the unit cube, seeded from torch's generator."""
    if d > SobolEngine.MAXDIM:
        raise InvdesignError(f"a Sobol cloud has at most {SobolEngine.MAXDIM} dimensions, got {d}; use local_steps")
    if n == 0:
        return torch.empty(0, d, dtype=torch.float64)
    return SobolEngine(d, scramble=True, seed=int(torch.randint(2**31, ()))).draw(n, dtype=torch.float64)


def elites(landscape: Landscape, k: int, *, is_boxed: bool = True, least: int = 2) -> Tensor:
    """Latents of the `k` designs to breed from, of those inside the box if there are at least `least` of them.

    They are the landscape's own elites where it names any, else the best measured designs (front by front).
    """
    given = landscape.elites
    Z = landscape.Z if given is None else given
    if is_boxed:
        low, high = landscape.bounds
        inside = ((low <= Z) & (high >= Z)).all(1).nonzero().squeeze(1)
        if len(inside) >= least:
            return Z[inside][:k] if given is not None else Z[inside[pareto_front(landscape.U[inside], k)]]
    if given is not None:
        return given[:k]
    return Z[pareto_front(landscape.U, k)] if len(Z) else Z


def _boxed(landscape: Landscape, Z: Tensor, is_boxed: bool) -> Tensor:
    return Z.clamp(landscape.bounds[0], landscape.bounds[1]) if is_boxed else Z
