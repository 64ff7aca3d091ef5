"""Simulated asynchronous campaigns: durations, order of finishing, failures, clock and crashes follow from one seed.

Every write may be the last one of a process, before or after it is durable, and so may every submission and every poll.
A later process goes on; at the end no evaluation is lost, repeated or mislabelled. 1,000 seeds in the suite;
INVDESIGN_SIMULATIONS=10000 sets another number, INVDESIGN_SIMULATION=17 runs a single seed.
"""

from __future__ import annotations

import heapq
import os
import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import toy

from invdesign.campaign import State, apply, initialize, run, start
from invdesign.core import Call, InvdesignError, OracleSetup, Outcome
from invdesign.ledger import Ledger
from invdesign.search.search import Search

N_SIMULATIONS = int(os.environ.get("INVDESIGN_SIMULATIONS", "1000"))
ONE = os.environ.get("INVDESIGN_SIMULATION")
N_BLOCKS = 10
SEEDS = [int(ONE)] if ONE else range(N_SIMULATIONS)
EVERY_LEDGER = 100
"""Every how many seeds the events are in a ledger on disk; elsewhere they are in memory."""


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Plan:
    """What happens in one simulated campaign."""

    seed: int
    draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        draw = self.draw
        self.workers = draw.randint(1, 6)
        self.is_durable = draw.random() < 0.5
        self.p_crash = draw.choice((0.0, 0.01, 0.05, 0.15))
        self.p_failure = draw.choice((0.0, 0.2, 0.6))
        self.capacity = draw.choice((None, None, 1, 3))
        self.n_crashes = 0
        budget = draw.randint(5, 11)
        self.campaign = toy.campaign(
            search=Search(acquire=None, trust_region=None, oversample=2),
            budget=budget,
            batch=draw.randint(1, 4),
            n_seeds=draw.randint(1, 4),
            n_in_flight=draw.choice((0, 1, 2, 4, 6)),
            max_failure_rate=1.0,
            seed=self.seed,
        )

    def may_crash(self) -> None:
        """End the process, with the probability of this campaign."""
        if self.draw.random() < self.p_crash:
            self.n_crashes += 1
            raise Crash

    def fate(self, design: Any) -> tuple[float, Outcome]:
        """Return duration and outcome of a design, which depend on the seed and the design alone."""
        draw = random.Random(f"{self.seed} {design}")
        seconds = draw.lognormvariate(0.0, 1.0)
        if draw.random() < self.p_failure:
            return seconds, Outcome(
                (float("nan"),), draw.choice(("failed", "timeout", "crashed", "invalid")), "unlucky"
            )
        return seconds, Outcome((float(design[0] * 100 + design[1]),), seconds=seconds)


@dataclass
class World:
    """What outlives a process: the clock, calls of a durable place, and counts of what was evaluated."""

    plan: Plan
    now: float = 0.0
    running: list[tuple[float, str, Any]] = field(default_factory=list)
    waiting: list[Call[Any]] = field(default_factory=list)
    done: dict[str, Any] = field(default_factory=dict)
    """Finished calls of a durable place, until their outcomes are recorded."""
    started: Counter[str] = field(default_factory=Counter)
    """Evaluations that were started, by key."""
    known: set[str] = field(default_factory=set)
    """Identifiers of the calls that a durable place was given."""


class Place:
    """Workers of a world; a place that is not durable loses its calls with the process."""

    name = "world"

    def __init__(self, setup: OracleSetup, *, world: World, recorder: Any) -> None:
        self.world, self.recorder = world, recorder
        self.is_durable = world.plan.is_durable
        self.domain = setup.domain
        if not self.is_durable:
            world.running, world.waiting, world.done = [], [], {}
            world.known.clear()
        self.asked: set[str] = set()

    @property
    def capacity(self) -> int | None:
        limit = self.world.plan.capacity
        return None if limit is None else max(0, limit - len(self.world.running) - len(self.world.waiting))

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        self.world.plan.may_crash()
        leases = {lease.call: key for key, lease in self.recorder.state().leases.items()}
        for call in calls:
            assert leases[call.id] == toy.Grid().key(call.design), "a call was submitted without its lease"
            self.asked.add(call.id)
            if call.id not in self.world.known:
                self.world.known.add(call.id)
                self.world.waiting.append(call)
        self.start()
        self.world.plan.may_crash()

    def start(self) -> None:
        world = self.world
        while world.waiting and len(world.running) < world.plan.workers:
            call = world.waiting.pop(0)
            seconds, _ = world.plan.fate(call.design)
            world.started[toy.Grid().key(call.design)] += 1
            heapq.heappush(world.running, (world.now + seconds, call.id, call.design))

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        world = self.world
        world.plan.may_crash()
        while world.running and not self.asked & world.done.keys():
            world.now, call, design = heapq.heappop(world.running)
            world.done[call] = design
            self.start()
            if world.plan.draw.random() < 0.5:
                break
        ready = sorted(self.asked & world.done.keys())
        found = [(call, world.plan.fate(world.done[call])[1]) for call in ready]
        self.asked -= set(ready)
        world.plan.may_crash()
        world.plan.draw.shuffle(found)
        return found

    def cancel(self, ids: Collection[str]) -> None:
        raise AssertionError("nothing is cancelled where failures are recorded however many there are")

    def close(self) -> None:
        pass


