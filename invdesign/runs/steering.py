"""Changes of a running campaign, in words."""

from __future__ import annotations

from typing import Any

from invdesign.campaign import Steered
from invdesign.ledger import Recorded


def describe_steering(number: int, recorded: Recorded[Any]) -> str:
    """Return recorded changes of a running campaign as a sentence, with the round after which they were made."""
    event = recorded.event
    assert isinstance(event, Steered)
    changes = ", ".join(map(str, event.changes))
    span = "" if event.n_rounds is None else f" for {event.n_rounds} round{'s' * (event.n_rounds > 1)}"
    reason = f": {event.reason}" if event.reason else ""
    return f"changed after round {number}{span} by {recorded.by} at {recorded.at}: {changes}{reason}"
