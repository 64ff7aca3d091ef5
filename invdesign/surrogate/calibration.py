"""Calibration of stated intervals: the factor of the standard deviations with which they contain what they promise."""

from __future__ import annotations

import numpy as np

from invdesign.core import Array

Z_50, Z_90 = 0.6744897501960817, 1.6448536269514722
"""Half-widths of the central 50 % and 90 % intervals of the standard normal distribution."""
TOLERANCE = 0.05
"""Deviation of a coverage from its nominal value from which standard deviations are corrected."""
N_PRIOR = 20
"""Predictions that count against a correction: few errors change little."""
FACTORS = np.geomspace(0.1, 10, 201)


def coverage(deviations: Array, factor: float = 1.0) -> tuple[float, float]:
    """Return the part of measurements inside the central 50 % and 90 % intervals; NaN without any.

    Args:
        deviations: `(measured - predicted) / sd` of `n` predictions.
        factor: Factor of the standard deviations.
    """
    known = np.abs(deviations[np.isfinite(deviations)]) / factor
    if not len(known):
        return float("nan"), float("nan")
    return float((known < Z_50).mean()), float((known < Z_90).mean())


def sd_factor(deviations: Array) -> float:
    """Return the factor by which standard deviations are to be multiplied, 1 where both coverages are within 5 points.

    Of the factors whose coverages are nearest to 50 and 90 % the middle one is taken, and its logarithm is shrunk by
    `n / (n + 20)`: ten predictions alone are no reason to double an interval.

    Args:
        deviations: `(measured - predicted) / sd` of `n` predictions.

    Example:
        >>> import numpy as np
        >>> errors = np.random.default_rng(0).normal(size=500)
        >>> sd_factor(errors), bool(1.8 < sd_factor(2 * errors) < 2.1)
        (1.0, True)
    """
    known = deviations[np.isfinite(deviations)]
    inside_50, inside_90 = coverage(known)
    if not len(known) or (abs(inside_50 - 0.5) <= TOLERANCE and abs(inside_90 - 0.9) <= TOLERANCE):
        return 1.0
    found = np.array([coverage(known, factor) for factor in FACTORS])
    misses = np.abs(found - [0.5, 0.9]).sum(1)
    nearest = FACTORS[np.isclose(misses, misses.min())]
    return float(np.exp(np.log(nearest).mean() * len(known) / (len(known) + N_PRIOR)))
