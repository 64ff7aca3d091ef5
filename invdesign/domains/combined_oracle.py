"""Several oracles combined into one, in any domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from invdesign.core import Array, InvdesignError, Oracle, ValueSource
from invdesign.core.capabilities import prepare_oracle, prepare_with, stating, value_sources


def _prepare(*, oracles: Sequence[Oracle]) -> None:
    for oracle in oracles:
        prepare_oracle(oracle)


def _sources(*, oracles: Sequence[Oracle]) -> tuple[ValueSource, ...]:
    """Return the source of each oracle's values; every oracle has one property here, as each has its objective."""
    return tuple(source for oracle in oracles for source in value_sources(oracle, 1))


@stating(_sources)
@prepare_with(_prepare)
def combine_oracles(designs: Sequence[Any], *, oracles: Sequence[Oracle]) -> Array:
    """Measure designs with each oracle in turn and concatenate the columns.

    Args:
        designs: `n` designs.
        oracles: Each returns `n` or `n x k` values.

    Returns:
        `n x m` values.

    Raises:
        InvdesignError: An oracle returns values for another number of designs.

    Example:
        >>> combine_oracles(["C", "CC"], oracles=[lambda d: [1.0, 2.0], lambda d: [[3.0, 4.0], [5.0, 6.0]]]).tolist()
        [[1.0, 3.0, 4.0], [2.0, 5.0, 6.0]]
    """
    columns = []
    for oracle in oracles:
        Y = np.asarray(oracle(designs), dtype=np.float64)
        if len(Y) != len(designs):
            name = getattr(getattr(oracle, "func", oracle), "__name__", "oracle")
            raise InvdesignError(
                f"{name}: expected values for {len(designs)} designs, got an array of shape {Y.shape}. Return one row "
                "for each design, NaN for a failure"
            )
        columns.append(Y[:, None] if Y.ndim == 1 else Y)
    return np.concatenate(columns, axis=1)
