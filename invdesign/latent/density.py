"""Density log p(z) of real designs in latent space: smooth, float64, differentiable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.vae.priors import LOG_2PI, StandardNormal


@runtime_checkable
class SampledDensity(Protocol):
    """A density that can be sampled too."""

    def __call__(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z)."""
        ...

    def sample(self, n: int) -> Float64[Tensor, "n d"]:
        """Return draws with torch's random numbers."""
        ...


@dataclass(frozen=True, eq=False)
class Mixture:
    """Mixture of `k` normals with full covariances."""

    log_weights: Float64[Tensor, " k"]
    """Logarithms of the weights."""
    means: Float64[Tensor, "k d"]
    """Means of the components."""
    precisions: Float64[Tensor, "k d d"]
    """Upper Cholesky factors of the inverse covariances."""

    def __call__(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z)."""
        d = z.shape[-1]
        offsets = torch.einsum("kd,kde->ke", self.means, self.precisions)
        white = torch.einsum("...d,kde->...ke", z, self.precisions) - offsets
        log_det = self.precisions.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return torch.logsumexp(self.log_weights + log_det - 0.5 * (white.square().sum(-1) + d * LOG_2PI), dim=-1)

    def sample(self, n: int) -> Float64[Tensor, "n d"]:
        """Return draws with torch's random numbers."""
        component = torch.multinomial(self.log_weights.exp(), n, replacement=True)
        white = torch.randn(n, self.means.shape[1], 1, dtype=torch.float64)
        steps = torch.linalg.solve_triangular(self.precisions[component].mT, white, upper=False)[..., 0]
        drawn: Tensor = self.means[component] + steps
        return drawn


@dataclass(frozen=True, eq=False)
class NearestPosteriors:
    """Mean of the posteriors of `n` real designs, summed over the `k` nearest of them."""

    means: Float64[Tensor, "n d"]
    """Means of the posteriors."""
    sds: Float64[Tensor, "n d"]
    """Standard deviations of the posteriors, widened by the bandwidth."""
    k: int
    """Number of posteriors that are summed."""

    def __call__(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z)."""
        flat = z.reshape(-1, z.shape[-1])
        nearest = torch.cdist(flat.detach(), self.means).topk(self.k, largest=False).indices
        means, sds = self.means[nearest], self.sds[nearest]
        white = (flat[:, None] - means) / sds
        log_p = -0.5 * (white.square() + LOG_2PI).sum(-1) - sds.log().sum(-1)
        return (torch.logsumexp(log_p, dim=-1) - math.log(len(self.means))).reshape(z.shape[:-1])

    def sample(self, n: int) -> Float64[Tensor, "n d"]:
        """Return draws with torch's random numbers, of all terms."""
        rows = torch.randint(len(self.means), (n,))
        return self.means[rows] + self.sds[rows] * torch.randn(n, self.means.shape[1], dtype=torch.float64)


@dataclass(frozen=True)
class PriorDensity:
    """Density of the standard normal: the prior itself in the base space of a learned prior."""

    d: int
    """Latent dimensions."""

    def __call__(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Return log p(z)."""
        return StandardNormal().log_prob(z)

    def sample(self, n: int) -> Float64[Tensor, "n d"]:
        """Return draws with torch's random numbers."""
        return torch.randn(n, self.d, dtype=torch.float64)


def prior(mean: Float[Tensor, "n d"], sd: Float[Tensor, "n d"]) -> PriorDensity:
    """Return the prior as the density; the posteriors are not used."""
    return PriorDensity(mean.shape[1])


def mixture(
    mean: Float[Tensor, "n d"],
    sd: Float[Tensor, "n d"],
    *,
    n_components: int = 8,
    max_designs: int = 10_000,
    floor: float = 1e-3,
    seed: int = 0,
) -> Mixture:
    """Fit a mixture of normals to the aggregate posterior by expectation maximization.

    The means of the posteriors are fitted, then every component is widened by their mean variance, so that the density
    is that of the aggregate posterior and not of its centers.

    Args:
        mean: Means of the posteriors of real designs, standardized.
        sd: Their standard deviations.
        n_components: Number of components; fewer where there are under 20 designs for each dimension of a component.
        max_designs: Number of designs that are fitted, drawn at random.
        floor: Smallest variance of a component in any direction.
        seed: Seed of the draw and of the initial centers.

    Raises:
        InvdesignError: Fewer than two designs.
    """
    n, d = mean.shape
    if n < 2:
        raise InvdesignError(f"density: expected at least 2 designs for a mixture, got {n}. Use density=prior")
    draw = np.random.default_rng(seed).permutation(n)[:max_designs]
    points = mean[np.sort(draw)].double().numpy()
    k = max(1, min(n_components, len(points) // (20 * d)))
    kind = "full" if len(points) > 2 * d else "diag"
    from sklearn.mixture import GaussianMixture  # takes two seconds, which most commands need not spend

    fitted = GaussianMixture(k, covariance_type=kind, reg_covar=floor, max_iter=60, tol=1e-2, random_state=seed).fit(
        points
    )
    covariances = torch.from_numpy(np.asarray(fitted.covariances_)).double()
    if kind == "diag":
        covariances = torch.diag_embed(covariances)
    covariances = covariances + torch.diag(sd.double().square().mean(0))
    lower = torch.linalg.cholesky(covariances)
    eye = torch.eye(d, dtype=torch.float64).expand_as(lower)
    precisions = torch.linalg.solve_triangular(lower, eye, upper=False).mT.contiguous()
    return Mixture(
        torch.from_numpy(np.log(fitted.weights_)), torch.from_numpy(np.asarray(fitted.means_)).double(), precisions
    )


def nearest_posteriors(
    mean: Float[Tensor, "n d"],
    sd: Float[Tensor, "n d"],
    *,
    k: int = 50,
    bandwidth: float | None = None,
    max_designs: int = 20_000,
    seed: int = 0,
) -> NearestPosteriors:
    """Return the aggregate posterior, of which only the `k` nearest terms are summed.

    Args:
        mean: Means of the posteriors of real designs, standardized.
        sd: Their standard deviations.
        k: Number of terms summed at every point.
        bandwidth: Standard deviation added to every posterior; by default Scott's rule, `n ** (-1 / (d + 4))`.
        max_designs: Number of designs that are kept, drawn at random.
        seed: Seed of the draw.
    """
    n, d = mean.shape
    draw = np.sort(np.random.default_rng(seed).permutation(n)[:max_designs])
    width = len(draw) ** (-1 / (d + 4)) if bandwidth is None else bandwidth
    sds = (sd[draw].double().square() + width**2).sqrt()
    return NearestPosteriors(mean[draw].double(), sds, min(k, len(draw)))
