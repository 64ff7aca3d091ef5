"""Sites of a crystal with their surroundings."""

from __future__ import annotations

import numpy as np

from invdesign.core import Place
from invdesign.domains.crystals.chemistry import (
    bond_valence_sums,
    covalent_radius,
    has_cell,
    is_neutral,
    oxidation_states,
)
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.sanity import is_whole

DISTANCE_BIN = 0.06
"""Width of the bins of distances, in sums of covalent radii."""
VALENCE_BIN = 0.25
"""Width of the bins of the deviation of a bond-valence sum."""


def site_places(crystal: Crystal) -> list[Place]:
    """Return the orbits of a crystal, and its composition.

    The surroundings of an orbit are how far its bond-valence sum is from the expected one, and the distance of its
    nearest neighbour in units of the sum of the covalent radii, once for all elements and once for its own. Those of
    the composition are whether it can be neutral, and whether common oxidation states balance. Pairs of
    neighbouring elements are not used: most pairs are rare, those of real crystals included.
    """
    if not crystal.orbits:
        return [Place("composition", ("no atoms",))]
    is_balanced = bool(oxidation_states(crystal.formula))
    composition = Place("composition", (f"neutral {is_neutral(crystal.formula)}", f"balanced {is_balanced}"))
    if not has_cell(crystal) or not is_whole(crystal):
        return [Place(_name(crystal, i), ("no cell",)) for i in range(len(crystal.orbits))] + [composition]
    distances, owners = orbit_graph(crystal, 1)
    elements = [orbit.element for orbit in crystal.orbits]
    found = []
    for i, (element, deviation) in enumerate(zip(elements, _valence_deviations(crystal), strict=True)):
        radii = covalent_radius(element) + covalent_radius(elements[owners[i, 0]])
        distance = f"distance {round(distances[i, 0] / radii / DISTANCE_BIN)}"
        valence = "unknown" if deviation is None else str(round(deviation / VALENCE_BIN))
        found.append(Place(_name(crystal, i), (f"valence {valence}", distance, f"{element} {distance}")))
    return [*found, composition]


def _valence_deviations(crystal: Crystal) -> list[float | None]:
    """Return by how much the bond-valence sum of each orbit exceeds the expected one; None where it is not known."""
    found = bond_valence_sums(crystal)
    if found is None:
        return [None] * len(crystal.orbits)
    _, sums, expected = found
    first = np.cumsum([0, *(orbit.multiplicity for orbit in crystal.orbits)])[:-1]
    return [float(sums[i] - expected[i]) for i in first]


def _name(crystal: Crystal, i: int) -> str:
    orbit = crystal.orbits[i]
    return f"{orbit.element} {orbit.multiplicity}{orbit.letter} (site {i + 1})"
