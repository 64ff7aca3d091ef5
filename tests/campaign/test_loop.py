"""The loop on a toy domain: it finds the top, resumes exactly, and keeps its books."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import toy

from invdesign.campaign import (
    State,
    count_failures,
    initialize,
    pareto_front,
    rank,
    rank_shortlist,
    run,
    shortlist,
    tell,
    validate_candidates,
)
from invdesign.core import Check, Corpus, InvdesignError, Objective, Outcome

SPACE = toy.GridSpace(toy.Grid())


def evaluate(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    """In process, one by one, the last one first: the order of arrival must not matter."""
    for i in reversed(range(len(designs))):
        y = float(np.asarray(oracle([designs[i]])).reshape(-1)[0])
        yield i, Outcome((y,), "measured" if np.isfinite(y) else "invalid")


class KilledError(Exception):
    pass


class Diary:
    """A memory that keeps the last durable state and dies at a chosen moment."""

    def __init__(self, *, dies_at: int | None = None) -> None:
        self.state: State[Any] | None = None
        self.space: Any = SPACE
        self.dies_at, self.count = dies_at, 0

    def _tick(self) -> None:
        self.count += 1
        if self.count == self.dies_at:
            raise KilledError

    def asked(self, state: State[Any]) -> None:
        self.state = state
        self._tick()

    def told(self, candidate: Any) -> None:
        assert self.state is not None
        self.state = tell(self.state, {candidate.key: Outcome(candidate.y, candidate.status, candidate.reason)})
        self._tick()

    def closed(self, state: State[Any]) -> None:
        self.state = state
        self._tick()

    def tuned(self, space: Any, state: State[Any]) -> None:
        self.state, self.space = state, space
        self._tick()


def whole(campaign: Any) -> State[Any]:
    return run(campaign, SPACE, initialize(campaign, SPACE, corpus=toy.corpus()), evaluate=evaluate)


def test_a_campaign_climbs_the_hill_within_its_budget() -> None:
    campaign = toy.campaign()
    state = whole(campaign)
    assert state.n_calls == 50
    best = max(c.y[0] for c in state.history if c.status == "measured")
    start = max(c.y[0] for c in state.history if c.round == 0)
    assert best > 0.98 > start
    assert len({c.key for c in state.history}) == len(state.history)


@pytest.mark.parametrize("dies_at", [1, 13, 33])
def test_a_killed_campaign_goes_on_as_if_it_had_never_died(dies_at: int) -> None:
    campaign = toy.campaign(budget=30)
    expected = whole(campaign)
    diary = Diary(dies_at=dies_at)
    first = initialize(campaign, SPACE, corpus=toy.corpus())
    diary.state = first
    with pytest.raises(KilledError):
        run(campaign, SPACE, first, evaluate=evaluate, memory=diary)
    assert diary.state is not None
    resumed = run(campaign, SPACE, diary.state, evaluate=evaluate)
    assert [c.key for c in resumed.history] == [c.key for c in expected.history]
    assert [c.y for c in resumed.history] == [c.y for c in expected.history]
    assert resumed.regions == expected.regions


def stretched(space: Any, designs: Sequence[Any], utilities: Any, *, seed: int) -> Any:
    """A tuning that can be counted: every one stretches the map by a tenth."""
    return dataclasses.replace(space, scale=1.1 * space.scale)


@pytest.mark.parametrize("dies_at", range(20, 29))
def test_a_campaign_killed_around_its_tuning_tunes_no_round_twice(dies_at: int) -> None:
    campaign = toy.campaign(budget=30, finetune=stretched, finetune_every=2)
    whole_diary = Diary()
    whole_diary.state = first = initialize(campaign, SPACE, corpus=toy.corpus())
    expected = run(campaign, SPACE, first, evaluate=evaluate, memory=whole_diary)
    assert [r.is_finetuned for r in expected.records] == [False, False, True, False, True]
    assert whole_diary.space.scale == pytest.approx(SPACE.scale * 1.1**2)
    diary = Diary(dies_at=dies_at)
    diary.state = first
    with pytest.raises(KilledError):
        run(campaign, SPACE, first, evaluate=evaluate, memory=diary)
    again = Diary()
    again.space, again.state = diary.space, diary.state
    assert diary.state is not None
    resumed = run(campaign, diary.space, diary.state, evaluate=evaluate, memory=again)
    assert [c.key for c in resumed.history] == [c.key for c in expected.history]
    assert again.space == whole_diary.space


def test_measured_properties_of_a_corpus_are_taken_and_cost_nothing() -> None:
    source = toy.corpus()
    known = Corpus(source.designs, properties={"height": toy.bump(source.designs)})
    state = initialize(toy.campaign(), SPACE, corpus=known)
    assert len(state.history) == len(source) and state.n_calls == 0 and not state.pending


def test_an_empty_start_says_what_to_give() -> None:
    with pytest.raises(InvdesignError, match="nothing to start from"):
        initialize(toy.campaign(), SPACE, corpus=None)


def test_two_objectives_end_in_a_front() -> None:
    def both(designs: Sequence[Any]) -> Any:
        P = np.array(designs, dtype=float)
        return np.stack([P[:, 0], -P[:, 0] + P[:, 1]], axis=1)

    def measure(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        for i, row in enumerate(oracle(designs)):
            yield i, Outcome(tuple(row))

    from invdesign.search import acquisition

    base = toy.campaign()
    search = dataclasses.replace(base.search, acquire=acquisition.log_nehvi)
    campaign = toy.campaign(
        objectives=[Objective("a"), Objective("b")], oracle=both, search=search, budget=25, n_seeds=10
    )
    state = run(campaign, SPACE, initialize(campaign, SPACE, corpus=toy.corpus()), evaluate=measure)
    U = campaign.utilities(state.history)
    assert len(pareto_front(U)) > 1
    assert rank(U)[0] in pareto_front(U)


def test_several_regions_share_the_batch_and_start_apart() -> None:
    base = toy.campaign()
    campaign = toy.campaign(search=dataclasses.replace(base.search, n_regions=2), budget=30)
    state = whole(campaign)
    assert {c.region for c in state.history if c.round} == {0, 1}
    assert len({r.root for r in state.regions}) == 2


def test_failures_teach_and_too_many_of_them_stop_the_campaign() -> None:
    def broken(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        for i in range(len(designs)):
            yield i, Outcome((np.nan,), "failed", "the instrument is off")

    campaign = toy.campaign(n_seeds=20)
    with pytest.raises(InvdesignError, match="the instrument is off"):
        run(campaign, SPACE, initialize(campaign, SPACE, corpus=toy.corpus()), evaluate=broken)


def test_random_search_asks_no_surrogate() -> None:
    from invdesign.search.search import Search

    campaign = toy.campaign(search=Search(acquire=None, trust_region=None, oversample=10))
    state = whole(campaign)
    assert state.n_calls == 50 and all(r.fallback_level == "none" for r in state.records[1:])


def test_the_shortlist_is_valid_new_and_best_first() -> None:
    def even(designs: Sequence[Any]) -> list[Check]:
        return [Check("even", sum(p) % 2 == 0) for p in designs]

    campaign = toy.campaign(validators=[even], n_shortlist=5)
    state = whole(campaign)
    short = shortlist(campaign, state, known=frozenset(toy.Grid().key(p) for p in toy.corpus().designs))
    assert short and all(c.is_valid and c.round > 0 for c in short)
    heights = [c.y[0] for c in short]
    assert heights == sorted(heights, reverse=True)


def test_designs_of_the_corpus_are_candidates_where_the_campaign_may_propose_them() -> None:
    campaign = toy.campaign(allow_corpus_designs=True)
    state = run(campaign, SPACE, initialize(campaign, SPACE, corpus=toy.corpus()), evaluate=evaluate)
    known = frozenset(c.key for c in state.history)
    assert shortlist(campaign, state, known=known)
    assert not shortlist(toy.campaign(), state, known=known)


def test_a_deliverable_is_named_as_its_folder_may_be() -> None:
    with pytest.raises(InvdesignError, match=r"'\.\./plates' names a folder"):
        toy.campaign(deliverables={"../plates": lambda candidates, folder: []})


def test_the_global_random_state_is_left_alone() -> None:
    campaign = toy.campaign(budget=20)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    whole(campaign)
    assert torch.equal(before, torch.get_rng_state())


def right_half(designs: Sequence[Any]) -> list[Check]:
    return [Check("right", design[0] > 0) for design in designs]


def test_seeds_that_a_screen_refuses_are_replaced_by_others_where_that_is_asked_for() -> None:
    state = initialize(toy.campaign(screens=[right_half], screen_seeds=True), SPACE, corpus=toy.corpus())
    assert len(state.pending) == 10 and all(c.design[0] > 0 for c in state.pending)
    free = initialize(toy.campaign(screens=[right_half]), SPACE, corpus=toy.corpus())
    assert len(free.pending) == 10 and not all(c.design[0] > 0 for c in free.pending)
    given = initialize(toy.campaign(screens=[right_half], seeds=toy.corpus, screen_seeds=True), SPACE, corpus=None)
    assert [c.design for c in given.pending] == [c.design for c in free.pending]


def test_a_corpus_of_which_no_design_passes_the_screens_is_an_error_with_the_remedy() -> None:
    never = toy.campaign(screens=[lambda designs: [Check("never", False) for _ in designs]], screen_seeds=True)
    with pytest.raises(InvdesignError, match=r"none of \d+ designs of the corpus passes.*screen_seeds=false"):
        initialize(never, SPACE, corpus=toy.corpus())
    assert (
        len(
            initialize(
                toy.campaign(screens=[right_half], n_seeds=100, screen_seeds=True), SPACE, corpus=toy.corpus()
            ).pending
        )
        < 40
    )


class Halved(toy.Grid):
    """A grid on which the two points of a pair are one design."""

    def key(self, design: Any) -> str:
        return f"{design[0] // 2},{design[1]}"


def test_a_design_that_the_corpus_has_twice_is_one_seed_and_others_fill_up() -> None:
    points = tuple((i, 0) for i in range(24))
    space = toy.GridSpace(Halved())
    state = initialize(toy.campaign(domain=Halved()), space, corpus=Corpus(points, sha256="0"))
    assert len(state.pending) == 10 and len({c.key for c in state.pending}) == 10
    short = initialize(toy.campaign(domain=Halved(), n_seeds=20), space, corpus=Corpus(points, sha256="0"))
    assert len(short.pending) == 12 and short.records[0].notes[0].startswith("12 of 20 seeds")


def test_of_measurements_of_one_design_the_mean_counts_and_the_record_says_so() -> None:
    points, heights = ((0, 0), (1, 0), (2, 0)), np.array([1.0, 3.0, 5.0])
    given = Corpus(points, {"height": heights}, sha256="0")
    state = initialize(toy.campaign(domain=Halved()), toy.GridSpace(Halved()), corpus=given)
    assert [c.y for c in state.history] == [(2.0,), (5.0,)]
    assert state.records[0].notes == ("1 measurements of a design that was given already: their mean counts",)


def test_what_each_check_refuses_is_counted_and_the_rest_is_the_shortlist() -> None:
    def never(designs: Sequence[Any]) -> list[Check]:
        return [Check("never", False, "no") for _ in designs]

    parts = toy.campaign(validators=[right_half])
    state = run(parts, SPACE, initialize(parts, SPACE, corpus=toy.corpus()), evaluate=evaluate)
    found = validate_candidates(parts, state)
    n_left = sum(c.design[0] <= 0 for c in found)
    assert count_failures(found) == ({"right": n_left} if n_left else {})
    assert [c.key for c in rank_shortlist(parts, found)] == [c.key for c in shortlist(parts, state)]
    strict = toy.campaign(validators=[right_half, never])
    assert next(iter(count_failures(validate_candidates(strict, state)))) == "never" and not rank_shortlist(
        strict, validate_candidates(strict, state)
    )
