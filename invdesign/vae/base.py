"""Interface of every VAE."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.vae.priors import Prior


@dataclass(frozen=True, eq=False)
class Ranked:
    """Designs of one rank at `n` latents."""

    batch: Any
    """`n` encoded designs."""
    scores: Float[Tensor, " n"]
    """Their log-likelihoods, up to a constant of each latent [nats]."""


class VAE(nn.Module, ABC):
    """A variational autoencoder over batches of the designs of one domain.

    A model gives the posterior q(z | x), the log-likelihood log p(x | z) and a deterministic decoder. `condition` is an
    optional `n x c` tensor on which all three may depend; a model without conditions refuses one, and a conditional
    model takes its default condition where none is given.

    References:
        Kingma and Welling, Auto-Encoding Variational Bayes, arXiv:1312.6114.
    """

    d: int
    """Latent dimensions."""
    prior: Prior
    """Prior p(z), from which the posteriors' divergence is counted."""
    n_shared: int = 0
    """Latents, the first ones, that do not depend on the position of tokens; 0 where there is no such division."""
    n_condition: int = 0
    """Entries of the conditions that encoder and decoder read; 0 where the model reads none."""
    is_autoregressive: bool = False
    """Whether the decoder rates each part of a design given those before it, as a language model does."""

    @abstractmethod
    def posterior(self, x: Any, condition: Tensor | None = None) -> Normal:
        """Return the posteriors of `n` designs: `n x d` independent normals."""

    @abstractmethod
    def log_likelihood(self, x: Any, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, " n"]:
        """Return log p(x | z) of every design in nats."""

    @abstractmethod
    def generate(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Any:
        """Return the most likely designs at the latents as a batch; the same `z` gives the same design."""

    def generate_ranked(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> list[Ranked]:
        """Return batches of designs at the latents: the most likely ones, then the second, as far as the model ranks.

        Where the most likely row is no design, the next one may be. Here one batch, that of `generate`.
        """
        return [Ranked(self.generate(z, condition), torch.zeros(len(z)))]

    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of this model, as JSON; its parameters are not included."""

    @classmethod
    def from_architecture(cls, architecture: Mapping[str, Any], encoding: Encoding[Any, Any]) -> VAE:
        """Return an untrained model of a stored architecture.

        Args:
            architecture: What `architecture` returned.
            encoding: The encoding that the model was trained with, for models that need more of it than sizes.
        """
        return cls(**architecture)

    def forward(
        self, x: Any, condition: Tensor | None = None
    ) -> tuple[Normal, Float[Tensor, "n d"], Float[Tensor, " n"]]:
        """Encode designs, draw one latent for each, and rate the designs there; in training, augment them first.

        Returns:
            The posterior, the latents, and the log-likelihoods.
        """
        if self.training:
            x = self.augment(x)
        posterior = self.posterior(x, condition)
        z = posterior.rsample()
        return posterior, z, self.log_likelihood(x, z, condition)

    def augment(self, x: Any) -> Any:
        """Return the designs that a training step reads and writes instead of `x`, changed at random; here `x`."""
        return x

    def fit_at_once(self, batch: Any, rows: Tensor | None = None) -> bool:
        """Fit the model to encoded designs in closed form, and return whether that replaces training; here it does not.

        Args:
            batch: Encoded designs.
            rows: Positions of those to train on; by default all.
        """
        return False

    def predict(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n p"] | None:
        """Return the standardized properties that the property head predicts; None without such a head."""
        return None

    def with_properties(self, n: int) -> VAE:
        """Return a copy with a new property head of `n` outputs; a model that supports none returns a plain copy."""
        return copy.deepcopy(self)

    def with_condition(self, n: int) -> VAE:
        """Return a copy that reads conditions of `n` entries.

        Raises:
            InvdesignError: The model can read none.
        """
        raise InvdesignError(
            f"vae.condition: expected a model that can read conditions, got {type(self).__name__}. Leave vae.condition "
            "out, or choose a model of tokens, e.g. vae=molecules/small, vae=sequences/default, vae=sequences/aligned "
            "or vae=crystals/tokens, or of profiles"
        )

    def sizes(self, x: Any) -> Tensor | None:
        """Return the work of every design (`n`), by which training forms batches; None where all are alike."""
        return None


def refuse_condition(model: str, condition: Tensor | None) -> None:
    """Raise an error where a condition is given to a model that takes none.

    Raises:
        InvdesignError: There is a condition.
    """
    if condition is not None:
        raise InvdesignError(
            f"{model}: expected no condition, got one of shape {tuple(condition.shape)}. Use a conditional model"
        )


def device_of(vae: nn.Module) -> torch.device:
    """Return the device of a model's parameters; the CPU where it has none."""
    return next((parameter.device for parameter in vae.parameters()), torch.device("cpu"))


def to_device(batch: Any, device: torch.device | str) -> Any:
    """Return a batch on a device; a batch that is no tensor and has no `to` is returned as it is."""
    return batch.to(device) if hasattr(batch, "to") else batch
