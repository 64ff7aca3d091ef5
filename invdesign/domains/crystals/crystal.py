"""The design of this domain: a crystal by its space group, its cell, and one atom for each orbit."""

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
    """All atoms that symmetry makes of one.

    Args:
        element: its symbol.
        letter: of the Wyckoff position, in spglib's standard setting.
        position: fractional coordinates of the canonical representative, in the conventional cell.
        multiplicity: atoms of the orbit in the conventional cell.
    """

    element: str
    letter: str
    position: Vector
    multiplicity: int


@dataclass(frozen=True)
class Crystal:
    """A crystal in the standard setting of its space group; made by `symmetry.crystal_of`.

    Args:
        space_group: 1 to 230.
        cell: lengths a, b, c (angstrom) and angles alpha, beta, gamma (degrees) of the conventional cell.
        orbits: in canonical order.
    """

    space_group: int
    cell: Cell
    orbits: tuple[Orbit, ...]

    @property
    def n_atoms(self) -> int:
        """Atoms in the conventional cell."""
        return sum(orbit.multiplicity for orbit in self.orbits)

    @property
    def counts(self) -> dict[str, int]:
        """Atoms of each element in the conventional cell."""
        found: Counter[str] = Counter()
        for orbit in self.orbits:
            found[orbit.element] += orbit.multiplicity
        return dict(found)

    @property
    def formula(self) -> str:
        """Reduced formula in alphabetical order, e.g. `"Cl1 Na1"` is `"ClNa"`."""
        counts = self.counts
        unit = gcd(*counts.values()) if counts else 1
        return "".join(f"{e}{n // unit if n > unit else ''}" for e, n in sorted(counts.items()))


def to_text(crystal: Crystal) -> str:
    """A crystal as one line of JSON, without loss."""
    orbits = [[o.element, o.letter, list(o.position), o.multiplicity] for o in crystal.orbits]
    return json.dumps({"space_group": crystal.space_group, "cell": list(crystal.cell), "orbits": orbits})


def from_text(text: str) -> Crystal:
    """The crystal that `to_text` wrote.

    Raises:
        InvdesignError: it is no such line.
    """
    try:
        said = json.loads(text)
        orbits = tuple(Orbit(str(e), str(w), _vector(x), int(m)) for e, w, x, m in said["orbits"])
        a, b, c, alpha, beta, gamma = map(float, said["cell"])
        return Crystal(int(said["space_group"]), (a, b, c, alpha, beta, gamma), orbits)
    except (ValueError, TypeError, KeyError) as error:
        raise InvdesignError(
            f"{text[:80]!r} is no crystal: expected the JSON that `to_text` writes, with space_group, cell and orbits "
            f"({error}); read structures from files (.cif, .vasp, .extxyz)"
        ) from error


def _vector(values: list[float]) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
