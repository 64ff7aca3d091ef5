"""Priors over the latents of a VAE, and the divergence of a posterior from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

LOG_2PI = math.log(2 * math.pi)


@runtime_checkable
class Prior(Protocol):
    """A prior p(z) over the latents of a VAE."""

    def kl_divergence(self, posterior: Normal) -> Float[Tensor, "n d"]:
        """Return KL(q || p) of independent normals from the prior, in nats, for every entry."""
        ...

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats."""
        ...

    def sample(self, n: int, d: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Return `n` float64 draws."""
        ...


@dataclass(frozen=True)
class StandardNormal:
    """The standard normal prior: p(z) = N(z; 0, I)."""

    def kl_divergence(self, posterior: Normal) -> Float[Tensor, "n d"]:
        """Return (mean^2 + sd^2 - 1) / 2 - log sd for every entry, in nats."""
        mean, sd = posterior.loc, posterior.scale
        divergence: Tensor = 0.5 * (mean.square() + sd.square() - 1) - torch.log(sd)
        return divergence

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats."""
        return -0.5 * (z.square() + LOG_2PI).sum(-1)

    def sample(self, n: int, d: int, *, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Return `n` float64 draws."""
        return torch.randn(n, d, generator=generator, dtype=torch.float64)


def kl_divergence(posterior: Normal, prior: Prior) -> Float[Tensor, "n d"]:
    """Return the KL divergence of independent normals from a prior, in nats, for every entry.

    Example:
        >>> kl_divergence(Normal(torch.zeros(1, 2), torch.ones(1, 2)), StandardNormal()).tolist()
        [[0.0, 0.0]]
    """
    return prior.kl_divergence(posterior)
