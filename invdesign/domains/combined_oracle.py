"""Several oracles as one, in any domain: their columns side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from invdesign.core import Array, InvdesignError, Oracle


def combine_oracles(designs: Sequence[Any], *, oracles: Sequence[Oracle]) -> Array:
    """Measure with each oracle in turn and put their columns side by side, `n x m`.

    Args:
        designs: `n` of them.
        oracles: each answers `n` or `n x k` values.

    Raises:
        InvdesignError: an oracle answers for another number of designs.
    """
    columns = []
    for oracle in oracles:
        Y = np.asarray(oracle(designs), dtype=np.float64)
        if len(Y) != len(designs):
            name = getattr(getattr(oracle, "func", oracle), "__name__", "oracle")
            raise InvdesignError(
                f"{name}: expected values for {len(designs)} designs, got an answer of shape {Y.shape}"
            )
        columns.append(Y.reshape(len(designs), -1))
    return np.concatenate(columns, axis=1)
