"""Data for surrogates: latents and counts, and utilities that depend on both."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

D, F = 3, 12


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def build() -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """`n x (3 + f)` inputs and `n x m` utilities with mean about 5 and sd about 100."""

    def data(n: int = 40, m: int = 1, f: int = F) -> tuple[torch.Tensor, torch.Tensor]:
        Z = torch.randn(n, D, dtype=torch.float64)
        counts = torch.poisson(torch.rand(n, f, dtype=torch.float64) * 2)
        U = torch.stack([1.5 * Z[:, j % D].sin() + 0.6 * counts[:, :4].sum(1) * (f > 0) for j in range(m)], 1)
        return torch.cat([Z, counts], 1), 5 + 100 * U

    return data


@pytest.fixture(scope="session")
def minmax_by_definition() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """MinMax similarity, one pair of rows after the other; 1 for two empty rows."""

    def similarity(A: np.ndarray, B: np.ndarray) -> np.ndarray:
        minima, maxima = np.minimum(A[:, None], B[None]).sum(-1), np.maximum(A[:, None], B[None]).sum(-1)
        return np.where(maxima > 0, minima / np.where(maxima > 0, maxima, 1), 1.0)

    return similarity
