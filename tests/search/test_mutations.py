"""The radius of a trust region in edits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from invdesign.core import InvdesignError
from invdesign.search.mutations import MutationPolicy
from invdesign.search.trust_region import TrustRegion


def policy(**changes: object) -> MutationPolicy:
    return MutationPolicy(mutate=lambda parents, n, *, radius: [], distance=lambda a, b: 0.0, **changes)  # type: ignore[arg-type]


def test_the_radius_grows_with_the_box_from_the_minimum_to_the_maximum() -> None:
    trust = TrustRegion()
    lengths = [trust.min_length, trust.length, trust.max_length]
    radii = [policy(min_radius=2, max_radius=9).radius(replace(trust, length=length)) for length in lengths]
    assert radii == [2, 8, 9]


def test_the_whole_space_has_the_maximum_radius() -> None:
    assert policy(max_radius=5).radius(None) == 5


@pytest.mark.parametrize(
    "changes", [{"fraction": 1.5}, {"min_radius": 0}, {"min_radius": 4, "max_radius": 3}, {"n_parents": 0}]
)
def test_invalid_fields_raise_an_error(changes: dict[str, object]) -> None:
    with pytest.raises(InvdesignError, match="mutations: expected"):
        policy(**changes)
