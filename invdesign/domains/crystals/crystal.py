"""Crystal records: a space group, a unit cell and one representative atom per orbit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from math import gcd

from invdesign.core import InvdesignError

Vector = tuple[float, float, float]
Cell = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Orbit:
    """Set of atoms that the space group generates from one atom."""

    element: str
    """Chemical symbol."""
    letter: str
    """Letter of the Wyckoff position, in spglib's standard setting."""
    position: Vector
    """Fractional coordinates of the canonical representative in the conventional cell."""
    multiplicity: int
    """Number of atoms of the orbit in the conventional cell."""


@dataclass(frozen=True)
class Crystal:
    """Crystal in the standard setting of its space group, as built by `symmetry.canonical.crystal_of`."""

    space_group: int
    """Number of the space group, 1 to 230."""
    cell: Cell
    """Lengths a, b, c [angstrom] and angles alpha, beta, gamma [degrees] of the conventional cell."""
    orbits: tuple[Orbit, ...]
    """Orbits in canonical order."""

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the conventional cell."""
        return sum(orbit.multiplicity for orbit in self.orbits)

    @property
    def counts(self) -> dict[str, int]:
        """Number of atoms of each element in the conventional cell."""
        totals: Counter[str] = Counter()
        for orbit in self.orbits:
            totals[orbit.element] += orbit.multiplicity
        return dict(totals)

    @property
    def formula(self) -> str:
        """Reduced formula in alphabetical order of the elements, e.g. `"ClNa"` for rock salt."""
        counts = self.counts
        divisor = gcd(*counts.values()) if counts else 1
        parts = []
        for element, n in sorted(counts.items()):
            parts.append(f"{element}{n // divisor if n > divisor else ''}")
        return "".join(parts)


def to_text(crystal: Crystal) -> str:
    """Return a crystal as one line of JSON, without loss.

    Example:
        >>> atom = Orbit("Cu", "a", (0.0, 0.0, 0.0), 4)
        >>> copper = Crystal(225, (3.61, 3.61, 3.61, 90.0, 90.0, 90.0), (atom,))
        >>> from_text(to_text(copper)) == copper
        True
    """
    orbits = [[o.element, o.letter, list(o.position), o.multiplicity] for o in crystal.orbits]
    return json.dumps({"space_group": crystal.space_group, "cell": list(crystal.cell), "orbits": orbits})


def from_text(text: str) -> Crystal:
    """Return the crystal that `to_text` wrote.

    Args:
        text: One line of JSON.

    Raises:
        InvdesignError: If the text is not JSON or lacks `space_group`, `cell` or `orbits`.
    """
    try:
        data = json.loads(text)
        orbits = tuple(Orbit(str(e), str(w), _to_vector(x), int(m)) for e, w, x, m in data["orbits"])
        a, b, c, alpha, beta, gamma = map(float, data["cell"])
        return Crystal(int(data["space_group"]), (a, b, c, alpha, beta, gamma), orbits)
    except (ValueError, TypeError, KeyError) as error:
        raise InvdesignError(
            f"crystal text: expected the JSON that `to_text` writes, with space_group, cell and orbits, "
            f"got {text[:80]!r} ({error}). Read structures from files (.cif, .vasp, .extxyz)."
        ) from error


def _to_vector(values: list[float]) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
