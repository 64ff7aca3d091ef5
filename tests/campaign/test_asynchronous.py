"""Asynchronous search: as many designs in flight as asked for, a new one as each finishes, rounds of a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import toy

from invdesign.campaign import BatchSelected, OutcomeRecorded, RoundEnded, State, apply, ask, run
from invdesign.core import InvdesignError
from invdesign.execution.simulated import Clock, Simulated
from invdesign.search.search import Search

RANDOM = Search(acquire=None, trust_region=None, oversample=4)


class Events:
    """A recorder that keeps the events."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.state: State[Any] = State()

    def _record(self, event: Any) -> None:
        self.events.append(event)
        self.state = apply(self.state, event)

    on_batch = on_lease = on_release = on_round_end = _record

    def on_outcomes(self, events: Sequence[Any]) -> None:
        for event in events:
            self._record(event)


def duration(design: Any) -> float:
    """Return a time that differs widely between designs."""
    return float(np.random.default_rng([abs(x) for x in design]).lognormal(0.0, 1.0))


def finished(parts: Any, events: Any = None, clock: Clock | None = None) -> State[Any]:
    engine = toy.engine(parts)
    place = partial(Simulated, duration=duration, workers=4, clock=clock or Clock())
    return run(engine, toy.begun(engine, events), executor=place, recorder=events)


def test_a_new_design_is_proposed_as_each_finishes_and_no_more_than_asked_for_are_open() -> None:
    events = Events()
    state = finished(toy.campaign(search=RANDOM, budget=30, n_in_flight=4), events)
    assert state.n_calls == 30 and not state.open and len({c.key for c in state.history}) == 30
    kinds = [event for event in events.events if isinstance(event, BatchSelected | OutcomeRecorded)]
    later = kinds[kinds.index(next(e for e in kinds if isinstance(e, BatchSelected) and e.record.round == 1)) :]
    assert all(len(event.candidates) == 1 for event in later[1:] if isinstance(event, BatchSelected))
    replayed: State[Any] = State()
    for event in events.events:
        replayed = apply(replayed, event)
        assert len(replayed.open) <= (10 if replayed.round == 0 else 4)
    assert replayed.selected == state.selected and len(replayed.records) == len(state.records)


def test_a_round_ends_with_as_many_outcomes_as_a_batch_has_while_others_are_open() -> None:
    events = Events()
    state = finished(toy.campaign(search=RANDOM, budget=30, batch=5, n_in_flight=4), events)
    ends = [event.record for event in events.events if isinstance(event, RoundEnded)]
    # Three seed designs are open when the first round starts, and are measured in it.
    assert [record.n_measured + record.n_failed for record in ends[:4]] == [7, 5, 5, 5]
    assert sum(record.n_measured + record.n_failed for record in ends) == 30
    assert [record.round for record in state.records] == list(range(len(ends)))
    assert all(record.is_ended for record in state.records)


def test_it_takes_less_time_than_a_synchronous_search() -> None:
    times = []
    for n_in_flight in (0, 4):
        clock = Clock()
        finished(toy.campaign(search=RANDOM, budget=50, batch=4, n_in_flight=n_in_flight), clock=clock)
        times.append(clock.now)
    assert times[1] < 0.8 * times[0]


@pytest.mark.slow
def test_it_finds_the_top_with_a_surrogate_and_trust_regions() -> None:
    base = toy.campaign()
    search = dataclasses.replace(base.search, n_regions=2)
    state = finished(toy.campaign(search=search, budget=40, n_in_flight=4))
    assert max(c.y[0] for c in state.history if c.status == "measured") > 0.95
    assert {c.region for c in state.history if c.round} == {0, 1}


def test_designs_that_join_an_open_round_differ_from_those_that_are_pending() -> None:
    engine = toy.engine(toy.campaign(search=RANDOM))
    state = apply(toy.begun(engine), ask(engine, toy.begun(engine), n=2))
    more = ask(engine, state, n=2)
    assert more.record.round == state.round == 1 and more.record.funnel.selected == 4
    assert not {c.key for c in more.candidates} & set(state.selected)
    again = apply(state, more)
    assert again.round == 1 and len(again.records) == 2 and again.selected[-2:] == tuple(c.key for c in more.candidates)


def test_failures_without_an_answer_stop_it_and_cancel_what_runs() -> None:
    def broken(designs: Sequence[Any]) -> Any:
        raise ValueError("no licence")

    events = Events()
    with pytest.raises(InvdesignError, match="returned a value: ValueError: no licence"):
        finished(toy.campaign(search=RANDOM, oracle=broken, batch=3, n_seeds=4, n_in_flight=4), events)
    assert not events.state.leases and len(events.state.open) == len(events.state.selected)


def test_a_latent_space_is_fine_tuned_when_nothing_is_open() -> None:
    def stretched(space: Any, designs: Sequence[Any], utilities: Any, *, seed: int) -> Any:
        return dataclasses.replace(space, scale=1.1 * space.scale)

    state = finished(toy.campaign(search=RANDOM, budget=30, n_in_flight=4, finetune=stretched, finetune_every=2))
    assert [record.round for record in state.records if record.is_finetuned] == [
        record.round for record in state.records if record.round and record.round % 2 == 0
    ]


def test_a_search_that_finds_nothing_new_ends() -> None:
    class Few(toy.GridSpace):
        def draw(self, n: int, source: str = "corpus") -> Any:
            return super().draw(n) * 0.02

    parts = toy.campaign(search=RANDOM, budget=50, n_in_flight=3, n_seeds=3, max_empty_rounds=2)
    engine = dataclasses.replace(toy.engine(parts), latent_space=Few(parts.domain))  # type: ignore[arg-type]
    place = partial(Simulated, duration=duration, workers=3)
    state = run(engine, toy.begun(engine), executor=place)
    assert state.n_calls < 50 and not state.open
