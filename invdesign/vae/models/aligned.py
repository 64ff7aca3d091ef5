"""VAE of aligned sequences: one length, all positions encoded and decoded at once."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.vae.base import VAE, refuse_condition
from invdesign.vae.conditioning import Conditioning
from invdesign.vae.priors import PriorKind, make_prior
from invdesign.vae.spherical import make_posterior
from invdesign.vae.tokens import UNKNOWN


class AlignedVAE(VAE):
    """VAE of variants of one sequence or of an aligned family, decoded by approximate message passing.

    The posterior mean is a sum over positions: each letter at its position adds a vector, so one mutation moves a
    design by the same step whatever else is mutated. The decoder inverts this sum iteratively: all positions are
    estimated at once from the correlation of each letter's vector with the latent, the estimates' contribution is
    subtracted, and the remainder is decoded again, `n_filters` times. This is how a sparse code is decoded; it resolves
    several of thousands of mutations in a few dozen dimensions, where a plain decoder of that size does not. A hidden
    layer adds which letters occur together.

    Tokens that are no letters (padding, end, unknown) count as missing: they add nothing and are not rated.

    Args:
        n_tokens: Size of the vocabulary, its three special tokens included.
        length: Letters of every sequence.
        d: Latent dimensions.
        width: Hidden units.
        n_filters: Iterations of the decoder.
        n_properties: Outputs of the property head; 0 for none.
        n_condition: Entries of the condition that encoder and decoder read; 0 for none.
        input_dropout: Fraction of the letters hidden from the encoder in training.
        prior: `"normal"`, `"flow"` for a prior that is learned with the model, or `"sphere"`.

    References:
        Donoho, Maleki and Montanari, PNAS 2009, doi:10.1073/pnas.0909892106 (approximate message passing);
        Borgerding, Schniter and Rangan, arXiv:1612.01183 (learnt);
        Riesselman et al., Nat. Methods 2018, doi:10.1038/s41592-018-0138-4 (aligned VAEs of proteins).
    """

    def __init__(
        self,
        n_tokens: int,
        length: int,
        *,
        d: int = 64,
        width: int = 256,
        n_filters: int = 8,
        n_properties: int = 0,
        n_condition: int = 0,
        input_dropout: float = 0.0,
        prior: PriorKind = "normal",
    ) -> None:
        super().__init__()
        n_letters = n_tokens - UNKNOWN - 1
        if n_letters < 2 or length < 1 or d < 1 or n_filters < 1:
            raise InvdesignError(
                "aligned model: expected at least two letters, length >= 1, d >= 1 and n_filters >= 1, "
                f"got n_tokens={n_tokens}, length={length}, d={d}, n_filters={n_filters}"
            )
        self.n_tokens, self.length, self.d, self.width = n_tokens, length, d, width
        self.n_filters, self.n_properties, self.input_dropout = n_filters, n_properties, input_dropout
        self.n_letters = n_letters
        self.prior_kind, self.prior = prior, make_prior(prior, d)
        # Not normal: draws of latents with the same seed would equal these vectors.
        self.part = nn.Parameter((torch.rand(length * n_letters, d) - 0.5) * (12 / d) ** 0.5)
        self.center = nn.Parameter(torch.zeros(d))
        self.log_sd = nn.Parameter(torch.full((d,), -2.5))
        self.bias = nn.Parameter(torch.zeros(length * n_letters))
        self.gain = nn.Parameter(torch.zeros(n_filters))
        self.memory = nn.Parameter(torch.full((n_filters,), -1.0))
        self.floor = nn.Parameter(torch.tensor(-2.5))
        together = nn.Linear(width, length * n_letters, bias=False)
        nn.init.zeros_(together.weight)
        self.hidden = nn.Sequential(nn.Linear(d, width), nn.GELU(), together)
        self.property_head = nn.Linear(d, n_properties) if n_properties else None
        self.n_condition = n_condition
        self.conditioning = Conditioning(n_condition, d, length * n_letters) if n_condition else None

    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of this model, as JSON."""
        sizes = ("n_tokens", "length", "d", "width", "n_filters", "n_properties", "input_dropout")
        condition = {"n_condition": self.n_condition} if self.n_condition else {}
        return {**{name: getattr(self, name) for name in sizes}, "prior": self.prior_kind, **condition}

    def with_properties(self, n: int) -> AlignedVAE:
        """Return a copy with a new property head of `n` outputs."""
        vae = copy.deepcopy(self)
        vae.n_properties = n
        vae.property_head = nn.Linear(self.d, n) if n else None
        return vae

    def with_condition(self, n: int) -> AlignedVAE:
        """Return a copy that reads conditions of `n` entries, and ignores them until it is trained."""
        vae = copy.deepcopy(self)
        vae.n_condition = n
        vae.conditioning = Conditioning(n, self.d, self.length * self.n_letters) if n else None
        return vae

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posteriors of `n` rows of token numbers."""
        center, _ = self._read_condition(condition, len(x))
        mean = self._explain(self._hot(x, self.input_dropout if self.training else 0.0)) + center
        return make_posterior(self.prior, mean.float(), self.log_sd.float().clamp(-7, 2).exp().expand(len(x), -1))

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log p(x | z) of every row in nats; missing letters do not count."""
        rated = F.log_softmax(self._logits(z, condition).float(), dim=2)
        letters = (x - UNKNOWN - 1).clamp(min=0)
        return (rated.gather(2, letters[..., None])[..., 0] * (x > UNKNOWN)).sum(1)

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the logits of every token at every position, `n x length x n_tokens`; they do not depend on `x`."""
        letters = self._logits(z)
        return torch.cat([letters.new_full((*letters.shape[:2], UNKNOWN + 1), -torch.inf), letters], 2)

    def _read_condition(self, condition: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
        """Return the origin of the latents and the logits of letters that a condition decides."""
        if self.conditioning is None:
            refuse_condition("AlignedVAE", condition)
            return self.center, self.bias
        shift, logits = self.conditioning(condition, n)
        return self.center + shift, self.bias + logits

    def _logits(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the logits of every letter at every position: `n x length x n_letters`."""
        z = z.to(self.center.dtype)
        center, bias = self._read_condition(condition, len(z))
        power = self.part.square().sum(1)
        prior_logits = bias + self.hidden(z)
        centered = z - center
        guess = self._softmax(prior_logits)
        left = torch.zeros_like(centered)
        for gain, memory in zip(self.gain, self.memory, strict=True):
            left = centered - self._explain(guess) + memory.sigmoid() * left
            noise = left.square().mean(1, keepdim=True) + (2 * self.floor).exp()
            matched = (left @ self.part.T + (guess - 0.5) * power) / noise
            logits = prior_logits + gain.exp() * matched
            guess = self._softmax(logits)
        per_site: Tensor = logits.view(len(z), self.length, self.n_letters)
        return per_site

    def predict(self, z: Tensor) -> Tensor | None:
        """Return the properties that the head predicts; None without a head."""
        if self.property_head is None:
            return None
        predicted: Tensor = self.property_head(z)
        return predicted

    @torch.no_grad()
    def generate(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the most likely letter at every position: `n x length` token numbers."""
        return self._logits(z, condition).argmax(2) + UNKNOWN + 1

    def _hot(self, x: Tensor, hidden: float) -> Tensor:
        hot = F.one_hot(x, self.n_tokens)[..., UNKNOWN + 1 :].to(self.center.dtype)
        if hidden:
            hot = hot * (torch.rand(x.shape, device=x.device) >= hidden)[..., None]
        return hot.flatten(1)

    def _explain(self, guess: Tensor) -> Tensor:
        return guess @ self.part

    def _softmax(self, flat: Tensor) -> Tensor:
        return flat.view(len(flat), self.length, self.n_letters).softmax(2).flatten(1)