class Memory:
    """A recorder in memory: what was recorded before a crash is kept."""

    def __init__(self) -> None:
        self.current: State[Any] = State()

    def record(self, *events: Any) -> State[Any]:
        for event in events:
            self.current = apply(self.current, event)
        return self.current

    def state(self) -> State[Any]:
        return self.current

    def close(self) -> None:
        pass


@dataclass
class Crashing:
    """A recorder whose process may end before a write, or after it."""

    plan: Plan
    inner: Any

    def state(self) -> State[Any]:
        found: State[Any] = self.inner.state()
        return found

    def record(self, *events: Any) -> None:
        self.plan.may_crash()
        before = self.state().selected
        after = self.inner.record(*events).selected
        assert after[: len(before)] == before, "an identifier changed"
        self.plan.may_crash()

    def on_batch(self, event: Any) -> None:
        self.record(event)

    on_lease = on_release = on_round_end = on_batch

    def on_outcomes(self, events: Sequence[Any]) -> None:
        self.record(*events)


def simulate(plan: Plan, folder: Path | None) -> tuple[State[Any], World]:
    """Return the final state of a simulated campaign, which as many processes as it takes bring to its end."""
    world, memory = World(plan), Memory()
    engine = toy.engine(plan.campaign)
    while True:
        inner: Any = memory if folder is None else Ledger.open(folder / "ledger.sqlite", plan.campaign.domain)
        recorder: Any = Crashing(plan, inner)
        try:
            state = recorder.state()
            if not state.records:
                state = start(engine, initialize(engine, toy.corpus()), recorder)
            state = run(
                engine, state, executor=partial(Place, world=world, recorder=recorder), recorder=recorder, folder=folder
            )
            return recorder.state(), world
        except Crash:
            continue
        finally:
            inner.close()


def check(plan: Plan, state: State[Any], world: World) -> None:
    limits = plan.campaign.limits
    assert state.n_calls == limits.budget and not state.open and not state.pending, "an evaluation was lost"
    keys = [c.key for c in state.history]
    assert len(set(keys)) == len(keys) == limits.budget and set(state.selected) == set(keys), "a design was repeated"
    for c in state.history:
        _, outcome = plan.fate(c.design)
        assert (c.status, c.reason) == (outcome.status, outcome.reason), "an outcome is that of another design"
        assert c.y == outcome.y or outcome.status != "measured", "a value is that of another design"
    assert not state.leases and state.n_leases >= limits.budget
    assert set(world.started) == set(keys), "a design was evaluated that was never selected, or never evaluated"
    if plan.is_durable:
        assert set(world.started.values()) == {1}, "an evaluation was repeated"
        assert state.n_leases == limits.budget
    else:
        assert max(world.started.values()) <= 1 + plan.n_crashes, "an evaluation was repeated without a crash"


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_no_evaluation_is_lost_repeated_or_mislabelled(block: int, tmp_path: Path) -> None:
    for seed in SEEDS[block::N_BLOCKS]:
        plan = Plan(seed)
        folder = tmp_path / str(seed) if seed % EVERY_LEDGER == 0 else None
        if folder is not None:
            folder.mkdir()
        try:
            check(plan, *simulate(plan, folder))
        except (AssertionError, InvdesignError, LookupError) as error:
            raise AssertionError(f"seed {seed}: {error} (INVDESIGN_SIMULATION={seed} repeats it)") from error


def test_a_simulated_campaign_follows_from_its_seed() -> None:
    plan = next(plan for plan in map(Plan, range(100)) if plan.p_crash > 0.1 and plan.is_durable)
    first, world = simulate(Plan(plan.seed), None)
    second, other = simulate(Plan(plan.seed), None)
    assert first.selected == second.selected and world.now == other.now
    assert [repr(c.y) for c in first.history] == [repr(c.y) for c in second.history]
