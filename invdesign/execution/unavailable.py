"""The oracle of a run that is opened to be read where its own cannot be imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from invdesign.core import InvdesignError


def unavailable(designs: Sequence[Any], *, reason: str) -> NoReturn:
    """Refuse to measure: lists and reports need no oracle.

    Args:
        designs: The designs to measure.
        reason: Why the oracle cannot be had.

    Raises:
        InvdesignError: Always.
    """
    raise InvdesignError(f"oracle: {len(designs)} designs cannot be measured: {reason}")
