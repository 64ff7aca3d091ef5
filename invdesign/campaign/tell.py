"""Outcomes of measurements."""

from __future__ import annotations

from collections.abc import Mapping

from invdesign.campaign.state import OutcomeRecorded, State, apply
from invdesign.core import D, InvdesignError, Outcome


def tell(state: State[D], outcomes: Mapping[str, Outcome]) -> State[D]:
    """Return the state with outcomes of pending designs.

    Args:
        state: What is known.
        outcomes: Outcomes by key, of some or all pending designs.

    Raises:
        InvdesignError: A key is not pending.
    """
    unknown = set(outcomes) - {c.key for c in state.pending}
    if unknown:
        raise InvdesignError(
            f"outcomes given for designs that are not pending: {sorted(unknown)[:3]}. Use ask() first, and its keys"
        )
    for key, outcome in outcomes.items():
        state = apply(state, OutcomeRecorded(key, outcome))
    return state
