"""What designs do when they are moved along a direction, decoded and measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from invdesign.atlas.decodings import ChangeModel, Decodings, choose_decodings, decode_around
from invdesign.atlas.directions import Direction, Measure
from invdesign.core import Array, D
from invdesign.latent.space import LatentSpace

ASKED = np.arange(0.1, 3.01, 0.1)
"""Predicted changes among which the one is found that makes one unit [units]."""


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """What became of designs that were moved, decoded and measured."""

    doses: Float[np.ndarray, " k"]
    """Lengths of the moves [units]."""
    change: Float[np.ndarray, "k n"]
    """Change of the property of each design; NaN where nothing was decoded, or it has no value."""
    is_valid: Float[np.ndarray, "k n"]
    """1 where a design was decoded, else 0."""
    keeps: Float[np.ndarray, "k n"]
    """1 where the decoded design has the scaffold of the one that was moved, else 0; NaN where there is no scaffold."""

    @property
    def mean(self) -> Float[np.ndarray, " k"]:
        """Mean change at each dose."""
        return _nan_mean(self.change)

    def interval(self, coverage: float = 0.9) -> Float[np.ndarray, "k 2"]:
        """Return the interval that holds the change of a further design with a probability, at each dose.

        The bounds are order statistics of the `n` changes, corrected for a finite `n` as in conformal prediction. The
        model of changes was fitted to the same designs, so that the interval can be somewhat too narrow.

        Args:
            coverage: The probability.

        References:
            Vovk et al., Algorithmic Learning in a Random World (2005), doi:10.1007/b106715.
        """
        return np.array([_conformal_interval(row[np.isfinite(row)], coverage) for row in self.change])

    def right_sign(self) -> Float[np.ndarray, " k"]:
        """Return the share of designs that changed in the sense of each dose; NaN at a dose of 0."""
        agrees = np.where(np.isfinite(self.change), np.sign(self.change) == np.sign(self.doses)[:, None], np.nan)
        return np.where(self.doses == 0, np.nan, _nan_mean(agrees))

    def rows(self) -> list[dict[str, float]]:
        """Return the curve as rows of a table."""
        low, high = self.interval().T
        columns = {
            "dose": self.doses,
            "change": self.mean,
            "low": low,
            "high": high,
            "right sign": self.right_sign(),
            "valid": self.is_valid.mean(1),
            "keeps scaffold": _nan_mean(self.keeps),
        }
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(len(self.doses))]


def measure_response(
    latent_space: LatentSpace[D, Any],
    designs: Sequence[D],
    direction: Direction,
    model: ChangeModel,
    doses: Sequence[float],
    measure: Measure,
    *,
    scaffold: Callable[[D], str | None] | None = None,
    sides: Mapping[int, Decodings[D]] | None = None,
) -> DoseResponse:
    """Move designs along a direction, decode points around the path, choose among the designs, and measure the chosen.

    Args:
        latent_space: The latent space.
        designs: `n` designs, other ones than those that the direction was fitted to.
        direction: The direction.
        model: Model of the change, by which a design is chosen.
        doses: Changes that are asked for [units].
        measure: Measures the property.
        scaffold: Returns the scaffold of a design, None where it has none.
        sides: What was decoded around the path of these designs before, by the sign of the dose.
    """
    Z = latent_space.encode(designs).numpy()
    before = np.asarray(measure(designs), dtype=np.float64)
    own = [scaffold(design) if scaffold else None for design in designs]
    shape = (len(doses), len(designs))
    change, keeps, is_valid = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    sides = dict(sides or {})
    for sign in sorted({int(np.sign(dose)) for dose in doses} - {0, *sides}):
        asked = [abs(dose) for dose in doses if dose]
        sides[sign] = decode_around(latent_space, Z, designs, [direction], [sign], asked=asked)
    for i, dose in enumerate(doses):
        decoded: list[D | None] = list(designs)
        if dose:
            decodings = sides[int(np.sign(dose))]
            chosen = choose_decodings(decodings, [model], [before], [dose])
            decoded = decodings.designs_of(chosen)
        rows = [j for j, design in enumerate(decoded) if design is not None]
        found = [design for design in decoded if design is not None]
        if not found:
            continue
        is_valid[i, rows] = 1.0
        change[i, rows] = np.asarray(measure(found), dtype=np.float64) - before[rows]
        if scaffold:
            kept = [None if own[j] is None else scaffold(x) == own[j] for j, x in zip(rows, found, strict=True)]
            keeps[i, rows] = [np.nan if k is None else float(k) for k in kept]
    return DoseResponse(np.asarray(doses, dtype=np.float64), change, is_valid, keeps)


def measure_decodings(
    decodings: Decodings[Any], before: Float[np.ndarray, " n"], measure: Measure
) -> Float[np.ndarray, "k n"]:
    """Return the change of the property of every decoded design; NaN where there is none."""
    flat = [design for row in decodings.designs for design in row]
    found = [i for i, design in enumerate(flat) if design is not None]
    values = np.full(len(flat), np.nan)
    if found:
        values[found] = np.asarray(measure([flat[i] for i in found]), dtype=np.float64)
    change: Array = values.reshape(decodings.is_other.shape) - before
    return change


def calibrate(
    model: ChangeModel,
    decodings: Decodings[Any],
    before: Float[np.ndarray, " n"],
    change: Float[np.ndarray, "k n"],
    sign: int,
) -> tuple[ChangeModel, float]:
    """Return the model with the gain at which the mean change of the chosen designs is nearest to one unit.

    Of gains that choose the same designs, the one nearest to 1 is returned.

    Args:
        model: The model.
        decodings: What was decoded on one side.
        before: The property of the designs that were moved.
        change: Change of each decoded design.
        sign: The side: 1 for more, -1 for less.

    Returns:
        The model; the mean change in standard deviations of the change, minus infinity where fewer than two designs
        changed.
    """
    means, signals = [], []
    for asked in ASKED:
        rows = choose_decodings(decodings, [replace(model, gain=1.0)], [before], [sign * asked])
        towards = sign * change[rows, np.arange(len(rows))] / model.unit
        towards = towards[np.isfinite(towards)]
        means.append(float(towards.mean()) if len(towards) else -math.inf)
        signals.append(means[-1] / max(float(towards.std()), 1e-12) if len(towards) > 1 else -math.inf)
    misses = np.abs(np.array(means) - 1).round(6)
    i = int(np.lexsort((np.abs(ASKED - 1), misses))[0])
    return replace(model, gain=float(ASKED[i])), signals[i]


def _conformal_interval(values: Array, coverage: float) -> tuple[float, float]:
    n = len(values)
    tail = (1 - coverage) / 2
    rank = math.floor(tail * (n + 1))
    if rank < 1:
        return (-math.inf, math.inf)
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def _nan_mean(values: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
    """Return the mean of the known values of each row; NaN where none is known."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(1)
    count = known.sum(1)
    mean: Array = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean
