"""When failed oracle calls stop a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from invdesign.campaign.definition import Limits
from invdesign.campaign.state import State
from invdesign.core import FAILED, GIVEN, InvdesignError, Outcome, Status

MIN_CALLS_TO_STOP = 20
"""Oracle calls before the failure rate can stop a campaign."""
MAX_ERRORS = 3
"""Errors in a row that stop a campaign which measures one design at a time."""
ERRORS: tuple[Status, ...] = ("failed", "timeout", "crashed")
"""Statuses of calls that ended without an answer; a value that is not finite is an answer."""


def has_measured_call(state: State[Any]) -> bool:
    """Return whether an oracle call has returned a value."""
    return any(c.status == "measured" and c.origin != GIVEN for c in (*state.history, *state.pending))


def count_trailing_errors(state: State[Any]) -> int:
    """Return how many of the last calls of ended rounds ended in an error, without an answer between them."""
    calls = takewhile(lambda c: c.status in ERRORS, reversed(state.history))
    return sum(1 for _ in calls)


def stop_on_failed_batch(limits: Limits, outcomes: Sequence[Outcome], n_before: int) -> None:
    """Stop where no call of a batch returned an answer, unless failures are to be recorded however many they are.

    A single design may be one that cannot be measured: it stops the campaign as the `MAX_ERRORS`-th error in a row.

    Args:
        limits: Limits of the campaign.
        outcomes: Outcomes of the batch.
        n_before: Errors in a row before it.

    Raises:
        InvdesignError: The oracle is at fault.
    """
    n = len(outcomes)
    is_error = all(outcome.status in ERRORS for outcome in outcomes)
    is_single = n == 1 and (n_before + 1 < MAX_ERRORS if is_error else True)
    if limits.max_failure_rate >= 1 or is_single:
        return
    reason, count = Counter(outcome.reason or outcome.status for outcome in outcomes).most_common(1)[0]
    more = f" ({count} of {n} for this reason)" if count < n else ""
    raise InvdesignError(
        f"oracle: none of the {n} call{'s' * (n > 1)} of this batch returned a value: {reason}{more}. They are not "
        "counted. Correct the oracle and run the same command again: it measures these designs again. Where the "
        "designs are at fault, record them as failed: max_failure_rate=1 --accept-changes"
    )


def stop_on_failure_rate(limits: Limits, state: State[Any]) -> None:
    """Stop where calls fail more often than the campaign allows.

    Raises:
        InvdesignError: They do.
    """
    failed = [c for c in state.history if c.status in FAILED]
    n_calls = sum(c.origin != GIVEN for c in state.history)
    limit = limits.max_failure_rate
    if n_calls >= MIN_CALLS_TO_STOP and len(failed) > limit * n_calls:
        raise InvdesignError(
            f"oracle: expected at most max_failure_rate={limit} of the calls to fail, got {len(failed)} of {n_calls}; "
            f"the last reason was: {failed[-1].reason or failed[-1].status}. Correct the oracle or raise "
            "max_failure_rate, "
            "and run the same command again: no measurement is lost"
        )
