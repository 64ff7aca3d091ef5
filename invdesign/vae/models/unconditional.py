"""A decoder without a latent: the autoregressive model that measures the information content of designs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import StandardNormal


class Unconditional(VAE):
    """The autoregressive decoder of a VAE at a fixed latent.

    Its -log p(x) is the number of nats that a model of this kind needs for a design: what a VAE of the same designs
    could reach as the negative evidence lower bound. It is trained like a VAE; its posterior is the prior, so the rate
    is 0.

    Args:
        decoder: An untrained VAE with an autoregressive decoder.
    """

    def __init__(self, decoder: VAE) -> None:
        super().__init__()
        self.decoder, self.d, self.prior = decoder, decoder.d, StandardNormal()

    def posterior(self, x: Any, condition: Tensor | None = None) -> Normal:
        """Return the standard normal for each of `n` designs."""
        zero = next(self.decoder.parameters()).new_zeros(len(x), self.d)
        return Normal(zero, torch.ones_like(zero), validate_args=False)

    def log_likelihood(self, x: Any, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log p(x) of every design in nats; the latents are not used."""
        return self.decoder.log_likelihood(x, torch.zeros_like(z), condition)

    def generate(self, z: Tensor, condition: Tensor | None = None) -> Any:
        """Return the most likely design for every row of `z`, the same for all."""
        return self.decoder.generate(torch.zeros_like(z), condition)

    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of the decoder."""
        return self.decoder.architecture()

    def augment(self, x: Any) -> Any:
        """Return designs changed at random as the decoder's training changes them."""
        return self.decoder.augment(x)

    def sizes(self, x: Any) -> Tensor | None:
        """Return the work of every design (`n`)."""
        return self.decoder.sizes(x)


def unconditional(vae: VAE, encoding: Encoding[Any, Any]) -> Unconditional:
    """Return an untrained autoregressive model for the designs of a VAE.

    Args:
        vae: An untrained VAE. An autoregressive decoder is used itself; another one of designs written as tokens is
            replaced by that of a `SequenceVAE`.
        encoding: The encoding of the designs.

    Raises:
        InvdesignError: The decoder is not autoregressive, and designs are not written as tokens.
    """
    if vae.is_autoregressive:
        return Unconditional(vae)
    if not encoding.shape.n_tokens:
        raise InvdesignError(
            f"information content: expected an autoregressive decoder or designs written as tokens, got "
            f"{type(vae).__name__}. Leave the information content out"
        )
    shape = encoding.shape
    return Unconditional(SequenceVAE(shape.n_tokens, shape.length, d=2, embedding=64, width=192))
