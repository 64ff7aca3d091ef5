"""Groups of designs of any domain for quotas and shared factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from invdesign.core import InvdesignError
from invdesign.core.protocols import Resemblance


def clusters(designs: Sequence[Any], *, domain: Any, min_similarity: float = 0.5) -> list[str]:
    """Return the cluster of each design: that of the first earlier leader that it resembles, else one of its own.

    Args:
        designs: `n` designs.
        domain: Measures their similarity.
        min_similarity: Similarity to its leader from which a design belongs to a cluster, from 0 to 1.

    Raises:
        InvdesignError: The domain has no similarity.
    """
    if not isinstance(domain, Resemblance):
        raise InvdesignError(f"clusters: expected a domain with a similarity, got {domain!r}. Name another group")
    labels = np.full(len(designs), -1)
    for row, design in enumerate(designs):
        if labels[row] < 0:
            rest = np.flatnonzero(labels < 0)
            near = domain.resemblances([design], [designs[i] for i in rest.tolist()])[0] >= min_similarity
            labels[rest[near]] = row
            labels[row] = row
    return [str(label) for label in labels]
