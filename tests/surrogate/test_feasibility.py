"""Feasibility learned from failed designs."""

from __future__ import annotations

from itertools import chain, product

import pytest
import torch
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate import feasibility_surrogate, transition_feasibility

D, F = 3, 12
LETTERS = "ABC"


def encode(sequences: list[str]) -> Tensor:
    rows = [[float(a == b) for a in sequence for b in LETTERS] for sequence in sequences]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("f", [0, F])
def test_feasibility_is_learned_from_failed_designs(build, f) -> None:  # type: ignore[no-untyped-def]
    X, _ = build(n=200, f=f)
    if f:
        X[:, D] = torch.where(torch.rand(200) < 0.3, 15.0, 0.0)
        is_feasible = X[:, D] < 1
    else:
        is_feasible = X[:, 0] < 0.5
    probability = feasibility_surrogate(X[:150], is_feasible[:150], D)(X[150:]).exp()
    assert bool((probability > 0).all()) and bool((probability <= 1).all())
    assert float(probability[is_feasible[150:]].mean()) > 0.8 > 0.4 > float(probability[~is_feasible[150:]].mean())


def test_feasibility_far_from_all_data_is_the_base_rate(build) -> None:  # type: ignore[no-untyped-def]
    X, _ = build(n=98, f=0)
    is_feasible = torch.arange(98) < 74  # (74 + 1) / (98 + 2)
    log_probability = feasibility_surrogate(X, is_feasible, D)
    assert float(log_probability(torch.full((1, D), 1e3).double()).exp()) == pytest.approx(0.75, abs=1e-6)
    assert log_probability(torch.zeros(2, 5, D).double()).shape == (2, 5)
    assert feasibility_surrogate(X[:0], is_feasible[:0], D)(X).tolist() == [0.0] * 98


def test_pairs_of_feasible_sequences_cost_nothing_and_the_only_suspect_much() -> None:
    sequences = ["AAB", "BAA", "ABB", "BBA", "AAC", "BAC"]
    is_feasible = torch.tensor([True, True, True, True, False, False])
    log_probability = transition_feasibility(encode(sequences), is_feasible, 0, n_letters=3)
    allowed, suspect, without_data = log_probability(encode(["ABA", "AAC", "CCA"])).exp().tolist()
    assert allowed > 0.8
    assert suspect < 0.4 * allowed
    assert suspect < without_data < allowed


def test_failures_that_no_pair_explains_lower_all_probabilities_alike() -> None:
    sequences = ["AAB", "BAA", "AAB", "BAA"]
    is_feasible = torch.tensor([True, True, False, False])
    log_probability = transition_feasibility(encode(sequences), is_feasible, 0, n_letters=3)
    assert 0.4 < float(log_probability(encode(["AAB"])).exp()) < 0.8


def test_log_probabilities_have_the_batch_shape_of_the_inputs() -> None:
    log_probability = transition_feasibility(encode(["AAB", "BAC"]), torch.tensor([True, False]), 0, n_letters=3)
    assert log_probability(encode(["AAB", "BBB"]).view(2, 1, -1)).shape == (2, 1)


def test_log_probabilities_are_on_the_device_of_the_inputs() -> None:
    X, is_feasible = encode(["AAB", "BAC"]), torch.tensor([True, False])
    with torch.device("meta"):
        values = transition_feasibility(X, is_feasible, 0, n_letters=3, feasible_features=X.numpy())(X)
        constant = feasibility_surrogate(X, is_feasible | True, 0)(X)
    assert values.device == constant.device == X.device


def test_pairs_of_further_feasible_designs_are_allowed_without_a_measurement() -> None:
    X, is_feasible = encode(["AAB", "AAC"]), torch.tensor([True, False])
    without = transition_feasibility(X, is_feasible, 0, n_letters=3)
    further = encode(["CBB"]).numpy()
    with_further = transition_feasibility(X, is_feasible, 0, n_letters=3, feasible_features=further)
    assert float(with_further(encode(["CBB"]))) > float(without(encode(["CBB"])))
    assert float(with_further(encode(["ACB"]))) < float(with_further(encode(["CBB"])))


def test_probabilities_of_suspects_are_exact_where_failures_and_suspects_form_a_tree() -> None:
    suspects = {"AABA": ("AB", "BA"), "BBBA": ("BA", "BB"), "CCBB": ("BB", "CB", "CC")}
    prior, p_other = 0.6, 1 / 3
    log_probability = transition_feasibility(
        encode(["AAAA", *suspects]), torch.arange(4) < 1, 0, n_letters=3, prior=prior, strength=1e12
    )
    pairs = sorted(set(chain(*suspects.values())))
    total, of_allowed = 0.0, dict.fromkeys(pairs, 0.0)
    for states in product([True, False], repeat=len(pairs)):
        is_allowed = dict(zip(pairs, states, strict=True))
        weight = prior ** sum(states) * (1 - prior) ** (len(pairs) - sum(states))
        for group in suspects.values():
            weight *= p_other if all(is_allowed[pair] for pair in group) else 1.0
        total += weight
        for pair in pairs:
            of_allowed[pair] += weight * is_allowed[pair]
    for pair in pairs:
        assert float(log_probability(encode([pair])).exp()) == pytest.approx(of_allowed[pair] / total, abs=1e-6)


def test_the_only_suspect_of_a_failure_is_nearly_certain_after_many_feasible_sequences() -> None:
    log_probability = transition_feasibility(encode(["AABB"] * 50 + ["AABC"]), torch.arange(51) < 50, 0, n_letters=3)
    assert float(log_probability(encode(["BC"])).exp()) < 0.1


def test_the_fraction_of_allowed_pairs_is_learned_from_pairs_that_were_tried() -> None:
    X = encode(["AAA", "AAB", "AAC", "CCA", "BAA", "CBA"])
    many_allowed = torch.tensor([True, False, True, True, True, True])
    few_allowed = torch.tensor([True, False, False, False, False, False])
    rates = [
        float(transition_feasibility(X, is_feasible, 0, n_letters=3)(encode(["BB"])).exp())
        for is_feasible in (many_allowed, few_allowed)
    ]
    assert rates[0] > 0.7 > 0.4 > rates[1]


def test_pairs_of_seed_and_further_designs_do_not_raise_the_fraction_of_allowed_pairs() -> None:
    rates = []
    for seeds, further in [(["AAA"], ["AAA"]), (["AAA", "ACA", "CBC"], ["AAA"]), (["AAA"], ["ACA", "CBC"])]:
        log_probability = transition_feasibility(
            encode([*seeds, "AAB"]),
            torch.arange(len(seeds) + 1) < len(seeds),
            0,
            n_letters=3,
            feasible_features=encode(further).numpy(),
        )
        rates.append(float(log_probability(encode(["BB"])).exp()))
    assert rates == pytest.approx([rates[0]] * 3, abs=0.05)


@pytest.mark.parametrize("options", [{"prior": 0.0}, {"prior": 1.0}, {"strength": 0.0}])
def test_a_prior_without_doubt_is_refused(options: dict[str, float]) -> None:
    X, is_feasible = encode(["AAB", "BAC"]), torch.tensor([True, False])
    with pytest.raises(InvdesignError, match="transition_feasibility: expected a prior"):
        transition_feasibility(X, is_feasible, 0, n_letters=3, **options)
