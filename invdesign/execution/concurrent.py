"""Oracle calls on an executor like those of `concurrent.futures`: threads, Dask, Parsl, executorlib, submitit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any

from invdesign.core import Call, OracleSetup, Outcome
from invdesign.execution.future_calls import FutureCalls, FutureLike, Place
from invdesign.execution.outcomes import Answer, RemoteError, WorkerLostError, call_oracle, check_at_least_one


class Concurrent:
    """Calls on an executor that has the method `submit(function, *arguments)`.

    Such an executor cannot kill a running call: after `timeout` its outcome is a timeout, while its worker stays busy.
    After a crash that breaks the executor (a standard process pool) a new one is made for the calls that were lost.

    Args:
        setup: The oracle, which is sent to the executor.
        make: Makes the executor, e.g. `partial(concurrent.futures.ThreadPoolExecutor, max_workers=4)`; it is shut down
            at the end.
        timeout: Time that one design may take from the start of its call [s]; None for no limit.
        chunk: Designs of each call.
        allow_partial: Whether a row with some finite values counts as measured.
    """

    is_durable = False
    capacity = None

    def __init__(
        self,
        setup: OracleSetup,
        *,
        make: Callable[[], Any],
        timeout: float | None = None,
        chunk: int = 1,
        allow_partial: bool = False,
    ) -> None:
        check_at_least_one("chunk", chunk)
        self._oracle, self._make = setup.oracle, make
        self._executor: Any = None
        place = Place(self._start, _cancel, is_running=_is_running, renew=self._shut_down, finish=_known_error)
        self._calls = FutureCalls(setup, place, chunk=chunk, timeout=timeout, allow_partial=allow_partial)
        function = getattr(make, "func", make)
        self.name = str(getattr(function, "__name__", "concurrent"))

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        """Submit calls to the executor, which the first one makes."""
        self._calls.submit(calls)

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        """Return outcomes of the calls that ended."""
        return self._calls.poll(seconds)

    def cancel(self, ids: Collection[str]) -> None:
        """Cancel calls that have not started, and give the answers of the others up."""
        self._calls.cancel(ids)

    def close(self) -> None:
        """Shut the executor down without waiting for its calls."""
        self._calls.close()
        self._shut_down()

    def _start(self, designs: list[Any]) -> FutureLike:
        if self._executor is None:
            self._executor = self._make()
        future: FutureLike = self._executor.submit(call_oracle, self._oracle, designs)
        return future

    def _shut_down(self) -> None:
        """Shut the executor down; the next call makes another one."""
        executor, self._executor = self._executor, None
        if hasattr(executor, "shutdown"):
            executor.shutdown(wait=False, cancel_futures=True)


def _cancel(future: Any) -> None:
    future.cancel()


def _known_error(future: Any, answer: Answer) -> Answer:
    """Return an answer, or its error; that of a job of submitit as the error of the oracle or as a lost worker."""
    library = sys.modules.get("submitit")
    if library is None or not isinstance(answer, library.core.utils.UncompletedJobError):
        return answer
    parts = str(answer).split("\n----------------------\n")
    if isinstance(answer, library.core.utils.FailedJobError) and len(parts) > 1:
        return RemoteError(parts[1].strip().splitlines()[-1])
    return WorkerLostError(parts[0].splitlines()[0])


def _is_running(future: Any) -> bool:
    """Return whether a future runs; one that does not say runs from its submission."""
    return bool(future.running()) if hasattr(future, "running") else True
