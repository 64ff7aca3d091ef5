"""The one rule for repeated measurements of a design: their mean, its standard error, and what contradicts.

Plain values count by their mean. A bound (`>50`) counts only where a design has no plain value: the narrowest bound is
kept. The standard error of the mean is the standard deviation of the repeats over the square root of their number, or
what the table states after `±`, whichever is larger.

Repeats contradict where they differ by more than `TOLERANCE` standard deviations of the assay, which is estimated over
all repeats of the property. With repeats of fewer than `MIN_DESIGNS` designs there is no such estimate: then they
contradict where they differ by more than half of the range of the other designs, or of their own mean where there are
no two other designs. Positive values over more than `LOG_SPAN` are compared as logarithms. Contradictions are named,
with their values, and the mean counts all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from invdesign.core import Array, Outcome
from invdesign.io.measured_values import MeasuredValue

TOLERANCE = 5.0
"""Standard deviations of the assay by which repeats may differ: 1 pair in 2,500 exceeds it by chance."""
MIN_DESIGNS = 5
"""Designs with repeats from which the noise of the assay is estimated."""
MIN_NOISE_SHARE = 1e-3
"""Smallest noise, as a share of the range of a property: repeats that are copies of each other estimate none."""
LOG_SPAN = 1e3
"""Ratio of the largest to the smallest value from which positive values are compared as logarithms."""


@dataclass(frozen=True)
class MergedValue:
    """Measured values of one design as one."""

    value: float
    """Mean of the plain values, or the narrowest bound."""
    error: float = math.nan
    """Standard error of the mean; NaN where nothing states it."""
    bound: int = 0
    """1 where the true value is above `value`, -1 where it is below."""
    n: int = 1
    """Number of measured values."""


def merge_values(values: Sequence[MeasuredValue]) -> MergedValue:
    """Return the measured values of one design as one.

    Args:
        values: At least one value.

    Example:
        >>> merged = merge_values([MeasuredValue(5.0), MeasuredValue(7.0), MeasuredValue(4.0, bound=1)])
        >>> merged.value, round(merged.error, 6), merged.bound, merged.n
        (6.0, 1.0, 0, 3)
    """
    plain = [value for value in values if not value.bound]
    if not plain:
        return _merge_bounds(values)
    numbers = np.array([value.value for value in plain])
    stated = np.array([value.error for value in plain])
    errors = [math.hypot(*stated) / len(plain)] if np.isfinite(stated).all() else []
    if len(plain) > 1:
        scale = float(np.abs(numbers).max()) or 1.0  # squares of huge values overflow
        errors.append(scale * float((numbers / scale).std(ddof=1)) / math.sqrt(len(plain)))
    return MergedValue(float(numbers.mean()), max(errors, default=math.nan), 0, len(values))


def as_outcome(values: Sequence[MeasuredValue | MergedValue | None]) -> Outcome:
    """Return the values of `m` properties as an outcome, with their errors and bounds; None where there is no value.

    Example:
        >>> as_outcome([MeasuredValue(5.0, error=0.4), None])
        Outcome(y=(5.0, nan), status='measured', reason='', seconds=0.0, error=(0.4, nan), bound=())
    """
    error = tuple(math.nan if value is None else value.error for value in values)
    bound = tuple(0 if value is None else value.bound for value in values)
    return Outcome(
        tuple(math.nan if value is None else value.value for value in values),
        error=error if any(map(math.isfinite, error)) else (),
        bound=bound if any(bound) else (),
    )


def measured_values(outcome: Outcome) -> list[MeasuredValue | None]:
    """Return the values of an outcome with their errors and bounds; None for a property without a value."""
    m = len(outcome.y)
    columns = zip(outcome.y, outcome.error or (math.nan,) * m, outcome.bound or (0,) * m, strict=True)
    return [MeasuredValue(y, error, bound) if math.isfinite(y) else None for y, error, bound in columns]


def merge_outcomes(outcomes: Sequence[Outcome]) -> Outcome:
    """Return repeated measurements of a design as one outcome; the last one where none has a value.

    Args:
        outcomes: At least one outcome of the same `m` properties.

    Example:
        >>> repeats = [Outcome((1.0,)), Outcome((2.0,)), Outcome((math.nan,), "failed", "no signal")]
        >>> merged = merge_outcomes(repeats)
        >>> merged.y, merged.error
        ((1.5,), (0.5,))
    """
    if len(outcomes) == 1:
        return outcomes[0]
    measured = [measured_values(outcome) for outcome in outcomes if outcome.status == "measured"]
    if not measured:
        return outcomes[-1]
    columns = [[value for value in column if value is not None] for column in zip(*measured, strict=True)]
    return as_outcome([merge_values(column) if column else None for column in columns])


def find_contradictions(groups: Mapping[int, Sequence[MeasuredValue]]) -> list[int]:
    """Return the designs whose measured values contradict each other.

    Args:
        groups: Measured values of one property by design.
    """
    contradictory = [design for design, values in groups.items() if _bounds_contradict(values)]
    plain = {design: np.array([v.value for v in values if not v.bound]) for design, values in groups.items()}
    plain = {design: values for design, values in plain.items() if len(values)}
    repeated = [design for design, values in plain.items() if len(values) > 1]
    if not repeated:
        return contradictory
    plain = _scale(plain)
    means = {design: float(values.mean()) for design, values in plain.items()}
    noise = _noise_of({design: plain[design] for design in repeated}, np.array(list(means.values())))
    for design in repeated:
        difference = float(np.ptp(plain[design]))
        if difference > (_largest_difference(design, means) if noise is None else TOLERANCE * noise):
            contradictory.append(design)
    return sorted(set(contradictory))


def _merge_bounds(values: Sequence[MeasuredValue]) -> MergedValue:
    """Return the narrowest of several bounds; the middle of an interval that they enclose."""
    above = max((v.value for v in values if v.bound > 0), default=None)
    below = min((v.value for v in values if v.bound < 0), default=None)
    if above is not None and below is not None:
        return MergedValue((above + below) / 2, abs(below - above) / 2, 0, len(values))
    if above is not None:
        return MergedValue(above, bound=1, n=len(values))
    assert below is not None
    return MergedValue(below, bound=-1, n=len(values))


def _bounds_contradict(values: Sequence[MeasuredValue]) -> bool:
    """Return whether no number fits all values: a plain value beyond a bound, or bounds that exclude each other."""
    lowest = max((v.value for v in values if v.bound > 0), default=-math.inf)
    highest = min((v.value for v in values if v.bound < 0), default=math.inf)
    plain = [v.value for v in values if not v.bound]
    if not plain:
        return lowest > highest
    return max(plain) < lowest or min(plain) > highest


def _scale(plain: Mapping[int, Array]) -> dict[int, Array]:
    """Return values over many decades as logarithms, other values as they are."""
    numbers = np.concatenate(list(plain.values()))
    smallest = float(numbers.min())
    is_logarithmic = smallest > 0 and float(numbers.max()) / smallest > LOG_SPAN and len(plain) >= MIN_DESIGNS
    return {design: np.log10(values) if is_logarithmic else values for design, values in plain.items()}


def _noise_of(repeated: Mapping[int, Array], means: Array) -> float | None:
    """Return the standard deviation of the assay, by the median deviation of repeats; None where there are too few."""
    if len(repeated) < MIN_DESIGNS:
        return None
    deviations = [np.abs(v - v.mean()) * math.sqrt(len(v) / (len(v) - 1)) for v in repeated.values()]
    low, high = np.percentile(means, [5, 95])
    return max(1.4826 * float(np.median(np.concatenate(deviations))), MIN_NOISE_SHARE * float(high - low))


def _largest_difference(design: int, means: Mapping[int, float]) -> float:
    """Return by how much repeats of a design may differ where the noise of the assay is not known."""
    others = [mean for other, mean in means.items() if other != design]
    range_of_others = float(np.ptp(others)) if len(others) > 1 else 0.0
    return range_of_others / 2 if range_of_others > 0 else abs(means[design]) / 2
