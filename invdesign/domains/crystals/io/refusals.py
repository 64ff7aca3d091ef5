"""Refusals of structures, and the limits that hold for every format."""

from __future__ import annotations

import math

import numpy as np

from invdesign.core import Array
from invdesign.domains.crystals.periodic_atoms import ATOMIC_NUMBERS
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

BROKEN = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError, RuntimeError)
"""Errors that libraries raise on broken input."""
MAX_SITES = 3_000
"""Largest number of atoms in a cell."""
MAX_LENGTH = 500.0
"""Largest length of a cell [angstrom]."""
MIN_LENGTH = 0.5
"""Smallest length of a cell [angstrom]."""
MIN_ANGLE, MAX_ANGLE = 5.0, 175.0
"""Smallest and largest angle of a cell [degrees]."""
MAX_COORDINATE = 1_000.0
"""Largest fractional coordinate."""
MAX_VOLUME_PER_ATOM = 1_000.0
"""Largest volume of the cell for each atom [angstrom^3]; caesium has 110."""
MIN_VOLUME_PER_ATOM = 0.5
"""Smallest volume of the cell for each atom [angstrom^3]; diamond has 5.7."""


class RefusedError(Exception):
    """A structure cannot be used; with the reason and the remedy.

    Args:
        reason: Why the structure cannot be used.
        remedy: What would help.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def size_error(n: int, max_sites: int) -> RefusedError:
    """Return the refusal of a cell with too many sites."""
    return RefusedError(f"{n:,} sites, more than {max_sites:,}", "give a primitive cell, or raise max_sites")


def lattice_from_parameters(cell: list[float]) -> Array:
    """Return the lattice vectors as rows [angstrom] after a check of lengths and angles.

    Raises:
        RefusedError: See `check_cell`.
    """
    check_cell(cell)
    return lattice_of(tuple(cell))


def check_cell(cell: list[float]) -> None:
    """Check lengths [angstrom] and angles [degrees] of a cell.

    Raises:
        RefusedError: A length or angle is not finite or outside the limits, or the angles enclose no volume.
    """
    lengths, angles = cell[:3], cell[3:]
    if not all(math.isfinite(value) for value in cell):
        raise RefusedError(f"the cell {_show(cell)} is NaN or infinite", "give finite lengths and angles")
    if not all(MIN_LENGTH <= length <= MAX_LENGTH for length in lengths):
        raise RefusedError(
            f"cell lengths {_show(lengths)} A, allowed {MIN_LENGTH:g} to {MAX_LENGTH:g}",
            "give the lengths in angstrom",
        )
    if not all(MIN_ANGLE <= angle <= MAX_ANGLE for angle in angles):
        raise RefusedError(
            f"cell angles {_show(angles)}, allowed {MIN_ANGLE:g} to {MAX_ANGLE:g} degrees", "give the angles in degrees"
        )
    a, b, c = (math.cos(math.radians(angle)) for angle in angles)
    if 1 - a * a - b * b - c * c + 2 * a * b * c <= 1e-6:
        raise RefusedError(f"cell angles {_show(angles)} enclose no volume", "correct the angles")


def check_lattice(lattice: Array) -> None:
    """Check the finite lengths, angles and volume of a lattice, given as rows [angstrom].

    Raises:
        RefusedError: See `check_cell`.
    """
    if not np.isfinite(lattice).all():
        raise RefusedError("the cell or a coordinate is NaN or infinite", "give finite numbers")
    lengths = np.sqrt((lattice**2).sum(1))
    if not (lengths > 0).all():
        raise RefusedError(f"cell lengths {_show(lengths.tolist())} A", "give a cell with a volume")
    unit = lattice / lengths[:, None]
    cosines = np.clip([unit[1] @ unit[2], unit[0] @ unit[2], unit[0] @ unit[1]], -1, 1)
    check_cell([*lengths.tolist(), *np.degrees(np.arccos(cosines)).tolist()])


def check_volume(volume: float, n_atoms: int) -> None:
    """Check the volume for each atom.

    Raises:
        RefusedError: It is far from that of any solid.
    """
    share = volume / n_atoms
    if not MIN_VOLUME_PER_ATOM <= share <= MAX_VOLUME_PER_ATOM:
        raise RefusedError(
            f"a cell of {volume:.4g} A^3 for {n_atoms} atoms: {share:.3g} A^3 each, allowed {MIN_VOLUME_PER_ATOM:g} to "
            f"{MAX_VOLUME_PER_ATOM:,.0f}",
            "check the unit of the lengths (angstrom) and the atoms",
        )


def check_symbol(symbol: str, shown: str) -> str:
    """Return the symbol of an element as it is written, or of deuterium and tritium.

    Raises:
        RefusedError: There is no such element.
    """
    if symbol not in ATOMIC_NUMBERS and symbol not in ("D", "T"):
        raise RefusedError(f"unknown element {shown[:40]!r}", "give chemical symbols")
    return symbol


def _show(values: list[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)
