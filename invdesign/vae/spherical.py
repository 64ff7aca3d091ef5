"""A sphere as latent space: the uniform prior and the power spherical posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Beta, Normal

MIN_CONCENTRATION = 0.1


class PowerSpherical(Normal):
    """Power spherical distribution on the sphere of radius sqrt(d), where a standard normal has its mass.

    p(x) ~ (1 + m'x)^k for unit vectors x, with mean direction m and concentration k. `loc` is the mean direction on the
    sphere and `scale` the standard deviation of every coordinate, so that code that reads the moments of a
    posterior needs to know no more.

    Args:
        mean: `n x d` vectors; their directions count.
        sd: `n x d` standard deviations; their mean over the coordinates counts.

    References:
        De Cao and Aziz, The Power Spherical Distribution, arXiv:2006.04437; Davidson et al., Hyperspherical Variational
        Auto-Encoders, arXiv:1804.00891.
    """

    def __init__(self, mean: Float[Tensor, "n d"], sd: Float[Tensor, "n d"]) -> None:
        d = mean.shape[-1]
        self.direction = mean / mean.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        spread = sd.mean(-1)
        # The mean squared chord 2 (d - 1) / (k + d - 1), times d, is d - 1 variances of a coordinate.
        self.concentration = (2 * d / spread.square() - (d - 1)).clamp_min(MIN_CONCENTRATION)
        self.alpha, self.beta = (d - 1) / 2 + self.concentration, torch.full_like(spread, (d - 1) / 2)
        scale = (2 * d / (self.concentration + d - 1)).sqrt()[..., None].expand_as(mean)
        super().__init__(math.sqrt(d) * self.direction, scale, validate_args=False)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws on the sphere, differentiable in both parameters."""
        shape = torch.Size(sample_shape)
        d = self.loc.shape[-1]
        along = 2 * Beta(self.alpha, self.beta, validate_args=False).rsample(shape)[..., None] - 1
        noise = torch.randn((*shape, *self.loc.shape[:-1], d - 1), dtype=self.loc.dtype, device=self.loc.device)
        across = noise / noise.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        first = torch.cat([along, (1 - along.square()).clamp_min(1e-12).sqrt() * across], -1)
        # A reflection takes the first axis to the mean direction.
        axis = torch.zeros_like(self.direction)
        axis[..., 0] = 1
        normal = axis - self.direction
        normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        drawn: Tensor = math.sqrt(d) * (first - 2 * normal * (normal * first).sum(-1, keepdim=True))
        return drawn

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Return draws on the sphere."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density of points on the sphere, per unit of area of the unit sphere, `n`."""
        cosine = (self.direction * value).sum(-1) / math.sqrt(value.shape[-1])
        return self._log_constant() + self.concentration * torch.log1p(cosine.clamp(-1 + 1e-6, 1))

    def divergence_from_uniform(self) -> Float[Tensor, " n"]:
        """Return the KL divergence from the uniform distribution on the sphere, in nats."""
        mean_log = math.log(2) + torch.digamma(self.alpha) - torch.digamma(self.alpha + self.beta)
        return self._log_constant() + self.concentration * mean_log + log_area(self.loc.shape[-1])

    def _log_constant(self) -> Tensor:
        total = self.alpha + self.beta
        return -(total * math.log(2) + self.beta * math.log(math.pi) + torch.lgamma(self.alpha) - torch.lgamma(total))


@dataclass(frozen=True)
class SphericalPrior:
    """The uniform prior on the sphere of radius sqrt(d); its base space is the space around the sphere."""

    d: int
    """Dimensions of the space around it."""

    def kl_divergence(self, posterior: Normal, z: Float[Tensor, "n d"] | None = None) -> Float[Tensor, "n 1"]:
        """Return KL(q || p) of power spherical posteriors, in nats."""
        assert isinstance(posterior, PowerSpherical)
        return posterior.divergence_from_uniform()[:, None]

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats, per unit of area of the unit sphere."""
        return z.new_full(z.shape[:-1], -log_area(self.d))

    def to_base(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the nearest points of the sphere."""
        return project_to_sphere(z)

    def from_base(self, u: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the nearest points of the sphere."""
        return project_to_sphere(u)


def project_to_sphere(z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Return the nearest points of the sphere of radius sqrt(d); of the center a fixed one."""
    length = z.norm(dim=-1, keepdim=True)
    fixed = torch.zeros_like(z)
    fixed[..., 0] = 1
    return math.sqrt(z.shape[-1]) * torch.where(length > 1e-9, z / length.clamp_min(1e-9), fixed)


def log_area(d: int) -> float:
    """Return the logarithm of the area of the unit sphere in `d` dimensions.

    Example:
        >>> round(math.exp(log_area(3)) / math.pi, 6)
        4.0
    """
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def make_posterior(prior: object, mean: Float[Tensor, "n d"], sd: Float[Tensor, "n d"]) -> Normal:
    """Return the posteriors of `n` designs: power spherical under a spherical prior, else independent normals.

    Args:
        prior: Prior of the model.
        mean: Their means, in float32.
        sd: Their standard deviations.
    """
    if isinstance(prior, SphericalPrior):
        return PowerSpherical(mean, sd)
    return Normal(mean, sd, validate_args=False)
