"""Where oracles run: in this process, in a pool of processes, or on any executor; outcomes come as they finish.

An oracle may raise, hang, crash its process or answer nonsense. Each of these becomes an `Outcome` with a status and a
reason, for the designs that it concerns and for no other.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from typing import Any, Literal

import numpy as np

from invdesign.core import InvdesignError, Oracle, Outcome, Progress, Status, silent

Call = Future[tuple[Any, float]]
POLL_SECONDS = 0.5


def in_process(
    oracle: Oracle,
    designs: Sequence[Any],
    *,
    chunk: int | None = None,
    n_outputs: int | None = None,
    allow_partial: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[int, Outcome]]:
    """Call the oracle here, on all designs at once; where that call fails, on each design by itself.

    Nothing here can stop an oracle that hangs or survive one that crashes; `process_pool` can.

    Args:
        oracle: answers `n` or `n x m` values for `n` designs.
        designs: what to measure.
        chunk: designs per call; all of them where None.
        n_outputs: `m`, where known; an answer of another width is invalid.
        allow_partial: whether a row with some finite values counts as measured.
        progress: told after every call.

    Yields:
        Position of the design and its outcome.
    """
    _check_at_least_one("chunk", chunk)
    done = 0
    queue = _chunks(len(designs), chunk or max(len(designs), 1))
    while queue:
        positions = queue.pop(0)
        progress("oracle", done, len(designs))
        call, lasted = _run(oracle, [designs[i] for i in positions])
        outcomes = _outcomes(call, False, len(positions), lasted, n_outputs, allow_partial)
        if outcomes is None:
            queue = [(i,) for i in positions] + queue
            continue
        done += len(positions)
        yield from zip(positions, outcomes, strict=True)
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
    """Call the oracle in worker processes: a hung call is killed, a crashed worker replaced.

    A chunk that raises, hangs or crashes is called again, design by design, so that only the guilty one is lost.

    Args:
        oracle: an importable function or a partial of one, for it travels to other processes.
        designs: what to measure.
        workers: processes.
        timeout: seconds that one design may take; no limit where None.
        chunk: designs per call; larger ones suit cheap vectorized oracles.
        max_tasks: calls after which a worker is replaced, for oracles that leak memory; never where 0.
        start: how workers start. A fork of a process that runs threads (torch does) can hang.
        n_outputs: `m`, where known; an answer of another width is invalid.
        allow_partial: whether a row with some finite values counts as measured.
        progress: told while waiting.

    Yields:
        Position of the design and its outcome, as they finish.

    Raises:
        InvdesignError: the oracle cannot be sent to another process.
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

    An executor cannot kill a running call: one that outlives `timeout` is given up, and keeps its worker busy.

    Args:
        oracle: sent to the executor as it is.
        designs: what to measure.
        executor: the executor, left open; or a function that makes one, which is shut down at the end and made anew
            for the calls that a crash took along (the standard process pool breaks for ever).
        timeout: seconds from its start that one design may take; no limit where None.
        chunk: designs per call.
        n_outputs: `m`, where known; an answer of another width is invalid.
        allow_partial: whether a row with some finite values counts as measured.
        progress: told while waiting.

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


def validate_answer(
    answer: Any, n: int, n_outputs: int | None = None, allow_partial: bool = False, seconds: float = 0.0
) -> list[Outcome]:
    """The outcomes of an oracle's answer for `n` designs.

    Args:
        answer: `n` or `n x m` values, or what a faulty oracle gave instead.
        n: how many designs it was given.
        n_outputs: `m`, where known.
        allow_partial: whether a row with some finite values counts as measured.
        seconds: how long the call took; shared evenly.
    """
    each = seconds / max(n, 1)
    try:
        Y = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        return [_invalid(n_outputs, f"expected {n} rows of numbers, got {type(answer).__name__}: {error}", each)] * n
    shape = Y.shape
    if Y.ndim == 1:
        Y = Y[:, None]
    if Y.ndim != 2 or len(Y) != n or Y.shape[1] != (n_outputs or Y.shape[1]) or Y.shape[1] == 0:
        wanted = f"{n} values" if n_outputs in (None, 1) else f"{n} x {n_outputs} values"
        return [_invalid(n_outputs, f"the oracle answered shape {shape} where {wanted} were due", each)] * n
    return [_judge_row(row, allow_partial, each) for row in Y]


