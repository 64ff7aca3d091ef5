"""Surrogate of sequences with learned relevances of gapped pairs at any position and of letters by position."""

from __future__ import annotations

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import embedding_bag

from invdesign.surrogate.fitting import choose_rows, fit_each_objective
from invdesign.surrogate.gp import ConditionedGP
from invdesign.surrogate.sites import count_sites


class RelevanceKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Weighted number of elements that two sequences share, plus a Gaussian of the fraction of positions that differ.

    Elements are gapped pairs (two letters at a given distance, at any position), and letters by position. The sum over
    shared elements is the kernel of a linear function of them, where the weights are the prior variances of its
    coefficients. The Gaussian models the remainder of the function.
    """

    has_lengthscale = False

    def __init__(
        self,
        n_sites: int,
        n_letters: int,
        *,
        start: int = 0,
        max_gap: int = 8,
        letter_variance: float = 0.05,
        residual_variance: float = 0.2,
        rate: float = 3.0,
    ) -> None:
        """Create the kernel with equal weights of all pairs, and of all letters.

        Args:
            n_sites: Number of positions: blocks of columns.
            n_letters: Size of the alphabet: columns per position.
            start: First column that is read.
            max_gap: Largest distance between the two letters of a pair [positions].
            letter_variance: Prior variance of a sequence due to its letters by position; that due to its pairs is 1.
            residual_variance: Prior variance that the linear function does not explain.
            rate: Rate at which the Gaussian decreases with the fraction of positions that differ.
        """
        super().__init__()
        self.n_sites, self.n_letters, self.start, self.max_gap = n_sites, n_letters, start, min(max_gap, n_sites - 1)
        self.residual_variance, self.rate = residual_variance, rate
        n_pairs = sum(n_sites - gap for gap in range(1, self.max_gap + 1))
        pair_weights = torch.full((self.max_gap * n_letters**2,), 1.0 / max(1, n_pairs))
        letter_weights = torch.full((n_sites * n_letters,), letter_variance / n_sites)
        self.register_buffer("weight", torch.cat([pair_weights, letter_weights]))
        self._cached: tuple[Tensor, Tensor] | None = None

    def find_elements(self, x: Float[Tensor, "*b f"]) -> tuple[Int64[Tensor, "*b k"], Float[Tensor, "*b k"]]:
        """Return the elements of sequences.

        Args:
            x: `n x f` inputs.

        Returns:
            Numbers of the elements (`n x k`), and 1 for each; 0 where an element is repeated or absent.
        """
        block = x[..., self.start : self.start + self.n_sites * self.n_letters]
        largest, letter = torch.unflatten(block, -1, (self.n_sites, self.n_letters)).max(-1)
        is_present = largest > 0
        first_letter = self.max_gap * self.n_letters**2
        numbers = [first_letter + torch.arange(self.n_sites, device=x.device) * self.n_letters + letter]
        present = [is_present]
        for gap in range(1, self.max_gap + 1):
            pair = letter[..., :-gap] * self.n_letters + letter[..., gap:]
            numbers.append((gap - 1) * self.n_letters**2 + pair)
            present.append(is_present[..., :-gap] & is_present[..., gap:])
        absent = len(self.weight)
        elements = torch.where(torch.cat(present, -1), torch.cat(numbers, -1), absent).sort(-1).values
        is_first = torch.ones_like(elements, dtype=torch.bool)
        is_first[..., 1:] = elements[..., 1:] != elements[..., :-1]
        counts = (is_first & (elements < absent)).to(torch.float32)
        return elements.clamp_max(absent - 1), counts

    def to_dense(self, x: Float[Tensor, "n f"]) -> Float[Tensor, "n e"]:
        """Return the elements as 0/1 columns.

        Args:
            x: `n x f` inputs.

        Returns:
            `n x (max_gap n_letters^2 + n_sites n_letters)`, single precision.
        """
        elements, counts = self.find_elements(x)
        zeros = torch.zeros(len(x), len(self.weight), device=x.device)
        return zeros.scatter_reduce_(1, elements, counts, "amax")

    def set_weight(self, weight: Float[Tensor, " e"], x: Float[Tensor, "n f"]) -> None:
        """Set the weights, and cache the weighted elements of the data, which every candidate is compared with.

        Args:
            weight: Weight of each element.
            x: `n x f` inputs of the data.
        """
        self.weight, self._cached = weight, None
        self._cached = (x, self._weighted_elements(x))

    def forward(
        self,
        x1: Float[Tensor, "*b n f"],
        x2: Float[Tensor, "*b k f"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        if x1.dim() > 2:
            return torch.stack([self.forward(a, b, diag=diag) for a, b in zip(x1, x2, strict=True)])
        elements, counts = self.find_elements(x1)
        if diag:
            if not torch.equal(x1, x2):
                counts = counts * self.to_dense(x2).gather(1, elements)
            shared = (self.weight[elements] * counts).sum(-1)
        else:
            shared = embedding_bag(elements, self._weighted_elements(x2), mode="sum", per_sample_weights=counts)
        return shared.to(x1.dtype) + self._residual(x1, x2, diag=diag)

    def _weighted_elements(self, x: Tensor) -> Tensor:
        """Return the weight of each element in each sequence, `e x n`."""
        if self._cached is not None and self._cached[0].shape == x.shape and torch.equal(self._cached[0], x):
            return self._cached[1]
        return (self.to_dense(x) * self.weight).mT.contiguous()

    def _residual(self, x1: Tensor, x2: Tensor, *, diag: bool) -> Tensor:
        """Return the Gaussian of the fraction of positions that differ."""
        stop = self.start + self.n_sites * self.n_letters
        A, B = x1[..., self.start : stop].to(torch.float32), x2[..., self.start : stop].to(torch.float32)
        if diag:
            n_different = (A - B).square().sum(-1) / 2
        else:
            n_different = (A.square().sum(-1)[..., :, None] + B.square().sum(-1)[..., None, :]) / 2 - A @ B.mT
        gaussian = torch.exp(-self.rate * n_different.clamp_min(0) / self.n_sites)
        return self.residual_variance * gaussian.to(x1.dtype)


def motif_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    n_letters: int,
    max_gap: int = 8,
    n_rounds: int = 4,
    letter_variance: float = 0.05,
    residual_variance: float = 0.2,
    noise: float = 1e-3,
    max_points: int = 600,
    noise_floor: float = 1e-6,
) -> Model:
    """Fit a GP on gapped pairs and letters by position, with learned relevances.

    In each round the weight of an element becomes the posterior expectation of its squared coefficient (expectation
    maximization for automatic relevance determination). The weight of an element without effect decreases, an element
    without data keeps its prior weight, which attracts exploration: one design tests many single changes.

    Args:
        X: `n x (d + f)` inputs, features in blocks of `n_letters` 0/1 columns, one block per position.
        U: `n x m` utilities, modelled as sums of effects of letters and pairs; for products use the outcome transform
            `log`.
        d: Number of latent columns.
        n_letters: Size of the alphabet: columns per position.
        max_gap: Largest distance between the two letters of a pair [positions].
        n_rounds: Number of updates of the weights; 0 keeps equal weights.
        letter_variance: See `RelevanceKernel`.
        residual_variance: See `RelevanceKernel`.
        noise: Variance of the noise, in standardized utilities.
        max_points: Largest number of rows; of a longer history the best, the newest and random ones are used.
        noise_floor: Smallest noise variance.

    Raises:
        InvdesignError: The features are not those of an alphabet of `n_letters`.

    References:
        Tipping, Sparse Bayesian learning and the relevance vector machine, JMLR 1 (2001) 211.
    """
    n_sites = count_sites(X.shape[1] - d, n_letters, name="motif_gp")
    rows = choose_rows(U, max_points)
    X, U, noise = X[rows], U[rows], max(noise, noise_floor)

    def fit(u: Tensor) -> ConditionedGP:
        kernel = RelevanceKernel(
            n_sites,
            n_letters,
            start=d,
            max_gap=max_gap,
            letter_variance=letter_variance,
            residual_variance=residual_variance,
        ).to(X.device)
        dense = kernel.to_dense(X)
        kernel.set_weight(kernel.weight, X)
        model = ConditionedGP(kernel, X, u, noise=noise, has_learned_kernel=n_rounds > 0)
        for _ in range(n_rounds):
            kernel.set_weight(_update_weights(dense, kernel.weight, model), X)
            model = ConditionedGP(kernel, X, u, noise=noise, has_learned_kernel=True)
        return model

    return fit_each_objective(U, fit)


@torch.no_grad()
def _update_weights(dense: Tensor, weight: Tensor, model: ConditionedGP) -> Tensor:
    """Return the expected squares of the coefficients: squared posterior means plus posterior variances."""
    used = dense.any(0).nonzero().squeeze(1)
    A, w = dense[:, used], weight[used]
    mean = w * (A.mT @ model.coefficients[:, 0].to(torch.float32))
    V = torch.linalg.solve_triangular(model.factor.lower_right(len(A)).to(torch.float32), A, upper=False)
    updated = weight.clone()
    updated[used] = (mean.square() + w - w.square() * V.square().sum(0)).clamp_min(1e-8)
    return updated
