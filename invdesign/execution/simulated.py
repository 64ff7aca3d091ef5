"""Oracle calls that take simulated time, to compare searches and to test what happens in which order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from invdesign.core import Call, OracleSetup, Outcome
from invdesign.execution.outcomes import call_oracle, check_at_least_one, failure_outcome, validate_answer


@dataclass
class Clock:
    """Simulated time."""

    now: float = 0.0
    """Seconds since the start."""


class Simulated:
    """Workers whose calls take simulated time: an oracle answers at once, and the clock goes on to the end of its call.

    Args:
        setup: The oracle.
        duration: Returns how long the call on a design takes [s].
        workers: Number of workers; further calls wait.
        clock: Simulated time, which several executors can share.

    Example:
        >>> clock = Clock()
        >>> executor = Simulated(OracleSetup(lambda designs: designs), duration=float, workers=2, clock=clock)
        >>> executor.submit([Call("C1", 3), Call("C2", 1), Call("C3", 1)])
        >>> [(executor.poll(1.0)[0][0], clock.now) for _ in range(3)]
        [('C2', 1.0), ('C3', 2.0), ('C1', 3.0)]
    """

    name = "simulated"
    is_durable = False
    capacity = None

    def __init__(
        self, setup: OracleSetup, *, duration: Callable[[Any], float], workers: int = 1, clock: Clock | None = None
    ) -> None:
        check_at_least_one("workers", workers)
        self._setup, self._duration, self._workers = setup, duration, workers
        self._clock = clock or Clock()
        self._waiting: deque[Call[Any]] = deque()
        self._running: list[tuple[float, int, Call[Any]]] = []
        self._n_started = 0

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Start calls where workers are free."""
        self._waiting.extend(calls)
        self._start()

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Let the next call end, and return its outcome at once."""
        if not self._running:
            return []
        ended, _, call = heapq.heappop(self._running)
        self._clock.now = ended
        self._start()
        return [(call.id, self._outcome(call))]

    def cancel(self, ids: Collection[str]) -> None:
        """Remove calls."""
        self._waiting = deque(call for call in self._waiting if call.id not in ids)
        self._running = [item for item in self._running if item[2].id not in ids]
        heapq.heapify(self._running)

    def close(self) -> None:
        """Forget all calls."""
        self._waiting.clear()
        self._running.clear()

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            call = self._waiting.popleft()
            self._n_started += 1
            heapq.heappush(self._running, (self._clock.now + self._duration(call.design), self._n_started, call))

    def _outcome(self, call: Call[Any]) -> Outcome:
        try:
            answer, _ = call_oracle(self._setup.oracle, [call.design])
        except Exception as error:
            return failure_outcome(error, self._setup.n_outputs)
        return validate_answer(answer, 1, self._setup.n_outputs)[0]
