"""VAE of profiles with a negative binomial or a Gaussian likelihood."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.domains.profiles.domain import Kind, ProfileEncoding
from invdesign.vae.base import VAE, refuse_condition
from invdesign.vae.conditioning import Conditioning
from invdesign.vae.priors import LOG_2PI, PriorKind, make_prior


class ProfileVAE(VAE):
    """VAE of profiles of counts or of real values.

    Counts x of a sample with the sum l are negative binomial with the means l softmax(f(z)) and an inverse dispersion
    of each feature, so that the latent does not hold the depth of the sample; a decoded profile has the median depth of
    the corpus. Real values are normal around f(z) with a standard deviation of each feature. A condition, e.g. the
    laboratory, adds a number to each scaled feature, which the encoder takes back, and shifts the latents.

    Args:
        kind: `"counts"` or `"values"`.
        center: Mean of each scaled feature.
        spread: Standard deviation of each scaled feature.
        depth: Sum of decoded counts.
        d: Latent dimensions.
        width: Hidden units.
        n_properties: Outputs of the property head; 0 for none.
        n_condition: Entries of the condition that encoder and decoder read; 0 for none.
        prior: `"normal"`, or `"flow"` for a prior that is learned with the model.

    References:
        Lopez et al., Nat. Methods 2018, doi:10.1038/s41592-018-0229-2 (scVI, the likelihood of counts).
    """

    center: Tensor
    spread: Tensor

    def __init__(
        self,
        kind: Kind,
        center: Sequence[float],
        spread: Sequence[float],
        depth: float,
        *,
        d: int = 16,
        width: int = 128,
        n_properties: int = 0,
        n_condition: int = 0,
        prior: PriorKind = "normal",
    ) -> None:
        super().__init__()
        if not center or d < 1 or width < 1:
            raise InvdesignError(f"profile model: expected features, d >= 1 and width >= 1, got d={d}, width={width}")
        self.kind, self.depth, self.d, self.width, self.n_properties = kind, depth, d, width, n_properties
        self.prior_kind, self.prior = prior, make_prior(prior, d)
        self.register_buffer("center", torch.tensor(list(center), dtype=torch.float32))
        self.register_buffer("spread", torch.tensor(list(spread), dtype=torch.float32))
        p = len(center)
        self.encoder = nn.Sequential(
            nn.Linear(p, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * d)
        )
        self.decoder = nn.Sequential(
            nn.Linear(d, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, p)
        )
        self.log_scale = nn.Parameter(torch.full((p,), 2.0 if kind == "counts" else -0.7))
        self.property_head = nn.Linear(d, n_properties) if n_properties else None
        self.n_condition = n_condition
        self.conditioning = Conditioning(n_condition, d, p) if n_condition else None

    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of this model, as JSON."""
        return {
            "kind": self.kind,
            "center": self.center.tolist(),
            "spread": self.spread.tolist(),
            "depth": self.depth,
            "d": self.d,
            "width": self.width,
            "n_properties": self.n_properties,
            "prior": self.prior_kind,
            **({"n_condition": self.n_condition} if self.n_condition else {}),
        }

    def with_properties(self, n: int) -> ProfileVAE:
        """Return a copy with a new property head of `n` outputs."""
        vae = copy.deepcopy(self)
        vae.n_properties = n
        vae.property_head = nn.Linear(self.d, n) if n else None
        return vae

    def with_condition(self, n: int) -> ProfileVAE:
        """Return a copy that reads conditions of `n` entries, and ignores them until it is trained."""
        vae = copy.deepcopy(self)
        vae.n_condition = n
        vae.conditioning = Conditioning(n, self.d, len(self.center)) if n else None
        return vae

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posteriors of `n` profiles."""
        shift, offset = self._read_condition(condition, x)
        scaled = torch.log1p(x / _totals(x) * self.depth) if self.kind == "counts" else x
        mean, log_sd = self.encoder((scaled - self.center) / self.spread - offset).chunk(2, 1)
        return Normal(mean + shift, log_sd.clamp(-7, 2).exp(), validate_args=False)

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return log p(x | z) of every profile [nats], of counts given their sum."""
        scale = self.log_scale.clamp(-7, 9).exp()
        if self.kind == "counts":
            return negative_binomial(x, _totals(x) * self._shares(z, condition), scale).sum(1)
        error = (x - self._scaled(z, condition)) / (self.spread * scale)
        return -(0.5 * error.square() + (self.spread * scale).log() + 0.5 * LOG_2PI).sum(1)

    @torch.no_grad()
    def generate(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the mean profile at each latent; of counts rounded, at the median depth."""
        return (
            (self.depth * self._shares(z, condition)).round() if self.kind == "counts" else self._scaled(z, condition)
        )

    def predict(self, z: Tensor) -> Tensor | None:
        """Return the properties that the head predicts; None without a head."""
        if self.property_head is None:
            return None
        predicted: Tensor = self.property_head(z)
        return predicted

    def _read_condition(self, condition: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shift of the latents and the offset of each scaled feature that a condition decides."""
        if self.conditioning is None:
            refuse_condition("ProfileVAE", condition)
            return self.center.new_zeros(()), self.center.new_zeros(())
        shift, offset = self.conditioning(condition, len(rows))
        return shift, offset

    def _shares(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return F.softmax(self._scaled(z, condition), 1)

    def _scaled(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Return the mean of each scaled feature."""
        shift, offset = self._read_condition(condition, z)
        scaled: Tensor = (self.decoder(z.to(self.center.dtype) - shift) + offset) * self.spread + self.center
        return scaled


def negative_binomial(x: Tensor, mean: Tensor, dispersion: Tensor) -> Tensor:
    """Return log p(x) of counts with a variance of mean + mean^2 / dispersion.

    Args:
        x: Counts.
        mean: Means, above 0.
        dispersion: Inverse overdispersion r; Poisson where it is large.
    """
    total = (mean + dispersion).log()
    chosen = (x + dispersion).lgamma() - dispersion.lgamma() - (x + 1).lgamma()
    return chosen + dispersion * (dispersion.log() - total) + x * (mean.clamp_min(1e-12).log() - total)


def profile_vae(
    encoding: Encoding[Any, Any], *, d: int = 16, width: int = 128, n_properties: int = 0, prior: PriorKind = "normal"
) -> ProfileVAE:
    """Return an untrained VAE of profiles, with the likelihood of their kind; see `ProfileVAE`.

    Raises:
        InvdesignError: The designs are no profiles.
    """
    if not isinstance(encoding, ProfileEncoding):
        raise InvdesignError(
            f"profile_vae: expected profiles, got {type(encoding).__name__}. Choose the VAE of the domain"
        )
    return ProfileVAE(
        encoding.domain.kind,
        encoding.center,
        encoding.spread,
        encoding.depth,
        d=d,
        width=width,
        n_properties=n_properties,
        prior=prior,
    )


def _totals(x: Tensor) -> Tensor:
    return x.sum(1, keepdim=True).clamp_min(1.0)
