"""Room of the map: log p(z) of real designs. Smooth, float64, differentiable; voids are where it is low."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from invdesign.core import InvdesignError

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class Prior:
    """The standard normal of standardized latents: what the VAE was regularized towards."""

    def __call__(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + LOG_2PI).sum(-1)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of `k` normals with full covariances.

    Args:
        log_weights: `k`.
        means: `k x d`.
        precisions: `k x d x d`, upper Cholesky factors of the inverse covariances.
    """

    log_weights: Tensor
    means: Tensor
    precisions: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        d = z.shape[-1]
        offsets = torch.einsum("kd,kde->ke", self.means, self.precisions)
        white = torch.einsum("...d,kde->...ke", z, self.precisions) - offsets
        log_det = self.precisions.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return torch.logsumexp(self.log_weights + log_det - 0.5 * (white.square().sum(-1) + d * LOG_2PI), dim=-1)


@dataclass(frozen=True, eq=False)
class NearestPosteriors:
    """The mean of the posteriors of real designs, summed over the `k` nearest of them.

    Args:
        means: `n x d` of the posteriors.
        sds: `n x d`, widened by the bandwidth.
        k: how many are summed.
    """

    means: Tensor
    sds: Tensor
    k: int

    def __call__(self, z: Tensor) -> Tensor:
        flat = z.reshape(-1, z.shape[-1])
        nearest = torch.cdist(flat.detach(), self.means).topk(self.k, largest=False).indices
        means, sds = self.means[nearest], self.sds[nearest]
        white = (flat[:, None] - means) / sds
        log_p = -0.5 * (white.square() + LOG_2PI).sum(-1) - sds.log().sum(-1)
        return (torch.logsumexp(log_p, dim=-1) - math.log(len(self.means))).reshape(z.shape[:-1])


def prior(mean: Tensor, sd: Tensor) -> Prior:
    """The prior as density; the posteriors (`n x d` means and standard deviations) are not read."""
    return Prior()


def mixture(
    mean: Tensor, sd: Tensor, *, n_components: int = 8, max_designs: int = 10_000, floor: float = 1e-3, seed: int = 0
) -> Mixture:
    """A mixture fitted to the aggregate posterior by expectation maximization.

    The means of the posteriors are fitted, then every component is widened by their mean variance, so that the density
    is that of the aggregate posterior and not of its centers.

    Args:
        mean: `n x d` means of the posteriors of real designs, standardized.
        sd: `n x d` standard deviations.
        n_components: fewer where there are under 20 designs for each dimension of a component.
        max_designs: designs that are fitted, drawn at random.
        floor: smallest variance of a component in any direction.
        seed: of the draw and of the first centers.

    Raises:
        InvdesignError: fewer than two designs.
    """
    n, d = mean.shape
    if n < 2:
        raise InvdesignError(f"density: a mixture needs at least 2 designs, got {n}; use density=prior")
    draw = np.random.default_rng(seed).permutation(n)[:max_designs]
    points = mean[np.sort(draw)].double().numpy()
    k = max(1, min(n_components, len(points) // (20 * d)))
    kind = "full" if len(points) > 2 * d else "diag"
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
    mean: Tensor, sd: Tensor, *, k: int = 50, bandwidth: float | None = None, max_designs: int = 20_000, seed: int = 0
) -> NearestPosteriors:
    """The aggregate posterior itself, of which only the `k` nearest terms are summed.

    Args:
        mean: `n x d` means of the posteriors of real designs, standardized.
        sd: `n x d` standard deviations.
        k: terms summed at every point.
        bandwidth: standard deviation added to every posterior; by default Scott's rule, `n ** (-1 / (d + 4))`.
        max_designs: designs that are kept, drawn at random.
        seed: of the draw.
    """
    n, d = mean.shape
    draw = np.sort(np.random.default_rng(seed).permutation(n)[:max_designs])
    width = len(draw) ** (-1 / (d + 4)) if bandwidth is None else bandwidth
    sds = (sd[draw].double().square() + width**2).sqrt()
    return NearestPosteriors(mean[draw].double(), sds, min(k, len(draw)))
