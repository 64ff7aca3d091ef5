"""Priors over the latents of a VAE, and the divergence of a posterior from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.vae.spherical import SphericalPrior

LOG_2PI = math.log(2 * math.pi)
MAX_LOG_SCALE = 2.0
"""Largest absolute logarithm of the scale of one coupling layer."""

PriorKind = Literal["normal", "flow", "sphere"]


@runtime_checkable
class Prior(Protocol):
    """A prior p(z) over the latents of a VAE: the image of a standard normal in a base space."""

    def kl_divergence(self, posterior: Normal, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Return KL(q || p) of independent normals from the prior, in nats, as entries that add up to it.

        Args:
            posterior: The posteriors q, `n x d`.
            z: One draw from each, for a prior whose divergence has no closed form.
        """
        ...

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats."""
        ...

    def to_base(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the points of the base space that belong to latents."""
        ...

    def from_base(self, u: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the latents that belong to points of the base space."""
        ...


@dataclass(frozen=True)
class StandardNormal:
    """The standard normal prior p(z) = N(z; 0, I); its base space is the latent space."""

    def kl_divergence(self, posterior: Normal, z: Float[Tensor, "n d"] | None = None) -> Float[Tensor, "n d"]:
        """Return (mean^2 + sd^2 - 1) / 2 - log sd for every latent, in nats."""
        mean, sd = posterior.loc, posterior.scale
        divergence: Tensor = 0.5 * (mean.square() + sd.square() - 1) - torch.log(sd)
        return divergence

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats."""
        return -0.5 * (z.square() + LOG_2PI).sum(-1)

    def to_base(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the latents themselves."""
        return z

    def from_base(self, u: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the points themselves."""
        return u


class FlowPrior(nn.Module):
    """Normalizing flow of affine coupling layers: a learned prior, invertible in one pass each way and smooth.

    Layer `i` scales and shifts half of the dimensions, which half is fixed by `i`, by functions of the other half:

        u_a = z_a exp(s(z_b)) + t(z_b),    u_b = z_b,    log p(z) = log N(u; 0, I) + sum s

    The layers start as the identity, so an untrained flow is the standard normal prior.

    Args:
        d: Latent dimensions, at least two.
        n_layers: Coupling layers.
        width: Hidden units of the networks s and t.

    Raises:
        InvdesignError: Fewer than two dimensions.

    References:
        Dinh, Sohl-Dickstein and Bengio, Density Estimation Using Real NVP, arXiv:1605.08803; Chen et al., Variational
        Lossy Autoencoder (flow as a prior), arXiv:1611.02731.
    """

    halves: Tensor

    def __init__(self, d: int, *, n_layers: int = 8, width: int = 128) -> None:
        super().__init__()
        if d < 2:
            raise InvdesignError(f"flow prior: expected at least two latent dimensions, got {d}. Use prior=normal")
        self.n_fixed = d // 2
        order = torch.Generator().manual_seed(0)
        permutations = [torch.randperm(d, generator=order) for _ in range(n_layers)]
        self.register_buffer("halves", torch.stack(permutations), persistent=False)
        self.layers = nn.ModuleList(_coupling(self.n_fixed, d - self.n_fixed, width) for _ in range(n_layers))

    def kl_divergence(self, posterior: Normal, z: Float[Tensor, "n d"]) -> Float[Tensor, "n 1"]:
        """Return log q(z | x) - log p(z) at one draw of each posterior: an unbiased estimate, in nats."""
        log_q = (-0.5 * ((z - posterior.loc) / posterior.scale).square() - posterior.scale.log() - 0.5 * LOG_2PI).sum(1)
        return (log_q - self.log_prob(z))[:, None]

    def log_prob(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z) in nats."""
        u, log_det = self._forward(z)
        return log_det - 0.5 * (u.square() + LOG_2PI).sum(-1)

    def to_base(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the points of the base space that belong to latents."""
        return self._forward(z)[0]

    def from_base(self, u: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the latents that belong to points of the base space."""
        for half, layer in zip(self.halves.flip(0), reversed(self.layers), strict=True):
            fixed, moved = half[: self.n_fixed], half[self.n_fixed :]
            log_scale, shift = _scale_and_shift(layer, u[..., fixed])
            u = u.index_copy(-1, moved, (u[..., moved] - shift) * torch.exp(-log_scale))
        return u

    def _forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        z = z.to(next(self.layers.parameters()).dtype)
        log_det = z.new_zeros(z.shape[:-1])
        for half, layer in zip(self.halves, self.layers, strict=True):
            fixed, moved = half[: self.n_fixed], half[self.n_fixed :]
            log_scale, shift = _scale_and_shift(layer, z[..., fixed])
            z = z.index_copy(-1, moved, z[..., moved] * torch.exp(log_scale) + shift)
            log_det = log_det + log_scale.sum(-1)
        return z, log_det


def _coupling(n_in: int, n_out: int, width: int) -> nn.Module:
    """Return the network of one coupling layer; its output, scales then shifts, starts at 0."""
    last = nn.Linear(width, 2 * n_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(n_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)


def _scale_and_shift(layer: nn.Module, fixed: Tensor) -> tuple[Tensor, Tensor]:
    log_scale, shift = layer(fixed).chunk(2, -1)
    return MAX_LOG_SCALE * F.tanh(log_scale / MAX_LOG_SCALE), shift


def make_prior(kind: PriorKind, d: int) -> StandardNormal | FlowPrior | SphericalPrior:
    """Return the prior of an untrained model.

    Args:
        kind: `"normal"`, the standard normal; `"flow"`, learned with the model; `"sphere"`, uniform on a sphere.
        d: Latent dimensions.

    Raises:
        InvdesignError: The kind is unknown.
    """
    if kind == "normal":
        return StandardNormal()
    if kind == "flow":
        return FlowPrior(d)
    if kind == "sphere":
        if d < 3:
            raise InvdesignError(f"sphere: expected at least three latent dimensions, got {d}. Use prior=normal")
        return SphericalPrior(d)
    raise InvdesignError(f"prior: expected one of {', '.join(map(repr, get_args(PriorKind)))}, got {kind!r}")


def kl_divergence(posterior: Normal, prior: Prior, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
    """Return the KL divergence of independent normals from a prior, in nats, as entries that add up to it.

    Example:
        >>> kl_divergence(Normal(torch.zeros(1, 2), torch.ones(1, 2)), StandardNormal(), torch.zeros(1, 2)).tolist()
        [[0.0, 0.0]]
    """
    return prior.kl_divergence(posterior, z)
