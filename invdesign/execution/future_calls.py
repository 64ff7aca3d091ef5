"""Calls that are futures: the bookkeeping that pools, clusters and executors of other libraries share."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import dataclass
from typing import Any, Protocol

from invdesign.core import Call, OracleSetup, Outcome
from invdesign.execution.outcomes import Answer, answer_outcomes

SECONDS_BETWEEN_LOOKS = 0.05
"""Time between two looks at futures that do not report their end, and at time limits [s]."""


class FutureLike(Protocol):
    """A call that was started; `concurrent.futures.Future` is one, and so is a job of submitit."""

    def done(self) -> bool:
        """Return whether it ended."""
        ...

    def result(self) -> tuple[Answer, float]:
        """Return the answer of the oracle and its duration [s], or raise the error that it ended with."""
        ...


@dataclass(frozen=True)
class Place:
    """Where futures come from, and how they end early."""

    start: Callable[[list[Any]], FutureLike]
    """Start the oracle on designs."""
    stop: Callable[[Any], object]
    """End a running call, or give it up."""
    is_running: Callable[[Any], bool]
    """Whether the time of a call has begun to count."""
    renew: Callable[[], object] | None = None
    """Start a new worker place after a crash broke it; None where the place survives a crash."""
    finish: Callable[[Any, Answer], Answer] = lambda _, answer: answer
    """Take note of the end of a call, and return its answer, or its error as this package knows it."""


@dataclass
class _Running:
    """Designs of one started call."""

    calls: list[Call[Any]]
    wanted: set[str]
    submitted: float
    since: float | None = None
    is_alone: bool = False


class FutureCalls:
    """Submitted calls as futures of chunks of designs.

    The designs of a chunk that fails are measured again one by one, so that only the failing design has no value. Where
    a crash breaks the whole place, the calls that it took along are repeated alone, so that a second crash shows which
    of them was at fault.

    Args:
        setup: The oracle.
        place: Where the futures come from.
        chunk: Designs of each call of the oracle.
        timeout: Time that one design may take [s]; None for no limit, or where the place has its own.
        max_running: Number of chunks that are started at the same time; None for all.
        allow_partial: Whether a row with some finite values counts as measured.
    """

    def __init__(
        self,
        setup: OracleSetup,
        place: Place,
        *,
        chunk: int = 1,
        timeout: float | None = None,
        max_running: int | None = None,
        allow_partial: bool = False,
    ) -> None:
        self._setup, self._place = setup, place
        self._chunk, self._timeout, self._max_running = chunk, timeout, max_running
        self._allow_partial = allow_partial
        self._waiting: deque[list[Call[Any]]] = deque()
        self._suspects: deque[Call[Any]] = deque()
        """Calls that a crash took along."""
        self._running: dict[Any, _Running] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._silent: set[Any] = set()
        """Futures that do not report their end."""

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Start calls in chunks, or queue them."""
        self._waiting.extend(list(calls[i : i + self._chunk]) for i in range(0, len(calls), self._chunk))
        self._start()

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return outcomes of the calls that ended; wait at most about `seconds` for the first."""
        self._start()
        deadline = time.monotonic() + seconds
        found = self._collect()
        while not found and self._running and time.monotonic() < deadline:
            self._wait(deadline)
            found = self._collect()
        return found

    def cancel(self, ids: Collection[str]) -> None:
        """Stop calls; one that shares its chunk with others goes on for those, and its outcome is dropped."""
        self._waiting = deque(
            kept for chunk in self._waiting if (kept := [call for call in chunk if call.id not in ids])
        )
        self._suspects = deque(call for call in self._suspects if call.id not in ids)
        for future, running in list(self._running.items()):
            running.wanted -= set(ids)
            if not running.wanted:
                self._forget(future)
                self._place.stop(future)

    def close(self) -> None:
        """Stop all calls."""
        self._waiting.clear()
        self._suspects.clear()
        for future in list(self._running):
            self._forget(future)
            self._place.stop(future)

    def _start(self) -> None:
        """Start what waits; after a crash of the whole place one suspect at a time, before all else."""
        if self._suspects:
            if not self._running:
                self._start_chunk([self._suspects.popleft()], is_alone=True)
            return
        if any(running.is_alone for running in self._running.values()):
            return
        while self._waiting and (self._max_running is None or len(self._running) < self._max_running):
            self._start_chunk(self._waiting.popleft())

    def _start_chunk(self, calls: list[Call[Any]], *, is_alone: bool = False) -> None:
        try:
            future = self._place.start([call.design for call in calls])
        except BrokenExecutor:
            if self._place.renew is None:
                raise
            self._place.renew()
            future = self._place.start([call.design for call in calls])
        self._running[future] = _Running(calls, {call.id for call in calls}, time.monotonic(), is_alone=is_alone)
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(self._ended.put)
        else:
            self._silent.add(future)

    def _wait(self, deadline: float) -> None:
        """Wait for the end of a call, or until it is time to look at the others."""
        seconds = max(0.0, deadline - time.monotonic())
        if self._silent or self._timeout is not None:
            seconds = min(seconds, SECONDS_BETWEEN_LOOKS)
        try:
            self._ended.put(self._ended.get(timeout=seconds))
        except queue.Empty:
            return

    def _collect(self) -> list[tuple[str, Outcome]]:
        """Return outcomes of all calls that ended or ran out of time."""
        found: list[tuple[str, Outcome]] = []
        for future in self._take_ended():
            if future in self._running:
                answer, seconds = _answer(future)
                found += self._finish(future, (self._place.finish(future, answer), seconds))
        for future in self._late():
            self._place.stop(future)
            found += self._finish(future, (TimeoutError(), None))
        return found

    def _take_ended(self) -> list[Any]:
        ended = [future for future in self._silent if future.done()]
        while True:
            try:
                ended.append(self._ended.get_nowait())
            except queue.Empty:
                return ended

    def _late(self) -> list[Any]:
        """Return the calls that have run for longer than they may."""
        if self._timeout is None:
            return []
        now = time.monotonic()
        for future, running in self._running.items():
            if running.since is None and self._place.is_running(future):
                running.since = now
        return [
            future
            for future, running in self._running.items()
            if running.since is not None and now - running.since > self._timeout * len(running.calls)
        ]

    def _finish(self, future: Any, ended: tuple[Answer, float | None]) -> list[tuple[str, Outcome]]:
        """Return the outcomes of a call that ended; nothing where its designs are measured again."""
        answer, seconds = ended
        running = self._running[future]
        self._forget(future)
        wanted = [call for call in running.calls if call.id in running.wanted]
        if isinstance(answer, BrokenExecutor) and self._place.renew is not None and not running.is_alone:
            self._suspects.extend(wanted)
            self._start()
            return []
        lasted = time.monotonic() - (running.since or running.submitted) if seconds is None else seconds
        outcomes = answer_outcomes(answer, len(running.calls), lasted, self._setup.n_outputs, self._allow_partial)
        if outcomes is None:
            self._waiting.extendleft([call] for call in reversed(wanted))
            self._start()
            return []
        self._start()
        pairs = zip(running.calls, outcomes, strict=True)
        return [(call.id, outcome) for call, outcome in pairs if call.id in running.wanted]

    def _forget(self, future: Any) -> None:
        del self._running[future]
        self._silent.discard(future)


def _answer(future: Any) -> tuple[Answer, float | None]:
    """Return what a future ended with, and the duration of the call where it is known [s]."""
    try:
        answer, seconds = future.result()
    except (Exception, SystemExit, CancelledError) as error:
        return error, None
    return answer, float(seconds)
