"""Outcome constraints: limits on measured properties that every candidate must keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from invdesign.core.errors import InvdesignError
from invdesign.core.objectives import Array, Combine, Objective, utilities

_PART = re.compile(r"\s*(<=|>=|<|>)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class OutcomeConstraint:
    """Limits of one measured property.

    Example:
        >>> limit = OutcomeConstraint.parse("toxicity", "<= 0.2")
        >>> limit.is_met(0.1), limit.is_met(0.3), str(limit)
        (True, False, 'toxicity <= 0.2')
    """

    name: str
    """Name of the property."""
    low: float = -math.inf
    """Smallest value, in the unit of the property."""
    high: float = math.inf
    """Largest value."""

    @classmethod
    def parse(cls, name: str, text: str) -> OutcomeConstraint:
        """Return the constraint that a text such as `<= 0.2` or `>= 1, <= 3` states.

        Raises:
            InvdesignError: The text states no limit, or limits that no value meets.
        """
        low, high = -math.inf, math.inf
        for part in str(text).split(","):
            match = _PART.fullmatch(part)
            if match is None:
                raise InvdesignError(
                    f"constraints.{name}: expected a limit such as '<= 0.2' or '>= 1, <= 3' in the unit of the "
                    f"property, got {str(text)[:60]!r}. Correct it"
                )
            value = float(match[2])
            low, high = (low, min(high, value)) if match[1].startswith("<") else (max(low, value), high)
        if not low < high:
            raise InvdesignError(f"constraints.{name}: no value meets {text!r}. Correct the limits")
        return cls(name, low, high)

    def is_met(self, value: float) -> bool:
        """Return whether a value is within the limits; an unknown one (NaN) is not."""
        return self.low <= value <= self.high

    def excess(self, values: Array) -> Array:
        """Return by how much values are beyond the limits, 0 within them; NaN stays NaN."""
        beyond: Array = np.maximum(np.maximum(self.low - values, values - self.high), 0.0)
        return beyond

    def __str__(self) -> str:
        limits = [f">= {self.low:g}"] * math.isfinite(self.low) + [f"<= {self.high:g}"] * math.isfinite(self.high)
        return f"{self.name} {', '.join(limits)}"


def parse_constraints(stated: Mapping[str, str]) -> tuple[OutcomeConstraint, ...]:
    """Return the constraints of a mapping from names of properties to limits; a limit that is None is left out."""
    return tuple(OutcomeConstraint.parse(name, text) for name, text in stated.items() if text is not None)


def with_constrained(objectives: Sequence[Objective], names: Sequence[str]) -> tuple[Objective, ...]:
    """Return all measured properties: the objectives, then constrained properties that are none of them.

    Example:
        >>> [o.goal for o in with_constrained([Objective("affinity")], ["toxicity"])]
        ['maximize', 'measure']
    """
    known = {objective.name for objective in objectives}
    return (*objectives, *(Objective(name, goal="measure") for name in names if name not in known))


def total_excess(objectives: Sequence[Objective], constraints: Sequence[OutcomeConstraint], Y: Array) -> Array:
    """Return by how much designs violate the constraints in all, each in standard deviations of its property.

    Args:
        objectives: `m` measured properties.
        constraints: Limits of some of them.
        Y: `n x m` properties; NaN where not measured.

    Returns:
        `n` sums; 0 where all constraints are met, NaN where that is not known.
    """
    columns = {objective.name: j for j, objective in enumerate(objectives)}
    total = np.zeros(len(Y))
    for constraint in constraints:
        values = Y[:, columns[constraint.name]]
        known = values[np.isfinite(values)]
        spread = float(known.std()) if len(known) else 0.0
        total = total + constraint.excess(values) / (spread or 1.0)
    return total


def are_met(
    objectives: Sequence[Objective], constraints: Sequence[OutcomeConstraint], Y: Array
) -> npt.NDArray[np.bool_]:
    """Return for `n x m` properties whether they meet all constraints; an unknown value does not."""
    met: npt.NDArray[np.bool_] = total_excess(objectives, constraints, Y) == 0
    return met


def admissible_utilities(
    objectives: Sequence[Objective], constraints: Sequence[OutcomeConstraint], Y: Array, *, combine: Combine = "pareto"
) -> Array:
    """Return the utilities of designs that meet all constraints, and NaN for the others; see `utilities`."""
    Y = np.asarray(Y, dtype=np.float64).reshape(-1, len(objectives))
    U = utilities(objectives, Y, combine=combine)
    return np.where(are_met(objectives, constraints, Y)[:, None], U, np.nan) if constraints else U
