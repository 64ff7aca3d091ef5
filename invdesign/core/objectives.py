"""Objectives, and the utilities that a search maximizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from invdesign.core.errors import InvdesignError

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[np.float64]
Goal = Literal["maximize", "minimize", "measure"] | float | tuple[float | None, float | None]
Combine = Literal["pareto", "weighted", "geometric"]
Values = TypeVar("Values", "Array", "Tensor")


@dataclass(frozen=True)
class Objective:
    """One property to be designed for."""

    name: str
    """Name of the property that the oracle measures, e.g. `"logp"`."""
    unit: str = ""
    """Unit of the property, shown wherever its values are; empty for a plain number."""
    goal: Goal = "maximize"
    """`"maximize"`, `"minimize"`, a target value, or a window `(low, high)` to stay in; None for an open side.
    `"measure"` for a property that is measured and predicted but not improved, e.g. for a constraint."""
    weight: float = 1.0
    """Weight in a weighted or geometric combination."""
    worst: float | None = None
    """Value (in the property's unit) of desirability 0, needed by `combine="geometric"`. For a target or a window, the
    tolerated distance from it."""
    best: float | None = None
    """Value of desirability 1; not used for a target or a window."""

    def __post_init__(self) -> None:
        goal = self.goal
        where = f"objective {self.name!r}"
        if isinstance(goal, str):
            if goal not in ("maximize", "minimize", "measure"):
                raise InvdesignError(
                    f"{where}: goal must be 'maximize', 'minimize', 'measure', a number or a window [low, high], got "
                    f"{goal!r}"
                )
        elif isinstance(goal, list | tuple):
            object.__setattr__(self, "goal", _read_window(goal, where))
        elif goal is None or not math.isfinite(goal):
            raise InvdesignError(f"{where}: the target must be finite, got {goal!r}")
        if not self.weight > 0:
            raise InvdesignError(f"{where}: weight must be positive, got {self.weight!r}")

    @property
    def is_improved(self) -> bool:
        """Whether the search improves the property; one that is only measured has no utility of its own."""
        return self.goal != "measure"

    def utility(self, y: Values) -> Values:
        """Return the utility of property values: more is better.

        This is the only place where a sign is flipped. `y` for a maximum, `-y` for a minimum, `-|y - target|` for a
        target, and minus the distance to the window for a window. A property that is only measured is shown like one
        that is maximized.

        Args:
            y: Property values in their unit; an array or a tensor of any shape.
        """
        goal = self.goal
        if goal == "minimize":
            return -y
        if isinstance(goal, str):
            return y
        if isinstance(goal, tuple):
            low, high = _bounds(goal)
            distance: Values = (low - y).clip(0) + (y - high).clip(0)
            return -distance
        return -abs(y - goal)

    def is_inside(self, value: float) -> bool:
        """Return whether a value lies in the window that is the goal; True for another goal.

        Example:
            >>> Objective("gap", goal=(1.3, 1.5)).is_inside(1.5), Objective("logp", goal=(None, 3)).is_inside(4.0)
            (True, False)
        """
        if not isinstance(self.goal, tuple):
            return True
        low, high = _bounds(self.goal)
        return low <= value <= high

    def desirability(self, y: Values) -> Values:
        """Return the utility scaled to 0 at `worst` and 1 at `best`, clipped.

        Args:
            y: Property values in their unit; an array or a tensor of any shape.

        Raises:
            InvdesignError: The values that count 0 and 1 are not set.

        References:
            Derringer and Suich, J. Qual. Technol. 1980, doi:10.1080/00224065.1980.11980968.
        """
        if isinstance(self.goal, str):
            if self.worst is None or self.best is None:
                raise InvdesignError(
                    f"objective {self.name!r}: combine='geometric' needs worst and best, the values of desirability 0 "
                    "and 1; set both"
                )
            return ((y - self.worst) / (self.best - self.worst)).clip(0, 1)
        if not self.worst:
            raise InvdesignError(
                f"objective {self.name!r}: combine='geometric' needs worst, the distance from the goal of desirability "
                "0; set it"
            )
        return (1 + self.utility(y) / self.worst).clip(0, 1)


def _read_window(goal: Sequence[Any], where: str) -> tuple[float | None, float | None]:
    """Return a window with an infinite side as None; check that it is one."""
    problem = f"{where}: expected a window [low, high] with low < high, null for an open side, got {list(goal)!r}"
    if len(goal) != 2:
        raise InvdesignError(f"{problem}. Write two numbers")
    sides = [None if side is None or math.isinf(float(side)) else float(side) for side in goal]
    if sides == [None, None]:
        raise InvdesignError(f"{problem}. State a number on one side")
    low, high = _bounds((sides[0], sides[1]))
    if not low < high:
        raise InvdesignError(f"{problem}. Correct the numbers")
    return sides[0], sides[1]


def _bounds(window: tuple[float | None, float | None]) -> tuple[float, float]:
    low, high = window
    return -math.inf if low is None else low, math.inf if high is None else high


def utilities(objectives: Sequence[Objective], Y: Array, *, combine: Combine = "pareto") -> Array:
    """Return the utilities that a search maximizes.

    Args:
        objectives: `m` objectives.
        Y: `n x m` properties in their units; NaN where not measured. Those that are only measured have no utility.
        combine: Keep the objectives apart (`"pareto"`), add them weighted, or take the weighted geometric mean of
            their desirabilities.

    Returns:
        `n x k` for the `k` properties that are improved and `"pareto"`, else `n x 1`. NaN in a row's property is NaN in
        its combination.

    Example:
        >>> import numpy as np
        >>> utilities([Objective("logp", goal=2.0)], np.array([[1.5], [4.0]])).ravel().tolist()
        [-0.5, -2.0]
    """
    Y = np.asarray(Y, dtype=np.float64).reshape(-1, len(objectives))
    columns = improved_columns(objectives)
    Y, objectives = Y[:, columns], [objectives[j] for j in columns]
    if combine == "geometric":
        weights = np.array([o.weight for o in objectives])
        weights = weights / weights.sum()
        scaled = np.stack([o.desirability(Y[:, j]) for j, o in enumerate(objectives)], axis=1)
        with np.errstate(divide="ignore"):
            combined: Array = np.exp((np.log(scaled) * weights).sum(axis=1, keepdims=True))
        return combined
    U = np.stack([o.utility(Y[:, j]) for j, o in enumerate(objectives)], axis=1)
    if combine == "weighted":
        total: Array = (U * np.array([o.weight for o in objectives])).sum(axis=1, keepdims=True)
        return total
    return U


def improved_columns(objectives: Sequence[Objective]) -> list[int]:
    """Return the positions of the properties that are improved, among all that are measured."""
    return [j for j, objective in enumerate(objectives) if objective.is_improved]
