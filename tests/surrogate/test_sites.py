"""Kernels on letters, and what a surrogate of them learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate import site_gp
from invdesign.surrogate.sites import MotifKernel, SiteKernel

LETTERS = "ABCD"


def hot(words: list[str]) -> Tensor:
    rows = [[float(a == letter) for a in word for letter in LETTERS] for word in words]
    return torch.tensor(rows, dtype=torch.float64)


def test_the_hamming_kernel_is_a_power_of_the_weighted_number_of_differences() -> None:
    kernel = SiteKernel(3, 4)
    kernel.log_weight.data = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).log()
    K = kernel(hot(["AAA", "ABA", "BBB"])).to_dense()
    expected = torch.tensor([[0, 2, 7], [2, 0, 5], [7, 5, 0]], dtype=torch.float64)
    torch.testing.assert_close(K, torch.exp(-expected))


def test_letters_that_are_alike_are_nearer_with_descriptors() -> None:
    table = torch.tensor([[0.0], [0.1], [3.0], [3.1]], dtype=torch.float64)
    near, far = SiteKernel(2, 4, descriptors=table)(hot(["AA"]), hot(["BA", "CA"])).to_dense()[0].tolist()
    assert near > 0.99 > far


def test_a_motif_is_found_again_wherever_it_stands() -> None:
    kernel = MotifKernel(6, 4, reach=2)
    same, other = kernel(hot(["ABDDDD"]), hot(["DDDDAB", "CCCCCC"])).to_dense()[0].tolist()
    # Pairs one and two apart: AB, AxD, BD, BxD, DD, DxD against DD, DxD, DA, DxA, DxB, AB.
    assert same == pytest.approx(3 / math.sqrt(6 * 6), abs=1e-5)
    assert other == 0


def test_the_diagonal_of_the_kernels_is_what_the_whole_says() -> None:
    X = hot(["ABCD", "BBAD", "DDDA"])
    for kernel in (SiteKernel(4, 4), SiteKernel(4, 4, descriptors=torch.eye(4).double()), MotifKernel(4, 4)):
        torch.testing.assert_close(kernel(X, diag=True), kernel(X).to_dense().diagonal(), atol=1e-5, rtol=1e-5)


def test_it_learns_which_site_matters() -> None:
    torch.manual_seed(0)
    words = ["".join(LETTERS[i] for i in row) for row in torch.randint(4, (80, 5)).tolist()]
    u = torch.tensor([[float(word[2] == "C")] for word in words], dtype=torch.float64)
    model = site_gp(hot(words), u, d=0, letters=4)
    with torch.no_grad():
        yes, no = model.posterior(hot(["AACAA", "AADAA"]).unsqueeze(1)).mean.flatten().tolist()
    assert yes > 0.8 and no < 0.2


def test_features_of_another_alphabet_are_refused() -> None:
    with pytest.raises(InvdesignError, match=r"one block of 5 columns"):
        site_gp(hot(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, letters=5)
    with pytest.raises(InvdesignError, match="descriptors of 3 letters"):
        site_gp(hot(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, letters=4, descriptors=torch.eye(3))
