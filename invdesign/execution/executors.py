"""Where oracles run: in this process, in a pool of processes, or on any executor.

Outcomes are yielded as calls finish. An oracle may raise an error, hang, crash its process or return values of a wrong
shape. Each of these becomes an `Outcome` with a status and a reason, for the designs that it concerns alone.
"""

from __future__ import annotations

import multiprocessing
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import redirect_stdout
from typing import Any, Literal

import numpy as np

from invdesign.core import InvdesignError, Oracle, Outcome, Progress, silent
from invdesign.execution.outcomes import failure_outcome, validate_answer
from invdesign.execution.pace import Pace

Call = Future[tuple[Any, float]]
POLL_SECONDS = 0.5
"""Time between two progress messages [s]."""


def in_process(
    oracle: Oracle,
    designs: Sequence[Any],
    *,
    chunk: int | None = None,
    n_outputs: int | None = None,
    allow_partial: bool = False,
    pace: Pace | None = None,
    is_grouped: bool = False,
    progress: Progress = silent,
) -> Iterator[Any]:
    """Call the oracle in this process; where a call on several designs fails, on each design by itself.

    Outcomes are known when a call returns, so long calls would be lost by a stop of the process. Without `chunk` the
    size of a call follows from the time that earlier ones took: a slow oracle measures one design after the other, a
    fast one, or one that takes as long for many designs as for one, all of them at once (see `Pace`).

    An oracle that hangs cannot be stopped, and one that crashes ends this process too; use `process_pool` for those.
    What the oracle prints on standard output goes to standard error.

    Args:
        oracle: Function from `n` designs to `n` or `n x m` values.
        designs: The designs to measure.
        chunk: Designs of each call; None for a number that follows from their duration.
        n_outputs: `m`, where it is known.
        allow_partial: Whether a row with some finite values counts as measured.
        pace: Durations of earlier calls, which this one adds to.
        is_grouped: Whether the outcomes of a call are yielded together, as a list, so that they are recorded together.
        progress: Called after every call.

    Yields:
        Position of the design and its outcome, or lists of them.

    Raises:
        InvdesignError: The oracle returns another number of values for each design than `n_outputs`.
    """
    _check_at_least_one("chunk", chunk)
    pace = pace or Pace()
    done, limit = 0, len(designs)
    while done < len(designs):
        progress("oracle", done, len(designs))
        size = min(limit, chunk or pace.size(), len(designs) - done)
        positions = tuple(range(done, done + size))
        call, lasted = _run(oracle, [designs[i] for i in positions])
        outcomes = _outcomes(call, False, size, lasted, n_outputs, allow_partial)
        if outcomes is None:
            limit = 1
            continue
        pace.add(size, lasted)
        done += size
        found = list(zip(positions, outcomes, strict=True))
        if is_grouped:
            yield found
        else:
            yield from found
    progress("oracle", done, len(designs))


