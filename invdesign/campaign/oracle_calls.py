"""Oracle calls of a campaign: leased, submitted, polled and recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic

from invdesign.campaign.engine import Engine
from invdesign.campaign.failures import count_trailing_errors, has_measured_call, stop_on_failed_batch
from invdesign.campaign.state import CallsLeased, CallsReleased, OutcomeRecorded, Recorder, State, apply, apply_outcomes
from invdesign.core import B, Call, D, Executor, InvdesignError, Outcome, Status

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5
"""Time that an executor waits for a call to finish before progress is reported [s]."""

Report = Callable[[str, State[Any], int], None]
"""Reports a message, the state, and the number of calls that were answered."""


class OracleCalls(Generic[D, B]):
    """The calls of one campaign on one open executor.

    Every call is leased before it is submitted, and an outcome is recorded when it is known, so that a process that
    ends at any moment leaves a record of what may be running. Failed calls are recorded once the oracle has returned an
    answer for another design of the round. Without any, the oracle is at fault and not the designs: nothing is
    recorded, and the designs stay open.

    Args:
        engine: The campaign.
        executor: Where its oracle runs.
        recorder: Records the events.
        report: Called while calls run.
    """

    def __init__(self, engine: Engine[D, B], executor: Executor, recorder: Recorder | None, report: Report) -> None:
        self._campaign = engine.campaign
        self._executor, self._recorder, self._report = executor, recorder, report
        self._submitted: dict[str, tuple[str, float]] = {}
        """Key and time of submission of the calls that run."""
        self._held: list[OutcomeRecorded[D]] = []
        """Failures that are not recorded yet."""

    def resume(self, state: State[D]) -> State[D]:
        """Return the state after the calls of an earlier process were collected, or released where they ended with it.

        A durable executor of the same name goes on with its calls; all others are released.
        """
        kept = {
            key: lease
            for key, lease in state.leases.items()
            if self._executor.is_durable and lease.executor == self._executor.name
        }
        lost = [key for key in state.leases if key not in kept]
        if any(state.leases[key].executor != self._executor.name for key in lost):
            others = sorted({state.leases[key].executor for key in lost} - {self._executor.name})
            logger.warning(
                "%d calls that were submitted to %s are given up, and made again with %s",
                len(lost),
                ", ".join(others),
                self._executor.name,
            )
        if lost:
            state = self._release(state, lost, "its process ended")
        designs = {c.key: c.design for c in state.open}
        self._submit([Call(lease.call, designs[key]) for key, lease in kept.items()], list(kept))
        return state

    def measure(self, state: State[D], *, max_open: int = 0) -> State[D]:
        """Return the state once at most `max_open` designs wait for an outcome.

        Raises:
            InvdesignError: No call of a batch returned an answer.
        """
        while True:
            state = self._lease(state)
            if self.count_running(state) <= max_open or not self._submitted:
                break
            finished = self._executor.poll(POLL_SECONDS)
            state = self._take(state, finished)
            if max_open and len(self._held) >= self._campaign.limits.batch:
                state = self._settle(state)
            self._report_progress(state, is_waiting=not finished)
        return state if self._submitted or not self._held else self._settle(state)

    def count_running(self, state: State[D]) -> int:
        """Return how many designs wait for an outcome, without those whose failure is held back."""
        return len(state.open) - len(self._held)

    def _lease(self, state: State[D]) -> State[D]:
        """Return the state after further open designs were leased and submitted, as many as the executor takes."""
        known = {key for key, _ in self._submitted.values()} | {event.key for event in self._held}
        waiting = [c for c in state.open if c.key not in known]
        capacity = self._executor.capacity
        if capacity is not None:
            waiting = waiting[: max(0, capacity)]
        if not waiting:
            return state
        calls = [Call(f"C{state.n_leases + 1 + i:05d}", c.design) for i, c in enumerate(waiting)]
        keys = [c.key for c in waiting]
        pairs = zip((call.id for call in calls), keys, strict=True)
        event = CallsLeased(tuple(pairs), self._executor.name)
        if self._recorder:
            self._recorder.on_lease(event)
        state = apply(state, event)
        self._submit(calls, keys)
        return state

    def _submit(self, calls: Sequence[Call[D]], keys: Sequence[str]) -> None:
        if not calls:
            return
        now = time.monotonic()
        self._executor.submit(calls)
        self._submitted |= {call.id: (key, now) for call, key in zip(calls, keys, strict=True)}

    def _take(self, state: State[D], finished: Sequence[tuple[str, Outcome]]) -> State[D]:
        """Return the state after outcomes; failures may be held back."""
        for call, outcome in finished:
            if call in self._submitted:
                key, _ = self._submitted.pop(call)
                self._held.append(OutcomeRecorded(key, outcome))
        answers: tuple[Status, ...] = ("measured", "invalid") if has_measured_call(state) else ("measured",)
        has_answer = any(c.status in answers for c in state.pending) or any(
            event.outcome.status in answers for event in self._held
        )
        return self._record(state) if has_answer and self._held else state

    def _record(self, state: State[D]) -> State[D]:
        events, self._held = self._held, []
        if self._recorder:
            self._recorder.on_outcomes(events)
        return apply_outcomes(state, events)

    def _settle(self, state: State[D]) -> State[D]:
        """Return the state after the failures that were held back, where they do not mean that the oracle is at fault.

        Raises:
            InvdesignError: The oracle is at fault; nothing stays leased, and what runs is cancelled.
        """
        outcomes = [event.outcome for event in self._held]
        try:
            stop_on_failed_batch(self._campaign.limits, outcomes, count_trailing_errors(state))
        except InvdesignError:
            self._executor.cancel(list(self._submitted))
            self._release(state, list(state.leases), "no call of its batch returned a value")
            raise
        return self._record(state)

    def _release(self, state: State[D], keys: Sequence[str], reason: str) -> State[D]:
        event = CallsReleased(tuple(keys), reason)
        if self._recorder:
            self._recorder.on_release(event)
        return apply(state, event)

    def _report_progress(self, state: State[D], *, is_waiting: bool) -> None:
        n_done = state.n_calls - len(state.open) + len(self._held)
        since = min((submitted for _, submitted in self._submitted.values()), default=None)
        if is_waiting and since is not None:
            self._report(describe_wait(len(self._submitted), time.monotonic() - since), state, n_done)
        else:
            self._report("", state, n_done)


def measure(executor: Executor, designs: Sequence[Any]) -> Iterator[list[tuple[int, Outcome]]]:
    """Measure designs outside of a campaign, without a record.

    Args:
        executor: An open executor.
        designs: The designs.

    Yields:
        Positions of designs and their outcomes, those together that became known together.
    """
    calls = [Call(f"C{i + 1:05d}", design) for i, design in enumerate(designs)]
    places = {call.id: i for i, call in enumerate(calls)}
    while calls or places:
        n = len(calls) if executor.capacity is None else executor.capacity
        if calls and n > 0:
            executor.submit(calls[:n])
            calls = calls[n:]
        finished = executor.poll(POLL_SECONDS)
        if finished:
            yield [(places.pop(call), outcome) for call, outcome in finished]


def describe_wait(n_calls: int, oldest_seconds: float) -> str:
    """Return a progress message while oracles run, e.g. `waiting for 3 oracle calls, oldest 4:12`."""
    minutes, seconds = divmod(int(oldest_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    age = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return f"waiting for {n_calls} oracle call{'s' * (n_calls != 1)}, oldest {age}"
