"""The choice of training rows, and kernels with priors."""

import math

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.surrogate.fitting import build_latent_kernel, choose_rows


def test_some_rows_of_a_long_history_contain_the_best_and_the_newest():
    U = torch.randn(1000, 1).double()
    rows = choose_rows(U, 90)
    assert len(rows) == 90 == len(set(rows.tolist()))
    assert set(U[:, 0].topk(30).indices.tolist()) <= set(rows.tolist())
    assert set(range(970, 1000)) <= set(rows.tolist())


def test_all_rows_of_a_short_history_are_chosen():
    assert choose_rows(torch.randn(5, 2), 5).tolist() == [0, 1, 2, 3, 4]


def test_the_prior_of_the_lengthscale_grows_with_the_square_root_of_the_dimension():
    small, large = build_latent_kernel(4), build_latent_kernel(16)
    assert large.lengthscale_prior.loc - small.lengthscale_prior.loc == pytest.approx(math.log(2))


@pytest.mark.usefixtures("without_type_checks")
def test_an_unknown_kernel_raises_an_error():
    with pytest.raises(InvdesignError, match="expected kernel 'matern' or 'rbf'"):
        build_latent_kernel(2, kernel="linear")
