"""Crystals in words: elements, anions, crystal system, prototype, dimensionality, number of elements."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache

from pymatgen.core.periodic_table import Element

from invdesign.core import InvdesignError
from invdesign.domains.crystals.chemistry import ELECTRONEGATIVITY, dimensionality
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.prototypes.ionic import prototype_of

ANION_WORDS = {
    "O": "oxide", "F": "fluoride", "Cl": "chloride", "Br": "bromide", "I": "iodide", "S": "sulfide", "Se": "selenide",
    "Te": "telluride", "N": "nitride", "P": "phosphide", "As": "arsenide", "H": "hydride", "C": "carbide",
}  # fmt: skip
SYSTEMS = (
    (2, "triclinic"), (15, "monoclinic"), (74, "orthorhombic"), (142, "tetragonal"), (167, "trigonal"),
    (194, "hexagonal"), (230, "cubic"),
)  # fmt: skip
COUNTS = ("elemental", "binary", "ternary", "quaternary", "quinary")
DIMENSIONS = ("molecular crystal", "chain", "layered", "framework")
EXTREMES = {
    "size": ("small cell", "large cell"),
    "mass_density": ("light", "dense"),
    "volume_per_atom": ("compact", "open"),
}
SYNONYMS = {
    "sulphide": "sulfide",
    "caesium": "cesium",
    "aluminium": "aluminum",
    "sulphur": "sulfur",
    "unary": "elemental",
    "layers": "layered",
    "high density": "dense",
    "low density": "light",
    "loose": "open",
}


def find_statements(designs: Sequence[Crystal]) -> list[frozenset[str]]:
    """Return the words for what crystals have.

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> atoms = (Orbit("Na", "a", (0, 0, 0), 4), Orbit("Cl", "b", (0.5, 0.5, 0.5), 4))
        >>> salt = Crystal(225, (5.64, 5.64, 5.64, 90.0, 90.0, 90.0), atoms)
        >>> sorted(find_statements([salt])[0] & {"sodium", "chloride", "cubic", "binary", "oxide"})
        ['binary', 'chloride', 'cubic', 'sodium']
    """
    return [_of(design) for design in designs]


@lru_cache(maxsize=20_000)
def _of(design: Crystal) -> frozenset[str]:
    elements = sorted(design.counts, key=lambda e: ELECTRONEGATIVITY.get(e, 0.0))
    words = {element_name(element) for element in elements}
    words.add(ANION_WORDS.get(elements[-1], "intermetallic") if len(elements) > 1 else "elemental")
    words.add(next(name for last, name in SYSTEMS if design.space_group <= last))
    words.add(COUNTS[len(elements) - 1] if len(elements) <= len(COUNTS) else "many elements")
    prototype = prototype_of(design)
    if prototype:
        words.add(prototype.replace("_", " ").lower())
    with suppress(InvdesignError):  # atoms that coincide have no bonds to speak of
        words.add(DIMENSIONS[dimensionality(design)])
    return frozenset(words)


@cache
def element_name(symbol: str) -> str:
    """Return the English name of an element in lower case."""
    return str(Element(symbol).long_name).lower()
