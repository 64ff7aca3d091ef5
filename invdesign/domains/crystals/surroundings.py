"""Sites of a crystal with their surroundings."""

from __future__ import annotations

from collections import Counter

from invdesign.core import Place
from invdesign.domains.crystals.chemistry import covalent_radius, has_cell, is_neutral
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.sanity import is_whole

N_NEAR = 12
SHELL = 1.25
"""Neighbours of a site are those less than this times as far as the nearest one."""
BIN = 0.06
"""Width of the bins of distances, in sums of covalent radii."""


def site_places(crystal: Crystal) -> list[Place]:
    """Return the orbits of a crystal, and its composition.

    The surroundings of an orbit are its element, the element of its nearest neighbour, their distance in units of the
    sum of the covalent radii, and the elements around it; that of the composition is whether it can be neutral.
    """
    composition = Place("composition", (f"neutral {is_neutral(crystal.formula)}",))
    if not has_cell(crystal) or not is_whole(crystal):
        return [Place(_name(crystal, i), ("no cell",)) for i in range(len(crystal.orbits))] + [composition]
    distances, owners = orbit_graph(crystal, N_NEAR)
    elements = [orbit.element for orbit in crystal.orbits]
    found = []
    for i, element in enumerate(elements):
        nearest = elements[owners[i, 0]]
        ratio = distances[i, 0] / (covalent_radius(element) + covalent_radius(nearest))
        shell = Counter(elements[owner] for owner in owners[i][distances[i] < SHELL * distances[i, 0]])
        around = " ".join(f"{name}{shell[name]}" for name in sorted(shell))
        surroundings = (
            element,
            f"{element}-{nearest}",
            f"{element}-{nearest} {round(ratio / BIN)}",
            f"{element} in {around}",
        )
        found.append(Place(_name(crystal, i), surroundings))
    return [*found, composition]


def _name(crystal: Crystal, i: int) -> str:
    orbit = crystal.orbits[i]
    return f"{orbit.element} {orbit.multiplicity}{orbit.letter} (site {i + 1})"
