"""Oracles that cannot be called: a laboratory, and that of a run which is opened to be read without its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from invdesign.core import InvdesignError
from invdesign.core.capabilities import prepare_with

WITHOUT_ORACLE = (
    "Where a laboratory measures, choose oracle=laboratory and work with: invdesign begin CAMPAIGN, then suggest RUN "
    "and tell RUN results.csv; in Python with CampaignRun.suggest() and CampaignRun.tell() (see the README)"
)
"""How to work where a laboratory measures."""


def refuse_to_run() -> NoReturn:
    """Refuse to run a campaign that a laboratory measures.

    Raises:
        InvdesignError: Always.
    """
    raise InvdesignError(
        "oracle: a laboratory measures the designs of this campaign, so it cannot be run. Start it with: invdesign "
        "begin CAMPAIGN; then: invdesign suggest RUN, and invdesign tell RUN results.csv"
    )


@prepare_with(refuse_to_run)
def laboratory(designs: Sequence[Any]) -> NoReturn:
    """Refuse to measure: a laboratory does, and its results are recorded with `tell`.

    Args:
        designs: The designs to measure.

    Raises:
        InvdesignError: Always.
    """
    refuse_to_run()


def unavailable(designs: Sequence[Any], *, reason: str) -> NoReturn:
    """Refuse to measure: lists and reports need no oracle.

    Args:
        designs: The designs to measure.
        reason: Why the oracle cannot be had.

    Raises:
        InvdesignError: Always.
    """
    raise InvdesignError(f"oracle: {len(designs)} designs cannot be measured: {reason}")
