"""Sums over the data of a sparse process, to which further data are added.

In shapes, `c` is the number of columns of the inputs, `k` that of inducing points, `m` that of objectives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from gpytorch.kernels import Kernel
from jaxtyping import Float
from torch import Tensor

from invdesign.surrogate.factor import RowFactor

CHUNK = 2048
"""Rows of the data that are added at once, which bounds the memory."""
JITTER = 1e-6


@dataclass(frozen=True, eq=False)
class SparseSums:
    """Sums over `n` rows of data from which a sparse posterior follows.

    With `V = L^-1 K_uf` and the factor `L` of the inducing points. Adding `b` rows takes O(b k^2) operations, however
    many there are.

    References:
        Titsias, Variational Learning of Inducing Variables in Sparse Gaussian Processes, AISTATS 2009.
    """

    points: Float[Tensor, "k c"]
    """Inducing points."""
    factor: RowFactor
    """Cholesky factor of their kernel matrix."""
    precision: Float[Tensor, "k k"]
    """`I + V V' / noise`."""
    weighted: Float[Tensor, "k m1"]
    """`V / noise` times the utilities, less `reference`, and times a column of ones."""
    reference: Float[Tensor, " m"]
    """Utilities from which the sums are counted, which keeps their digits."""
    n: int = 0
    """Number of rows."""
    n_chosen: int = 0
    """Number of rows from which the inducing points were chosen."""

    @classmethod
    def start(cls, kernel: Kernel, points: Float[Tensor, "k c"], reference: Float[Tensor, " m"]) -> SparseSums:
        """Return the sums over no data.

        Args:
            kernel: Kernel of standardized utilities.
            points: `k x c` inducing points.
            reference: `m` utilities of about the size of the data.
        """
        k = len(points)
        K = kernel(points).to_dense() + JITTER * torch.eye(k, dtype=points.dtype, device=points.device)
        factor = RowFactor().extended(k, lambda start, stop: K[start:stop, :stop])
        eye = torch.eye(k, dtype=points.dtype, device=points.device)
        return cls(points, factor, eye, points.new_zeros(k, len(reference) + 1), reference)

    def with_rows(
        self,
        kernel: Kernel,
        X: Float[Tensor, "n c"],
        U: Float[Tensor, "n m"],
        *,
        noise: float,
    ) -> SparseSums:
        """Return the sums over all rows, of which the first are those of these sums.

        Args:
            kernel: Kernel of standardized utilities.
            X: `n x c` inputs.
            U: `n x m` utilities.
            noise: Variance of the noise.
        """
        precision, weighted = self.precision.clone(), self.weighted.clone()
        for start in range(self.n, len(X), CHUNK):
            rows = X[start : start + CHUNK]
            V = self.factor.solve(kernel(self.points, rows).to_dense())
            scaled = V / noise
            values = U[start : start + CHUNK] - self.reference
            precision += scaled @ V.mT
            weighted += scaled @ torch.cat([values, torch.ones_like(values[:, :1])], 1)
        n_chosen = self.n_chosen or len(X)
        return replace(self, precision=precision, weighted=weighted, n=len(X), n_chosen=n_chosen)

    def right_side(
        self, offset: Float[Tensor, " m"], scale: Float[Tensor, " m"], prior_means: Float[Tensor, " m"]
    ) -> Float[Tensor, "k m"]:
        """Return `V / noise` times the utilities in standard form, less their prior means.

        Args:
            offset: Means of the utilities.
            scale: Their standard deviations.
            prior_means: Prior means of standardized utilities.
        """
        utilities, ones = self.weighted[:, :-1], self.weighted[:, -1:]
        return (utilities - ones * (offset - self.reference)) / scale - ones * prior_means

    def of_outputs(self, outputs: list[int]) -> SparseSums:
        """Return the sums of some of the objectives.

        Args:
            outputs: Objectives.
        """
        return replace(self, weighted=self.weighted[:, [*outputs, -1]], reference=self.reference[outputs])
