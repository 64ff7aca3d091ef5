"""Cholesky factor of a matrix that grows row by row.

Shapes: the matrix is `n x n`; a right-hand side is `n x k`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from linear_operator.utils.cholesky import psd_safe_cholesky
from torch import Tensor

BLOCK = 32
"""Rows of a block. The rows of an incomplete last block are computed again when the matrix grows."""


@dataclass(frozen=True, eq=False)
class RowFactor:
    """Lower Cholesky factor `L` of a positive definite matrix `L L' = A`, stored in blocks of rows.

    Appending `b` rows takes O(n^2 b) operations, no row is copied, and only the lower triangle is stored: 0.4 GB for
    10,000 rows in double precision. A block depends on the rows up to its own end alone, so that a factor has the same
    digits however it was grown.

    Example:
        >>> A = torch.tensor([[4.0, 2.0], [2.0, 5.0]], dtype=torch.float64)
        >>> factor = RowFactor().extended(2, lambda start, stop: A[start:stop, :stop])
        >>> factor.solve(torch.tensor([[2.0], [5.0]], dtype=torch.float64)).flatten().tolist()
        [1.0, 2.0]
    """

    blocks: tuple[Tensor, ...] = ()
    """Block `i` contains rows `32 i` to `32 (i + 1)` of `L`, its columns up to the diagonal."""

    def __len__(self) -> int:
        return self.blocks[-1].shape[1] if self.blocks else 0

    def first(self, n: int) -> RowFactor:
        """Return the factor of at most the first `n` rows and columns, whole blocks only.

        Args:
            n: Largest number of rows.
        """
        return RowFactor(self.blocks[: n // BLOCK])

    def extended(self, n: int, rows: Callable[[int, int], Float[Tensor, "k stop"]]) -> RowFactor:
        """Return the factor of a larger matrix, whose first rows are those of this one.

        Args:
            n: Number of rows of the larger matrix.
            rows: Function from `(start, stop)` to the rows `start` to `stop` of the matrix and their first `stop`
                columns.

        Raises:
            NotPSDError: The matrix is not positive definite.
        """
        blocks = list(self.first(len(self)).blocks)
        room: list[Tensor] = []
        for start in range(len(blocks) * BLOCK, n, BLOCK):
            A = rows(start, min(start + BLOCK, n))
            room = room or _make_room(A, start, n)
            left = RowFactor(tuple(blocks)).solve(A[:, :start].mT).mT
            block = room.pop()
            block[:, :start] = left
            block[:, start:] = psd_safe_cholesky(A[:, start:] - left @ left.mT)
            blocks.append(block)
        return RowFactor(tuple(blocks))

    def solve(self, B: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Return `L^-1 B`; gradients flow to `B`.

        Args:
            B: `n x k` right-hand side.
        """
        solution: Tensor = _Solve.apply(B, self)  # type: ignore[no-untyped-call]
        return solution

    def solve_transposed(self, B: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """Return `L^-T B`, without gradients.

        Args:
            B: `n x k` right-hand side.
        """
        X = B.clone()
        for start, stop, block in reversed(list(self._spans())):
            X[start:stop] = torch.linalg.solve_triangular(block[:, start:].mT, X[start:stop], upper=True)
            X[:start] -= block[:, :start].mT @ X[start:stop]
        return X

    def diagonal(self) -> Float[Tensor, " n"]:
        """Return the diagonal of `L`."""
        return torch.cat([block[:, start:].diagonal() for start, _, block in self._spans()])

    def lower_right(self, k: int) -> Float[Tensor, "k k"]:
        """Return the last `k` rows and columns of `L`. Their inverse is the lower right part of `L^-1`.

        Args:
            k: Number of rows, at most `n`.
        """
        n = len(self)
        corner = self.blocks[0].new_zeros(k, k)
        for start, stop, block in self._spans():
            if stop > n - k:
                top = max(start, n - k)
                corner[top - n + k : stop - n + k, : stop - n + k] = block[top - start :, n - k :]
        return corner

    def _spans(self) -> Iterator[tuple[int, int, Tensor]]:
        """Yield the first row, the end and the rows of each block."""
        for block in self.blocks:
            stop = block.shape[1]
            yield stop - len(block), stop, block


def _make_room(like: Tensor, first: int, n: int) -> list[Tensor]:
    """Return empty blocks from row `first` to row `n`, the last one first.

    Whole blocks are parts of one tensor, so that temporary ones leave no gaps between them. An incomplete block, which
    is replaced when the matrix grows, has its own.
    """
    stops = list(range(first + BLOCK, n + 1, BLOCK))
    parts = like.new_empty(BLOCK * sum(stops)).split([BLOCK * stop for stop in stops])
    whole = [part.view(BLOCK, stop) for part, stop in zip(parts, stops, strict=True)]
    n_left = (n - first) % BLOCK
    return ([like.new_empty(n_left, n)] if n_left else []) + whole[::-1]


class _Solve(torch.autograd.Function):
    """`L^-1 B` by blocks: written in place, which automatic differentiation does not allow."""

    @staticmethod
    def forward(ctx: Any, B: Tensor, factor: RowFactor) -> Tensor:
        ctx.factor = factor
        V = torch.empty_like(B, memory_format=torch.contiguous_format)
        for start, stop, block in factor._spans():
            rest = B[start:stop] - block[:, :start] @ V[:start]
            V[start:stop] = torch.linalg.solve_triangular(block[:, start:], rest, upper=False)
        return V

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.factor.solve_transposed(gradient), None
