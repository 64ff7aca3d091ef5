"""A surrogate of sequences that finds out which pairs of letters count wherever they stand, and which letters where."""

from __future__ import annotations

import torch
from botorch.models.model import Model
from gpytorch.kernels import Kernel
from torch import Tensor
from torch.nn.functional import embedding_bag

from invdesign.core import InvdesignError
from invdesign.surrogate.fitting import each, subset
from invdesign.surrogate.gp import ConditionedGP


class RelevanceKernel(Kernel):
    """What two sequences share, each thing by its own weight; and how far they are apart as wholes.

    Things are pairs of letters so many sites apart, wherever they stand, and letters at their sites. A sum over shared
    things is the kernel of a linear function of them, with the weights as prior variances of its coefficients. What
    such a function leaves over is left to a Gaussian of the share of sites that differ.

    Args:
        n_sites: blocks of columns.
        letters: columns of each.
        start: the first column that is read.
        reach: largest distance between two letters of a pair.
        letter_share: prior variance of a sequence that its letters at sites have, where that of its pairs is 1.
        whole_share: the variance that no sum explains.
        rate: at which that falls with the share of sites that differ.
    """

    has_lengthscale = False

    def __init__(
        self,
        n_sites: int,
        letters: int,
        *,
        start: int = 0,
        reach: int = 8,
        letter_share: float = 0.05,
        whole_share: float = 0.2,
        rate: float = 3.0,
    ) -> None:
        super().__init__()
        self.n_sites, self.letters, self.start, self.reach = n_sites, letters, start, min(reach, n_sites - 1)
        self.whole_share, self.rate = whole_share, rate
        n_pairs = sum(n_sites - gap for gap in range(1, self.reach + 1))
        weight = [torch.full((self.reach * letters**2,), 1.0 / max(1, n_pairs))]
        weight.append(torch.full((n_sites * letters,), letter_share / n_sites))
        self.weight = torch.cat(weight)
        self._basis: tuple[Tensor, Tensor] | None = None

    def held(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the things that `n` sequences hold (`n x k`), and 1 for each; 0 where it repeats or is none."""
        block = x[..., self.start : self.start + self.n_sites * self.letters]
        there, letter = block.unflatten(-1, (self.n_sites, self.letters)).max(-1)
        is_there = there > 0
        first_letter = self.reach * self.letters**2
        number = [first_letter + torch.arange(self.n_sites) * self.letters + letter]
        counts = [is_there]
        for gap in range(1, self.reach + 1):
            number.append((gap - 1) * self.letters**2 + letter[..., :-gap] * self.letters + letter[..., gap:])
            counts.append(is_there[..., :-gap] & is_there[..., gap:])
        absent = len(self.weight)
        things = torch.where(torch.cat(counts, -1), torch.cat(number, -1), absent).sort(-1).values
        is_first = torch.ones_like(things, dtype=torch.bool)
        is_first[..., 1:] = things[..., 1:] != things[..., :-1]
        share = (is_first & (things < absent)).to(torch.float32)
        return things.clamp_max(absent - 1), share

    def dense(self, x: Tensor) -> Tensor:
        """The same as 0/1 columns, `n x (reach letters^2 + n_sites letters)`, single precision."""
        things, share = self.held(x)
        return torch.zeros(len(x), len(self.weight)).scatter_reduce_(1, things, share, "amax")

    def weigh(self, weight: Tensor, x: Tensor) -> None:
        """Take other weights, and keep what the history holds: every candidate is compared with it."""
        self.weight, self._basis = weight, None
        self._basis = (x, self._table(x))

    def _table(self, x: Tensor) -> Tensor:
        """Weight of each thing in each sequence, `things x n`."""
        if self._basis is not None and self._basis[0].shape == x.shape and torch.equal(self._basis[0], x):
            return self._basis[1]
        return (self.dense(x) * self.weight).mT.contiguous()

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: object
    ) -> Tensor:
        if x1.dim() > 2:
            return torch.stack([self.forward(a, b, diag=diag) for a, b in zip(x1, x2, strict=True)])
        if diag:
            things, share = self.held(x1)
            if not torch.equal(x1, x2):
                share = share * self.dense(x2).gather(1, things)
            shared = (self.weight[things] * share).sum(-1)
            return shared.to(x1.dtype) + self._whole(x1, x2, diag=True)
        things, share = self.held(x1)
        shared = embedding_bag(things, self._table(x2), mode="sum", per_sample_weights=share)
        return shared.to(x1.dtype) + self._whole(x1, x2)

    def _whole(self, x1: Tensor, x2: Tensor, *, diag: bool = False) -> Tensor:
        stop = self.start + self.n_sites * self.letters
        A, B = x1[..., self.start : stop].to(torch.float32), x2[..., self.start : stop].to(torch.float32)
        if diag:
            apart = (A - B).square().sum(-1) / 2
        else:
            apart = (A.square().sum(-1)[..., :, None] + B.square().sum(-1)[..., None, :]) / 2 - A @ B.mT
        return self.whole_share * torch.exp(-self.rate * apart.clamp_min(0) / self.n_sites).to(x1.dtype)


def motif_gp(
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    letters: int,
    reach: int = 8,
    rounds: int = 4,
    letter_share: float = 0.05,
    whole_share: float = 0.2,
    noise: float = 1e-3,
    max_points: int = 600,
    noise_floor: float = 1e-6,
) -> Model:
    """GP on which pairs of letters a sequence holds, and which letters where; it learns how much each of them counts.

    The weight of a thing becomes, round by round, what is expected of the square of its coefficient (expectation
    maximization for automatic relevance determination). What was seen to change nothing fades, what was never seen
    keeps its prior weight and draws exploration to itself; so many single changes are tried in one design.

    Args:
        X: `n x (d + f)` inputs, features in blocks of `letters` 0/1 columns, one block for each site.
        U: `n x m` utilities; sums of the effects of letters and pairs, so products want a log warp.
        d: number of latent columns.
        letters: columns of each site.
        reach: largest distance of the letters in a pair.
        rounds: of the weights; 0 leaves all of a kind alike.
        letter_share: see `RelevanceKernel`.
        whole_share: see `RelevanceKernel`.
        noise: variance of the noise, in standardized utilities.
        max_points: a longer history is thinned to so many points: the best, the newest, and random ones.
        noise_floor: smallest noise variance.

    Raises:
        InvdesignError: the features are not of that many letters.

    References:
        Tipping, Sparse Bayesian learning and the relevance vector machine, JMLR 1 (2001) 211.
    """
    f = X.shape[1] - d
    if f == 0 or f % letters:
        raise InvdesignError(
            f"motif_gp reads one block of {letters} columns for each site, got {f} feature columns; set "
            "surrogate.letters to the size of the domain's alphabet, a gap included"
        )
    keep = subset(U, max_points)
    X, U, level = X[keep], U[keep], max(noise, noise_floor)

    def one(u: Tensor) -> ConditionedGP:
        kernel = RelevanceKernel(
            f // letters, letters, start=d, reach=reach, letter_share=letter_share, whole_share=whole_share
        )
        held = kernel.dense(X)
        kernel.weigh(kernel.weight, X)
        model = ConditionedGP(kernel, X, u, noise=level, is_learnt=rounds > 0)
        for _ in range(rounds):
            kernel.weigh(_relevance(held, kernel.weight, model), X)
            model = ConditionedGP(kernel, X, u, noise=level, is_learnt=True)
        return model

    return each(U, one)


@torch.no_grad()
def _relevance(held: Tensor, weight: Tensor, model: ConditionedGP) -> Tensor:
    """Expected squares of the coefficients under the posterior: their means squared and their variances."""
    used = held.any(0).nonzero().squeeze(1)
    A, w = held[:, used], weight[used]
    mean = w * (A.mT @ model.weights[:, 0].to(torch.float32))
    V = torch.linalg.solve_triangular(model.root.to(torch.float32), A, upper=False)
    fresh = weight.clone()
    fresh[used] = (mean.square() + w - w.square() * V.square().sum(0)).clamp_min(1e-8)
    return fresh
