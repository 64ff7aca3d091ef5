"""Mutations stay within their radius and the design constraints; projection keeps the likeliest edits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.mutations import mutate, project_to_radius
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance

PROTEIN = letters_of("protein")
OWN = "MKTAYIAKQR"
WILD_TYPE = WildType(OWN, "toy", first=10)
FREE = Sequences(length=10)


@given(st.integers(1, 4), st.integers(0, 2**31))
def test_mutations_stay_within_their_radius(radius: int, seed: int) -> None:
    torch.manual_seed(seed)
    made = mutate([OWN, "MKTAYIAKQK", "AKTAYIAKQR"], 30, radius=radius, domain=FREE, shift_rate=0.0)
    assert all(len(m) == len(OWN) and distance(m, OWN) <= 2 * radius + 2 for m in made)
    alone = mutate([OWN], 30, radius=radius, domain=FREE, shift_rate=0.0)
    assert all(distance(m, OWN) <= radius for m in alone) and len(set(alone)) > 10


@given(st.integers(0, 2**31))
def test_a_shifted_block_keeps_its_letters(seed: int) -> None:
    torch.manual_seed(seed)
    for made in mutate([OWN], 20, radius=1, domain=FREE, crossover_rate=0.0, shift_rate=1.0):
        assert Levenshtein.distance(made, OWN) <= 3


@given(st.integers(0, 2**31))
def test_blocks_move_to_any_position_and_come_from_any_parent(seed: int) -> None:
    torch.manual_seed(seed)
    rates = {"crossover_rate": 0.0, "shift_rate": 0.0}
    for made in mutate([OWN], 20, radius=1, domain=FREE, move_rate=1.0, **rates):
        assert len(made) == len(OWN) and sum(a not in OWN for a in made) <= 1
    for made in mutate([OWN, "WWWWWWWW"], 20, radius=1, domain=Sequences(), paste_rate=1.0, **rates):
        changed = [i for i, a in enumerate(made) if a == "W"]
        assert abs(len(made) - len(OWN)) <= 3 and (len(changed) <= 5 or len(made) <= 9)


@given(st.integers(0, 2**31))
def test_mutations_satisfy_the_design_constraints(seed: int) -> None:
    torch.manual_seed(seed)
    domain = Sequences(length="fixed", wild_type=WILD_TYPE, designable={11: "RH", 13: ""}, forbidden="C")
    for made in mutate([OWN, "MRTAYIAKQR"], 30, radius=3, domain=domain):
        assert not domain.constraints.violation(made)


def test_variable_lengths_stay_between_their_limits() -> None:
    torch.manual_seed(0)
    made = mutate([OWN], 300, radius=4, domain=Sequences(min_length=9, max_length=11))
    assert {len(m) for m in made} == {9, 10, 11}


def test_the_same_random_state_gives_the_same_sequences() -> None:
    torch.manual_seed(3)
    first = mutate([OWN], 10, radius=2, domain=FREE)
    torch.manual_seed(3)
    assert mutate([OWN], 10, radius=2, domain=FREE) == first


class Decoder:
    """Decoder with fixed logits at every position."""

    def __init__(self, preferences: torch.Tensor) -> None:
        self.preferences = preferences

    def logits(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.preferences.expand(len(x), -1, -1)


def latent_space(preferences: torch.Tensor) -> Any:
    def encode(designs: list[str]) -> torch.Tensor:
        return torch.tensor([[PROTEIN.index(a) for a in design.ljust(6, "A")] for design in designs])

    return SimpleNamespace(scale=1.0, shift=0.0, encoding=SimpleNamespace(encode=encode), vae=Decoder(preferences))


def test_projection_keeps_the_likeliest_changes_and_does_not_change_near_designs() -> None:
    preferences = torch.zeros(6, 20)
    preferences[1, PROTEIN.index("W")], preferences[3, PROTEIN.index("W")] = 5.0, 9.0
    found = project_to_radius(latent_space(preferences), torch.zeros(3, 1), ["WWWW", None, "AAWA"], "AAAA", 1)
    assert found == ["AAAW", None, "AAWA"]


def test_a_model_that_rates_no_letters_projects_nothing() -> None:
    space = SimpleNamespace(vae=SimpleNamespace())
    assert project_to_radius(space, torch.zeros(1, 1), ["WWWW"], "AAAA", 1) == ["WWWW"]


def test_projection_between_lengths_keeps_as_many_edits_as_allowed() -> None:
    found = project_to_radius(latent_space(torch.zeros(6, 20)), torch.zeros(1, 1), ["WAAAAW"], "AAAA", 1)[0]
    assert len(found) == 5 and distance(found, "AAAA") == 1
