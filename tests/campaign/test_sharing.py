"""Proposers share the pool by what they found, as it follows from the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import toy

from invdesign.campaign import Campaign, State, ask, run
from invdesign.campaign.sharing import configured_shares, count_finds, share_pool
from invdesign.core import GIVEN, Array, Candidate, Objective
from invdesign.execution.in_process import InProcess
from invdesign.search.mutations import MutationPolicy
from invdesign.search.sampling import local_steps, sobol_cloud
from invdesign.search.search import Search
from invdesign.search.sharing import Sharing

Point = tuple[int, ...]


def distance(first: Point, second: Point) -> int:
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def step(parents: Sequence[Point], n: int, *, radius: int) -> list[Point]:
    """Return parents with each coordinate moved by at most the radius."""
    moves = torch.randint(-radius, radius + 1, (n, 2)).tolist()
    chosen = [parents[i % len(parents)] for i in range(n)]
    return [(x + dx, y + dy) for (x, y), (dx, dy) in zip(chosen, moves, strict=True)]


def parts(sharing: Sharing | None, **changes: object) -> Campaign[Point, torch.Tensor]:
    """Return a campaign of Sobol points, steps and mutations with these shares."""
    campaign = toy.campaign(**changes)
    search = replace(campaign.search, propose=(sobol_cloud, local_steps), weights=(3.0, 1.0), sharing=sharing)
    return replace(campaign, search=search, mutations=MutationPolicy(step, distance, fraction=0.6, min_distance=0))


def finished(campaign: Campaign[Point, torch.Tensor]) -> State[Any]:
    engine = toy.engine(campaign)
    return run(engine, toy.begun(engine), executor=InProcess)


def measured(number: int, origin: str, *y: float) -> Candidate[Point]:
    z = torch.zeros(2, dtype=torch.float64)
    status = "measured" if np.isfinite(y).all() else "invalid"
    return Candidate((number, 0), f"{number} {origin} {y}", z, round=number, origin=origin, y=y, status=status)


def test_the_configured_shares_are_those_of_the_weights_and_of_the_mutations() -> None:
    assert configured_shares(parts(None)) == pytest.approx({"sobol_cloud": 0.3, "local_steps": 0.1, "step": 0.6})
    twice = replace(parts(None), search=Search(propose=(local_steps, local_steps)), mutations=None)
    assert configured_shares(twice) == pytest.approx({"local_steps": 1.0})


def test_a_find_is_a_design_among_the_best_when_its_round_ended() -> None:
    history = (
        *(measured(0, "seed", y) for y in (1.0, 2.0, 3.0)),
        measured(1, "step", 2.5),
        measured(1, "sobol_cloud", 0.5),
        measured(1, "local_steps", float("nan")),
        measured(3, "local_steps", 4.0),
        measured(3, "step", 2.6),
        measured(0, GIVEN, 2.7),
    )
    # The given design of 2.7 counts from the start: of the two best designs neither 2.5 nor 2.6 is one.
    assert count_finds(parts(None), State(history), 2) == [{}, {}, {"local_steps": 1}]
    assert count_finds(parts(None), State(history), 4) == [{"step": 1}, {}, {"local_steps": 1, "step": 1}]


def test_several_objectives_are_ranked_front_by_front() -> None:
    campaign = parts(None, objectives=[Objective("a"), Objective("b", goal="minimize")])
    history = (
        *(measured(0, "seed", *y) for y in ((1.0, 1.0), (0.0, 0.0))),
        measured(1, "step", 2.0, 0.5),
        measured(1, "local_steps", -1.0, 2.0),
    )
    assert count_finds(campaign, State(history), 2) == [{"step": 1}]


def test_weights_and_the_fraction_of_mutations_follow_the_finds() -> None:
    engine = toy.engine(parts(Sharing(prior=10.0, memory=1.0, min_share=0.0)))
    history = (measured(0, "seed", 0.0), *(measured(1, "local_steps", 1.0 + i) for i in range(10)))
    shared, notes = share_pool(engine, State(history, round=1))
    assert configured_shares(shared.campaign) == pytest.approx({"sobol_cloud": 0.15, "local_steps": 0.55, "step": 0.3})
    assert shared.campaign.mutations is not None and shared.campaign.mutations.fraction == pytest.approx(0.3)
    assert notes == (
        "proposals are shared by what they found: local_steps 55 % of the pool (100 % of the batch before, 10 of 10 "
        "finds), step 30 % of the pool (0 % of the batch before, 0 of 10 finds), sobol_cloud 15 % of the pool (0 % of "
        "the batch before, 0 of 10 finds)",
    )


def test_fixed_shares_leave_the_engine_as_it_is() -> None:
    engine = toy.engine(parts(None))
    state = finished(parts(None, budget=15))
    assert share_pool(engine, state) == (engine, ())
    random = replace(engine.campaign, search=replace(engine.campaign.search, acquire=None, sharing=Sharing()))
    assert share_pool(toy.engine(random), state)[1] == ()


def test_a_resumed_campaign_shares_as_an_uninterrupted_one() -> None:
    whole = finished(parts(Sharing(), budget=30))
    stopped = finished(parts(Sharing(), budget=20))
    resumed = run(toy.engine(parts(Sharing(), budget=30)), stopped, executor=InProcess)
    assert [(c.key, c.origin, c.y) for c in resumed.history] == [(c.key, c.origin, c.y) for c in whole.history]
    assert [r.notes for r in resumed.records] == [r.notes for r in whole.records]


def test_each_round_records_the_shares_in_words() -> None:
    state = finished(parts(Sharing(), budget=20))
    for record in state.records[1:]:
        assert sum("proposals are shared by what they found: " in note for note in record.notes) == 1
    assert "of the batch before" not in state.records[1].notes[-1]


def test_designs_that_join_an_open_round_have_its_shares() -> None:
    engine = toy.engine(parts(Sharing(), budget=40))
    state = finished(parts(Sharing(), budget=20))
    first = ask(engine, state, n=2)
    records = (*state.records, first.record)
    is_open = replace(state, pending=first.candidates, round=first.record.round, records=records)
    joined = ask(engine, is_open, n=2)
    assert joined.record.round == first.record.round and joined.record.notes == first.record.notes


def test_two_objectives_are_searched_with_shared_pools() -> None:
    def hills(designs: Sequence[Point]) -> Array:
        return np.stack([toy.bump(designs), toy.bump([(-x, y) for x, y in designs])], axis=1)

    campaign = parts(Sharing(), objectives=[Objective("a"), Objective("b")], oracle=hills, budget=20)
    assert finished(campaign).n_calls == 20
