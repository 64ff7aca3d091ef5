"""Surrogates of sequences: letters at sites, compared by identity and by what the letters are like."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from gpytorch.priors import NormalPrior
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.surrogate.fitting import each, fitted, latent_kernel, scaled, subset
from invdesign.surrogate.gp import ConditionedGP


class SiteKernel(Kernel):
    """Similarity of sequences whose letters stand in one column each: `n_sites` blocks of `letters` 0/1 columns.

    Without descriptors `exp(-sum_l w_l [x_l differs from y_l])`, a weighted Hamming kernel; with descriptors of the
    letters a Matern-5/2 kernel on them, a length for each site, so that leucine is nearer to isoleucine than to
    lysine. The weights say which sites matter; their prior expects a few.

    Args:
        n_sites: blocks of columns.
        letters: columns of each.
        start: the first column that is read.
        descriptors: `letters x p`, standardized, or None.
    """

    has_lengthscale = False

    def __init__(self, n_sites: int, letters: int, *, start: int = 0, descriptors: Tensor | None = None) -> None:
        super().__init__(active_dims=tuple(range(start, start + n_sites * letters)))
        self.n_sites, self.letters = n_sites, letters
        self.descriptors = descriptors
        # Two random sequences are about one length apart at the prior's middle.
        typical = math.log(2.0 / n_sites)
        self.register_parameter("log_weight", torch.nn.Parameter(torch.full((n_sites,), typical, dtype=torch.float64)))
        self.register_prior("weight_prior", NormalPrior(typical, 1.0), lambda kernel: kernel.log_weight)

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: object
    ) -> Tensor:
        A, B = self._placed(x1), self._placed(x2)
        if diag:
            squared = (A - B).square().sum(-1)
        else:
            products = A @ B.mT
            squared = A.square().sum(-1)[..., :, None] + B.square().sum(-1)[..., None, :] - 2 * products
        squared = squared.clamp_min(0)
        if self.descriptors is None:
            return torch.exp(-squared)
        # The root has no slope at 0, where the kernel is flat.
        r = (5 * squared + 1e-12).sqrt()
        return (1 + r + r.square() / 3) * torch.exp(-r)

    def _placed(self, x: Tensor) -> Tensor:
        weight = self.log_weight.exp()
        sites = x.unflatten(-1, (self.n_sites, self.letters))
        if self.descriptors is None:
            # Half the squared distance of two different one-hot vectors is one.
            return (sites * (weight / 2).sqrt()[:, None]).flatten(-2)
        p = self.descriptors.shape[1]
        return ((sites @ self.descriptors) * (weight / (2 * p)).sqrt()[:, None]).flatten(-2)


class MotifKernel(Kernel):
    """Similarity of sequences by which pairs of letters they hold, so many sites apart, wherever they stand.

    A function that looks for motifs gives the same for a motif at any place: what is learnt of it here holds there.
    The cosine of presence (0/1) of all gapped pairs.

    Args:
        n_sites: blocks of columns.
        letters: columns of each.
        start: the first column that is read.
        reach: largest distance between two letters of a pair.

    References:
        Ghandi et al., Enhanced regulatory sequence prediction using gapped k-mer features (2014),
        doi:10.1371/journal.pcbi.1003711.
    """

    has_lengthscale = False

    def __init__(self, n_sites: int, letters: int, *, start: int = 0, reach: int = 6) -> None:
        super().__init__(active_dims=tuple(range(start, start + n_sites * letters)))
        self.n_sites, self.letters, self.reach = n_sites, letters, min(reach, n_sites - 1)
        self._last: tuple[Tensor, Tensor] | None = None

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: object
    ) -> Tensor:
        A = self._pairs(x1)
        B = A if x2 is x1 else self._pairs(x2)
        K = (A * B).sum(-1) if diag else A @ B.mT
        return K.to(x1.dtype)

    def _pairs(self, x: Tensor) -> Tensor:
        """`n x (reach letters^2)`, rows of length one, single precision; those of the history are remembered."""
        if self._last is not None and self._last[0].shape == x.shape and torch.equal(self._last[0], x):
            return self._last[1]
        sites = x.to(torch.float32).unflatten(-1, (self.n_sites, self.letters))
        found = []
        for gap in range(1, self.reach + 1):
            first, second = sites[..., :-gap, :], sites[..., gap:, :]
            found.append((first.mT @ second).clamp_max(1).flatten(-2))
        pairs = torch.cat(found, -1)
        pairs = pairs / pairs.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        if x.dim() == 2:
            self._last = (x, pairs)
        return pairs


def site_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    letters: int,
    descriptors: Array | Callable[[], Array] | None = None,
    reach: int = 0,
    uses_latent: bool = False,
    max_points: int = 1000,
    fit_points: int = 400,
    max_steps: int = 40,
    noise_floor: float = 1e-4,
) -> Model:
    """GP on the letters of sequences: a sum of a weighted Hamming kernel and those that are asked for.

    Args:
        X: `n x (d + f)` inputs, features in blocks of `letters` 0/1 columns, one block for each site.
        U: `n x m` utilities.
        d: number of latent columns.
        letters: columns of each site.
        descriptors: `letters x p` numbers that say what the letters are like, or a function that answers them; adds a
            kernel on them.
        reach: largest distance of the letters in a pair; above 0 adds a kernel on gapped pairs.
        uses_latent: adds a Matern-5/2 kernel on the latents.
        max_points: a longer history is thinned to so many points: the best, the newest, and random ones.
        fit_points: points that hyperparameters are fitted to.
        max_steps: of that fit.
        noise_floor: smallest noise variance.

    Raises:
        InvdesignError: the features are not of that many letters, or the descriptors not of that alphabet.
    """
    f = X.shape[1] - d
    if f == 0 or f % letters:
        raise InvdesignError(
            f"site_gp reads one block of {letters} columns for each site, got {f} feature columns; set "
            "surrogate.letters to the size of the domain's alphabet, a gap included"
        )
    facts = descriptors() if callable(descriptors) else descriptors
    table = None if facts is None else torch.as_tensor(facts, dtype=torch.float64)
    if table is not None and len(table) != letters:
        raise InvdesignError(f"site_gp: descriptors of {len(table)} letters, but letters is {letters}")
    n_sites = f // letters

    def covariance() -> Kernel:
        kernel: Kernel = scaled(SiteKernel(n_sites, letters, start=d))
        if table is not None:
            kernel = kernel + scaled(SiteKernel(n_sites, letters, start=d, descriptors=table))
        if reach and n_sites > 1:
            kernel = kernel + scaled(MotifKernel(n_sites, letters, start=d, reach=reach))
        if uses_latent and d:
            kernel = kernel + scaled(latent_kernel(d, ard=False))
        return kernel

    def one(u: Tensor) -> ConditionedGP:
        return fitted(covariance(), X, u, fit_points=fit_points, max_steps=max_steps, noise_floor=noise_floor)

    keep = subset(U, max_points)
    X, U = X[keep], U[keep]
    return each(U, one)
