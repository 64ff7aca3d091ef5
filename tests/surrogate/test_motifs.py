"""A kernel on what sequences share, and a surrogate that finds out which of it counts."""

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


def hot(words: list[str]) -> Tensor:
    rows = [[float(a == letter) for a in word for letter in LETTERS] for word in words]
    return torch.tensor(rows, dtype=torch.float64)


def words(n: int, length: int, *, seed: int) -> list[str]:
    rows = torch.randint(4, (n, length), generator=torch.Generator().manual_seed(seed)).tolist()
    return ["".join(LETTERS[i] for i in row) for row in rows]


def test_the_kernel_adds_the_weights_of_what_is_shared_and_a_gaussian_of_what_differs() -> None:
    kernel = RelevanceKernel(4, 4, reach=2, letter_share=0.4, whole_share=0.5, rate=2.0)
    K = kernel(hot(["ABDD", "DABD"])).to_dense()
    # Five pairs of weight 1/5 each, four letters of .4/4; the last letters agree.
    assert K[0, 0].item() == pytest.approx(5 / 5 + 0.4 + 0.5)
    shared = ("AB", "BD", "A-D")
    assert K[0, 1].item() == pytest.approx(len(shared) / 5 + 0.1 + 0.5 * math.exp(-2.0 * 3 / 4))


def test_a_pair_that_stands_twice_counts_once() -> None:
    kernel = RelevanceKernel(4, 4, reach=1, letter_share=0.0, whole_share=0.0)
    assert kernel(hot(["ABAB"])).to_dense().item() == pytest.approx(2 / 3)


def test_a_remembered_history_changes_no_answer() -> None:
    X, Y = hot(words(9, 6, seed=0)), hot(words(5, 6, seed=1))
    kernel = RelevanceKernel(6, 4)
    before = kernel(Y, X).to_dense(), kernel(X).to_dense()
    kernel.weigh(kernel.weight, X)
    torch.testing.assert_close((kernel(Y, X).to_dense(), kernel(X).to_dense()), before)
    torch.testing.assert_close(kernel(Y, diag=True), kernel(Y).to_dense().diagonal(), atol=1e-5, rtol=1e-5)
    crossed = kernel(Y, X[:5], diag=True), kernel(Y, X[:5]).to_dense().diagonal()
    torch.testing.assert_close(*crossed, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kernel(torch.stack([Y, Y])).to_dense()[1], kernel(Y).to_dense())


def test_sites_beyond_the_end_hold_nothing() -> None:
    kernel = RelevanceKernel(4, 4, reach=2, letter_share=0.4, whole_share=0.0)
    short = torch.cat([hot(["AB"]), torch.zeros(1, 8).double()], 1)
    assert kernel(short).to_dense().item() == pytest.approx(1 / 5 + 2 * 0.1)


def test_it_learns_which_pair_counts_wherever_it_stands() -> None:
    train, test = words(150, 10, seed=2), words(200, 10, seed=3)

    def value(word: str) -> float:
        return float(any(a + b == "AC" for a, b in zip(word, word[3:], strict=False)))

    def error(rounds: int) -> float:
        u = torch.tensor([[value(word)] for word in train], dtype=torch.float64)
        model = motif_gp(hot(train), u, d=0, letters=4, rounds=rounds)
        with torch.no_grad():
            mean = model.posterior(hot(test).unsqueeze(1)).mean.flatten()
        return float((mean - torch.tensor([value(word) for word in test])).square().mean())

    assert error(4) < 0.5 * error(0)


def test_what_was_never_seen_stays_uncertain_and_what_changed_nothing_does_not() -> None:
    seen = [word.replace("D", "C") for word in words(150, 8, seed=4)]
    u = torch.tensor([[float("AB" in word)] for word in seen], dtype=torch.float64)
    model = motif_gp(hot(seen), u, d=0, letters=4)
    with torch.no_grad():
        new, old = model.posterior(hot(["CDCDCDCD", "CCACCBCC"]).unsqueeze(1)).variance.flatten().tolist()
    assert new > 3 * old


def test_features_of_another_alphabet_are_refused() -> None:
    with pytest.raises(InvdesignError, match=r"one block of 5 columns"):
        motif_gp(hot(["ABCD", "ABCC"]), torch.zeros(2, 1).double(), d=0, letters=5)


def test_its_report_tells_noise_from_what_it_found_and_uses_up_no_random_numbers() -> None:
    X = hot(words(150, 12, seed=4))
    fit = partial(motif_gp, letters=4)
    signal = (X @ torch.randn(X.shape[1], generator=torch.Generator().manual_seed(1), dtype=torch.float64))[:, None]
    noise = torch.randn(150, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    state = torch.get_rng_state()
    found = [cross_validate(fit(X, U, d=0), X, U, d=0, surrogate=fit) for U in (signal, noise)]
    assert torch.equal(state, torch.get_rng_state())
    assert [report.method for report in found] == ["held-out", "held-out"]
    assert found[0].rank_correlation[0] > 0.6 and abs(found[1].rank_correlation[0]) < 0.4