def process_pool(
    oracle: Oracle,
    designs: Sequence[Any],
    *,
    workers: int = 2,
    timeout: float | None = None,
    chunk: int = 1,
    max_tasks: int = 0,
    start: Literal["forkserver", "spawn", "fork"] = "forkserver",
    n_outputs: int | None = None,
    allow_partial: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[int, Outcome]]:
    """Call the oracle in worker processes: a call that hangs is killed, a worker that crashes is replaced.

    The designs of a chunk that fails are measured again one by one, so that only the failing design has no value.

    Args:
        oracle: An importable function or a partial of one: it is sent to other processes.
        designs: The designs to measure.
        workers: Number of processes.
        timeout: Time that one design may take [s]; None for no limit.
        chunk: Designs of each call; larger chunks suit cheap vectorized oracles.
        max_tasks: Calls after which a worker is replaced, for oracles that leak memory; 0 for never.
        start: How workers are started. A fork of a process that runs threads (torch does) can hang.
        n_outputs: `m`, where it is known; a result of another width is invalid.
        allow_partial: Whether a row with some finite values counts as measured.
        progress: Called while calls run.

    Yields:
        Position of the design and its outcome, as they finish.

    Raises:
        InvdesignError: The oracle cannot be sent to another process.
    """
    from pebble import ProcessPool

    _check_at_least_one("chunk", chunk)
    _check_at_least_one("workers", workers)
    _check_portable(oracle)
    if not designs:
        return
    context = multiprocessing.get_context(start)
    if start == "forkserver":
        module = getattr(getattr(oracle, "func", oracle), "__module__", None)
        context.set_forkserver_preload([module] if module else [])
    n_calls = -(-len(designs) // chunk)
    with ProcessPool(max_workers=min(workers, n_calls), max_tasks=max_tasks, context=context) as pool:

        def submit(positions: tuple[int, ...]) -> Call:
            limit = None if timeout is None else timeout * len(positions)
            part = [designs[i] for i in positions]
            return pool.schedule(_timed, args=(oracle, part), timeout=limit)

        try:
            yield from _collect(submit, len(designs), chunk, None, n_outputs, allow_partial, progress)
        finally:
            pool.stop()
            pool.join()


def on_executor(
    oracle: Oracle,
    designs: Sequence[Any],
    *,
    executor: Executor | Callable[[], Executor],
    timeout: float | None = None,
    chunk: int = 1,
    n_outputs: int | None = None,
    allow_partial: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[int, Outcome]]:
    """Call the oracle on any `concurrent.futures` executor: threads, Dask, Parsl, executorlib, submitit.

    An executor cannot kill a running call: after `timeout` its outcome is a timeout, while its worker stays busy.

    Args:
        oracle: Function that is sent to the executor.
        designs: The designs to measure.
        executor: An executor, which stays open; or a function that makes one, which is shut down at the end. After a
            crash a new one is made for the calls that were lost (a standard process pool stays broken).
        timeout: Time that one design may take from the start of its call [s]; None for no limit.
        chunk: Designs of each call.
        n_outputs: `m`, where it is known; a result of another width is invalid.
        allow_partial: Whether a row with some finite values counts as measured.
        progress: Called while calls run.

    Yields:
        Position of the design and its outcome, as they finish.
    """
    _check_at_least_one("chunk", chunk)
    if isinstance(executor, Executor):
        place, make = executor, None
    else:
        make = executor
        place = make()
    broken: list[int] = []

    def submit(positions: tuple[int, ...]) -> Call:
        try:
            return place.submit(_timed, oracle, [designs[i] for i in positions])
        except BrokenExecutor as error:
            refused: Call = Future()
            refused.set_exception(error)
            return refused

    try:
        for i, outcome in _collect(submit, len(designs), chunk, timeout, n_outputs, allow_partial, progress):
            if make is not None and outcome.status == "crashed":
                broken.append(i)
            else:
                yield i, outcome
    finally:
        if make is not None:
            place.shutdown(wait=False, cancel_futures=True)
    for i in broken:
        assert make is not None
        with make() as place:
            for _, outcome in _collect(lambda _, i=i: submit((i,)), 1, 1, timeout, n_outputs, allow_partial, progress):  # type: ignore[misc]
                yield i, outcome


def describe_wait(n_calls: int, oldest_seconds: float) -> str:
    """Return a progress message while oracles run, e.g. `waiting for 3 oracle calls, oldest 4:12`."""
    minutes, seconds = divmod(int(oldest_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    age = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return f"waiting for {n_calls} oracle call{'s' * (n_calls != 1)}, oldest {age}"


def _collect(
    submit: Callable[[tuple[int, ...]], Call],
    n: int,
    chunk: int,
    timeout: float | None,
    n_outputs: int | None,
    allow_partial: bool,
    progress: Progress,
) -> Iterator[tuple[int, Outcome]]:
    """Submit all calls, and yield outcomes as they finish; a chunk that fails is split into single designs."""
    calls: dict[Call, tuple[int, ...]] = {submit(positions): positions for positions in _chunks(n, chunk)}
    since: dict[Call, float] = {}
    done = 0
    while calls:
        now = time.monotonic()
        for call in calls:
            if call.running():
                since.setdefault(call, now)
        running = [now - since[call] for call in calls if call in since]
        progress(describe_wait(len(calls), max(running, default=0.0)), done, n)
        finished, _ = wait(calls, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        now = time.monotonic()
        late: set[Call] = set()
        if timeout is not None:
            late = {c for c in calls if c in since and now - since[c] > timeout * len(calls[c])} - finished
        for call in finished | late:
            positions = calls.pop(call)
            lasted = now - since.get(call, now)
            outcomes = _outcomes(call, call in late, len(positions), lasted, n_outputs, allow_partial)
            if outcomes is None:
                calls |= {submit((i,)): (i,) for i in positions}
                continue
            done += len(positions)
            yield from zip(positions, outcomes, strict=True)
    progress("oracle", done, n)


def _outcomes(
    call: Call, is_late: bool, n: int, lasted: float, n_outputs: int | None, allow_partial: bool
) -> list[Outcome] | None:
    """Return the outcomes of a finished call; None where its designs should be measured one by one."""
    if is_late:
        call.cancel()
    error = TimeoutError() if is_late else CancelledError() if call.cancelled() else call.exception()
    if error is not None:
        return None if n > 1 else [failure_outcome(error, n_outputs, lasted)]
    answer, seconds = call.result()
    return (
        None if n > 1 and _shape(answer)[:1] != (n,) else validate_answer(answer, n, n_outputs, allow_partial, seconds)
    )


def _run(oracle: Oracle, designs: list[Any]) -> tuple[Call, float]:
    """Call the oracle; return the finished call and its duration [s]."""
    call: Call = Future()
    started = time.monotonic()
    try:
        call.set_result(_timed(oracle, designs))
    except (Exception, SystemExit) as error:
        call.set_exception(error)
    return call, time.monotonic() - started


def _shape(answer: Any) -> tuple[int, ...]:
    try:
        return np.shape(answer)
    except (TypeError, ValueError):
        return ()


def _timed(oracle: Oracle, designs: list[Any]) -> tuple[Any, float]:
    """Return the answer of an oracle and its duration; standard output is kept for the results of the command."""
    started = time.monotonic()
    with redirect_stdout(sys.stderr):
        answer = oracle(designs)
    return answer, time.monotonic() - started


def _chunks(n: int, size: int) -> list[tuple[int, ...]]:
    return [tuple(range(i, min(i + size, n))) for i in range(0, n, size)]


def _check_at_least_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise InvdesignError(f"executor: expected {name} of at least 1, got {value}")


def _check_portable(oracle: Oracle) -> None:
    try:
        pickle.dumps(oracle)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvdesignError(
            "executor: expected an oracle that can be imported by name, or a functools.partial of one, got one that "
            f"cannot be sent to a worker process ({error}). Move it into a module, or set executor: in_process"
        ) from error
