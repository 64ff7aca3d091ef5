"""Moments of posteriors in the base space of the prior, and their standardization."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Normal

from invdesign.vae.base import VAE, device_of, to_device
from invdesign.vae.priors import StandardNormal

N_DRAWS = 8
"""Pairs of opposite draws from which the spread of a posterior in the base space of a learned prior is estimated."""


@torch.no_grad()
def posterior_moments(
    vae: VAE, parts: Any, conditions: Float[Tensor, "n c"] | None = None
) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, "n d"]]:
    """Return centers and standard deviations of the posteriors of encoded designs in the base space, on the CPU.

    The center is the image of the posterior mean, so that it decodes as the mean does. Under a standard normal prior
    the base space is the latent space, and both are those of the posterior; under a learned prior the standard
    deviation is that of fixed draws about the center.

    Args:
        vae: The model, on any device.
        parts: Batches of encoded designs, on any device.
        conditions: Conditions of all designs, for a conditional model.
    """
    moments = [_base_moments(vae, posterior) for posterior in _posteriors(vae, parts, conditions)]
    center = torch.cat([center.cpu() for center, _ in moments]).double()
    sd = torch.cat([sd.cpu() for _, sd in moments]).double()
    return center, sd


@torch.no_grad()
def posterior_centers(vae: VAE, parts: Any, conditions: Float[Tensor, "n c"] | None = None) -> Float64[Tensor, "n d"]:
    """Return the centers that `posterior_moments` returns, without the spread, which takes most of its time.

    Args:
        vae: The model, on any device.
        parts: Batches of encoded designs, on any device.
        conditions: Conditions of all designs, for a conditional model.
    """
    centers = [_base_center(vae, posterior) for posterior in _posteriors(vae, parts, conditions)]
    return torch.cat([center.cpu() for center in centers]).double()


def standardization(vae: VAE, center: Float64[Tensor, "n d"]) -> tuple[Float64[Tensor, " d"], Float64[Tensor, " d"]]:
    """Return shift and scale of a latent space: mean and standard deviation of the corpus, or 0 and 1.

    The base space of a learned prior needs none: there the aggregate posterior is the standard normal.

    Args:
        vae: The model.
        center: Centers of the posteriors of real designs.
    """
    if isinstance(vae.prior, StandardNormal):
        return center.mean(0), center.std(0).clamp_min(1e-6)
    return torch.zeros_like(center[0]), torch.ones_like(center[0])


def _posteriors(vae: VAE, parts: Iterable[Any], conditions: Tensor | None) -> Iterator[Normal]:
    """Yield the posteriors of each batch, under the conditions of its designs."""
    device, start = device_of(vae), 0
    for part in parts:
        end = start + len(part)
        yield vae.posterior(to_device(part, device), None if conditions is None else conditions[start:end])
        start = end


def _base_center(vae: VAE, posterior: Normal) -> Tensor:
    return posterior.loc if isinstance(vae.prior, StandardNormal) else vae.prior.to_base(posterior.loc)


def _base_moments(vae: VAE, posterior: Normal) -> tuple[Tensor, Tensor]:
    center = _base_center(vae, posterior)
    if isinstance(vae.prior, StandardNormal):
        return center, posterior.scale
    noise = torch.randn(N_DRAWS, vae.d, generator=torch.Generator().manual_seed(0)).to(center)
    steps = torch.cat([noise, -noise])[:, None] * posterior.scale
    variance = (vae.prior.to_base(posterior.loc + steps) - center).square().mean(0)
    return center, variance.sqrt()
