"""Proposals made by mutation, and a surrogate that does not rank better than its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import toy
from toy import Grid, GridEncoding, GridSpace, bump, campaign, changed

from invdesign.campaign import Campaign, ask, make_engine, run
from invdesign.campaign.pool import apply_screens, decode_screen_encode
from invdesign.campaign.round_model import fit_surrogates
from invdesign.core import Array, Check
from invdesign.execution.in_process import InProcess
from invdesign.search.mutations import MutationPolicy
from invdesign.search.sampling import local_steps
from invdesign.search.search import Search

Point = tuple[int, ...]


def apart(first: Point, second: Point) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def step(parents: Sequence[Point], n: int, *, radius: int) -> list[Point]:
    """Return designs with one coordinate of a parent moved by at most the radius."""
    found = []
    for i in range(n):
        point = list(parents[i % len(parents)])
        point[int(torch.randint(len(point), ()))] += int(torch.randint(-radius, radius + 1, ()))
        found.append(tuple(point))
    return found


def pulled(space: Any, Z: torch.Tensor, designs: Sequence[Any], center: Point, radius: int) -> list[Any]:
    """Return designs, each farther than the radius replaced by the neighbour of the center."""
    return [d if d is None or apart(d, center) <= radius else (center[0] + 1, *center[1:]) for d in designs]


def finished(parts: Campaign[Point, torch.Tensor]) -> Any:
    engine = toy.engine(parts)
    return run(engine, toy.begun(engine), executor=InProcess)


def test_designs_are_mutated_beside_latents_and_decoded_ones_stay_within_the_radius() -> None:
    parts = replace(campaign(), mutations=MutationPolicy(step, apart, pulled, fraction=0.5, max_radius=3))
    state = finished(parts)
    origins = {c.origin for c in state.history}
    assert "step" in origins and len(origins) > 2
    by_key = {c.key: c for c in state.history}
    assert all(c.parents and set(c.parents) <= set(by_key) for c in state.history if c.origin == "step")
    best = max(c.y[0] for c in state.history if c.status == "measured")
    assert best > 0.9 * float(bump([(13, -7)])[0])


@pytest.mark.parametrize(("generations", "expected"), [(None, [5, 5, 5, 5]), (1, [20, 0, 0, 0]), (3, [7, 7, 6, 0])])
def test_latent_points_are_decoded_in_the_first_generations_of_a_round(
    generations: int | None, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = MutationPolicy(step, apart, fraction=0.5, max_radius=6, min_distance=0)
    parts = campaign()
    search = replace(parts.search, oversample=10, generations=4, latent_generations=generations)
    parts = replace(parts, mutations=policy, search=search)
    state = finished(parts)
    engine = toy.engine(replace(parts, limits=replace(parts.limits, budget=parts.limits.budget + 4)))
    counts = []
    decode = type(engine.latent_space).decode

    def counting(space: Any, Z: torch.Tensor) -> Any:
        counts.append(len(Z))
        return decode(space, Z)

    monkeypatch.setattr(type(engine.latent_space), "decode", counting)
    ask(engine, state, n=4)
    assert counts == expected


def test_a_batch_keeps_its_designs_apart() -> None:
    parts = replace(campaign(), mutations=MutationPolicy(step, apart, fraction=1.0, max_radius=6, min_distance=3))
    state = finished(parts)
    last = [c.design for c in state.history if c.round == 1]
    assert all(apart(a, b) >= 3 for i, a in enumerate(last) for b in last[:i])


@pytest.mark.slow
def test_below_the_rank_correlation_limit_the_density_selects_and_the_record_has_a_note() -> None:
    parts = campaign()
    state = finished(replace(parts, search=replace(parts.search, min_rank_correlation=1.1)))
    assert any("selected by the density of real designs" in note for record in state.records for note in record.notes)
    assert not any("density of real designs" in note for r in finished(parts).records for note in r.notes)


class DescribedEncoding(GridEncoding):
    """The encoding of the grid, with the points themselves as features."""

    def features(self, designs: Sequence[Point]) -> Array:
        return np.array(designs, dtype=float)


@pytest.mark.slow
def test_without_a_proposer_that_follows_gradients_no_surrogate_of_the_latents_is_fitted() -> None:
    parts = campaign()
    parts = changed(parts, search=replace(parts.search, propose=(local_steps,), weights=()))
    space: Any = GridSpace(Grid(), encoding=DescribedEncoding())
    engine = make_engine(parts, space)
    state = run(engine, toy.begun(engine), executor=InProcess)
    assert "local_steps" in {c.origin for c in state.history}
    assert fit_surrogates(engine, state).fitted_latent is None
    assert fit_surrogates(make_engine(changed(parts, search=Search()), space), state).fitted_latent is not None


def test_designs_that_cannot_be_encoded_are_dropped_and_the_others_keep_their_positions() -> None:
    class Narrow(GridEncoding):
        def errors(self, designs: Sequence[Point]) -> list[str]:
            return ["too far" if max(map(abs, design)) > 3 else "" for design in designs]

    space: Any = GridSpace(Grid(), encoding=Narrow())
    pool = decode_screen_encode(
        space, torch.zeros(1, 2, dtype=torch.float64), is_excluded=lambda _: False, mutated=[(9, 9), (2, 1), (1, 1)]
    )
    assert pool.designs == ((0, 0), (2, 1), (1, 1)) and pool.source == (0, 2, 3)
    assert pool.funnel.proposed == 4 and pool.funnel.decoded == 3


def test_a_later_screen_gets_only_designs_that_passed_the_earlier_ones() -> None:
    seen: list[Point] = []

    def even(designs: Sequence[Point]) -> list[Check]:
        return [Check("even", design[0] % 2 == 0, "odd") for design in designs]

    def noted(designs: Sequence[Point]) -> list[Check]:
        seen.extend(designs)
        return [Check("noted", True) for _ in designs]

    kept = apply_screens([even, noted], [(0, 0), (1, 0), (2, 0)])
    assert seen == [(0, 0), (2, 0)]
    assert [(i, [check.name for check in checks]) for i, checks in kept] == [
        (0, ["even", "noted"]),
        (2, ["even", "noted"]),
    ]
