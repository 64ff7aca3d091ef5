"""Outcomes of measurements."""

from __future__ import annotations

from collections.abc import Mapping

from invdesign.campaign.engine import Engine
from invdesign.campaign.regions import end_round
from invdesign.campaign.state import OutcomeRecorded, State, apply, apply_outcomes
from invdesign.core import B, D, InvdesignError, Outcome


def tell(engine: Engine[D, B], state: State[D], outcomes: Mapping[str, Outcome]) -> State[D]:
    """Return the state with outcomes of pending designs; a round ends with the last of its outcomes.

    Args:
        engine: The campaign bound to its latent space.
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
    state = apply_outcomes(state, [OutcomeRecorded(key, outcome) for key, outcome in outcomes.items()])
    return state if state.open or not state.pending else apply(state, end_round(engine, state))
