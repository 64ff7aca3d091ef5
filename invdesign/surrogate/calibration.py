"""Calibration of stated intervals: quantiles of the standardized residuals replace those of the normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from invdesign.core import Array
from invdesign.core.intervals import Z_50, Z_90

SCORES = (-Z_90, -Z_50, 0.0, Z_50, Z_90)
"""Normal scores of the quantiles that are corrected: the ends of the 50 % and 90 % intervals, and the median."""
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Probabilities of these quantiles."""
TOLERANCE = 0.05
"""Deviation of a coverage from its nominal value from which intervals are corrected."""
N_PRIOR = 20
"""Residuals of a calibrated surrogate that are added to those that were found: few residuals change little."""
ADAPTATION = 0.3
"""Share of the error of a level in a round of `N_PRIOR` outcomes or more by which the level is moved."""
MIN_LEVEL = 0.005
"""Smallest level to which one is moved; the largest is 1 less this."""
MIN_WIDTH = 0.1
"""Smallest width of the part between two quantiles, in units of that of the normal distribution."""


def coverage(residuals: Array, scores: tuple[float, ...] = SCORES) -> tuple[float, float]:
    """Return the part of measurements inside the central 50 % and 90 % intervals; NaN without any.

    Args:
        residuals: `(measured - predicted) / sd` of `n` predictions, on the scale of the surrogate.
        scores: Quantiles of the residuals that are stated, in the order of `LEVELS`.
    """
    found = residuals[np.isfinite(residuals)]
    if not len(found):
        return float("nan"), float("nan")
    low_90, low_50, _, high_50, high_90 = scores
    return (
        float(((found > low_50) & (found < high_50)).mean()),
        float(((found > low_90) & (found < high_90)).mean()),
    )


def adapt_levels(below: Sequence[Array], counts: Sequence[int]) -> Array:
    """Return the levels whose quantiles of earlier residuals are to be stated next.

    Each batch is chosen by a surrogate that has learnt from the batches before, so that its residuals differ from
    theirs. Where fewer outcomes of a round than promised lay below a stated quantile, the level of that quantile is
    raised, and lowered where more did: in the long run each quantile holds what it promises, whatever the residuals do
    (adaptive conformal inference). Rounds with fewer than 20 outcomes count in proportion.

    Args:
        below: For each round the share of its outcomes below each stated quantile, in the order of `LEVELS`.
        counts: Number of these outcomes.

    References:
        Gibbs and Candes, Adaptive Conformal Inference Under Distribution Shift (2021), arXiv:2106.00170.

    Example:
        >>> import numpy as np
        >>> adapt_levels([np.array([0.0, 0.05, 0.5, 0.95, 1.0])], [20]).round(3).tolist()
        [0.065, 0.31, 0.5, 0.69, 0.935]
    """
    nominal = np.array(LEVELS)
    levels = nominal.copy()
    for share, n in zip(below, counts, strict=True):
        moved = levels + ADAPTATION * min(1.0, n / N_PRIOR) * (nominal - share)
        levels = np.clip(moved, MIN_LEVEL, 1 - MIN_LEVEL)
    ascending: Array = np.maximum.accumulate(levels)
    return ascending


def residual_quantiles(residuals: Array, levels: Array | None = None) -> tuple[float, ...]:
    """Return the quantiles of standardized residuals in the order of `LEVELS`; normal scores where both coverages hold.

    The intervals between these quantiles contain what they promise, whatever the distribution of the residuals, if
    later residuals are like these (split conformal prediction). Each end has a factor of its own, so that a skewed
    distribution has a skewed interval. With `n` residuals the quantiles are those of the residuals and of 20 normal
    scores together. Coverages within 5 points of 50 and 90 % are left as they are, unless levels are given.

    Args:
        residuals: `(measured - predicted) / sd` of `n` predictions, on the scale of the surrogate.
        levels: Probabilities of the quantiles in ascending order where they are not `LEVELS`, see `adapt_levels`.

    References:
        Lei et al., Distribution-Free Predictive Inference for Regression (2018), doi:10.1080/01621459.2017.1307116.

    Example:
        >>> import numpy as np
        >>> errors = np.random.default_rng(0).normal(size=500)
        >>> residual_quantiles(errors) == SCORES
        True
        >>> [round(q, 1) for q in residual_quantiles(np.where(errors > 0, 3 * errors, errors))]
        [-1.5, -0.7, -0.1, 2.0, 4.7]
    """
    found = residuals[np.isfinite(residuals)]
    inside_50, inside_90 = coverage(found)
    holds = abs(inside_50 - 0.5) <= TOLERANCE and abs(inside_90 - 0.9) <= TOLERANCE
    if not len(found) or (holds and levels is None):
        return SCORES
    prior = ndtri((np.arange(N_PRIOR) + 0.5) / N_PRIOR)
    wanted = LEVELS if levels is None else levels
    quantiles = np.quantile(np.concatenate([found, prior]), wanted, method="weibull")
    # Residuals that are all alike must not make an interval without width.
    widths = np.maximum(np.diff(quantiles), MIN_WIDTH * np.diff(SCORES))
    middle = LEVELS.index(0.5)
    below, above = np.cumsum(widths[:middle][::-1])[::-1], np.cumsum(widths[middle:])
    return tuple((quantiles[middle] + np.concatenate([-below, [0.0], above])).tolist())


def recalibrate(scores: Array, quantiles: tuple[float, ...]) -> Array:
    """Return the standardized residuals that have given normal scores, by linear interpolation between quantiles.

    Args:
        scores: Normal scores, e.g. 1.645 for the upper end of the 90 % interval.
        quantiles: Quantiles of the residuals in the order of `LEVELS`. Beyond them the residuals continue with the mean
            width between the median and the last quantile.

    Example:
        >>> import numpy as np
        >>> recalibrate(np.array([0.0, Z_90, 2 * Z_90]), (-1.0, -0.5, 0.0, 1.0, 4.0)).tolist()
        [0.0, 4.0, 8.0]
    """
    return _interpolate(scores, np.array(SCORES), np.array(quantiles))


def normal_scores(residuals: Array, quantiles: tuple[float, ...]) -> Array:
    """Return the normal scores of standardized residuals: the inverse of `recalibrate`."""
    return _interpolate(residuals, np.array(quantiles), np.array(SCORES))


def _interpolate(x: Array, knots: Array, values: Array) -> Array:
    """Return the piecewise linear function through knots, continued with the slope between the middle and each end."""
    middle = len(knots) // 2
    low = (values[middle] - values[0]) / (knots[middle] - knots[0])
    high = (values[-1] - values[middle]) / (knots[-1] - knots[middle])
    inside: Array = np.interp(x, knots, values)
    inside = inside + np.minimum(x - knots[0], 0) * low + np.maximum(x - knots[-1], 0) * high
    return inside
