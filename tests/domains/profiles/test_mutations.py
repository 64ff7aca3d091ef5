"""Mutations of profiles stay within their radius and are profiles of their kind."""

from __future__ import annotations

import pytest
import torch

from invdesign.domains.profiles import Profile, Profiles
from invdesign.domains.profiles.corpus import programs
from invdesign.domains.profiles.mutations import distance, mutate


@pytest.mark.parametrize("radius", [1, 4])
def test_mutated_counts_are_counts_that_differ_in_few_features_from_a_parent(radius: int) -> None:
    parents = programs(8).designs
    torch.manual_seed(0)
    made = mutate(parents, 60, radius=radius, domain=Profiles())
    nearest = [min(distance(child, parent) for parent in parents) for child in made]
    assert max(nearest) <= radius and sum(d > 0 for d in nearest) > 30
    assert all(value >= 0 and value.is_integer() for child in made for value in child.values)


def test_features_of_another_parent_come_at_the_depth_of_the_first() -> None:
    shallow, deep = Profile(("a", "b"), (10.0, 0.0)), Profile(("a", "b"), (500.0, 500.0))
    torch.manual_seed(1)
    made = mutate([shallow, deep], 60, radius=1, domain=Profiles(), crossover_rate=1.0)
    assert Profile(("a", "b"), (10.0, 5.0)) in made


def test_values_are_disturbed_in_proportion_to_their_spread_and_the_seed_decides() -> None:
    domain = Profiles("values")
    parents = [domain.make(("a", "b"), row) for row in ([0.0, 100.0], [0.1, -100.0], [-0.1, 50.0])]
    made = []
    for _ in range(2):
        torch.manual_seed(2)
        made.append(mutate(parents, 80, radius=2, domain=domain, crossover_rate=0.0))
    assert made[0] == made[1]
    assert max(abs(child.values[0]) for child in made[0]) < 1 < max(abs(child.values[1]) for child in made[0])


def test_a_profile_of_one_count_is_kept_where_nothing_would_be_left() -> None:
    alone = Profile(("a", "b"), (1.0, 0.0))
    torch.manual_seed(3)
    assert all(any(child.values) for child in mutate([alone], 50, radius=2, domain=Profiles()))
