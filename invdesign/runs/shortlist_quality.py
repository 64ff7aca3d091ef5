"""Quality of a shortlist in numbers: how many designs are valid, how new they are, and how unlike each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from invdesign.core import Candidate, D, DesignSpace
from invdesign.core.protocols import Resemblance

MAX_COMPARED = 200
"""Candidates that are compared with each other."""


def shortlist_quality(
    validated: Sequence[Candidate[D]], shortlist: Sequence[Candidate[D]], domain: DesignSpace[D]
) -> dict[str, float | None]:
    """Return the quality of a run's designs; None where there are none or the domain does not compare designs.

    `validity` is the share of the measured new designs that pass every validator. `novelty` is 1 minus the similarity
    of a candidate to the nearest known design, and `diversity` 1 minus that of two candidates, both as means.

    Args:
        validated: Measured new designs with their checks.
        shortlist: Candidates with their nearest known design.
        domain: Compares designs.
    """
    measured = [c for c in validated if c.round > 0]
    distances = [1 - float(c.nearest.similarity.rsplit(" ", 1)[-1]) for c in shortlist if c.nearest is not None]
    return {
        "validity": sum(c.is_valid for c in measured) / len(measured) if measured else None,
        "novelty": sum(distances) / len(distances) if distances else None,
        "diversity": _diversity([c.design for c in shortlist[:MAX_COMPARED]], domain),
    }


def _diversity(designs: Sequence[D], domain: DesignSpace[D]) -> float | None:
    """Return 1 minus the mean similarity of two different designs."""
    n = len(designs)
    if n < 2 or not isinstance(domain, Resemblance):
        return None
    similarity = np.asarray(domain.resemblances(designs, designs))
    return float(1 - (similarity.sum() - np.trace(similarity)) / (n * (n - 1)))
