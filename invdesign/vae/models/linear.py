"""Linear model of designs: principal components of their features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Encoding, InvdesignError
from invdesign.core.capabilities import features
from invdesign.vae.base import VAE, refuse_condition
from invdesign.vae.priors import LOG_2PI, StandardNormal
from invdesign.vae.stored_tokens import StoredTokens
from invdesign.vae.tokens import UNKNOWN

MIN_VARIANCE = 1e-8
MAX_MEMO = 16_000_000
"""Bytes of features, and of the encoded designs they belong to, that are kept."""
BUFFERS = ("mean", "axes", "scale", "noise", "rows", "places")


class LinearVAE(VAE):
    """Probabilistic principal components of the features of designs: counts, one-hot letters, or a composition.

    The latent of a design is z = A' (f - m) / s, with features f, their mean m, the leading axes A and the standard
    deviations s along them; p(f | z) is normal around m + A (s z). Where designs are rows of letters of one length, the
    most likely letter of each position is decoded; else the nearest one of the stored designs, since features cannot be
    turned into a design. It is fitted at once, and serves as the baseline of a nonlinear model.

    Args:
        encoding: Gives the features.
        d: Latent dimensions.
        n_stored: Largest number of designs that are fitted, and kept to decode.

    References:
        Tipping and Bishop, Probabilistic Principal Component Analysis (1999), doi:10.1111/1467-9868.00196.
    """

    mean: Tensor
    axes: Tensor
    scale: Tensor
    noise: Tensor
    rows: Tensor
    places: Tensor

    def __init__(self, encoding: Encoding[Any, Any], *, d: int = 64, n_stored: int = 5000) -> None:
        super().__init__()
        if d < 1 or n_stored < 2:
            raise InvdesignError(f"linear model: expected d >= 1 and n_stored >= 2, got d={d}, n_stored={n_stored}")
        self.encoding, self.d, self.n_stored, self.prior = encoding, d, n_stored, StandardNormal()
        self._memo: dict[bytes, Tensor] = {}
        for name in BUFFERS:
            self.register_buffer(name, torch.zeros(0))

    def architecture(self) -> dict[str, Any]:
        """Return the constructor arguments of this model but the encoding, as JSON."""
        return {"d": self.d, "n_stored": self.n_stored}

    @classmethod
    def from_architecture(cls, architecture: Mapping[str, Any], encoding: Encoding[Any, Any]) -> LinearVAE:
        """Return a model that is not fitted, of a stored architecture."""
        return cls(encoding, **architecture)

    def fit_at_once(self, batch: Any, rows: Tensor | None = None) -> bool:
        """Fit the components to evenly spaced designs of a batch, and return that this needs no training.

        Raises:
            InvdesignError: The designs are no tensor, or have no features.
        """
        if not isinstance(batch, Tensor | StoredTokens):
            raise InvdesignError("linear model: expected designs as rows of a tensor. Choose another vae")
        rows = torch.arange(len(batch)) if rows is None else rows
        chosen = torch.from_numpy(np.unique(np.linspace(0, len(rows) - 1, self.n_stored).astype(int)))
        self.rows = batch[rows[chosen]].cpu()
        F = self._compute_features(self.rows)
        if not F.shape[1]:
            raise InvdesignError("linear model: expected features of designs, got none. Choose another vae")
        self._memo.clear()
        self.mean = F.mean(0)
        q = min(self.d, *F.shape)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _, S, V = torch.pca_lowrank(F, q=q, center=True)
        variances = torch.cat([S.square() / len(F), torch.zeros(self.d - q)])
        self.axes = torch.cat([V, torch.zeros(F.shape[1], self.d - q)], 1)
        self.scale = variances.clamp_min(MIN_VARIANCE).sqrt()
        residual = (F - self.mean).square().sum() / len(F) - variances.sum()
        self.noise = (residual / F.shape[1]).clamp_min(MIN_VARIANCE)
        self.places = self._latents(F)
        return True

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Normal:
        """Return the posteriors of `n` encoded designs."""
        refuse_condition("LinearVAE", condition)
        self._fit_where_unfitted(x)
        sd = (self.noise.sqrt() / self.scale).clamp(1e-4, 1.0)
        mean = self._latents(self.features_of(x))
        return Normal(mean, sd.expand_as(mean), validate_args=False)

    def log_likelihood(self, x: Tensor, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Tensor:
        """Return the log-density of the features of every design [nats]."""
        refuse_condition("LinearVAE", condition)
        self._fit_where_unfitted(x)
        error = (self.features_of(x) - self._reconstruct(z)).square().sum(1)
        n = self.axes.shape[0]
        return -0.5 * (error / self.noise + n * (self.noise.log() + LOG_2PI))

    @torch.no_grad()
    def generate(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Tensor:
        """Return the design of the most likely letters, or the nearest stored one, at each latent."""
        refuse_condition("LinearVAE", condition)
        z = z.to(self.scale.dtype)
        shape = self.encoding.shape
        if shape.has_fixed_length and shape.n_tokens:
            letters = self._reconstruct(z).view(len(z), shape.length, -1)
            return letters.argmax(2) + UNKNOWN + 1
        nearest = torch.cdist(z * self.scale, self.places * self.scale).argmin(1)
        return self.rows[nearest.cpu()]

    def _latents(self, F: Tensor) -> Tensor:
        latents: Tensor = (F - self.mean) @ self.axes / self.scale
        return latents

    def _reconstruct(self, z: Tensor) -> Tensor:
        features: Tensor = self.mean + (z * self.scale) @ self.axes.T
        return features

    def features_of(self, x: Tensor) -> Float[Tensor, "n f"]:
        """Return the features of encoded designs; those of recent designs are kept in memory.

        The latent of a design and each of its likelihoods need its features, which take longer than the rest.

        Args:
            x: `n` encoded designs.
        """
        keys = [row.tobytes() for row in x.cpu().numpy()]
        new = {key: i for i, key in enumerate(keys) if key not in self._memo}
        if not new:
            return torch.stack([self._memo[key] for key in keys]) if keys else self._compute_features(x)
        computed = self._compute_features(x[list(new.values())])
        found = dict(zip(new, computed, strict=True))
        rows = torch.stack([found[key] if key in found else self._memo[key] for key in keys])
        n_bytes = computed[0].nbytes + len(keys[0])
        if (len(self._memo) + len(found)) * n_bytes > MAX_MEMO:
            self._memo.clear()
        if len(found) * n_bytes <= MAX_MEMO:
            self._memo.update(found)
        return rows

    def _compute_features(self, x: Tensor) -> Float[Tensor, "n f"]:
        """Return the features of encoded designs; those of the mean where a row is no design."""
        designs = self.encoding.decode(x.cpu())
        known = [design for design in designs if design is not None]
        found = torch.from_numpy(features(self.encoding, known)).float().nan_to_num()
        if len(known) == len(designs):
            return found
        filled = found.new_zeros(len(designs), found.shape[1]) + (self.mean if len(self.mean) else 0.0)
        filled[[i for i, design in enumerate(designs) if design is not None]] = found
        return filled

    def _fit_where_unfitted(self, x: Tensor) -> None:
        """Fit to the designs at hand, so that a model that was only built can be tried."""
        if not len(self.mean):
            self.fit_at_once(x)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        """Take the shapes of what is loaded: they depend on the designs that were fitted."""
        for name in BUFFERS:
            if f"{prefix}{name}" in state_dict:
                setattr(self, name, torch.empty_like(state_dict[f"{prefix}{name}"]))
        super()._load_from_state_dict(state_dict, prefix, *rest)
