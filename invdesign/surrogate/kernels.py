"""Kernels of the surrogates: MinMax (Tanimoto) on counts, computed by one matrix product, and a deep kernel."""

from __future__ import annotations

import torch
from gpytorch.kernels import Kernel
from torch import Tensor, nn

from invdesign.core import InvdesignError

MAX_LEVELS = 24_000


def sum_of_minima(A: Tensor, B: Tensor) -> Tensor:
    """Sum over columns of `min(a, b)` for each pair of rows, `... x n x f` and `... x k x f` to `... x n x k`.

    Small whole numbers are written in unary, one 0/1 column per level (`a >= 1`, `a >= 2`, ...), so that the sum is one
    matrix product in single precision, which is exact below 2^24. Columns that are zero on either side are dropped.
    Anything else goes through `min(a, b) = (a + b - |a - b|) / 2`.
    """
    if A.dim() == 2 and B.dim() == 2 and len(A) and len(B):
        top = torch.minimum(A.amax(0), B.amax(0))
        used = top > 0
        if not bool(used.any()):
            return A.new_zeros(len(A), len(B))
        A, B, top = A[:, used], B[:, used], top[used]
        whole = bool((A.round() == A).all()) and bool((B.round() == B).all())
        if whole and float(top.sum()) <= MAX_LEVELS:
            columns = torch.repeat_interleave(torch.arange(len(top), device=A.device), top.long())
            level = torch.cat([torch.arange(1, int(t) + 1, device=A.device) for t in top.tolist()])
            return (_unary(A, columns, level) @ _unary(B, columns, level).mT).to(A.dtype)
    return (A.sum(-1)[..., :, None] + B.sum(-1)[..., None, :] - torch.cdist(A, B, p=1.0)) / 2


def _unary(A: Tensor, columns: Tensor, level: Tensor) -> Tensor:
    """`n x levels` of 0 and 1, single precision."""
    return (A.to(torch.float32)[:, columns] >= level).to(torch.float32)


def minmax(A: Tensor, B: Tensor) -> Tensor:
    """MinMax (generalized Tanimoto) similarity of every pair of rows: sum of minima over sum of maxima.

    Two empty rows are alike (1).

    Args:
        A: `... x n x f`, not negative.
        B: `... x k x f`, not negative.

    Returns:
        `... x n x k` in [0, 1].

    References:
        Ralaivola et al., Neural Networks 18 (2005) 1093, doi:10.1016/j.neunet.2005.07.009.
    """
    least = sum_of_minima(A, B)
    most = A.sum(-1)[..., :, None] + B.sum(-1)[..., None, :] - least
    return torch.where(most > 0, least / most.clamp_min(1e-300), torch.ones_like(least))


class MinMaxKernel(Kernel):
    """`minmax` as a GPyTorch kernel. It has no hyperparameters, and it remembers its last answer.

    Fitting the scale of a kernel asks for one matrix again and again; comparing inputs costs a hundredth of it.
    """

    has_lengthscale = False

    def __init__(self, active_dims: tuple[int, ...] | None = None) -> None:
        super().__init__(active_dims=active_dims)
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: object
    ) -> Tensor:
        if diag:
            if x1.shape == x2.shape and torch.equal(x1, x2):
                return torch.ones(x1.shape[:-1], dtype=x1.dtype, device=x1.device)
            least = torch.minimum(x1, x2).sum(-1)
            most = torch.maximum(x1, x2).sum(-1)
            return torch.where(most > 0, least / most.clamp_min(1e-300), torch.ones_like(least))
        if x1.requires_grad or x2.requires_grad:
            return minmax(x1, x2)
        if self._last is not None:
            a, b, K = self._last
            if a.shape == x1.shape and b.shape == x2.shape and torch.equal(a, x1) and torch.equal(b, x2):
                return K
        K = minmax(x1, x2)
        self._last = (x1, x2, K)
        return K

    def forget(self) -> None:
        """Let the remembered matrix go."""
        self._last = None


class DeepKernel(Kernel):
    """A kernel on what a small network makes of the inputs (Wilson et al., 2016, arXiv:1511.02222).

    Args:
        base: the kernel on the network's output.
        d: how many leading columns are latents; the rest are features, read as `log(1 + x)` because counts are skewed.
        n_inputs: columns in all.
        widths: of the layers; the last one is the dimension of the learnt space.
    """

    has_lengthscale = False

    def __init__(self, base: Kernel, *, d: int, n_inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.base = base
        self.d = d
        layers: list[nn.Module] = []
        for n_in, n_out in zip((n_inputs, *widths[:-1]), widths, strict=True):
            layers += [nn.Linear(n_in, n_out, dtype=torch.float64), nn.Tanh()]
        self.network = nn.Sequential(*layers[:-1])

    def _embed(self, X: Tensor) -> Tensor:
        H: Tensor = self.network(torch.cat([X[..., : self.d], X[..., self.d :].clamp_min(0).log1p()], dim=-1))
        return H

    def forward(
        self, x1: Tensor, x2: Tensor, diag: bool = False, last_dim_is_batch: bool = False, **params: object
    ) -> Tensor:
        K: Tensor = self.base.forward(self._embed(x1), self._embed(x2), diag=diag, **params)
        return K


def check_counts(F: Tensor) -> None:
    """Refuse features that a MinMax kernel cannot read.

    Raises:
        InvdesignError: where there are no feature columns, or negative ones.
    """
    if F.shape[-1] == 0:
        raise InvdesignError(
            "a Tanimoto surrogate reads the domain's features, but there are none (0 columns after the latent); "
            "use surrogate exact_gp or auto, or a domain with features"
        )
    if bool((F < 0).any()):
        column = int((F < 0).any(0).nonzero()[0])
        raise InvdesignError(
            f"a Tanimoto surrogate reads counts or other values >= 0, but feature column {column} holds "
            f"{float(F[:, column].min()):g}; use surrogate exact_gp, or shift these features"
        )
