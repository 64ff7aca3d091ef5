"""What the values of candidates are: measured, computed, or predicted within the range of a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from invdesign.core import GIVEN, Candidate, Check, D, ValueSource

WITHIN_TABLE = "within_table"
"""Check of predicted values: a model does not know what lies beyond the values that it was fitted to."""


def with_sources(candidates: Sequence[Candidate[D]], sources: Sequence[ValueSource]) -> list[Candidate[D]]:
    """Return candidates that state what their values are; predicted values are compared with the range of their table.

    Args:
        candidates: Candidates; values that came with a design were measured and are not compared.
        sources: Sources of the objectives' values; none where no oracle was run.
    """
    stated = tuple(sources)
    has_range = any(math.isfinite(source.highest) for source in stated)
    return [
        replace(
            c, sources=stated, checks=(*c.checks, _within_table(c, stated)) if has_range and _is_result(c) else c.checks
        )
        for c in candidates
    ]


def _is_result(candidate: Candidate[D]) -> bool:
    return candidate.status == "measured" and candidate.origin != GIVEN


def _within_table(candidate: Candidate[D], sources: Sequence[ValueSource]) -> Check:
    """Check that no predicted value is beyond everything in the table of its model."""
    beyond = [
        f"{value:.4g} is beyond everything in its table ({source.lowest:.4g} to {source.highest:.4g})"
        for value, source in zip(candidate.y, sources, strict=True)
        if source.is_beyond(value)
    ]
    return Check(WITHIN_TABLE, not beyond, "; ".join(beyond))
