"""Several oracles combined into one, in any domain."""

from __future__ import annotations

import math
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


def _prepare_both(*, first: Oracle, then: Oracle) -> None:
    _prepare(oracles=[first, then])


def _cascade_sources(*, first: Oracle, then: Oracle, is_kept: bool = False) -> tuple[ValueSource, ...]:
    return _sources(oracles=[first, then] if is_kept else [then])


@stating(_cascade_sources)
@prepare_with(_prepare_both)
def cascade(
    designs: Sequence[Any],
    *,
    first: Oracle,
    then: Oracle,
    min: float = -math.inf,
    max: float = math.inf,
    is_kept: bool = False,
) -> Array:
    """Measure designs with a cheap oracle, and those that pass with an expensive one.

    Args:
        designs: `n` designs.
        first: The cheap oracle, which returns `n` values.
        then: The expensive one, which returns `n` values of the designs that it is called with.
        min: Smallest value of the first oracle that passes.
        max: Largest one.
        is_kept: Whether the values of the first oracle are returned too; they are an objective of their own then, and
            `executor.allow_partial=true` keeps them for designs that did not pass.

    Returns:
        `n x 1` values of the expensive oracle, NaN for a design that did not pass; `n x 2` with those of the first one.

    Example:
        >>> cascade(["C", "CCC"], first=lambda d: [len(x) for x in d], then=lambda d: [9.0] * len(d), min=2).tolist()
        [[nan], [9.0]]
    """
    if not len(designs):
        return np.zeros((0, 2 if is_kept else 1))
    cheap = np.asarray(first(designs), dtype=np.float64).reshape(len(designs), -1)[:, 0]
    passed = [i for i, value in enumerate(cheap) if min <= value <= max]
    values = np.full(len(designs), np.nan)
    if passed:
        values[passed] = np.asarray(then([designs[i] for i in passed]), dtype=np.float64).reshape(len(passed))
    return np.column_stack([cheap, values]) if is_kept else values[:, None]
