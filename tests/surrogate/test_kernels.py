"""The MinMax kernel against its definition."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.surrogate import MinMaxKernel, minmax
from invdesign.surrogate.kernels import CountTable, check_counts


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.booleans())
@settings(max_examples=40, deadline=None)
def test_minmax_equals_its_definition(minmax_by_definition, seed, n, k, f, is_whole):
    rng = np.random.default_rng(seed)
    A, B = rng.poisson(0.7, (n, f)).astype(float), rng.poisson(0.7, (k, f)).astype(float)
    if not is_whole:
        A, B = A * rng.random((n, f)), B * rng.random((k, f))
    assert np.allclose(minmax(torch.tensor(A), torch.tensor(B)).numpy(), minmax_by_definition(A, B), atol=1e-12)


@pytest.mark.parametrize(("rate", "n", "top"), [(0.02, 3, 1), (4.0, 40, 9), (200.0, 2, 255), (0.01, 60, 255)])
def test_sparse_and_dense_rows_have_the_minima_of_the_definition(rate, n, top):
    rng = np.random.default_rng(0)
    A, B = (rng.poisson(rate, (k, 700)).clip(0, top).astype(float) for k in (n, 30))
    A[0], B[0] = 0.0, top
    A[1] = 255.0
    found = CountTable(torch.tensor(B)).sum_of_minima(torch.tensor(A), 20)
    assert found is not None
    assert np.array_equal(found.numpy(), np.minimum(A[:, None], B[None, :20]).sum(-1))


def test_the_kernel_is_one_on_its_diagonal_also_for_empty_rows():
    A = torch.tensor([[0.0, 0.0], [1.0, 3.0]]).double()
    kernel = MinMaxKernel()
    assert kernel(A).to_dense().diagonal().tolist() == [1.0, 1.0]
    assert kernel(A, diag=True).tolist() == [1.0, 1.0]
    assert kernel(A, A.flip(0), diag=True).tolist() == [0.0, 0.0]


def test_two_thousand_by_two_thousand_fingerprints_take_about_a_second():
    A = torch.poisson(torch.full((2000, 2048), 0.04, dtype=torch.float64))
    start = time.process_time()
    minmax(A, A.flip(0))
    assert time.process_time() - start < 4


def test_features_that_are_missing_or_negative_raise_an_error():
    with pytest.raises(InvdesignError, match="got none"):
        check_counts(torch.zeros(2, 0))
    with pytest.raises(InvdesignError, match="feature column 1"):
        check_counts(torch.tensor([[0.0, -1.0]]))


def test_points_against_a_prefix_of_the_data_use_the_table_of_all(minmax_by_definition):
    A = torch.poisson(torch.full((40, 30), 0.8, dtype=torch.float64))
    B = torch.poisson(torch.full((9, 30), 0.8, dtype=torch.float64))
    kernel = MinMaxKernel(start=4)
    for n in (10, 40, 25):
        expected = minmax_by_definition(B[:, 4:].numpy(), A[:n, 4:].numpy())
        assert np.allclose(kernel(B, A[:n]).to_dense().numpy(), expected)
    kernel.clear_cache()
    assert np.allclose(kernel(B, A + 0.5).to_dense(), minmax_by_definition(B[:, 4:].numpy(), A[:, 4:].numpy() + 0.5))
