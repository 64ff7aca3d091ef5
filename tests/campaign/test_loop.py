"""The loop on a toy domain: it finds the top, resumes exactly, and records what happened."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
import torch
import toy

from invdesign.campaign import (
    BatchSelected,
    CallsLeased,
    CallsReleased,
    State,
    apply,
    ask,
    count_failures,
    initialize,
    make_engine,
    rank_shortlist,
    run,
    shortlist,
    start,
    tell,
    validate_candidates,
)
from invdesign.campaign.ask import count_inside
from invdesign.core import Check, Corpus, InvdesignError, Objective, Outcome, pareto_front, rank
from invdesign.latent.training_keys import TrainingKeys

SPACE = toy.GridSpace(toy.Grid())


def evaluate(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
    """Measure one by one, the last one first: the order of arrival must not matter."""
    for i in reversed(range(len(designs))):
        y = float(np.asarray(oracle([designs[i]])).reshape(-1)[0])
        yield i, Outcome((y,), "measured" if np.isfinite(y) else "invalid")


class KilledError(Exception):
    pass


class Events:
    """A recorder that keeps the events and dies after a chosen number of them."""

    def __init__(self, *, dies_at: int | None = None) -> None:
        self.events: list[Any] = []
        self.space: Any = SPACE
        self.dies_at = dies_at

    @property
    def state(self) -> State[Any]:
        """The state that follows from the events."""
        return reduce(apply, self.events, State())

    def _record(self, event: Any) -> None:
        self.events.append(event)
        if len(self.events) == self.dies_at:
            raise KilledError

    on_batch = on_lease = on_release = on_round_end = _record

    def on_outcomes(self, events: Sequence[Any]) -> None:
        for event in events:
            self._record(event)

    def on_retrain(self, event: Any, latent_space: Any) -> None:
        self.space = latent_space
        self._record(event)


def finished(campaign: Any, recorder: Any = None) -> State[Any]:
    engine = toy.engine(campaign)
    return run(engine, toy.begun(engine, recorder), executor=toy.executor(evaluate), recorder=recorder)


def test_a_campaign_finds_the_top_within_its_budget() -> None:
    state = finished(toy.campaign())
    assert state.n_calls == 50
    best = max(c.y[0] for c in state.history if c.status == "measured")
    first = max(c.y[0] for c in state.history if c.round == 0)
    assert best > 0.98 > first
    assert len({c.key for c in state.history}) == len(state.history)


def test_the_state_follows_from_the_events() -> None:
    recorder = Events()
    state = finished(toy.campaign(budget=30), recorder)
    assert [c.key for c in recorder.state.history] == [c.key for c in state.history]
    assert [c.y for c in recorder.state.history] == [c.y for c in state.history]
    assert recorder.state.records == state.records and recorder.state.regions == state.regions


@pytest.mark.slow
@pytest.mark.parametrize("dies_at", [3, 15, 35])
def test_a_killed_campaign_continues_as_if_it_had_never_stopped(dies_at: int) -> None:
    engine = toy.engine(toy.campaign(budget=30))
    expected = finished(engine.campaign)
    recorder = Events(dies_at=dies_at)
    with pytest.raises(KilledError):
        finished(engine.campaign, recorder)
    resumed = run(engine, recorder.state, executor=toy.executor(evaluate))
    assert [c.key for c in resumed.history] == [c.key for c in expected.history]
    assert [c.y for c in resumed.history] == [c.y for c in expected.history]
    assert resumed.regions == expected.regions


def stretched(space: Any, designs: Sequence[Any], utilities: Any, *, seed: int) -> Any:
    """A fine-tuning that can be counted: each stretches the latent space by a tenth."""
    return dataclasses.replace(space, scale=1.1 * space.scale)


@pytest.mark.slow
@pytest.mark.parametrize("dies_at", range(22, 31))
def test_a_campaign_killed_around_its_finetuning_repeats_none(dies_at: int) -> None:
    campaign = toy.campaign(budget=30, finetune=stretched, finetune_every=2)
    whole = Events()
    expected = finished(campaign, whole)
    assert [r.is_finetuned for r in expected.records] == [False, False, True, False, True]
    assert whole.space.scale == pytest.approx(SPACE.scale * 1.1**2)
    first = Events(dies_at=dies_at)
    with pytest.raises(KilledError):
        finished(campaign, first)
    again = Events()
    again.space = first.space
    engine = toy.engine(campaign).with_latent_space(first.space)
    resumed = run(engine, first.state, executor=toy.executor(evaluate), recorder=again)
    assert [c.key for c in resumed.history] == [c.key for c in expected.history]
    assert again.space == whole.space


def test_pending_designs_are_conditioned_on_so_that_the_next_batch_differs_from_them() -> None:
    engine = toy.engine(toy.campaign())
    state = toy.begun(engine)
    outcomes = {
        c.key: outcome for i, outcome in evaluate(toy.bump, [c.design for c in state.open]) for c in [state.open[i]]
    }
    state = run(engine, tell(engine, state, outcomes), executor=toy.executor(evaluate))
    first = ask(engine, dataclasses.replace(state, history=state.history[:30]), n=5)
    waiting = apply(dataclasses.replace(state, history=state.history[:30]), first)
    second = ask(engine, waiting, n=5)
    assert {c.key for c in second.candidates}.isdisjoint(c.key for c in first.candidates)
    sds = [c.sd[0] for c in second.candidates]
    assert len(second.candidates) == 5 and all(np.isfinite(sds))


def test_an_outcome_of_a_design_that_is_not_pending_is_an_error_with_the_remedy() -> None:
    with pytest.raises(InvdesignError, match=r"not pending: \['nowhere'\]. Use ask\(\) first"):
        engine = toy.engine(toy.campaign())
        tell(engine, toy.begun(engine), {"nowhere": Outcome((1.0,))})


@pytest.mark.parametrize("n_told", [5, 3])
def test_what_a_laboratory_measured_decides_the_next_batch(n_told: int) -> None:
    engine = toy.engine(toy.campaign())
    state = toy.begun(engine)
    state = tell(engine, state, {c.key: Outcome((float(i),)) for i, c in enumerate(state.open)})
    assert len(state.history) == 10 and not state.pending
    state = apply(state, ask(engine, state, n=5))
    batches = []
    for scale in (5.0, -20.0):
        values = {c.key: Outcome((scale * (1 + i),)) for i, c in enumerate(state.open[:n_told])}
        told = tell(engine, state, values)
        assert len(told.open) == 5 - n_told
        batches.append({c.key for c in ask(engine, told, n=5).candidates})
        assert {c.key for c in shortlist(engine, told)} == set(values)
    assert batches[0] != batches[1]


def test_measured_properties_of_a_corpus_are_used_and_cost_nothing() -> None:
    source = toy.corpus()
    known = Corpus(source.designs, properties={"height": toy.bump(source.designs)})
    engine = toy.engine(toy.campaign())
    state = start(engine, initialize(engine, known))
    assert len(state.history) == len(source) and state.n_calls == 0 and not state.pending


def test_an_empty_start_says_what_to_give() -> None:
    with pytest.raises(InvdesignError, match="expected designs to start from, got none"):
        initialize(toy.engine(toy.campaign()))


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
    engine = toy.engine(campaign)
    state = run(engine, toy.begun(engine), executor=toy.executor(measure))
    U = campaign.utilities(state.history)
    assert len(pareto_front(U)) > 1
    assert rank(U)[0] in pareto_front(U)


def test_a_search_whose_window_many_designs_meet_goes_on_among_plausible_ones_inside() -> None:
    window = Objective("height", goal=(0.25, 0.6))
    engine = toy.engine(toy.campaign(objectives=[window], n_seeds=30, batch=5))
    measured = [
        dataclasses.replace(c, y=(float(toy.bump([c.design])[0]),), status="measured")
        for c in toy.begun(engine).pending
    ]
    assert count_inside([window], measured) >= 5
    state = dataclasses.replace(toy.begun(engine), pending=tuple(measured))
    batch = ask(engine, state)
    assert "lie inside every window" in batch.record.notes[-1]
    inside = [window.is_inside(float(toy.bump([c.design])[0])) for c in batch.candidates]
    assert sum(inside) >= 4
    known = [c.log_density for c in measured if window.is_inside(c.y[0])]
    assert np.mean([c.log_density for c in batch.candidates]) > np.mean(known)
    assert count_inside([Objective("height")], measured) == 0


def test_several_regions_share_the_batch_and_start_apart() -> None:
    base = toy.campaign()
    campaign = toy.campaign(search=dataclasses.replace(base.search, n_regions=2), budget=30)
    state = finished(campaign)
    assert {c.region for c in state.history if c.round} == {0, 1}
    assert len({r.root for r in state.regions}) == 2


def test_too_many_failures_stop_the_campaign() -> None:
    def broken(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        for i in range(len(designs)):
            yield i, Outcome((np.nan,), "failed", "the instrument is off")

    campaign = toy.campaign(n_seeds=20)
    with pytest.raises(InvdesignError, match="the instrument is off"):
        engine = toy.engine(campaign)
        run(engine, toy.begun(engine), executor=toy.executor(broken))


def test_random_search_fits_no_surrogate() -> None:
    from invdesign.search.search import Search

    campaign = toy.campaign(search=Search(acquire=None, trust_region=None, oversample=10))
    state = finished(campaign)
    assert state.n_calls == 50 and all(r.fallback_level == "none" for r in state.records[1:])
    # Draws stop once the batch is full.
    batch = campaign.limits.batch
    assert all(r.funnel.selected <= r.funnel.proposed < 10 * batch for r in state.records[1:])


def test_the_shortlist_is_valid_new_and_best_first() -> None:
    def even(designs: Sequence[Any]) -> list[Check]:
        return [Check("even", sum(p) % 2 == 0) for p in designs]

    campaign = toy.campaign(validators=[even], n_shortlist=5)
    state = finished(campaign)
    short = shortlist(toy.engine(campaign, toy.corpus()), state)
    assert short and all(c.is_valid and c.round > 0 for c in short)
    heights = [c.y[0] for c in short]
    assert heights == sorted(heights, reverse=True)


def test_designs_of_the_corpus_are_candidates_where_the_campaign_may_propose_them() -> None:
    campaign = toy.campaign(allow_corpus_designs=True)
    state = finished(campaign)
    known = Corpus(tuple(c.design for c in state.history))
    assert shortlist(toy.engine(campaign, known), state)
    assert not shortlist(toy.engine(toy.campaign(), known), state)


def test_a_deliverable_has_the_name_of_a_folder() -> None:
    with pytest.raises(InvdesignError, match=r"each is a folder, got '\.\./plates'"):
        toy.campaign(deliverables={"../plates": lambda candidates, folder: []})


def test_the_global_random_state_is_left_alone() -> None:
    campaign = toy.campaign(budget=20)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    finished(campaign)
    assert torch.equal(before, torch.get_rng_state())


def right_half(designs: Sequence[Any]) -> list[Check]:
    return [Check("right", design[0] > 0) for design in designs]


def seeds_of(campaign: Any, corpus: Corpus[Any] | None = None, space: Any = SPACE) -> Any:
    """Return round 0 of a campaign."""
    return initialize(dataclasses.replace(toy.engine(campaign), latent_space=space), corpus)


def test_seeds_that_fail_a_screen_are_replaced_unless_that_is_switched_off() -> None:
    batch = seeds_of(toy.campaign(screens=[right_half]), toy.corpus())
    assert len(batch.candidates) == 10 and all(c.design[0] > 0 for c in batch.candidates)
    free = seeds_of(toy.campaign(screens=[right_half], screen_seeds=False), toy.corpus())
    assert len(free.candidates) == 10 and not all(c.design[0] > 0 for c in free.candidates)
    given = seeds_of(toy.campaign(screens=[right_half], seeds=toy.corpus))
    assert [c.design for c in given.candidates] == [c.design for c in free.candidates]


def test_a_corpus_of_which_no_design_passes_the_screens_is_an_error_with_the_remedy() -> None:
    never = toy.campaign(screens=[lambda designs: [Check("never", False) for _ in designs]], screen_seeds=True)
    with pytest.raises(InvdesignError, match=r"got none of \d+ in the corpus.*screen_seeds=false"):
        seeds_of(never, toy.corpus())
    some = seeds_of(toy.campaign(screens=[right_half], n_seeds=100, screen_seeds=True), toy.corpus())
    assert len(some.candidates) < 40


class Halved(toy.Grid):
    """A grid on which the two points of a pair are one design."""

    def key(self, design: Any) -> str:
        return f"{design[0] // 2},{design[1]}"


def test_a_design_that_the_corpus_has_twice_is_one_seed_and_others_replace_it() -> None:
    points = tuple((i, 0) for i in range(24))
    space = toy.GridSpace(Halved())
    batch = seeds_of(toy.campaign(domain=Halved()), Corpus(points, sha256="0"), space)
    assert len(batch.candidates) == 10 and len({c.key for c in batch.candidates}) == 10
    short = seeds_of(toy.campaign(domain=Halved(), n_seeds=20), Corpus(points, sha256="0"), space)
    assert len(short.candidates) == 12 and short.record.notes[0].startswith("12 of 20 seed designs")


def test_repeated_measurements_of_one_design_are_averaged_and_the_record_has_a_note() -> None:
    points, heights = ((0, 0), (1, 0), (2, 0)), np.array([1.0, 3.0, 5.0])
    given = Corpus(points, {"height": heights}, sha256="0")
    batch = seeds_of(toy.campaign(domain=Halved()), given, toy.GridSpace(Halved()))
    assert [c.y for c in batch.candidates] == [(2.0,), (5.0,)]
    assert batch.record.notes == ("1 measurements are repeats of a design: the mean counts",)


def test_failures_of_each_check_are_counted_and_the_rest_is_the_shortlist() -> None:
    def never(designs: Sequence[Any]) -> list[Check]:
        return [Check("never", False, "no") for _ in designs]

    parts = toy.campaign(validators=[right_half])
    state = finished(parts)
    validated = validate_candidates(parts, state)
    n_left = sum(c.design[0] <= 0 for c in validated)
    assert count_failures(validated) == ({"right": n_left} if n_left else {})
    listed = shortlist(toy.engine(parts), state)
    assert [c.key for c in rank_shortlist(parts, validated)] == [c.key for c in listed]
    strict = toy.campaign(validators=[right_half, never])
    found = validate_candidates(strict, state)
    assert next(iter(count_failures(found))) == "never" and not rank_shortlist(strict, found)


def test_progress_lines_give_the_round_the_best_value_and_what_is_left() -> None:
    lines: list[str] = []
    engine = toy.engine(toy.campaign(budget=30))
    run(
        engine,
        toy.begun(engine),
        executor=toy.executor(evaluate),
        progress=lambda stage, done, total: lines.append(stage),
    )
    line = next(line for line in lines if line.startswith("round 3/"))
    assert "of 30 calls" in line and "best 0." in line


class Broken:
    """An executor whose calls all fail until it is mended."""

    def __init__(self, status: Any = "failed", reason: str = "no licence") -> None:
        self.is_mended, self.outcome = False, Outcome((np.nan,), status, reason)
        self.asked: list[Any] = []

    def __call__(self, oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        self.asked.append(list(designs))
        if self.is_mended:
            yield from evaluate(oracle, designs)
        else:
            yield from ((i, self.outcome) for i in range(len(designs)))


@pytest.mark.parametrize("status", ["failed", "timeout", "crashed", "invalid"])
def test_a_batch_that_fails_whole_stops_at_once_and_is_asked_again(status: Any) -> None:
    engine, place, events = toy.engine(toy.campaign(budget=15)), Broken(status), Events()
    state = toy.begun(engine, events)
    with pytest.raises(InvdesignError, match=r"none of the 10 calls of this batch returned a value: no licence"):
        run(engine, state, executor=toy.executor(place), recorder=events)
    assert [type(event) for event in events.events] == [BatchSelected, CallsLeased, CallsReleased]
    assert len(events.state.open) == 10 and not events.state.leases
    place.is_mended = True
    final = run(engine, events.state, executor=toy.executor(place), recorder=events)
    assert place.asked[0] == place.asked[1] and final.n_calls == 15
    assert all(c.status == "measured" for c in final.history)


def test_failures_of_some_designs_and_values_that_are_not_finite_are_recorded() -> None:
    def some(oracle: Any, designs: Sequence[Any]) -> Iterator[tuple[int, Outcome]]:
        for i, outcome in evaluate(oracle, designs):
            yield i, Outcome((np.nan,), "failed", "no") if i % 3 == 0 else outcome

    engine = toy.engine(toy.campaign(budget=20))
    state = run(engine, toy.begun(engine), executor=toy.executor(some))
    assert state.n_calls == 20 and {c.status for c in state.history} >= {"failed", "measured"}


def test_failures_are_recorded_where_that_is_asked_for_and_single_ones_until_they_repeat() -> None:
    engine = toy.engine(toy.campaign(budget=20, max_failure_rate=1.0))
    assert run(engine, toy.begun(engine), executor=toy.executor(Broken())).n_calls == 20
    single = toy.engine(toy.campaign(budget=20, batch=1))
    place, events = Broken(), Events()
    place.is_mended = True
    run(
        toy.engine(toy.campaign(budget=12, batch=1)),
        toy.begun(single, events),
        executor=toy.executor(place),
        recorder=events,
    )
    place.is_mended = False
    with pytest.raises(InvdesignError, match="none of the 1 call of this batch"):
        run(single, events.state, executor=toy.executor(place), recorder=events)
    assert len([c for c in events.state.history if c.status == "failed"]) == 2


def test_a_screen_that_refuses_everything_is_named_after_the_first_round(caplog: pytest.LogCaptureFixture) -> None:
    campaign = toy.campaign(
        screens=[lambda designs: [Check("never", False) for _ in designs]], max_empty_rounds=2, screen_seeds=False
    )
    state = finished(campaign)
    assert "of the first round passed; refused by never" in caplog.text
    assert state.records[1].funnel.refused[0][0] == "never" and "(never " in state.records[1].notes[-1]


def test_training_designs_of_a_model_without_its_corpus_are_not_proposed() -> None:
    campaign = toy.campaign()
    known = [c.key for c in finished(campaign).history if c.round > 0][:20]
    engine = toy.engine(campaign)
    trained: Any = dataclasses.replace(engine.latent_space, training_keys=TrainingKeys.of(known))  # type: ignore[type-var]
    state = run(make_engine(campaign, trained), toy.begun(engine), executor=toy.executor(evaluate))
    assert not {c.key for c in state.history if c.round > 0} & set(known)
