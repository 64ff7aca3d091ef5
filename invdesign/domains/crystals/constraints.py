"""Positive constraints on crystals: elements, formula type, space groups and sizes that designs must have."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import gcd

from pymatgen.core.periodic_table import Element

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS

MAX_FORMULA_ATOMS = 1_000
OTHER_GROUP = 120.0
"""Places on Pettifor's scale that are added for an element of another group of the periodic table."""


@dataclass(frozen=True)
class Constraints:
    """Conditions that every proposed crystal meets; empty ones allow everything."""

    only: tuple[str, ...] = ()
    """Elements that a crystal may have."""
    required: tuple[str, ...] = ()
    """Elements that a crystal must have."""
    excluded: tuple[str, ...] = ()
    """Elements that a crystal must not have, and names of lists: toxic, radioactive, costly, rare_earth."""
    formula_types: tuple[str, ...] = ()
    """Ratios of the elements as a formula with any symbols, e.g. ABX3 or Li3PS4."""
    space_groups: tuple[int, ...] = ()
    """Numbers of the space groups."""
    n_atoms: tuple[int | None, int | None] = (None, None)
    """Smallest and largest number of atoms in the conventional cell."""
    n_formula_units: tuple[int | None, int | None] = (None, None)
    """Smallest and largest number of formula units in the conventional cell."""

    def __post_init__(self) -> None:
        for name in ("only", "required"):
            for symbol in getattr(self, name):
                if symbol not in ATOMIC_NUMBERS:
                    raise InvdesignError(f"domain.{name}: expected chemical symbols, got {symbol!r}. Write e.g. Li")
        excluded = self.excluded_elements
        clash = sorted((set(self.required) | set(self.only)) & excluded) if self.excluded else []
        missing = sorted(set(self.required) - set(self.only)) if self.only else []
        if clash:
            raise InvdesignError(f"domain.excluded: {clash[0]} is also required or among `only`. Remove it from one")
        if missing:
            raise InvdesignError(f"domain.required: {missing[0]} is not among `only`. Add it there")
        for group in self.space_groups:
            if not 1 <= group <= 230:
                raise InvdesignError(f"domain.space_groups: expected numbers from 1 to 230, got {group}")
        for text in self.formula_types:
            parse_formula_type(text)
        for name in ("n_atoms", "n_formula_units"):
            low, high = getattr(self, name)
            if low is not None and high is not None and low > high:
                raise InvdesignError(f"domain.{name}: expected [smallest, largest], got [{low}, {high}]")

    @property
    def excluded_elements(self) -> frozenset[str]:
        """Excluded elements, those of the lists included."""
        found: set[str] = set()
        for name in self.excluded:
            if name in element_lists():
                found |= set(element_lists()[name])
            elif name in ATOMIC_NUMBERS:
                found.add(name)
            else:
                raise InvdesignError(
                    f"domain.excluded: expected symbols or {', '.join(element_lists())}, got {name!r}. Correct it"
                )
        return frozenset(found)

    @property
    def is_empty(self) -> bool:
        """Whether everything is allowed."""
        return self == Constraints()

    def is_allowed(self, element: str) -> bool:
        """Return whether a crystal may have an element."""
        return (not self.only or element in self.only) and element not in _excluded(self)

    def violation(self, crystal: Crystal) -> str:
        """Return which condition a crystal does not meet; an empty string where it meets all."""
        counts = crystal.counts
        foreign = sorted(element for element in counts if not self.is_allowed(element))
        if foreign:
            return f"{', '.join(foreign)} not allowed"
        missing = [element for element in self.required if element not in counts]
        if missing:
            return f"lacks {', '.join(missing)}"
        return self._structure_violation(crystal, counts)

    def _structure_violation(self, crystal: Crystal, counts: dict[str, int]) -> str:
        units = gcd(*counts.values())
        ratios = tuple(sorted(n // units for n in counts.values()))
        if self.formula_types and ratios not in {parse_formula_type(text) for text in self.formula_types}:
            return f"{crystal.formula} is not of the type {' or '.join(self.formula_types)}"
        if self.space_groups and crystal.space_group not in self.space_groups:
            return f"space group {crystal.space_group}, allowed {', '.join(map(str, self.space_groups))}"
        for name, n, (low, high) in (
            ("atoms", crystal.n_atoms, self.n_atoms),
            ("formula units", units, self.n_formula_units),
        ):
            if (low is not None and n < low) or (high is not None and n > high):
                return f"{n} {name} in the cell, allowed {low or 1} to {high or 'any number'}"
        return ""

    def substitution(self, crystal: Crystal) -> dict[str, str] | None:
        """Return allowed elements for those of a crystal, the nearest on Pettifor's scale.

        Returns:
            New element for each element; None where there are fewer allowed elements than the crystal has.
        """
        elements = sorted(crystal.counts)
        chosen = {element: element for element in elements if self.is_allowed(element)}
        for element in elements:
            if element in chosen:
                continue
            free = [other for other in _allowed(self) if other not in chosen.values()]
            if not free:
                return None
            chosen[element] = min(free, key=lambda other: (_distance(element, other), other))
        for needed in self.required:
            if needed in chosen.values():
                continue
            replaceable = [element for element, other in chosen.items() if other not in self.required]
            if not replaceable:
                return None
            chosen[min(replaceable, key=lambda element: (_distance(element, needed), element))] = needed
        return chosen


def parse_formula_type(text: str) -> tuple[int, ...]:
    """Return the numbers of atoms of a formula in ascending order, without a common divisor.

    Raises:
        InvdesignError: The text is no formula.

    Example:
        >>> parse_formula_type("ABX3"), parse_formula_type("Li6P2S8")
        ((1, 1, 3), (1, 3, 4))
    """
    pairs = re.findall(r"([A-Z][a-z]?)(\d*)", str(text)[:80])
    numbers = [int(n or 1) for _, n in pairs if len(n) < 5]
    is_formula = pairs and "".join(e + n for e, n in pairs) == str(text) and len({e for e, _ in pairs}) == len(pairs)
    if not is_formula or len(numbers) < len(pairs) or min(numbers) < 1 or max(numbers) > MAX_FORMULA_ATOMS:
        raise InvdesignError(f"domain.formula_types: expected formulas such as ABX3 or Li3PS4, got {str(text)[:40]!r}")
    return tuple(sorted(n // gcd(*numbers) for n in numbers))


@cache
def element_lists() -> dict[str, tuple[str, ...]]:
    """Return the named lists of elements of `element_lists.csv`, which states criterion, source and date of each."""
    text = files("invdesign.domains.crystals").joinpath("element_lists.csv").read_text(encoding="utf-8")
    return {row["list"]: tuple(row["elements"].split()) for row in csv.DictReader(text.splitlines())}


@cache
def _excluded(constraints: Constraints) -> frozenset[str]:
    return constraints.excluded_elements


@cache
def _allowed(constraints: Constraints) -> Sequence[str]:
    chosen = constraints.only or tuple(e.symbol for e in Element if e.Z <= 83 and not e.is_noble_gas)
    return tuple(symbol for symbol in chosen if constraints.is_allowed(symbol))


@cache
def _distance(first: str, second: str) -> float:
    """Return the distance on Pettifor's scale; elements of one group of the periodic table come first."""
    a, b = Element(first), Element(second)
    is_same_group = a.group == b.group and a.block == b.block
    return abs(float(a.mendeleev_no) - float(b.mendeleev_no)) + (0.0 if is_same_group else OTHER_GROUP)
