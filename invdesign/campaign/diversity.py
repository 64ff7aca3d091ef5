"""Conditions on the designs of one list, a batch or a shortlist: a quota for each group, and a largest similarity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import numpy.typing as npt

from invdesign.core import D, InvdesignError
from invdesign.core.protocols import Resemblance

Group = Callable[[Sequence[Any]], Sequence[str]]
"""Function that names the group of each design, e.g. its scaffold."""


@dataclass(frozen=True, eq=False)
class Diversity:
    """Conditions that the designs of a list keep, even where the list is shorter then."""

    group: Group | None = None
    """Function that names the group of each design, e.g. its scaffold or its chemical system."""
    quota: int | None = None
    """Largest number of designs of one group; None for no limit."""
    max_similarity: float = 1.0
    """Similarity of two designs of the list, from 0 to 1 (Tanimoto similarity, identity); 1 for no limit."""

    def __post_init__(self) -> None:
        if (self.group is None) != (self.quota is None):
            raise InvdesignError(
                "diversity: expected group and quota together, got one of them. Set e.g. quota=3 and group.function="
                "scaffold (molecules), chemical_system (crystals) or mutated_positions (sequences)"
            )
        if self.quota is not None and self.quota < 1:
            raise InvdesignError(f"diversity: quota must be at least 1, got {self.quota}")
        if not 0 <= self.max_similarity <= 1:
            raise InvdesignError(f"diversity: max_similarity must be from 0 to 1, got {self.max_similarity!r}")


class DiverseList(Generic[D]):
    """A growing list of designs, and which others may still join it.

    Example:
        >>> by_length = Diversity(group=lambda designs: [str(len(design)) for design in designs], quota=1)
        >>> growing = DiverseList(by_length, None, ["CC", "NN", "CCC"])
        >>> growing.add(0)
        >>> growing.is_open.tolist()
        [False, False, True]
    """

    def __init__(self, conditions: Diversity, domain: object, designs: Sequence[D]) -> None:
        """Start an empty list.

        Args:
            conditions: What the designs of the list keep.
            domain: Domain of the designs; measures similarities where they are limited.
            designs: `n` designs that may join.

        Raises:
            InvdesignError: Similarities are limited and the domain has none.
        """
        check_similarity(conditions, domain)
        self._conditions, self._domain, self._designs = conditions, domain, designs
        self._labels = np.array([] if conditions.group is None else conditions.group(designs), dtype=object)
        self._counts: Counter[str] = Counter()
        self.is_open: npt.NDArray[np.bool_] = np.ones(len(designs), dtype=bool)
        """Whether each design may join the list now."""

    def add(self, position: int) -> None:
        """Let a design join, and close those that may not join any more."""
        self.is_open[position] = False
        if self._conditions.quota is not None:
            label = self._labels[position]
            self._counts[label] += 1
            if self._counts[label] >= self._conditions.quota:
                self.is_open &= self._labels != label
        rows = np.flatnonzero(self.is_open)
        if self._conditions.max_similarity < 1 and len(rows):
            assert isinstance(self._domain, Resemblance)
            others = [self._designs[row] for row in rows.tolist()]
            similarity = self._domain.resemblances([self._designs[position]], others)[0]
            self.is_open[rows] = similarity <= self._conditions.max_similarity


def check_similarity(conditions: Diversity | None, domain: object) -> None:
    """Check that a domain measures the similarities that are limited.

    Raises:
        InvdesignError: It measures none.
    """
    if conditions is not None and conditions.max_similarity < 1 and not isinstance(domain, Resemblance):
        raise InvdesignError(
            f"diversity: expected a domain with a similarity for max_similarity={conditions.max_similarity:g}, got "
            f"{getattr(domain, 'name', domain)}. Leave it out"
        )


def pick_diverse(conditions: Diversity | None, domain: object, designs: Sequence[D], n: int) -> list[int]:
    """Return the positions of the first `n` designs that keep the conditions together, in their order."""
    if conditions is None:
        return list(range(min(n, len(designs))))
    growing = DiverseList(conditions, domain, designs)
    picked: list[int] = []
    for position in range(len(designs)):
        if len(picked) < n and growing.is_open[position]:
            growing.add(position)
            picked.append(position)
    return picked
