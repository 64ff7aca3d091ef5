"""What failures teach of which letters may follow each other."""

from __future__ import annotations

import torch
from torch import Tensor

from invdesign.surrogate import transition_feasibility

LETTERS = "ABC"


def hot(words: list[str]) -> Tensor:
    return torch.tensor([[float(a == b) for a in word for b in LETTERS] for word in words], dtype=torch.float64)


def test_pairs_of_feasible_sequences_cost_nothing_and_the_only_suspect_much() -> None:
    words = ["AAB", "BAA", "ABB", "BBA", "AAC", "BAC"]
    feasible = torch.tensor([True, True, True, True, False, False])
    rate = transition_feasibility(hot(words), feasible, 0, letters=3)
    known, suspect, unknown = rate(hot(["ABA", "AAC", "CCA"])).exp().tolist()
    assert known > 0.8
    assert suspect < 0.4 * known
    assert suspect < unknown < known


def test_failures_that_no_pair_explains_lower_all_alike() -> None:
    words = ["AAB", "BAA", "AAB", "BAA"]
    rate = transition_feasibility(hot(words), torch.tensor([True, True, False, False]), 0, letters=3)
    assert 0.4 < float(rate(hot(["AAB"])).exp()) < 0.8


def test_it_answers_in_the_shape_that_it_was_asked_in() -> None:
    rate = transition_feasibility(hot(["AAB", "BAC"]), torch.tensor([True, False]), 0, letters=3)
    assert rate(hot(["AAB", "BBB"]).view(2, 1, -1)).shape == (2, 1)


def test_pairs_of_designs_that_exist_are_known_without_being_measured() -> None:
    words, feasible = ["AAB", "AAC"], torch.tensor([True, False])
    rate = transition_feasibility(hot(words), feasible, 0, letters=3)
    told = transition_feasibility(hot(words), feasible, 0, letters=3, known=hot(["CBB"]).numpy())
    assert float(told(hot(["CBB"]))) > float(rate(hot(["CBB"])))
    assert float(told(hot(["ACB"]))) < float(told(hot(["CBB"])))
