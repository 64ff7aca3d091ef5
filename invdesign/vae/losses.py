"""The evidence lower bound, and further loss terms that a recipe weights and schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.priors import kl_divergence


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Designs of one training step."""

    x: Any
    """`n` encoded designs."""
    targets: Tensor | None = None
    """`n x p` standardized targets of the property head, NaN where unknown."""
    condition: Tensor | None = None
    """`n x c` conditions of a conditional model."""
    linked: Any = None
    """For each of them a linked design, encoded: itself where it has no links; None without links."""
    linked_condition: Tensor | None = None
    """`n x c` conditions of the linked designs."""


LossTerm = Callable[[VAE, TrainingBatch, Normal, Tensor], Tensor]
"""A loss in nats for each design, `(vae, batch, posterior, z) -> n`."""


@dataclass(frozen=True, eq=False)
class Elbo:
    """Terms of the evidence lower bound of `n` designs, in nats."""

    log_likelihood: Tensor
    """`n`, log p(x | z) at the drawn latents."""
    kl: Tensor
    """`n x k`, divergence of the posterior from the prior: in every dimension, or as one entry of a learned prior."""
    beta: float
    """Weight of the divergence."""
    free_bits: float
    """Divergence per dimension [nats] that is not penalized."""
    posterior: Normal
    """The posteriors."""
    z: Tensor
    """`n x d`, the latents that were drawn."""

    @property
    def loss(self) -> Tensor:
        """Minus the bound with weight `beta`, `n`.

        Free bits are counted on the mean over the batch, so that a dimension may carry much for one design and little
        for another.
        """
        kl = self.kl
        if self.free_bits:
            kl = kl * (kl.mean(0) > self.free_bits)
        return -self.log_likelihood + self.beta * kl.sum(1)


def elbo(vae: VAE, x: Any, *, beta: float = 1.0, free_bits: float = 0.0, condition: Tensor | None = None) -> Elbo:
    """Return the evidence lower bound of a batch, with one latent drawn for each design.

    log p(x) >= E_q[log p(x | z)] - beta KL(q(z | x) || p(z))

    Args:
        vae: The model.
        x: `n` encoded designs.
        beta: Weight of the divergence; below 1 the latents carry more of a design.
        free_bits: Divergence per dimension [nats] that is not penalized.
        condition: Conditions of a conditional model.

    References:
        Higgins et al., beta-VAE, ICLR 2017; Kingma et al., Improved Variational Inference with Inverse Autoregressive
        Flow (free bits), arXiv:1606.04934.
    """
    posterior, z, log_likelihood = vae(x) if condition is None else vae(x, condition)
    return Elbo(log_likelihood, kl_divergence(posterior, vae.prior, z), beta, free_bits, posterior, z)


def property_regression(vae: VAE, batch: TrainingBatch, posterior: Normal, z: Tensor) -> Float[Tensor, " n"]:
    """Return the squared error of the property head at the drawn latents, summed over the known targets.

    A latent space that predicts the targets places designs of similar targets close together (a linear head makes the
    property a direction). Without a head or targets the term is 0.

    References:
        Gomez-Bombarelli et al., ACS Cent. Sci. 2018, doi:10.1021/acscentsci.7b00572.
    """
    predicted = vae.predict(z)
    if predicted is None or batch.targets is None:
        return z.new_zeros(len(z))
    is_known = torch.isfinite(batch.targets)
    error: Tensor = (predicted.float() - batch.targets.nan_to_num()).square() * is_known
    return error.sum(1)


@dataclass(frozen=True)
class WeightedTerm:
    """A loss term with its weight and schedule."""

    term: LossTerm = property_regression
    """The term, `(vae, batch, posterior, z) -> n`."""
    weight: float = 1.0
    """Weight of the term against one nat of the evidence lower bound."""
    warmup: float = 0.0
    """Fraction of the training steps over which the weight rises from 0."""

    def __post_init__(self) -> None:
        if not (self.weight >= 0 and 0 <= self.warmup <= 1):
            raise InvdesignError(
                f"loss term: expected weight >= 0 and warmup between 0 and 1, got {self.weight!r} and {self.warmup!r}. "
                "Correct the recipe's terms"
            )

    def weight_at(self, fraction: float) -> float:
        """Return the weight at a fraction (0 to 1) of the training."""
        return self.weight if not self.warmup else self.weight * min(1.0, fraction / self.warmup)
