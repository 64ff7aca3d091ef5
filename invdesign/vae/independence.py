"""Loss term that makes latents independent of a condition."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Normal

from invdesign.vae.base import VAE
from invdesign.vae.losses import TrainingBatch

BANDWIDTHS = (0.5, 1.0, 2.0)
"""Widths of the kernels, as multiples of the median distance of two latents."""


def independence(vae: VAE, batch: TrainingBatch, posterior: Normal, z: Tensor) -> Float[Tensor, " n"]:
    """Return n times the Hilbert-Schmidt independence criterion of posterior means and condition, for each design.

    HSIC = tr(K H L H) / (n - 1)^2 with Gaussian kernels K of the standardized means, a linear kernel L of the condition
    and the centering matrix H. It is zero where no kernel function of the latents correlates with the condition. Times
    n it is about one by chance, whatever the size of the batch. Without conditions the term is 0.

    References:
        Gretton et al., Measuring Statistical Dependence with Hilbert-Schmidt Norms (2005), doi:10.1007/11564089_7;
        Lopez et al., Information Constraints on Auto-Encoding Variational Bayes, arXiv:1805.08672.
    """
    if batch.condition is None or len(z) < 3:
        return z.new_zeros(len(z))
    mean = posterior.loc.float()
    X = mean / mean.detach().std(0).clamp_min(1e-6)
    squares = torch.cdist(X, X).square()
    median = squares.detach().median().clamp_min(1e-6)
    K = torch.stack([torch.exp(-squares / (2 * width**2 * median)) for width in BANDWIDTHS]).mean(0)
    C = batch.condition - batch.condition.mean(0)
    spread = C.square().sum(1).mean().clamp_min(1e-6)
    centered = K - K.mean(0) - K.mean(1, keepdim=True) + K.mean()
    noise = centered.diagonal().mean().detach().clamp_min(1e-6)
    criterion = torch.einsum("ij,ic,jc->", centered, C, C) / (len(z) * spread * noise)
    return criterion.expand(len(z))
