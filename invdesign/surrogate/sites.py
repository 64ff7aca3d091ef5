"""Surrogates of sequences: kernels on letters by position, compared by identity and by their properties.

Sequences are features in blocks of `n_letters` 0/1 columns, one block per position.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from gpytorch.priors import NormalPrior
from jaxtyping import Float
from torch import Tensor

from invdesign.core import Array, InvdesignError
from invdesign.surrogate.fitting import add_output_scale, build_latent_kernel, choose_rows, fit_each_objective, fit_gp
from invdesign.surrogate.gp import ConditionedGP


class SiteKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Similarity of sequences, position by position.

    Without descriptors the kernel is `exp(-sum_l w_l [x_l differs from y_l])`, a weighted Hamming kernel. With
    descriptors of the letters it is a Matern-5/2 kernel on them with a length for each position, so that leucine is
    nearer to isoleucine than to lysine. The weights measure the relevance of positions; their prior expects a few
    relevant ones.
    """

    has_lengthscale = False

    def __init__(
        self, n_sites: int, n_letters: int, *, start: int = 0, descriptors: Float[Tensor, "a p"] | None = None
    ) -> None:
        """Create the kernel.

        Args:
            n_sites: Number of positions: blocks of columns.
            n_letters: Size of the alphabet: columns per position.
            start: First column that is read.
            descriptors: `n_letters x p` standardized descriptors of the letters, or None.
        """
        super().__init__(active_dims=tuple(range(start, start + n_sites * n_letters)))
        self.n_sites, self.n_letters = n_sites, n_letters
        self.register_buffer("descriptors", descriptors)
        # Two random sequences are about one length apart at the median of the prior.
        typical = math.log(2.0 / n_sites)
        self.register_parameter("log_weight", torch.nn.Parameter(torch.full((n_sites,), typical, dtype=torch.float64)))
        self.register_prior("weight_prior", NormalPrior(typical, 1.0), lambda kernel: kernel.log_weight)

    def forward(
        self,
        x1: Float[Tensor, "*b n f"],
        x2: Float[Tensor, "*b k f"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        A, B = self._embed(x1), self._embed(x2)
        if diag:
            squared = (A - B).square().sum(-1)
        else:
            products = A @ B.mT
            squared = A.square().sum(-1)[..., :, None] + B.square().sum(-1)[..., None, :] - 2 * products
        squared = squared.clamp_min(0)
        if self.descriptors is None:
            return torch.exp(-squared)
        # The square root has no derivative at 0, where the kernel is flat.
        r = (5 * squared + 1e-12).sqrt()
        return (1 + r + r.square() / 3) * torch.exp(-r)

    def _embed(self, x: Tensor) -> Tensor:
        """Return coordinates whose squared distances are the weighted differences."""
        weight = self.log_weight.exp()
        sites = torch.unflatten(x, -1, (self.n_sites, self.n_letters))
        if self.descriptors is None:
            # Half the squared distance of two different one-hot vectors is one.
            embedded: Tensor = sites * (weight / 2).sqrt()[:, None]
        else:
            p = self.descriptors.shape[1]
            embedded = (sites @ self.descriptors) * (weight / (2 * p)).sqrt()[:, None]
        return embedded.flatten(-2)


class GappedPairKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Similarity of sequences by their gapped pairs: two letters at a given distance, at any position.

    The kernel is the cosine similarity of presence (0/1) of all gapped pairs. What is learned about a motif at one
    position holds at every other, as for a property that depends on motifs wherever they occur.

    References:
        Ghandi et al., Enhanced regulatory sequence prediction using gapped k-mer features (2014),
        doi:10.1371/journal.pcbi.1003711.
    """

    has_lengthscale = False

    def __init__(self, n_sites: int, n_letters: int, *, start: int = 0, max_gap: int = 6) -> None:
        """Create the kernel.

        Args:
            n_sites: Number of positions: blocks of columns.
            n_letters: Size of the alphabet: columns per position.
            start: First column that is read.
            max_gap: Largest distance between the two letters of a pair [positions].
        """
        super().__init__(active_dims=tuple(range(start, start + n_sites * n_letters)))
        self.n_sites, self.n_letters, self.max_gap = n_sites, n_letters, min(max_gap, n_sites - 1)
        self._last: tuple[Tensor, Tensor] | None = None

    def forward(
        self,
        x1: Float[Tensor, "*b n f"],
        x2: Float[Tensor, "*b k f"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        A = self._embed(x1)
        B = A if x2 is x1 else self._embed(x2)
        K = (A * B).sum(-1) if diag else A @ B.mT
        return K.to(x1.dtype)

    def _embed(self, x: Tensor) -> Tensor:
        """Return normalized presence vectors, `n x (max_gap n_letters^2)`, single precision; the last are cached."""
        if self._last is not None and self._last[0].shape == x.shape and torch.equal(self._last[0], x):
            return self._last[1]
        sites = torch.unflatten(x.to(torch.float32), -1, (self.n_sites, self.n_letters))
        blocks = []
        for gap in range(1, self.max_gap + 1):
            first, second = sites[..., :-gap, :], sites[..., gap:, :]
            blocks.append((first.mT @ second).clamp_max(1).flatten(-2))
        presence = torch.cat(blocks, -1)
        pairs: Tensor = presence / presence.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        if x.dim() == 2:
            self._last = (x, pairs)
        return pairs


def site_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    n_letters: int,
    descriptors: Array | Callable[[], Array] | None = None,
    max_gap: int = 0,
    has_latent_kernel: bool = False,
    max_points: int = 1000,
    max_fit_points: int = 400,
    max_steps: int = 40,
    noise_floor: float = 1e-4,
) -> Model:
    """Fit a GP on sequences: a weighted Hamming kernel plus optional kernels.

    Args:
        X: `n x (d + f)` inputs, features in blocks of `n_letters` 0/1 columns, one block per position.
        U: `n x m` utilities.
        d: Number of latent columns.
        n_letters: Size of the alphabet: columns per position.
        descriptors: `n_letters x p` descriptors of the letters, or a function that returns them; adds a kernel on them.
        max_gap: Largest distance between the two letters of a pair [positions]; above 0 adds a kernel on gapped pairs.
        has_latent_kernel: Whether to add a Matern-5/2 kernel on the latents.
        max_points: Largest number of rows; of a longer history the best, the newest and random ones are used.
        max_fit_points: Largest number of rows that hyperparameters are fitted to.
        max_steps: Largest number of L-BFGS iterations.
        noise_floor: Smallest noise variance.

    Raises:
        InvdesignError: The features or the descriptors are not those of an alphabet of `n_letters`.
    """
    n_sites = count_sites(X.shape[1] - d, n_letters, name="site_gp")
    values = descriptors() if callable(descriptors) else descriptors
    table = None if values is None else torch.as_tensor(values, dtype=torch.float64, device=X.device)
    if table is not None and len(table) != n_letters:
        raise InvdesignError(
            f"site_gp: expected descriptors of {n_letters} letters, got descriptors of {len(table)} letters. "
            "Set surrogate.n_letters and surrogate.descriptors for the same alphabet."
        )

    def build_kernel() -> Kernel:
        kernel: Kernel = add_output_scale(SiteKernel(n_sites, n_letters, start=d))
        if table is not None:
            kernel = kernel + add_output_scale(SiteKernel(n_sites, n_letters, start=d, descriptors=table))
        if max_gap and n_sites > 1:
            kernel = kernel + add_output_scale(GappedPairKernel(n_sites, n_letters, start=d, max_gap=max_gap))
        if has_latent_kernel and d:
            kernel = kernel + add_output_scale(build_latent_kernel(d, ard=False))
        return kernel

    def fit(u: Tensor) -> ConditionedGP:
        return fit_gp(build_kernel(), X, u, max_fit_points=max_fit_points, max_steps=max_steps, noise_floor=noise_floor)

    rows = choose_rows(U, max_points)
    X, U = X[rows], U[rows]
    return fit_each_objective(U, fit)


def count_sites(n_columns: int, n_letters: int, *, name: str) -> int:
    """Return the number of positions of sequences.

    Args:
        n_columns: Number of feature columns.
        n_letters: Size of the alphabet: columns per position.
        name: Name of the surrogate, for the error.

    Raises:
        InvdesignError: The columns are not blocks of `n_letters`.
    """
    if n_columns == 0 or n_columns % n_letters:
        raise InvdesignError(
            f"{name}: expected one block of {n_letters} columns per position, got {n_columns} feature columns. "
            "Set surrogate.n_letters to the size of the domain's alphabet, a gap included."
        )
    return n_columns // n_letters
