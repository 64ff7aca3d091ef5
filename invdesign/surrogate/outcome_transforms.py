"""Outcome transforms: order-preserving transforms of utilities that make them fit for a Gaussian process.

An outcome transform maps the `n` utilities of one objective to a `TransformedUtility`. It is fitted in every round,
never changes the order of designs, and the search works in its scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from invdesign.core import InvdesignError


@dataclass(frozen=True, eq=False)
class TransformedUtility:
    """TransformedUtility utilities (`n`), and the function that takes any back to their unit."""

    u: Tensor
    inverse: Callable[[Tensor], Tensor]


def none(u: Tensor) -> TransformedUtility:
    """The utilities as they are."""
    return TransformedUtility(u, lambda w: w)


def log(u: Tensor, *, share: float = 0.2) -> TransformedUtility:
    """Logarithm of what lies above the worst utility: for ratios and products, such as enrichments.

    Args:
        u: `n` utilities.
        share: what is added before the logarithm is taken, as a share of the median distance from the worst among
            those above it: the noise that small values have.

    Raises:
        InvdesignError: the share is not positive.
    """
    if not share > 0:
        raise InvdesignError(f"warp log: share must be positive, got {share!r}")
    low = u.min()
    above = (u - low)[u > low]
    least = share * above.median() if len(above) else torch.ones((), dtype=u.dtype)
    return TransformedUtility(torch.log(u - low + least), lambda w: w.exp() - least + low)


def quantile(u: Tensor) -> TransformedUtility:
    """Normal scores of the ranks: only the order counts. Equal utilities stay equal."""
    values, place, counts = u.unique(return_inverse=True, return_counts=True)
    middle = counts.cumsum(0) - (counts - 1) / 2 - 0.5
    scores = torch.special.ndtri(middle.to(u.dtype) / len(u))

    def inverse(w: Tensor) -> Tensor:
        if len(values) == 1:
            return torch.full_like(w, float(values[0]))
        right = torch.searchsorted(scores, w.contiguous()).clamp(1, len(scores) - 1)
        t = ((w - scores[right - 1]) / (scores[right] - scores[right - 1])).clamp(0, 1)
        return values[right - 1] + t * (values[right] - values[right - 1])

    return TransformedUtility(scores[place], inverse)


def winsorized(u: Tensor, *, low: float = 0.1) -> TransformedUtility:
    """Utilities below a quantile are raised to it: how bad the bad ones are does not matter.

    Args:
        u: `n` utilities.
        low: that quantile, 0 to 1.
    """
    return TransformedUtility(u.clamp_min(torch.quantile(u, low)), lambda w: w)
