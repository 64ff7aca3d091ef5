"""Coordinates in which distances on a map are taken: the VAE's own latents, in units of what the decoder can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from invdesign.core import Array, D
from invdesign.core.capabilities import features
from invdesign.latent.semantics import neighbour_correlation, structure_distances
from invdesign.latent.space import LatentSpace

MAX_FITTED = 500
"""Designs from whose posteriors the units are taken."""
MIN_COMPARED = 50
"""Designs from which the order of near ones is compared."""


@dataclass(frozen=True, eq=False)
class MapCoordinates:
    """The VAE's own latents divided by the typical standard deviation of the posterior, all or the shared ones.

    A learned prior makes the standardized space isotropic: every direction counts as much as any other, and a map of it
    shows little. Where the prior is undone, and each latent is counted in steps that the decoder can tell apart, unused
    latents vanish and used ones weigh by what they hold. On 2,000 ZINC molecules the t-SNE of the standardized latents
    has a trustworthiness of .75, of all latents in these units .93, and of those shared by all positions .96.
    """

    latent_space: LatentSpace[Any, Any]
    """The latent space."""
    sd: Tensor
    """`d` typical standard deviations of the posterior, in the VAE's own latents."""
    n: int
    """Latents that are coordinates, the first ones."""

    def __call__(self, Z: Tensor) -> Array:
        """Return the `m x n` coordinates of `m` standardized latents."""
        coordinates: Array = (self.latent_space.vae_latents(Z) / self.sd)[:, : self.n].numpy()
        return coordinates

    def __str__(self) -> str:
        if self.n == self.latent_space.d:
            return f"all {self.n} latents"
        return f"the {self.n} of {self.latent_space.d} latents that do not depend on the order of tokens"


@torch.no_grad()
def fit_coordinates(latent_space: LatentSpace[D, Any], designs: Sequence[D]) -> MapCoordinates:
    """Return the coordinates of a latent space, with units from the posteriors of some designs.

    A model may keep part of its latents for the order of tokens. In the notation of a molecule that order says little
    of the molecule; in a sequence it is the design. The shared latents alone are taken where near designs are more
    similar by their features then (ZINC: rank correlation .14 instead of .09).

    Args:
        latent_space: The latent space.
        designs: Real designs; those whose posterior is not finite are left out.
    """
    fitted = designs[:MAX_FITTED]
    mean, sd = latent_space.vae_posterior(fitted)
    is_placed = mean.isfinite().all(1) & sd.isfinite().all(1)
    if not bool(is_placed.any()):
        return MapCoordinates(latent_space, torch.ones(latent_space.d, dtype=torch.float64), latent_space.d)
    units = sd[is_placed].square().mean(0).sqrt().clamp_min(1e-9)
    placed = [design for design, ok in zip(fitted, is_placed.tolist(), strict=True) if ok]
    n = _n_coordinates(latent_space, placed, (mean[is_placed] / units).numpy())
    return MapCoordinates(latent_space, units, n)


def _n_coordinates(latent_space: LatentSpace[D, Any], designs: Sequence[D], X: Array) -> int:
    """Return the number of shared latents where they order near designs better than all latents do, else of all."""
    d, n_shared = latent_space.d, latent_space.vae.n_shared
    F = features(latent_space.encoding, designs)
    is_known = np.isfinite(F).all(1)
    if not 2 <= n_shared < d or not F.shape[1] or is_known.sum() < MIN_COMPARED:
        return d
    distances = structure_distances(F[is_known])
    shared, whole = (neighbour_correlation(X[is_known, :n], distances) for n in (n_shared, d))
    return n_shared if shared > whole else d
