"""The error that every part raises on bad input."""

from __future__ import annotations


class InvdesignError(Exception):
    """Bad input or a state that the user can mend: where, what was expected, what was got, and the remedy."""
