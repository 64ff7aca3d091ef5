"""Oracle calls in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Collection, Sequence
from typing import Any, Literal

from invdesign.core import Call, InvdesignError, Oracle, OracleSetup, Outcome
from invdesign.execution.future_calls import FutureCalls, FutureLike, Place
from invdesign.execution.outcomes import call_oracle, check_at_least_one


class ProcessPool:
    """Calls in worker processes: a call that hangs is killed, a worker that crashes is replaced.

    The designs of a chunk that fails are measured again one by one, so that only the failing design has no value.

    Args:
        setup: The oracle, an importable function or a partial of one: it is sent to other processes.
        workers: Number of processes.
        timeout: Time that one design may take [s]; None for no limit.
        chunk: Designs of each call; larger chunks suit cheap vectorized oracles.
        max_tasks: Calls after which a worker is replaced, for oracles that leak memory; 0 for never.
        start: How workers are started. A fork of a process that runs threads (torch does) can hang.
        allow_partial: Whether a row with some finite values counts as measured.

    Raises:
        InvdesignError: The oracle cannot be sent to another process.
    """

    name = "process_pool"
    is_durable = False
    capacity = None

    def __init__(
        self,
        setup: OracleSetup,
        *,
        workers: int = 2,
        timeout: float | None = None,
        chunk: int = 1,
        max_tasks: int = 0,
        start: Literal["forkserver", "spawn", "fork"] = "forkserver",
        allow_partial: bool = False,
    ) -> None:
        check_at_least_one("chunk", chunk)
        check_at_least_one("workers", workers)
        check_portable(setup.oracle)
        self._oracle, self._timeout = setup.oracle, timeout
        self._workers, self._max_tasks, self._start = workers, max_tasks, start
        self._pool: Any = None
        place = Place(self._schedule, stop=lambda future: future.cancel(), is_running=lambda future: future.running())
        self._calls = FutureCalls(setup, place, chunk=chunk, allow_partial=allow_partial)

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Queue calls for the workers, which the first call starts."""
        self._calls.submit(calls)

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return outcomes of the calls that ended."""
        return self._calls.poll(seconds)

    def cancel(self, ids: Collection[str]) -> None:
        """Stop calls; a worker that runs one is replaced."""
        self._calls.cancel(ids)

    def close(self) -> None:
        """End the workers."""
        self._calls.close()
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def _schedule(self, designs: list[Any]) -> FutureLike:
        if self._pool is None:
            self._pool = self._open()
        limit = None if self._timeout is None else self._timeout * len(designs)
        future: FutureLike = self._pool.schedule(call_oracle, args=(self._oracle, designs), timeout=limit)
        return future

    def _open(self) -> Any:
        from pebble import ProcessPool as Pool

        context = multiprocessing.get_context(self._start)
        if self._start == "forkserver":
            module = getattr(getattr(self._oracle, "func", self._oracle), "__module__", None)
            context.set_forkserver_preload([module] if module else [])
        return Pool(max_workers=self._workers, max_tasks=self._max_tasks, context=context)


def check_portable(oracle: Oracle) -> None:
    """Check that an oracle can be sent to another process.

    Raises:
        InvdesignError: It cannot.
    """
    try:
        pickle.dumps(oracle)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvdesignError(
            "executor: expected an oracle that can be imported by name, or a functools.partial of one, got one that "
            f"cannot be sent to a worker process ({error}). Move it into a module, or set executor: in_process"
        ) from error
