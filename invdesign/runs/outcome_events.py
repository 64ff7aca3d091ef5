"""Values that a user states, as outcomes and events of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from invdesign.campaign import OutcomeRecorded, State, recorded_outcome
from invdesign.core import Candidate, D, InvdesignError, Outcome
from invdesign.ledger import Recorded

Value = float | Sequence[float] | Outcome | None
"""A number, one number for each objective, an outcome, or None for a measurement that failed."""


def to_outcome(value: Value, n_outputs: int) -> Outcome:
    """Return the outcome that a value states.

    Args:
        value: The value; a NaN among `n_outputs` numbers is one that was not measured.
        n_outputs: Number of objectives.

    Raises:
        InvdesignError: It has another number of values.
    """
    if isinstance(value, Outcome):
        return value
    if value is None:
        return Outcome((math.nan,) * n_outputs, "failed", "no value")
    y = tuple(float(v) for v in np.asarray(value, dtype=np.float64).reshape(-1))
    if len(y) != n_outputs:
        raise InvdesignError(f"tell: expected {n_outputs} values, one for each objective, got {len(y)}: {value!r}")
    is_measured = any(map(math.isfinite, y)) and not any(map(math.isinf, y))
    return Outcome(y) if is_measured else Outcome(y, "invalid", "not finite")


def outcome_event(
    state: State[D], candidate: Candidate[D], outcome: Outcome, note: str = ""
) -> OutcomeRecorded[D] | None:
    """Return the event of the outcome of a suggested design; None where it is recorded already.

    Raises:
        InvdesignError: The design has other values.
    """
    if candidate.status == "pending":
        return OutcomeRecorded(candidate.key, outcome, "measured", note)
    recorded = state.outcomes.get(candidate.key, (recorded_outcome(candidate),))
    if any(_is_equal(outcome, earlier) for earlier in recorded):
        return None
    raise InvdesignError(
        f"tell: {candidate.key} is {candidate.status} with {candidate.y}, got {outcome.y}. Use replicate() for a "
        "repeated measurement, or correct() to replace it"
    )


def outcomes_by_key(events: Iterable[Recorded[Any]]) -> dict[str, list[Outcome]]:
    """Return all outcomes that were ever recorded by key, also those that were corrected since."""
    found: dict[str, list[Outcome]] = {}
    for recorded in events:
        if isinstance(recorded.event, OutcomeRecorded):
            found.setdefault(recorded.event.key, []).append(recorded.event.outcome)
    return found


def _is_equal(a: Outcome, b: Outcome) -> bool:
    pairs = zip(a.y, b.y, strict=False)
    is_equal = all(x == y or (x != x and y != y) for x, y in pairs)
    return is_equal and a.status == b.status and len(a.y) == len(b.y) and a.bound == b.bound
