"""Room of the map: the latent space, a domain seen through its trained VAE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.core import B, D, Density, Domain, InvdesignError
from invdesign.vae.base import VAE

# Size of the first and of the last step away from a point at which the decoder names nothing.
NEARBY = (0.05, 0.3)


@dataclass(frozen=True, eq=False)
class LatentSpace(Generic[D, B]):
    """Designs as points, standardized: every latent has mean 0 and standard deviation 1 over the corpus.

    Args:
        domain: fitted.
        vae: trained.
        shift: `d`, mean of the corpus in the VAE's own latents.
        scale: `d`, standard deviation there.
        density: log p(z) of real designs, in standardized latents.
        sample: `k x d` standardized latents of real designs.
        sample_sd: `k x d` standard deviations of their posteriors.
        reference_log_densities: log-densities of real designs in rising order, the scale of percentiles.
        card: what is known of the model (data, recipe, metrics), as JSON.
        retries: points tried around one that decodes to nothing that can be.
    """

    domain: Domain[D, B]
    vae: VAE
    shift: Tensor
    scale: Tensor
    density: Density
    sample: Tensor
    sample_sd: Tensor
    reference_log_densities: Tensor
    card: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 8

    @property
    def d(self) -> int:
        """Latent dimensions."""
        return self.vae.d

    def encode(self, designs: Sequence[D]) -> Tensor:
        """Where designs live: the standardized means of their posteriors, `n x d` float64."""
        return self.posterior(designs)[0]

    def posterior(self, designs: Sequence[D]) -> tuple[Tensor, Tensor]:
        """Standardized means and standard deviations of the designs' posteriors, both `n x d` float64."""
        found = [self._posterior(part) for part in _parts(designs)]
        if not found:
            empty = torch.zeros(0, self.d, dtype=torch.float64)
            return empty, empty
        mean, sd = (torch.cat(blocks).double() for blocks in zip(*found, strict=True))
        return (mean - self.shift) / self.scale, sd / self.scale

    def decode(self, Z: Tensor) -> list[D | None]:
        """The likeliest design at each of `n x d` points, or near it; None where the decoder names nothing that can be.

        A point without a design gets that of the first of a few points around it, nearer ones first, always the same
        ones: the same point gives the same design.
        """
        if Z.ndim != 2 or Z.shape[1] != self.d:
            raise InvdesignError(f"decode: latents must be n x {self.d}, got {tuple(Z.shape)}")
        designs = self._decode(Z)
        for step in _around(self.d, self.retries):
            missing = [i for i, design in enumerate(designs) if design is None]
            if not missing:
                break
            for i, design in zip(missing, self._decode(Z[missing] + step), strict=True):
                designs[i] = design
        return designs

    def _decode(self, Z: Tensor) -> list[D | None]:
        raw = (Z * self.scale + self.shift).float()
        designs: list[D | None] = []
        with torch.no_grad():
            for part in _parts(raw):
                designs += self.domain.from_batch(self.vae.generate(part))
        return designs

    def log_density(self, Z: Tensor) -> Tensor:
        """log p(z) of real designs at `... x d`: `...`."""
        return self.density(Z)

    def percentile(self, log_density: Tensor) -> Tensor:
        """Share (0 to 100) of real designs at which the density is lower."""
        below = torch.searchsorted(self.reference_log_densities, log_density.detach().contiguous())
        return 100.0 * below.double() / max(1, len(self.reference_log_densities))

    def predict(self, Z: Tensor) -> Tensor | None:
        """What the property head hints at `n x d`: standardized properties (`n x p`), or None without a head."""
        with torch.no_grad():
            return self.vae.predict((Z * self.scale + self.shift).float())

    def draw(self, n: int) -> Tensor:
        """`n x d` draws from the aggregate posterior: posteriors of real designs, with torch's random numbers."""
        rows = torch.randint(len(self.sample), (n,))
        return self.sample[rows] + self.sample_sd[rows] * torch.randn(n, self.d, dtype=torch.float64)

    def _posterior(self, designs: Sequence[D]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            posterior = self.vae.posterior(self.domain.to_batch(designs))
        return posterior.loc, posterior.scale


def _around(d: int, n: int) -> Tensor:
    """`n x d` steps to points around one, in standard deviations of the corpus, longer and longer."""
    directions = torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return directions * torch.linspace(*NEARBY, n, dtype=torch.float64)[:, None]


def _parts(values: Any, size: int = 500) -> Iterator[Any]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
