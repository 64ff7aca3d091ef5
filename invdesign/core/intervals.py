"""Central intervals of predictions: their normal scores, and the quantiles that a prediction consists of."""

from __future__ import annotations

Z_50, Z_90 = 0.6744897501960817, 1.6448536269514722
"""Half-widths of the central 50 % and 90 % intervals of the standard normal distribution."""
QUANTILE_SCORES = (-8.0, -5.0, -3.5, -2.5, -Z_90, -1.0, -Z_50, 0.0, Z_50, 1.0, Z_90, 2.5, 3.5, 5.0, 8.0)
"""Normal scores of the stated quantiles of a predicted property; the outer ones tell how far off an outcome is."""
EDGES = {50: (6, 8), 90: (4, 10)}
"""Positions of the ends of the 50 % and 90 % intervals among these quantiles."""
