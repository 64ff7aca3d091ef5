"""MutationPolicy stay within their radius and within the scope; projection keeps what the decoder likes best."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.mutations import mutate, project_to_radius
from invdesign.domains.sequences.wild_type.design_constraints import Scope
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance

PROTEIN = letters_of("protein")
OWN = "MKTAYIAKQR"
WILD = WildType(OWN, "toy", first=10)
FREE = Sequences(length=10)


@given(st.integers(1, 4), st.integers(0, 2**31))
def test_edits_stay_within_their_radius(radius: int, seed: int) -> None:
    torch.manual_seed(seed)
    made = mutate([OWN, "MKTAYIAKQK", "AKTAYIAKQR"], 30, radius=radius, domain=FREE, shifted=0.0)
    assert all(len(m) == len(OWN) and distance(m, OWN) <= 2 * radius + 2 for m in made)
    alone = mutate([OWN], 30, radius=radius, domain=FREE, shifted=0.0)
    assert all(distance(m, OWN) <= radius for m in alone) and len(set(alone)) > 10


@given(st.integers(0, 2**31))
def test_a_block_that_moves_keeps_its_letters(seed: int) -> None:
    torch.manual_seed(seed)
    for made in mutate([OWN], 20, radius=1, domain=FREE, crossed=0.0, shifted=1.0):
        assert Levenshtein.distance(made, OWN) <= 3


@given(st.integers(0, 2**31))
def test_blocks_go_anywhere_and_come_from_any_parent(seed: int) -> None:
    torch.manual_seed(seed)
    whole = {"crossed": 0.0, "shifted": 0.0}
    for made in mutate([OWN], 20, radius=1, domain=FREE, moved=1.0, **whole):
        assert len(made) == len(OWN) and sum(a not in OWN for a in made) <= 1
    for made in mutate([OWN, "WWWWWWWW"], 20, radius=1, domain=Sequences(), pasted=1.0, **whole):
        changed = [i for i, a in enumerate(made) if a == "W"]
        assert abs(len(made) - len(OWN)) <= 3 and (len(changed) <= 5 or len(made) <= 9)


@given(st.integers(0, 2**31))
def test_only_what_the_scope_allows_is_changed(seed: int) -> None:
    torch.manual_seed(seed)
    domain = Sequences(length="fixed", wild_type=WILD, designable={11: "RH", 13: ""}, forbidden="C")
    for made in mutate([OWN, "MRTAYIAKQR"], 30, radius=3, domain=domain):
        assert not domain.scope.trouble(made)


def test_lengths_change_where_they_may_and_stay_between_their_limits() -> None:
    torch.manual_seed(0)
    made = mutate([OWN], 300, radius=4, domain=Sequences(min_length=9, max_length=11))
    assert {len(m) for m in made} == {9, 10, 11}


def test_the_same_random_numbers_make_the_same_sequences() -> None:
    torch.manual_seed(3)
    first = mutate([OWN], 10, radius=2, domain=FREE)
    torch.manual_seed(3)
    assert mutate([OWN], 10, radius=2, domain=FREE) == first


class Decoder:
    """Prefers at every place a letter of its own."""

    def __init__(self, liking: torch.Tensor) -> None:
        self.liking = liking

    def logits(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.liking.expand(len(x), -1, -1)


def space(liking: torch.Tensor) -> Any:
    def to_batch(designs: list[str]) -> torch.Tensor:
        return torch.tensor([[PROTEIN.index(a) for a in design.ljust(6, "A")] for design in designs])

    return SimpleNamespace(scale=1.0, shift=0.0, domain=SimpleNamespace(to_batch=to_batch), vae=Decoder(liking))


def test_projection_keeps_the_likeliest_changes_and_leaves_near_designs_alone() -> None:
    liking = torch.zeros(6, 20)
    liking[1, PROTEIN.index("W")], liking[3, PROTEIN.index("W")] = 5.0, 9.0
    found = project_to_radius(space(liking), torch.zeros(3, 1), ["WWWW", None, "AAWA"], "AAAA", 1)
    assert found == ["AAAW", None, "AAWA"]


def test_projection_between_lengths_keeps_as_many_edits_as_it_may() -> None:
    found = project_to_radius(space(torch.zeros(6, 20)), torch.zeros(1, 1), ["WAAAAW"], "AAAA", 1)[0]
    assert len(found) == 5 and distance(found, "AAAA") == 1


def test_mutations_are_named_by_the_numbers_of_the_wild_type() -> None:
    assert WILD.mutations("MKTAYIAKQK") == ("R19K",)
    assert WILD.mutations("MKGGTAYIAKQR") == ("11insGG",)
    assert WILD.mutations("KTAYIAKQR") == ("M10del",)
    assert WILD.mutated(["T12A", "R19K"]) == "MKAAYIAKQK"
    with pytest.raises(InvdesignError, match="residue 12 of 'toy' is T, not A"):
        WILD.mutated(["A12G"])


def test_a_scope_says_what_is_out_of_bounds_and_puts_it_right() -> None:
    scope = Scope(PROTEIN, WILD, fixed=[10], forbidden="C", max_mutations=1)
    assert scope.trouble("AKTAYIAKQR") == "not allowed: M10A"
    assert scope.trouble("MKTAYIAKQC") == "not allowed: R19C"
    assert scope.trouble("MKAAYIAKQK") == "2 mutations, allowed are 1"
    assert scope.restored("AKTAYIAKQC") == OWN
    with pytest.raises(InvdesignError, match="no residue 99"):
        Scope(PROTEIN, WILD, fixed=[99])