def failed(error: BaseException, n_outputs: int | None = None, seconds: float = 0.0) -> Outcome:
    """The outcome of a call that ended in an error: timed out, crashed, or raised."""
    from pebble import ProcessExpired

    status: Status = "failed"
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    if isinstance(error, TimeoutError):
        status, reason = "timeout", str(error) or f"stopped after {seconds:.1f} s"
    elif isinstance(error, ProcessExpired):
        status, reason = ("crashed", f"the worker process died ({describe_exit_code(error.exitcode)})")
    elif isinstance(error, BrokenExecutor | CancelledError):
        status, reason = "crashed", f"the executor broke ({reason})"
    return Outcome(_unknown(n_outputs), status, reason[:500], seconds)


def waiting(n_calls: int, oldest_seconds: float) -> str:
    """What to say while oracles run, e.g. `waiting for 3 oracle calls, oldest 4:12`."""
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
    """Submit all, then yield outcomes as calls finish; a failed chunk is split. `timeout` is kept here if given."""
    calls: dict[Call, tuple[int, ...]] = {submit(positions): positions for positions in _chunks(n, chunk)}
    since: dict[Call, float] = {}
    done = 0
    while calls:
        now = time.monotonic()
        for call in calls:
            if call.running():
                since.setdefault(call, now)
        running = [now - since[call] for call in calls if call in since]
        progress(waiting(len(calls), max(running, default=0.0)), done, n)
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
    """What a finished call says of its `n` designs; None where it should be repeated design by design."""
    if is_late:
        call.cancel()
    error = TimeoutError() if is_late else CancelledError() if call.cancelled() else call.exception()
    if error is not None:
        return None if n > 1 else [failed(error, n_outputs, lasted)]
    answer, seconds = call.result()
    return (
        None if n > 1 and _shape(answer)[:1] != (n,) else validate_answer(answer, n, n_outputs, allow_partial, seconds)
    )


def _run(oracle: Oracle, designs: list[Any]) -> tuple[Call, float]:
    """The call made now, as a finished future, and how long it lasted."""
    call: Call = Future()
    started = time.monotonic()
    try:
        call.set_result(_timed(oracle, designs))
    except Exception as error:
        call.set_exception(error)
    return call, time.monotonic() - started


def _shape(answer: Any) -> tuple[int, ...]:
    try:
        return np.shape(answer)
    except (TypeError, ValueError):
        return ()


def _judge_row(row: np.ndarray, allow_partial: bool, seconds: float) -> Outcome:
    is_finite = np.isfinite(row)
    y = tuple(float(v) if ok else float("nan") for v, ok in zip(row, is_finite, strict=True))
    if is_finite.all():
        return Outcome(y, "measured", "", seconds)
    which = ", ".join(f"value {j + 1} is {row[j]}" for j in np.flatnonzero(~is_finite))
    status: Status = "measured" if allow_partial and is_finite.any() else "invalid"
    return Outcome(y, status, f"not finite: {which}", seconds)


def _invalid(n_outputs: int | None, reason: str, seconds: float) -> Outcome:
    return Outcome(_unknown(n_outputs), "invalid", reason, seconds)


def _unknown(n_outputs: int | None) -> tuple[float, ...]:
    return (float("nan"),) * (n_outputs or 0)


def describe_exit_code(exitcode: int | None) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _timed(oracle: Oracle, designs: list[Any]) -> tuple[Any, float]:
    started = time.monotonic()
    answer = oracle(designs)
    return answer, time.monotonic() - started


def _chunks(n: int, size: int) -> list[tuple[int, ...]]:
    return [tuple(range(i, min(i + size, n))) for i in range(0, n, size)]


def _check_at_least_one(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise InvdesignError(f"evaluate: {name} must be at least 1, got {value}")


def _check_portable(oracle: Oracle) -> None:
    try:
        pickle.dumps(oracle)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvdesignError(
            f"evaluate: the oracle cannot be sent to a worker process ({error}); expected a function that can be "
            "imported by name, or a functools.partial of one. Move it into a module, or run it in_process."
        ) from error
