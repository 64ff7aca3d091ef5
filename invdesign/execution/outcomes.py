"""Outcomes of oracle calls: the values that an oracle returned, or the reason why there are none."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from invdesign.core import Array, InvdesignError, Oracle, Outcome, Status
from invdesign.io.measured_values import MAX_MAGNITUDE

MAX_REASON = 500
"""Characters of the text of an error that are kept."""
ONE_DESIGN = (
    "An oracle gets a list of designs; of a function f of one design make one with "
    "def score(designs): return [f(design) for design in designs]"
)


class WorkerLostError(RuntimeError):
    """A worker process died; its text says how."""


class RemoteError(RuntimeError):
    """An oracle raised an error on another machine or in another process; its text names the error and the reason."""


Answer = Any
"""What a call ended with: what the oracle returned, or the error that it raised."""


def call_oracle(oracle: Oracle, designs: Sequence[Any]) -> tuple[Answer, float]:
    """Return what an oracle returns and the duration [s]; standard output is kept for the results of the command."""
    started = time.monotonic()
    with redirect_stdout(sys.stderr):
        answer = oracle(list(designs))
    return answer, time.monotonic() - started


def answer_outcomes(
    answer: Answer, n: int, seconds: float, n_outputs: int | None, allow_partial: bool
) -> list[Outcome] | None:
    """Return the outcomes of a call on `n` designs; None where each of them should be measured by itself.

    Args:
        answer: What the oracle returned, or the error that the call ended with.
        n: Number of designs of the call.
        seconds: Duration of the call [s].
        n_outputs: `m`, where it is known.
        allow_partial: Whether a row with some finite values counts as measured.

    Raises:
        InvdesignError: There are `n` rows of another width than `n_outputs`.
    """
    if isinstance(answer, BaseException):
        return None if n > 1 else [failure_outcome(answer, n_outputs, seconds)]
    return (
        None if n > 1 and _shape(answer)[:1] != (n,) else validate_answer(answer, n, n_outputs, allow_partial, seconds)
    )


def validate_answer(
    answer: Any, n: int, n_outputs: int | None = None, allow_partial: bool = False, seconds: float = 0.0
) -> list[Outcome]:
    """Return the outcomes of the `n` designs that an oracle was called with.

    Args:
        answer: `n` or `n x m` values, or whatever else a faulty oracle returned.
        n: Number of designs of the call.
        n_outputs: `m`, where it is known.
        allow_partial: Whether a row with some finite values counts as measured.
        seconds: Duration of the call [s]; each design gets an equal part.

    Returns:
        `n` outcomes: measured, invalid where a value is not finite or beyond 1e300, failed where the answer has another
        shape.

    Raises:
        InvdesignError: There are `n` rows of another width than `n_outputs`: no design will ever get its values.

    Example:
        >>> [(outcome.status, outcome.reason) for outcome in validate_answer([1.0, float("nan")], 2)]
        [('measured', ''), ('invalid', 'not finite: value 1 is nan')]
    """
    each = seconds / max(n, 1)
    try:
        Y = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: a tensor with a gradient
        return [
            _no_answer(n_outputs, f"oracle: expected a list of {n} numbers or rows, got {_show(answer)}: {error}", each)
        ] * n
    if answer is None or Y.ndim == 0:
        expected = f"a list of {n} value{'s' * (n != 1)}, one for each design"
        return [_no_answer(n_outputs, f"oracle: expected {expected}, got {_show(answer)}. {ONE_DESIGN}", each)] * n
    shape = Y.shape
    if Y.ndim == 1:
        Y = Y[:, None]
    if Y.ndim == 2 and len(Y) == n and n and n_outputs and Y.shape[1] not in (0, n_outputs):
        raise InvdesignError(
            f"oracle: expected {n_outputs} value{'s' * (n_outputs != 1)} for each design, one for each objective, got "
            f"{Y.shape[1]}. Correct the oracle, or list its {Y.shape[1]} properties under objectives"
        )
    if Y.ndim != 2 or len(Y) != n or Y.shape[1] == 0:
        expected = f"{n} value{'s' * (n != 1)}" if n_outputs in (None, 1) else f"{n} x {n_outputs} values"
        reason = f"oracle: expected {expected}, one row for each design, got shape {shape}"
        return [_no_answer(n_outputs, reason, each)] * n
    return [_validate_row(row, allow_partial, each) for row in Y]


def failure_outcome(error: BaseException, n_outputs: int | None = None, seconds: float = 0.0) -> Outcome:
    """Return the outcome of a call that raised an error, ran out of time, or crashed its process.

    Args:
        error: The error that the call ended with; a time limit is a `TimeoutError` without a text, or pebble's.
        n_outputs: Number of values of an outcome, where it is known.
        seconds: Duration of the call [s].
    """
    from pebble import ProcessExpired

    status: Status = "failed"
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}".strip().removesuffix(":")
    if isinstance(error, SystemExit):
        reason = f"the oracle ended its process with sys.exit({error.code!r}). Let it raise an error, or return NaN"
    elif isinstance(error, TypeError | AttributeError):
        reason = f"{reason[: MAX_REASON - len(ONE_DESIGN) - 3]} ({ONE_DESIGN})"
    if isinstance(error, TimeoutError):
        is_limit = error.args[:1] in ((), ("Task timeout",))
        seconds = float(error.args[1]) if is_limit and len(error.args) > 1 else seconds
        status, reason = "timeout", f"stopped after {seconds:.1f} s" if is_limit else str(error)
    elif isinstance(error, ProcessExpired):
        status, reason = "crashed", f"the worker process died ({describe_exit_code(error.exitcode)})"
    elif isinstance(error, WorkerLostError):
        status, reason = "crashed", str(error)
    elif isinstance(error, RemoteError):
        reason = str(error)
    elif isinstance(error, BrokenExecutor | CancelledError):
        status, reason = "crashed", f"the executor broke ({reason})"
    return Outcome(_unknown_values(n_outputs), status, reason[:MAX_REASON], seconds)


def check_at_least_one(name: str, value: int | None) -> None:
    """Check that a setting of an executor is at least 1.

    Raises:
        InvdesignError: It is not.
    """
    if value is not None and value < 1:
        raise InvdesignError(f"executor: expected {name} of at least 1, got {value}. Set executor.{name}=1 or more")


def describe_exit_code(exitcode: int | None) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit code {exitcode}"


def _shape(answer: Any) -> tuple[int, ...]:
    try:
        return np.shape(answer)
    except (TypeError, ValueError):
        return ()


def _validate_row(row: Array, allow_partial: bool, seconds: float) -> Outcome:
    is_usable = np.abs(row) <= MAX_MAGNITUDE  # False for NaN
    y = tuple(float(v) if ok else float("nan") for v, ok in zip(row, is_usable, strict=True))
    if is_usable.all():
        return Outcome(y, "measured", "", seconds)
    which = ", ".join(f"value {j + 1} is {row[j]}" for j in np.flatnonzero(~is_usable))
    status: Status = "measured" if allow_partial and is_usable.any() else "invalid"
    problem = "not a number up to 1e300" if np.isfinite(row[~is_usable]).any() else "not finite"
    return Outcome(y, status, f"{problem}: {which}", seconds)


def _no_answer(n_outputs: int | None, reason: str, seconds: float) -> Outcome:
    return Outcome(_unknown_values(n_outputs), "failed", reason[:MAX_REASON], seconds)


def _show(answer: Any) -> str:
    """Return an answer of the wrong kind in a few words."""
    is_plain = isinstance(answer, str | int | float | list)
    return (
        "None" if answer is None else f"{type(answer).__name__} {answer!r}"[:80] if is_plain else type(answer).__name__
    )


def _unknown_values(n_outputs: int | None) -> tuple[float, ...]:
    return (float("nan"),) * (n_outputs or 0)
