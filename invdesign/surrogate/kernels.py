"""Kernels: MinMax (Tanimoto) on counts, computed as one matrix product, and a deep kernel."""

from __future__ import annotations

import torch
from gpytorch.kernels import Kernel
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import InvdesignError

MAX_LEVELS = 24_000
"""Largest number of unary columns that counts are expanded to."""


def sum_of_minima(A: Float[Tensor, "*b n f"], B: Float[Tensor, "*b k f"]) -> Float[Tensor, "*b n k"]:
    """Return the sum over columns of `min(a, b)` for each pair of rows.

    Small whole numbers are expanded to unary 0/1 columns (`a >= 1`, `a >= 2`, ...), so that the sum is one matrix
    product in single precision, which is exact below 2^24. Columns that are zero on either side are dropped. Other
    values use `min(a, b) = (a + b - |a - b|) / 2`.

    Args:
        A: `... x n x f` values.
        B: `... x k x f` values.

    Returns:
        `... x n x k` sums.
    """
    if A.dim() == 2 and B.dim() == 2 and len(A) and len(B):
        top = torch.minimum(A.amax(0), B.amax(0))
        used = top > 0
        if not bool(used.any()):
            return A.new_zeros(len(A), len(B))
        A, B, top = A[:, used], B[:, used], top[used]
        is_whole = bool((A.round() == A).all()) and bool((B.round() == B).all())
        if is_whole and float(top.sum()) <= MAX_LEVELS:
            columns = torch.repeat_interleave(torch.arange(len(top), device=A.device), top.long())
            levels = torch.cat([torch.arange(1, int(t) + 1, device=A.device) for t in top.tolist()])
            return (_expand_unary(A, columns, levels) @ _expand_unary(B, columns, levels).mT).to(A.dtype)
    return (A.sum(-1)[..., :, None] + B.sum(-1)[..., None, :] - torch.cdist(A, B, p=1.0)) / 2


def _expand_unary(A: Tensor, columns: Tensor, levels: Tensor) -> Tensor:
    """Return whether each count reaches each level: `n x levels` of 0 and 1, single precision."""
    return (A.to(torch.float32)[:, columns] >= levels).to(torch.float32)


def minmax(A: Float[Tensor, "*b n f"], B: Float[Tensor, "*b k f"]) -> Float[Tensor, "*b n k"]:
    """Return the MinMax (generalized Tanimoto) similarity of every pair of rows: sum of minima over sum of maxima.

    Two empty rows have similarity 1.

    Args:
        A: `... x n x f` values >= 0.
        B: `... x k x f` values >= 0.

    Returns:
        `... x n x k` similarities in [0, 1].

    References:
        Ralaivola et al., Neural Networks 18 (2005) 1093, doi:10.1016/j.neunet.2005.07.009.

    Example:
        >>> minmax(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 3.0]])).tolist()
        [[0.25, 1.0]]
    """
    minima = sum_of_minima(A, B)
    maxima = A.sum(-1)[..., :, None] + B.sum(-1)[..., None, :] - minima
    return _divide_or_one(minima, maxima)


def _divide_or_one(minima: Tensor, maxima: Tensor) -> Tensor:
    return torch.where(maxima > 0, minima / maxima.clamp_min(1e-300), torch.ones_like(minima))


class MinMaxKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """`minmax` as a GPyTorch kernel, without hyperparameters, which caches its last matrix.

    Fitting the scale of a kernel evaluates the same matrix many times; comparing inputs costs a hundredth of it.
    """

    has_lengthscale = False

    def __init__(self, active_dims: tuple[int, ...] | None = None) -> None:
        """Create the kernel.

        Args:
            active_dims: Columns that the kernel reads, or None for all.
        """
        super().__init__(active_dims=active_dims)
        self._last: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(
        self,
        x1: Float[Tensor, "*b n f"],
        x2: Float[Tensor, "*b k f"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        if diag:
            if x1.shape == x2.shape and torch.equal(x1, x2):
                return torch.ones(x1.shape[:-1], dtype=x1.dtype, device=x1.device)
            return _divide_or_one(torch.minimum(x1, x2).sum(-1), torch.maximum(x1, x2).sum(-1))
        if x1.requires_grad or x2.requires_grad:
            return minmax(x1, x2)
        if self._last is not None:
            a, b, K = self._last
            if a.shape == x1.shape and b.shape == x2.shape and torch.equal(a, x1) and torch.equal(b, x2):
                return K
        K = minmax(x1, x2)
        self._last = (x1, x2, K)
        return K

    def clear_cache(self) -> None:
        """Release the cached matrix."""
        self._last = None


class DeepKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """Kernel on the output of a small network.

    References:
        Wilson et al. (2016), arXiv:1511.02222.
    """

    has_lengthscale = False

    def __init__(self, base: Kernel, *, d: int, n_inputs: int, widths: tuple[int, ...]) -> None:
        """Create the network.

        Args:
            base: Kernel on the output of the network.
            d: Number of leading columns that are latents. The rest are features, read as `log(1 + x)` because counts
                are skewed.
            n_inputs: Number of columns in total.
            widths: Widths of the layers; the last one is the dimension of the output.
        """
        super().__init__()
        self.base = base
        self.d = d
        layers: list[nn.Module] = []
        for n_in, n_out in zip((n_inputs, *widths[:-1]), widths, strict=True):
            layers += [nn.Linear(n_in, n_out, dtype=torch.float64), nn.Tanh()]
        self.network = nn.Sequential(*layers[:-1])

    def forward(
        self,
        x1: Float[Tensor, "*b n c"],
        x2: Float[Tensor, "*b k c"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        K: Tensor = self.base.forward(self._embed(x1), self._embed(x2), diag=diag, **params)
        return K

    def _embed(self, X: Tensor) -> Tensor:
        H: Tensor = self.network(torch.cat([X[..., : self.d], X[..., self.d :].clamp_min(0).log1p()], dim=-1))
        return H


def check_counts(F: Float[Tensor, "n f"]) -> None:
    """Raise an error for features that a MinMax kernel cannot read.

    Args:
        F: `n x f` features.

    Raises:
        InvdesignError: There are no feature columns, or there are negative values.
    """
    if F.shape[-1] == 0:
        raise InvdesignError(
            "Tanimoto surrogate: expected features of the domain, got none (0 columns after the latents). "
            "Use surrogate=exact_gp or auto, or a domain with features."
        )
    if bool((F < 0).any()):
        column = int((F < 0).any(0).nonzero()[0])
        raise InvdesignError(
            f"Tanimoto surrogate: expected counts or other features >= 0, got {float(F[:, column].min()):g} in "
            f"feature column {column}. Use surrogate=exact_gp, or shift these features."
        )
