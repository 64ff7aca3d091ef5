"""Room of VAEs: what every VAE answers, and the evidence lower bound that it is trained on."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal


class VAE(nn.Module, ABC):
    """A variational autoencoder over batches of designs of one domain.

    `d` is the number of latent dimensions. The prior is the standard normal.

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, arXiv:1312.6114.
    """

    d: int

    @abstractmethod
    def posterior(self, x: Any) -> Normal:
        """Where designs lie in the latent space: `n x d` independent normals."""

    @abstractmethod
    def log_likelihood(self, x: Any, z: Tensor) -> Tensor:
        """Log-probability (nats) of every design given its latent: `n`."""

    @abstractmethod
    def generate(self, z: Tensor) -> Any:
        """The likeliest designs at the latents, as a batch: the same `z` gives the same design."""

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """The arguments, as JSON, that build this model anew (without its parameters)."""

    def forward(self, x: Any) -> tuple[Normal, Tensor, Tensor]:
        """Encode, draw one latent per design, and rate the designs there.

        Returns:
            The posterior, the latents (`n x d`), and the log-likelihoods (`n`).
        """
        posterior = self.posterior(x)
        z = posterior.rsample()
        return posterior, z, self.log_likelihood(x, z)

    def predict(self, z: Tensor) -> Tensor | None:
        """Properties (`n x p`, standardized) hinted by the latents, or None without a property head."""
        return None

    def with_properties(self, n: int) -> VAE:
        """A copy whose property head is new and has `n` outputs; a model that has no such head answers a plain copy."""
        return copy.deepcopy(self)

    def sizes(self, x: Any) -> Tensor | None:
        """How much work every design is (`n`), so that training can batch like with like; None where all are alike."""
        return None


@dataclass(frozen=True, eq=False)
class Elbo:
    """The terms of the evidence lower bound, in nats, for each design of a batch.

    Args:
        log_likelihood: `n`.
        kl: `n x d`, divergence of the posterior from the prior in every dimension.
        beta: weight of the divergence.
        free_bits: nats per dimension that cost nothing.
        z: `n x d`, the latents that were drawn.
    """

    log_likelihood: Tensor
    kl: Tensor
    beta: float
    free_bits: float
    z: Tensor

    @property
    def loss(self) -> Tensor:
        """`n` numbers to be minimized: minus the bound, its divergence weighted by beta.

        Free bits are counted on the mean over the batch, so that a dimension may carry much for one design and little
        for another.
        """
        kl = self.kl
        if self.free_bits:
            kl = kl * (kl.mean(0) > self.free_bits)
        return -self.log_likelihood + self.beta * kl.sum(1)


def elbo(vae: VAE, x: Any, *, beta: float = 1.0, free_bits: float = 0.0) -> Elbo:
    """The evidence lower bound of a batch, with one latent drawn per design.

    Args:
        vae: the model.
        x: `n` designs.
        beta: weight of the divergence; below 1 the latents keep more of a design.
        free_bits: nats per dimension below which the divergence is not punished.

    References:
        Higgins et al., beta-VAE, ICLR 2017; Kingma et al., Improved Variational Inference with Inverse Autoregressive
        Flow (free bits), arXiv:1606.04934.
    """
    posterior, z, log_likelihood = vae(x)
    return Elbo(log_likelihood, divergence(posterior), beta, free_bits, z)


def divergence(posterior: Normal) -> Tensor:
    """KL divergence (nats) of independent normals from the standard normal, for every entry."""
    mean, sd = posterior.loc, posterior.scale
    return 0.5 * (mean.square() + sd.square() - 1) - torch.log(sd)
