"""Pareto dominance: the front, and a ranking by how many rows dominate each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def pareto_front(U: npt.NDArray[np.float64]) -> list[int]:
    """Return the rows that no other row dominates; the maximum where there is one objective.

    A row dominates another if it is at least as good in every objective and better in one.

    Args:
        U: `n x m` utilities, more is better. Rows with NaN never count.

    Returns:
        Row indices, ascending. For one objective a single row, the first of equal ones.

    Example:
        >>> import numpy as np
        >>> pareto_front(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        [0, 1]
    """
    finite = np.flatnonzero(np.isfinite(U).all(axis=1))
    V = U[finite]
    if U.shape[1] == 1:
        return [int(finite[V[:, 0].argmax()])] if len(V) else []
    return [int(i) for i, v in zip(finite, V, strict=True) if not dominating(V, v).any()]


def rank(U: npt.NDArray[np.float64]) -> list[int]:
    """Return the rows from best to worst: by how many rows dominate them, then by the mean of their scaled utilities.

    Args:
        U: `n x m` utilities, more is better. Rows with NaN are left out.

    Returns:
        Row indices, best first.
    """
    finite = np.flatnonzero(np.isfinite(U).all(axis=1))
    V = U[finite]
    if not len(V):
        return []
    span = V.max(0) - V.min(0)
    score = ((V - V.min(0)) / np.where(span > 0, span, 1)).mean(1)
    n_above = np.zeros(len(V))
    if U.shape[1] > 1:
        n_above = np.array([dominating(V, v).sum() for v in V])
    return [int(i) for i in finite[np.lexsort((-score, n_above))]]


def dominating(V: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which of the rows of `V` (`n x m`) dominate `v` (`m`): a mask of length `n`."""
    mask: npt.NDArray[np.bool_] = np.logical_and((v <= V).all(axis=1), (v < V).any(axis=1))
    return mask


def first_occurrences(keys: Iterable[str]) -> list[int]:
    """Return the position of the first occurrence of each key, in order.

    Example:
        >>> first_occurrences(["a", "b", "a"])
        [0, 1]
    """
    first: dict[str, int] = {}
    for position, key in enumerate(keys):
        first.setdefault(key, position)
    return list(first.values())
