"""Oracle calls in the process of the campaign, one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from invdesign.core import Call, OracleSetup, Outcome
from invdesign.execution.outcomes import Answer, answer_outcomes, call_oracle, check_at_least_one
from invdesign.execution.pace import Pace


class InProcess:
    """Calls in this process; where a call on several designs fails, on each of these designs by itself.

    Outcomes are known when a call returns, so long calls would be lost by a stop of the process. Without `chunk` the
    size of a call follows from the time that earlier ones took: a slow oracle measures one design after the other, a
    fast one, or one that takes as long for many designs as for one, all of them at once (see `Pace`).

    An oracle that hangs cannot be stopped, and one that crashes ends this process too; use `ProcessPool` for those.
    What the oracle prints on standard output goes to standard error.

    Args:
        setup: The oracle.
        chunk: Designs of each call; None for a number that follows from their duration.
        allow_partial: Whether a row with some finite values counts as measured.

    Example:
        >>> executor = InProcess(OracleSetup(lambda designs: [len(design) for design in designs]))
        >>> executor.submit([Call("C1", "CCO")])
        >>> [(id, outcome.y) for id, outcome in executor.poll(1.0)]
        [('C1', (3.0,))]
    """

    name = "in_process"
    is_durable = False
    capacity = None

    def __init__(self, setup: OracleSetup, *, chunk: int | None = None, allow_partial: bool = False) -> None:
        check_at_least_one("chunk", chunk)
        self._setup = setup
        self._chunk = chunk
        self._allow_partial = allow_partial
        self._pace = Pace()
        self._waiting: deque[Call[Any]] = deque()
        self._n_single = 0
        """Calls at the front that are made one by one, because a call on all of them failed."""

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Put calls at the end of the queue."""
        self._waiting.extend(calls)

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Make the next call of the oracle, however long it lasts, and return its outcomes.

        Raises:
            InvdesignError: The oracle returns another number of properties than it should.
        """
        while self._waiting:
            size = min(1 if self._n_single else self._chunk or self._pace.size(), len(self._waiting))
            calls = [self._waiting[i] for i in range(size)]
            answer, lasted = self._call([call.design for call in calls])
            outcomes = answer_outcomes(answer, size, lasted, self._setup.n_outputs, self._allow_partial)
            if outcomes is None:
                self._n_single = size
                continue
            self._n_single = max(0, self._n_single - size)
            self._pace.add(size, lasted)
            for _ in calls:
                self._waiting.popleft()
            return [(call.id, outcome) for call, outcome in zip(calls, outcomes, strict=True)]
        return []

    def cancel(self, ids: Collection[str]) -> None:
        """Remove calls from the queue."""
        self._waiting = deque(call for call in self._waiting if call.id not in ids)

    def close(self) -> None:
        """Forget the calls in the queue."""
        self._waiting.clear()

    def _call(self, designs: list[Any]) -> tuple[Answer, float]:
        """Return what the oracle returned, or the error that it raised, and the duration [s]."""
        started = time.monotonic()
        try:
            return call_oracle(self._setup.oracle, designs)
        except (Exception, SystemExit) as error:
            return error, time.monotonic() - started
