"""Diverse batches and shortlists: quotas, similarities, and a factor that the designs of a batch share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
import toy

from invdesign.campaign import Diversity, apply, ask, rank_shortlist, tell
from invdesign.core import Array, Candidate, InvdesignError, Outcome
from invdesign.search import acquisition


@dataclass(frozen=True)
class SimilarGrid(toy.Grid):
    """Points of the grid, whose similarity falls with their distance."""

    resemblance: str = "nearness"

    def resemblances(self, designs: Sequence[Any], others: Sequence[Any]) -> Array:
        distances = np.linalg.norm(np.array(designs)[:, None] - np.array(others)[None], axis=-1)
        return 1 / (1 + distances)


def quadrant(designs: Sequence[Any]) -> list[str]:
    return [f"{x >= 0}{y >= 0}" for x, y in designs]


def column(designs: Sequence[Any]) -> list[str]:
    return [str(x) for x, _ in designs]


def batch(n: int = 8, **changes: Any) -> list[Candidate[Any]]:
    engine = toy.engine(toy.changed(toy.campaign(domain=SimilarGrid()), **changes))
    state = toy.begun(engine)
    values = {c.key: float(toy.bump([c.design])[0]) for c in state.open}
    state = tell(engine, state, {key: Outcome((value,)) for key, value in values.items()})
    first = ask(engine, state, n=n // 2)
    # The rest of the batch is selected while the first part is open.
    second = ask(engine, apply(state, first), n=n - n // 2)
    return [*first.candidates, *second.candidates]


def test_a_batch_has_at_most_the_quota_of_each_group() -> None:
    chosen = batch(batch_diversity=Diversity(group=column, quota=1))
    assert len(chosen) == 8
    assert max(Counter(column([c.design for c in chosen])).values()) == 1


def test_a_batch_is_smaller_where_its_conditions_leave_no_other_design() -> None:
    chosen = batch(batch_diversity=Diversity(group=lambda designs: ["all"] * len(designs), quota=3))
    assert len(chosen) == 3


def test_two_designs_of_a_batch_are_less_similar_than_the_limit() -> None:
    domain = SimilarGrid()
    points = [c.design for c in batch(batch_diversity=Diversity(max_similarity=0.2))]
    similarity = domain.resemblances(points, points)[np.triu_indices(len(points), 1)]
    assert len(points) >= 4 and similarity.max() <= 0.2


@pytest.mark.parametrize("factor", [quadrant, column])
def test_the_designs_of_a_batch_share_a_factor(factor: Any) -> None:
    chosen = batch(shared_factor=factor)
    assert len(chosen) > 1 and len(set(factor([c.design for c in chosen]))) == 1


def test_the_designs_of_a_batch_share_their_parent() -> None:
    assert len({c.parents for c in batch(shared_factor="parent")}) == 1


def test_conditions_hold_across_trust_regions_and_without_a_surrogate() -> None:
    search = toy.campaign().search
    limited = Diversity(group=column, quota=1)
    for changed in (replace(search, n_regions=3), replace(search, acquire=None, trust_region=None)):
        chosen = batch(search=changed, batch_diversity=limited)
        assert len(chosen) == 8 and max(Counter(column([c.design for c in chosen])).values()) == 1


@pytest.mark.parametrize(
    "acquire", [acquisition.ucb, acquisition.posterior_sample, acquisition.density_alone], ids=lambda f: f.__name__
)
def test_every_acquisition_function_keeps_the_conditions(acquire: Any) -> None:
    search = replace(toy.campaign().search, acquire=acquire)
    chosen = batch(search=search, batch_diversity=Diversity(group=quadrant, quota=1))
    assert 1 <= len(chosen) <= 4 and max(Counter(quadrant([c.design for c in chosen])).values()) == 1


def test_a_shortlist_has_the_best_design_of_each_group() -> None:
    points = [(1, 0), (1, 1), (2, 0), (2, 5), (3, 0)]
    z = torch.zeros(2, dtype=torch.float64)
    found = [Candidate(p, str(p), z, round=1, y=(float(i),), status="measured") for i, p in enumerate(points)]
    parts = toy.campaign(shortlist_diversity=Diversity(group=column, quota=1), n_shortlist=3)
    assert [c.design for c in rank_shortlist(parts, found)] == [(3, 0), (2, 5), (1, 1)]


def test_conditions_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(InvdesignError, match="group and quota together"):
        Diversity(quota=3)
    with pytest.raises(InvdesignError, match="a domain with a similarity"):
        toy.campaign(batch_diversity=Diversity(max_similarity=0.3))
