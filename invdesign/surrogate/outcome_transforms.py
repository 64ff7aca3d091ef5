"""Outcome transforms: order-preserving transforms of utilities that make them suitable for a Gaussian process.

An outcome transform maps the `n` utilities of one objective to a `TransformedUtility`. It is fitted in every round and
never changes the order of designs; surrogate and acquisition function operate on the transformed scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import InvdesignError


@dataclass(frozen=True, eq=False)
class TransformedUtility:
    """Transformed utilities of one objective, with the inverse transform."""

    u: Float[Tensor, " n"]
    """Transformed utilities of the `n` designs."""
    inverse: Callable[[Tensor], Tensor]
    """Function from transformed utilities, of any designs, to utilities in their unit."""


def none(u: Float[Tensor, " n"]) -> TransformedUtility:
    """Return the utilities unchanged.

    Args:
        u: `n` utilities.
    """
    return TransformedUtility(u, lambda w: w)


def log(u: Float[Tensor, " n"], *, offset_fraction: float = 0.2) -> TransformedUtility:
    """Return the logarithm of the distance from the worst utility: for ratios and products, such as enrichments.

    The transform is `log(u - min u + offset_fraction median)`, where the median is that of the positive distances.

    Args:
        u: `n` utilities.
        offset_fraction: Offset, as a fraction of the median distance; about the noise of small values.

    Raises:
        InvdesignError: The fraction is not positive.

    Example:
        >>> u = torch.tensor([0.0, 1.0, 10.0])
        >>> transformed = log(u)
        >>> torch.allclose(transformed.inverse(transformed.u), u, atol=1e-5)
        True
    """
    if not offset_fraction > 0:
        raise InvdesignError(f"outcome transform log: expected offset_fraction > 0, got {offset_fraction!r}")
    low = u.min()
    above = (u - low)[u > low]
    offset = offset_fraction * above.median() if len(above) else torch.ones((), dtype=u.dtype, device=u.device)
    return TransformedUtility(torch.log(u - low + offset), lambda w: w.exp() - offset + low)


def quantile(u: Float[Tensor, " n"]) -> TransformedUtility:
    """Return normal scores of the ranks: only the order of the utilities matters. Equal utilities stay equal.

    The inverse interpolates between the utilities, and continues beyond them with the scale that they have in all.

    Args:
        u: `n` utilities.
    """
    values, position, counts = torch.unique(u, return_inverse=True, return_counts=True)
    middle = counts.cumsum(0) - (counts - 1) / 2 - 0.5
    scores = torch.special.ndtri(middle.to(u.dtype) / len(u))

    def inverse(w: Tensor) -> Tensor:
        if len(values) == 1:
            return torch.full_like(w, float(values[0]))
        right = torch.searchsorted(scores, w.contiguous()).clamp(1, len(scores) - 1)
        t = ((w - scores[right - 1]) / (scores[right] - scores[right - 1])).clamp(0, 1)
        slope = (values[-1] - values[0]) / (scores[-1] - scores[0])
        beyond = slope * (w - w.clamp(scores[0], scores[-1]))
        utility: Tensor = values[right - 1] + t * (values[right] - values[right - 1]) + beyond
        return utility

    return TransformedUtility(scores[position], inverse)


def winsorize(u: Float[Tensor, " n"], *, low: float = 0.1) -> TransformedUtility:
    """Return the utilities clipped from below at a quantile, so that very low values do not dominate the fit.

    Args:
        u: `n` utilities.
        low: Quantile, 0 to 1.
    """
    return TransformedUtility(u.clamp_min(torch.quantile(u, low)), lambda w: w)
