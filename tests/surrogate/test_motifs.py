"""A kernel on shared elements of sequences, and a surrogate that learns their relevances."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate import cross_validate, motif_gp
from invdesign.surrogate.motifs import RelevanceKernel

LETTERS = "ABCD"


def encode(sequences: list[str]) -> Tensor:
    rows = [[float(a == letter) for a in sequence for letter in LETTERS] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.float64)


def random_sequences(n: int, length: int, *, seed: int) -> list[str]:
    rows = torch.randint(4, (n, length), generator=torch.Generator().manual_seed(seed)).tolist()
    return ["".join(LETTERS[i] for i in row) for row in rows]


def test_the_kernel_is_the_weight_of_shared_elements_plus_a_gaussian_of_the_differences() -> None:
    kernel = RelevanceKernel(4, 4, max_gap=2, letter_variance=0.4, residual_variance=0.5, rate=2.0)
    K = kernel(encode(["ABDD", "DABD"])).to_dense()
    # Five pairs of weight 1/5 each, four letters of .4/4; the last letters agree.
    assert K[0, 0].item() == pytest.approx(5 / 5 + 0.4 + 0.5)
    shared = ("AB", "BD", "A-D")
    assert K[0, 1].item() == pytest.approx(len(shared) / 5 + 0.1 + 0.5 * math.exp(-2.0 * 3 / 4))


def test_a_repeated_pair_counts_once() -> None:
    kernel = RelevanceKernel(4, 4, max_gap=1, letter_variance=0.0, residual_variance=0.0)
    assert kernel(encode(["ABAB"])).to_dense().item() == pytest.approx(2 / 3)


def test_cached_elements_do_not_change_the_kernel() -> None:
    X, Y = encode(random_sequences(9, 6, seed=0)), encode(random_sequences(5, 6, seed=1))
    kernel = RelevanceKernel(6, 4)
    before = kernel(Y, X).to_dense(), kernel(X).to_dense()
    kernel.set_weight(kernel.weight, X)
    torch.testing.assert_close((kernel(Y, X).to_dense(), kernel(X).to_dense()), before)
    torch.testing.assert_close(kernel(Y, diag=True), kernel(Y).to_dense().diagonal(), atol=1e-5, rtol=1e-5)
    crossed = kernel(Y, X[:5], diag=True), kernel(Y, X[:5]).to_dense().diagonal()
    torch.testing.assert_close(*crossed, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kernel(torch.stack([Y, Y])).to_dense()[1], kernel(Y).to_dense())


def test_positions_beyond_the_end_contain_no_elements() -> None:
    kernel = RelevanceKernel(4, 4, max_gap=2, letter_variance=0.4, residual_variance=0.0)
    short = torch.cat([encode(["AB"]), torch.zeros(1, 8).double()], 1)
    assert kernel(short).to_dense().item() == pytest.approx(1 / 5 + 2 * 0.1)


def test_the_surrogate_learns_which_pair_is_relevant_at_any_position() -> None:
    train, test = random_sequences(150, 10, seed=2), random_sequences(200, 10, seed=3)

    def value(sequence: str) -> float:
        return float(any(a + b == "AC" for a, b in zip(sequence, sequence[3:], strict=False)))

    def squared_error(n_rounds: int) -> float:
        u = torch.tensor([[value(sequence)] for sequence in train], dtype=torch.float64)
        model = motif_gp(encode(train), u, d=0, n_letters=4, n_rounds=n_rounds)
        with torch.no_grad():
            mean = model.posterior(encode(test).unsqueeze(1)).mean.flatten()
        return float((mean - torch.tensor([value(sequence) for sequence in test])).square().mean())

    assert squared_error(4) < 0.5 * squared_error(0)


def test_the_variance_stays_large_for_elements_without_data_only() -> None:
    sequences = [sequence.replace("D", "C") for sequence in random_sequences(150, 8, seed=4)]
    u = torch.tensor([[float("AB" in sequence)] for sequence in sequences], dtype=torch.float64)
    model = motif_gp(encode(sequences), u, d=0, n_letters=4)
    with torch.no_grad():
        new, old = model.posterior(encode(["CDCDCDCD", "CCACCBCC"]).unsqueeze(1)).variance.flatten().tolist()
    assert new > 3 * old


def test_features_of_another_alphabet_raise_an_error() -> None:
    with pytest.raises(InvdesignError, match=r"motif_gp: expected one block of 5 columns"):
        motif_gp(encode(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, n_letters=5)


def test_the_report_distinguishes_noise_from_a_signal_and_uses_no_random_numbers() -> None:
    X = encode(random_sequences(150, 12, seed=4))
    fit = partial(motif_gp, n_letters=4)
    signal = (X @ torch.randn(X.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64))[:, None]
    noise = torch.randn(150, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    state = torch.get_rng_state()
    reports = [cross_validate(fit(X, U, d=0), X, U, d=0, surrogate=fit) for U in (signal, noise)]
    assert torch.equal(state, torch.get_rng_state())
    assert [report.method for report in reports] == ["held-out", "held-out"]
    assert reports[0].rank_correlation[0] > 0.6 and abs(reports[1].rank_correlation[0]) < 0.4
