"""Gradient-free proposers: Sobol points, paths between good designs, steps around them, and prior draws.

Proposers are functions `(Landscape, n, *, options)` that return `n x d` latent points to decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.quasirandom import SobolEngine

from invdesign.core import InvdesignError, Landscape
from invdesign.search.paths import slerp
from invdesign.search.scalarization import leading_rows


def sobol_cloud(landscape: Landscape, n: int, *, n_perturbed: float = 20.0) -> Float[Tensor, "n d"]:
    """Return Sobol points in the box, each of which differs from the center in a few coordinates only (TuRBO's mask).

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        n_perturbed: Coordinates that differ on average. Each one differs with probability `min(n_perturbed / d, 1)`,
            and at least one does.

    Returns:
        `n x d` latent points.

    References:
        Eriksson et al. (2019), arXiv:1910.01739; Regis and Shoemaker (2013), doi:10.1080/0305215X.2012.687731.

    Example:
        >>> from invdesign.testing import landscape
        >>> sobol_cloud(landscape(d=3), 5).shape
        torch.Size([5, 3])
    """
    low, high = landscape.bounds
    d, device = landscape.d, low.device
    points = low + (high - low) * draw_sobol(n, d, like=low)
    is_moved = torch.rand(n, d, device=device) < min(n_perturbed / d, 1.0)
    unmoved = (~is_moved.any(1)).nonzero().squeeze(1)
    is_moved[unmoved, torch.randint(d, (len(unmoved),), device=device)] = True
    return torch.where(is_moved, points, landscape.center.clamp(low, high))


def elite_paths(
    landscape: Landscape,
    n: int,
    *,
    n_elites: int = 20,
    shape: Literal["spherical", "straight"] = "spherical",
    noise: float = 0.05,
    is_boxed: bool = True,
) -> Float[Tensor, "n d"]:
    """Return points on paths between pairs of the best designs: crossover in latent space.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        n_elites: Number of best measured designs (with several objectives front by front) that paths connect; those
            inside the box if it contains at least two.
        shape: Great circle with linearly interpolated length, which stays where a normal prior has its mass, or line.
        noise: Standard deviation of the noise that is added, so that two proposals never coincide.
        is_boxed: Whether proposals are clamped to the box. Without it a path may cross the whole latent space.

    Returns:
        `n x d` latent points.
    """
    Z = select_elites(landscape, n_elites, is_boxed=is_boxed)
    if len(Z) < 2:
        return local_steps(landscape, n, n_elites=n_elites, is_boxed=is_boxed)
    first = torch.randint(len(Z), (n,), device=Z.device)
    second = (first + torch.randint(1, len(Z), (n,), device=Z.device)) % len(Z)
    a, b, t = Z[first], Z[second], torch.rand(n, 1, dtype=Z.dtype, device=Z.device)
    points = slerp(a, b, t) if shape == "spherical" else a + t * (b - a)
    points = points + noise * torch.randn_like(points)
    return _clamp_to_box(landscape, points) if is_boxed else points


def local_steps(
    landscape: Landscape,
    n: int,
    *,
    n_elites: int = 20,
    sizes: Sequence[float] = (0.1, 0.2, 0.4, 0.7),
    is_boxed: bool = True,
) -> Float[Tensor, "n d"]:
    """Return normal steps of mixed sizes around the best designs: mutation in latent space.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        n_elites: Number of best measured designs, as in `elite_paths`.
        sizes: Standard deviations of the steps; one is drawn for each proposal.
        is_boxed: Whether proposals are clamped to the box.

    Returns:
        `n x d` latent points.
    """
    Z = select_elites(landscape, n_elites, is_boxed=is_boxed, min_inside=1)
    Z = Z if len(Z) else landscape.center[None]
    start = Z[torch.randint(len(Z), (n,), device=Z.device)]
    choices = torch.tensor(sizes, dtype=Z.dtype, device=Z.device)
    size = choices[torch.randint(len(sizes), (n, 1), device=Z.device)]
    points = start + size * torch.randn_like(start)
    return _clamp_to_box(landscape, points) if is_boxed else points


def sphere_cloud(landscape: Landscape, n: int, *, n_perturbed: float = 20.0) -> Float[Tensor, "n d"]:
    """Return points on great circles through the center: a trust region on the sphere around the origin.

    They keep the distance of the center to the origin, where a normal prior of many dimensions has its mass. The
    longest arc is that of a step which moves `n_perturbed` coordinates to the sides of the box.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        n_perturbed: Coordinates whose sides give the longest arc.

    Returns:
        `n x d` latent points.
    """
    center, (low, high) = landscape.center, landscape.bounds
    length = center.norm().clamp_min(1e-6)
    longest = float(((high - low) / 2).square().mean().sqrt()) * min(n_perturbed, landscape.d) ** 0.5
    angle = longest / length * torch.rand(n, 1, dtype=center.dtype, device=center.device)
    tangent = torch.randn(n, landscape.d, dtype=center.dtype, device=center.device)
    tangent = tangent - (tangent @ center)[:, None] / length.square() * center
    tangent = tangent / tangent.norm(dim=1, keepdim=True).clamp_min(1e-12)
    points: Tensor = angle.cos() * center + angle.sin() * length * tangent
    return points


def prior_draws(landscape: Landscape, n: int, *, scale: float = 1.0) -> Float[Tensor, "n d"]:
    """Return normal draws that ignore the box: the random baseline, and a way out of a bad neighbourhood.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        scale: Standard deviation.

    Returns:
        `n x d` latent points.
    """
    like = landscape.bounds
    return scale * torch.randn(n, landscape.d, dtype=like.dtype, device=like.device)


def draw_sobol(n: int, d: int, *, like: Tensor) -> Float[Tensor, "n d"]:
    """Return `n x d` scrambled Sobol points in the unit cube, seeded from torch's global generator.

    Args:
        n: Number of points.
        d: Number of dimensions.
        like: Tensor whose dtype and device the points have.

    Raises:
        InvdesignError: There are more dimensions than Sobol sequences support.
    """
    if d > SobolEngine.MAXDIM:
        raise InvdesignError(
            f"sobol_cloud: expected at most {SobolEngine.MAXDIM} latent dimensions, got {d}. Use local_steps."
        )
    if n == 0:
        return torch.empty(0, d, dtype=like.dtype, device=like.device)
    seed = int(torch.randint(2**31, (), device="cpu"))
    engine = SobolEngine(d, scramble=True, seed=seed)  # type: ignore[no-untyped-call, unused-ignore]  # not annotated
    return engine.draw(n, dtype=like.dtype).to(like.device)


def select_elites(landscape: Landscape, n: int, *, is_boxed: bool = True, min_inside: int = 2) -> Float[Tensor, "k d"]:
    """Return the latents around which to propose: the elites of the landscape, else the best measured designs.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Largest number of elites.
        is_boxed: Whether to use those inside the box only, if it contains enough of them.
        min_inside: Number of elites inside the box that are enough.

    Returns:
        `k x d` latents, best first (front by front for several objectives).
    """
    given = landscape.elites
    Z = landscape.Z if given is None else given
    if is_boxed:
        low, high = landscape.bounds
        inside = ((low <= Z) & (high >= Z)).all(1).nonzero().squeeze(1)
        if len(inside) >= min_inside:
            return Z[inside][:n] if given is not None else Z[inside[leading_rows(landscape.ranking_U[inside], n)]]
    if given is not None:
        return given[:n]
    return Z[leading_rows(landscape.ranking_U, n)] if len(Z) else Z


def _clamp_to_box(landscape: Landscape, Z: Tensor) -> Tensor:
    return Z.clamp(landscape.bounds[0], landscape.bounds[1])
