"""The factor that grows: against the factor of the whole matrix."""

import pytest
import torch
from linear_operator.utils.errors import NotPSDError

from invdesign.surrogate.factor import BLOCK, RowFactor

N = 2 * BLOCK + 17


def positive_definite(n=N):
    A = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return A @ A.T + 0.1 * torch.eye(n, dtype=torch.float64)


def factor_of(A, n=None, grown_from=None):
    return (grown_from or RowFactor()).extended(len(A) if n is None else n, lambda start, stop: A[start:stop, :stop])


def test_the_factor_is_that_of_the_whole_matrix():
    A = positive_definite()
    factor, L = factor_of(A), torch.linalg.cholesky(A)
    assert len(factor) == N
    assert torch.allclose(factor.lower_right(N), L, atol=1e-9)
    assert torch.allclose(factor.lower_right(BLOCK + 5), L[-BLOCK - 5 :, -BLOCK - 5 :], atol=1e-9)
    assert torch.allclose(factor.diagonal(), L.diagonal())


@pytest.mark.parametrize("steps", [[20], [1, 2, 3], [BLOCK], [BLOCK - 1, BLOCK + 1, 2 * BLOCK]])
def test_a_grown_factor_has_the_digits_of_one_that_was_computed_at_once(steps):
    A = positive_definite()
    grown = RowFactor()
    for n in [*steps, N]:
        grown = factor_of(A, n, grown)
    assert torch.equal(grown.lower_right(N), factor_of(A).lower_right(N))


def test_rows_that_are_known_are_not_computed_again():
    A, asked = positive_definite(), []

    def rows(start, stop):
        asked.append((start, stop))
        return A[start:stop, :stop]

    factor_of(A, 2 * BLOCK).extended(N, rows)
    assert asked == [(2 * BLOCK, N)]


def test_triangular_systems_are_solved():
    A, B = positive_definite(), torch.randn(N, 3, dtype=torch.float64)
    factor = factor_of(A)
    assert torch.allclose(factor.solve_transposed(factor.solve(B)), torch.linalg.solve(A, B))


def test_gradients_flow_to_the_right_hand_side():
    factor = factor_of(positive_definite(BLOCK + 3))
    B = torch.randn(BLOCK + 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(factor.solve, B)


def test_a_matrix_that_is_not_positive_definite_is_an_error():
    with pytest.raises(NotPSDError):
        factor_of(-torch.eye(3, dtype=torch.float64))
