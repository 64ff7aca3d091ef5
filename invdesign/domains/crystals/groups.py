"""Groups of crystals for quotas and shared factors."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

from invdesign.domains.crystals.crystal import Crystal


def chemical_system(designs: Sequence[Crystal]) -> list[str]:
    """Return the elements of each crystal in alphabetical order, e.g. `Li-P-S`."""
    return ["-".join(sorted(design.counts)) for design in designs]


def formula_type(designs: Sequence[Crystal]) -> list[str]:
    """Return the ratios of the elements and the space group of each crystal, e.g. `1:1:3 221`."""
    return [f"{ratio} {design.space_group}" for ratio, design in zip(ratios(designs), designs, strict=True)]


def ratios(designs: Sequence[Crystal]) -> list[str]:
    """Return the ratios of the elements of each crystal, e.g. `1:1:3`."""
    found = []
    for design in designs:
        units = gcd(*design.counts.values())
        found.append(":".join(str(n // units) for n in sorted(design.counts.values())))
    return found
