"""Kernels: MinMax (Tanimoto) on counts, and a deep kernel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from gpytorch.kernels import Kernel
from jaxtyping import Float
from torch import Tensor, nn

from invdesign.core import InvdesignError

MAX_LEVELS = 24_000
"""Largest number of unary columns that counts are expanded to."""
CHUNK = 2048
"""Rows of a table that are expanded at once, which bounds the memory."""
LEVEL_COST = 4.0
"""Time to expand a unary column, in units of the time of one value of a sparse row. Measured against 10,000 rows of 60
values on one thread: a column took 4.2 times as long as a value for 5 rows at once, their products included."""
LEVEL_COST_PER_ROW = 0.06
"""Time of the product of a unary column with one row, in the same unit. Measured as above: a column took 5.1 times as
long as a value for 45 rows at once and 12.1 times for 145, .07 for each row more."""
MAX_SHORT_SUM = 257
"""Values of a byte whose sum fits into two bytes."""


class CountTable:
    """Rows of small whole numbers as bytes, columns first, for fast sums of minima with other rows.

    Sparse rows, such as fingerprints, are compared with the table one at a time. For others counts are expanded to
    unary 0/1 columns (`a >= 1`, `a >= 2`, ...), so that the sum is one matrix product in single precision, which is
    exact below 2^24. Columns that are zero on either side are dropped.
    """

    def __init__(self, A: Float[Tensor, "n f"]) -> None:
        """Store rows.

        Args:
            A: `n x f` whole numbers from 0 to 255.
        """
        self.counts = A.mT.to(torch.uint8).contiguous()
        self.sums = A.sum(1)
        self.top = A.amax(0)

    def __len__(self) -> int:
        return self.counts.shape[1]

    def extended(self, A: Float[Tensor, "k f"]) -> CountTable:
        """Return the table with further rows.

        Args:
            A: `k x f` whole numbers from 0 to 255.
        """
        table = CountTable(A)
        table.counts = torch.cat([self.counts, table.counts], 1)
        table.sums, table.top = torch.cat([self.sums, table.sums]), torch.maximum(self.top, table.top)
        return table

    def sum_of_minima(self, A: Float[Tensor, "k f"], n: int) -> Float[Tensor, "k n"] | None:
        """Return the sums over columns of `min(a, b)` with the first `n` rows `b`; None for too many levels.

        Args:
            A: `k x f` whole numbers.
            n: Number of rows of the table.
        """
        top = torch.minimum(A.amax(0), self.top)
        n_levels = int(top.sum())
        cost = n_levels * (LEVEL_COST + LEVEL_COST_PER_ROW * len(A)) / torch.get_num_threads()
        if A.device.type == "cpu" and int((A > 0).sum()) < cost:
            return torch.from_numpy(self._sum_by_rows(A.to(torch.uint8).numpy(), n)).to(A.dtype)
        if n_levels > MAX_LEVELS:
            return None
        columns = torch.repeat_interleave(torch.arange(len(top), device=A.device), top.long())
        firsts = torch.cumsum(top, 0) - top
        levels = torch.arange(1, n_levels + 1, device=A.device) - firsts[columns].long()
        left = (A[:, columns] >= levels).to(torch.float32)
        parts = []
        for start in range(0, n, CHUNK):
            counts = self.counts[:, start : min(start + CHUNK, n)][columns]
            parts.append(left @ (counts >= levels[:, None].to(torch.uint8)).to(torch.float32))
        return torch.cat(parts, 1).to(A.dtype)

    def _sum_by_rows(self, A: npt.NDArray[np.uint8], n: int) -> npt.NDArray[np.float64]:
        """Return the same sums row by row from the columns that are not empty in it, which rows of fingerprints are."""
        counts = self.counts.numpy()
        sums = np.empty((len(A), n))
        for row, values in enumerate(A):
            (columns,) = values.nonzero()
            minima = np.minimum(counts[columns, :n], values[columns, None])
            sums[row] = minima.sum(0, dtype=np.uint32 if len(columns) > MAX_SHORT_SUM else np.uint16)
        return sums


def is_table(A: Float[Tensor, "*n f"]) -> bool:
    """Return whether values fit into a `CountTable`: rows of whole numbers from 0 to 255.

    Args:
        A: Values.
    """
    if A.dim() != 2 or not A.numel():
        return False
    # No other number is equal to what remains of it in a byte.
    return all(bool((rows.to(torch.uint8) == rows).all()) for rows in torch.split(A, CHUNK))


def sum_of_minima(
    A: Float[Tensor, "*b n f"], B: Float[Tensor, "*b k f"], table: CountTable | None = None
) -> Float[Tensor, "*b n k"]:
    """Return the sum over columns of `min(a, b)` for each pair of rows.

    Small whole numbers use a `CountTable`, other values `min(a, b) = (a + b - |a - b|) / 2`.

    Args:
        A: `... x n x f` values.
        B: `... x k x f` values.
        table: Table whose first rows are those of `B`, where there is one.

    Returns:
        `... x n x k` sums.
    """
    if is_table(A) and (table is not None or is_table(B)):
        minima = (table or CountTable(B)).sum_of_minima(A, len(B))
        if minima is not None:
            return minima
    return (A.sum(-1)[..., :, None] + B.sum(-1)[..., None, :] - torch.cdist(A, B, p=1.0)) / 2


def minmax(
    A: Float[Tensor, "*b n f"], B: Float[Tensor, "*b k f"], table: CountTable | None = None
) -> Float[Tensor, "*b n k"]:
    """Return the MinMax (generalized Tanimoto) similarity of every pair of rows: sum of minima over sum of maxima.

    Two empty rows have similarity 1.

    Args:
        A: `... x n x f` values >= 0.
        B: `... x k x f` values >= 0.
        table: Table whose first rows are those of `B`, where there is one.

    Returns:
        `... x n x k` similarities in [0, 1].

    References:
        Ralaivola et al., Neural Networks 18 (2005) 1093, doi:10.1016/j.neunet.2005.07.009.

    Example:
        >>> minmax(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 3.0]])).tolist()
        [[0.25, 1.0]]
    """
    minima = sum_of_minima(A, B, table)
    sums = B.sum(-1) if table is None else table.sums[: len(B)]
    maxima = A.sum(-1)[..., :, None] + sums[..., None, :]
    if maxima.requires_grad or not minima.is_floating_point():
        return _divide_or_one(minima, maxima - minima)
    # In place: with 10,000 designs each of these matrices has 12 MB for 145 rows.
    maxima.sub_(minima)
    return minima.div_(maxima).masked_fill_(maxima <= 0, 1.0)


def _divide_or_one(minima: Tensor, maxima: Tensor) -> Tensor:
    return torch.where(maxima > 0, minima / maxima.clamp_min(1e-300), torch.ones_like(minima))


class MinMaxKernel(Kernel):  # type: ignore[misc, unused-ignore]  # GPyTorch is not typed
    """`minmax` as a GPyTorch kernel, without hyperparameters, which caches its last matrix and a table of the data.

    Fitting the scale of a kernel evaluates the same matrix many times, and a posterior evaluates many points against
    the same data.
    """

    has_lengthscale = False

    def __init__(self, start: int = 0, stop: int | None = None) -> None:
        """Create the kernel.

        Args:
            start: First column that the kernel reads.
            stop: Column before which it stops; None reads to the last one.
        """
        super().__init__()
        self.start, self.stop = start, stop
        self._columns = slice(start, stop)
        self._last: tuple[Tensor, Tensor, Tensor] | None = None
        self._table: tuple[Tensor, CountTable] | None = None

    def forward(
        self,
        x1: Float[Tensor, "*b n f"],
        x2: Float[Tensor, "*b k f"],
        diag: bool = False,
        last_dim_is_batch: bool = False,
        **params: object,
    ) -> Float[Tensor, "*out"]:
        """Return the kernel matrix `... x n x k`, or its diagonal `... x n`."""
        A, B = x1[..., self._columns], x2[..., self._columns]
        if diag:
            if _is_same(x1, x2):
                return torch.ones(x1.shape[:-1], dtype=x1.dtype, device=x1.device)
            return _divide_or_one(torch.minimum(A, B).sum(-1), torch.maximum(A, B).sum(-1))
        if x1.requires_grad or x2.requires_grad:
            return minmax(A, B)
        if self._last is not None and _is_same(self._last[0], x1) and _is_same(self._last[1], x2):
            return self._last[2]
        K = minmax(A, B, self._table_of(x2) if x2.dim() == 2 else None)
        self._last = (x1, x2, K)
        return K

    def clear_cache(self) -> None:
        """Release the cached matrix and the table."""
        self._last = self._table = None

    def _table_of(self, X: Tensor) -> CountTable | None:
        """Return a table whose first rows are those of `X`; the largest one is kept."""
        known = self._table
        if known is not None and _shares_rows(known[0], X):
            n = len(known[0])
            if len(X) <= n:
                return known[1]
            if is_table(X[n:, self._columns]):
                self._table = (X, known[1].extended(X[n:, self._columns]))
                return self._table[1]
        if not is_table(X[:, self._columns]):
            return None
        table = CountTable(X[:, self._columns])
        if known is None or len(X) >= len(known[0]):
            self._table = (X, table)
        return table


def _is_same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and (_shares_rows(a, b) or torch.equal(a, b))


def _shares_rows(a: Tensor, b: Tensor) -> bool:
    """Return whether the rows of one matrix are, in memory, the first rows of the other."""
    return a.data_ptr() == b.data_ptr() and a.shape[1:] == b.shape[1:] and a.stride() == b.stride()


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
    if float(F.amin()) < 0:
        column = int((F < 0).any(0).nonzero()[0])
        raise InvdesignError(
            f"Tanimoto surrogate: expected counts or other features >= 0, got {float(F[:, column].min()):g} in "
            f"feature column {column}. Use surrogate=exact_gp, or shift these features."
        )
