"""The ledger: durable memory of a campaign on disk, as events."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invdesign.ledger.ledger import Ledger, Recorded

_MODULES = {"Ledger": "ledger", "Recorded": "ledger"}

__all__ = ["Ledger", "Recorded"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'invdesign.ledger' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(f"invdesign.ledger.{_MODULES[name]}"), name)
    return value
