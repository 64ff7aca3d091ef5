"""Kernels on letters, and what a surrogate with them learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate import site_gp
from invdesign.surrogate.sites import GappedPairKernel, SiteKernel

LETTERS = "ABCD"


def encode(sequences: list[str]) -> Tensor:
    rows = [[float(a == letter) for a in sequence for letter in LETTERS] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.float64)


def test_the_hamming_kernel_is_the_exponential_of_the_weighted_number_of_differences() -> None:
    kernel = SiteKernel(3, 4)
    kernel.log_weight.data = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64).log()
    K = kernel(encode(["AAA", "ABA", "BBB"])).to_dense()
    expected = torch.tensor([[0, 2, 7], [2, 0, 5], [7, 5, 0]], dtype=torch.float64)
    torch.testing.assert_close(K, torch.exp(-expected))


def test_letters_with_similar_descriptors_are_nearer() -> None:
    table = torch.tensor([[0.0], [0.1], [3.0], [3.1]], dtype=torch.float64)
    near, far = SiteKernel(2, 4, descriptors=table)(encode(["AA"]), encode(["BA", "CA"])).to_dense()[0].tolist()
    assert near > 0.99 > far


def test_gapped_pairs_are_shared_at_any_position() -> None:
    kernel = GappedPairKernel(6, 4, max_gap=2)
    same, other = kernel(encode(["ABDDDD"]), encode(["DDDDAB", "CCCCCC"])).to_dense()[0].tolist()
    # Pairs one and two apart: AB, AxD, BD, BxD, DD, DxD against DD, DxD, DA, DxA, DxB, AB.
    assert same == pytest.approx(3 / math.sqrt(6 * 6), abs=1e-5)
    assert other == 0


def test_the_diagonal_of_a_kernel_is_that_of_its_matrix() -> None:
    X = encode(["ABCD", "BBAD", "DDDA"])
    for kernel in (SiteKernel(4, 4), SiteKernel(4, 4, descriptors=torch.eye(4).double()), GappedPairKernel(4, 4)):
        torch.testing.assert_close(kernel(X, diag=True), kernel(X).to_dense().diagonal(), atol=1e-5, rtol=1e-5)


def test_the_surrogate_learns_which_position_is_relevant() -> None:
    rows = torch.randint(4, (80, 5)).tolist()
    sequences = ["".join(LETTERS[i] for i in row) for row in rows]
    u = torch.tensor([[float(sequence[2] == "C")] for sequence in sequences], dtype=torch.float64)
    model = site_gp(encode(sequences), u, d=0, n_letters=4)
    with torch.no_grad():
        yes, no = model.posterior(encode(["AACAA", "AADAA"]).unsqueeze(1)).mean.flatten().tolist()
    assert yes > 0.8 and no < 0.2


def test_all_optional_kernels_can_be_combined() -> None:
    rows = torch.randint(4, (30, 5)).tolist()
    X = torch.cat([torch.randn(30, 2).double(), encode(["".join(LETTERS[i] for i in row) for row in rows])], 1)
    model = site_gp(
        X, X[:, :1], d=2, n_letters=4, descriptors=lambda: torch.eye(4).numpy(), max_gap=2, has_latent_kernel=True
    )
    assert model.posterior(X[:3]).mean.shape == (3, 1)


@pytest.mark.usefixtures("without_type_checks")
def test_features_or_descriptors_of_another_alphabet_raise_an_error() -> None:
    with pytest.raises(InvdesignError, match=r"site_gp: expected one block of 5 columns"):
        site_gp(encode(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, n_letters=5)
    with pytest.raises(InvdesignError, match="descriptors of 3 letters"):
        site_gp(
            encode(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, n_letters=4, descriptors=torch.eye(3).numpy()
        )
