"""Paths between two latent points: straight, along a great circle, or through dense regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from invdesign.core import Density, InvdesignError

Shape = Literal["straight", "spherical", "density"]
N_LINKS = 32
"""Links of the chain that approximates a geodesic."""


def slerp(a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], t: Float[Tensor, "n 1"]) -> Float[Tensor, "n d"]:
    """Return the spherical interpolation of directions, with linearly interpolated length.

    The interpolation is straight where the directions are parallel or opposite.

    Args:
        a: `n x d` points at `t = 0`.
        b: `n x d` points at `t = 1`.
        t: `n x 1` fractions of the way.

    Returns:
        `n x d` points.

    References:
        White, Sampling Generative Networks (2016), arXiv:1609.04468.
    """
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    cosine = ((a * b).sum(1, keepdim=True) / (length_a * length_b).clamp_min(1e-12)).clamp(-1, 1)
    angle = cosine.acos()
    is_straight = (angle.sin() < 1e-6) | (length_a < 1e-12) | (length_b < 1e-12)
    sine = torch.where(is_straight, torch.ones_like(angle), angle.sin())
    unit_a, unit_b = a / length_a.clamp_min(1e-12), b / length_b.clamp_min(1e-12)
    direction = (((1 - t) * angle).sin() * unit_a + (t * angle).sin() * unit_b) / sine
    return torch.where(is_straight, a + t * (b - a), ((1 - t) * length_a + t * length_b) * direction)


@dataclass(frozen=True, eq=False)
class LatentPath:
    """Path between two latent points.

    Example:
        >>> import torch
        >>> way = find_path(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]), shape="straight")
        >>> way.evaluate(0.25).tolist()
        [0.25, 0.75]
    """

    chain: Float[Tensor, "k d"]
    """Points joined by straight links; both ends alone for a line or a great circle."""
    shape: Shape
    """Line, great circle with linearly interpolated length, or the `geodesic` of the density."""

    def evaluate(self, t: float) -> Float[Tensor, " d"]:
        """Return the point at a fraction of the way, 0 to 1."""
        point: Tensor = self.evaluate_at(torch.tensor([t], dtype=self.chain.dtype, device=self.chain.device))[0]
        return point

    def evaluate_at(self, t: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
        """Return the points at `n` fractions of the way."""
        if self.shape == "density":
            return follow(self.chain, t)
        a, b = self.chain
        if self.shape == "straight":
            line: Tensor = a + t[:, None] * (b - a)
            return line
        return slerp(a.expand(len(t), -1), b.expand(len(t), -1), t[:, None])

    def points(self, n: int) -> Float[Tensor, "n d"]:
        """Return points at even fractions of the way, both ends included.

        Args:
            n: Number of points, at least two.

        Raises:
            InvdesignError: There are fewer than two points.
        """
        if n < 2:
            raise InvdesignError(f"path: expected n of at least 2, the two ends, got {n}")
        return self.evaluate_at(torch.linspace(0, 1, n, dtype=self.chain.dtype, device=self.chain.device))


def find_path(
    a: Float[Tensor, " d"],
    b: Float[Tensor, " d"],
    *,
    shape: Shape = "spherical",
    density: Density | None = None,
    typical: Float[Tensor, " k"] | None = None,
) -> LatentPath:
    """Return the path from `a` to `b`.

    Args:
        a: First point (`d`).
        b: Last point (`d`).
        shape: See `LatentPath`.
        density: Differentiable log p(z) of real designs, required by `"density"`.
        typical: Log-densities of real designs, required by `"density"`: they define which regions are dense.

    Raises:
        InvdesignError: The shape is unknown, or a geodesic has no density.
    """
    if shape not in get_args(Shape):
        raise InvdesignError(f"path: expected shape as one of {', '.join(get_args(Shape))}, got {shape!r}")
    if shape != "density":
        return LatentPath(torch.stack([a, b]), shape)
    if density is None or typical is None:
        raise InvdesignError(
            "path: shape 'density' expected density and typical, got None. Pass both, or use shape='spherical'."
        )
    return LatentPath(geodesic(a, b, density=density, typical=typical), shape)


def geodesic(
    a: Float[Tensor, " d"],
    b: Float[Tensor, " d"],
    *,
    density: Density,
    typical: Float[Tensor, " k"],
    weight: float = 3.0,
    n_links: int = N_LINKS,
    n_steps: int = 40,
) -> Float[Tensor, "p d"]:
    """Return the shortest path from `a` to `b` in a metric in which empty regions are longer.

    A step of length `|dz|` costs `(1 + weight * softplus(s)) |dz|`, where `s` is the difference between the median
    log-density of real designs and the log-density at the step, in units of the spread of real designs (median minus
    5 % quantile). Paths therefore avoid empty regions. Regions denser than a typical design hardly reduce the cost: in
    many dimensions no real design is near the mode. The energy of a chain of straight links, whose minimum is the
    geodesic with equal costs of all links, is minimized by L-BFGS, starting from the straight line.

    Args:
        a: First point (`d`).
        b: Last point (`d`).
        density: Differentiable log p(z).
        typical: Log-densities of real designs.
        weight: Cost of an empty region. In the shipped latent space of molecules (20 paths of 9 points) designs decoded
            from a path of weight 3 are nearer to the points that they were decoded from (6.8, on a great circle 7.8),
            denser (percentile 43 against 35), and more of them are distinct (84 % against 78 %).
        n_links: Number of links of the chain.
        n_steps: Number of L-BFGS iterations.

    Returns:
        `(n_links + 1) x d` points; the straight line where no better chain is found.

    References:
        Arvanitidis et al., A prior-based approximate latent Riemannian metric (2021), arXiv:2103.05290.
    """
    t = torch.linspace(0, 1, n_links + 1, dtype=a.dtype, device=a.device)[:, None]
    straight = a + t * (b - a)
    length = float((b - a).norm())
    if length < 1e-9:
        return straight
    median = typical.median()
    spread = (median - typical.quantile(0.05)).clamp_min(1e-6)

    def energy(chain: Tensor) -> Tensor:
        emptiness = softplus((median - density((chain[1:] + chain[:-1]) / 2)) / spread)
        return ((1 + weight * emptiness).square() * chain.diff(dim=0).square().sum(1)).sum() * n_links / length**2

    offsets = torch.zeros(n_links - 1, len(a), dtype=a.dtype, device=a.device, requires_grad=True)

    def bend() -> Tensor:
        return torch.cat([a[None], straight[1:-1] + length * offsets, b[None]])

    _minimize(lambda: energy(bend()), offsets, n_steps)
    with torch.no_grad():
        chain = bend()
        return chain if bool(energy(chain) < energy(straight)) else straight


def follow(chain: Float[Tensor, "k d"], t: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Return the points at fractions of the length of a chain of straight links.

    Args:
        chain: `k x d` points.
        t: `n` fractions, 0 to 1.

    Example:
        >>> import torch
        >>> follow(torch.tensor([[0.0], [3.0], [4.0]]), torch.tensor([0.0, 0.5, 1.0])).tolist()
        [[0.0], [2.0], [4.0]]
    """
    zero = torch.zeros(1, dtype=chain.dtype, device=chain.device)
    distance = torch.cat([zero, chain.diff(dim=0).norm(dim=1).cumsum(0)])
    target = t * distance[-1]
    right = torch.searchsorted(distance, target).clamp(1, len(chain) - 1)
    fraction = (target - distance[right - 1]) / (distance[right] - distance[right - 1]).clamp_min(1e-12)
    points = chain[right - 1] + fraction[:, None] * (chain[right] - chain[right - 1])
    # The ends are exact where the length of a link is 0.
    points[t <= 0], points[t >= 1] = chain[0], chain[-1]
    return points


def _minimize(value: Callable[[], Tensor], x: Tensor, n_steps: int) -> None:
    """Minimize a function of `x` in place with L-BFGS."""
    optimizer = torch.optim.LBFGS([x], max_iter=n_steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = value()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call, unused-ignore]  # LBFGS.step has no annotations
