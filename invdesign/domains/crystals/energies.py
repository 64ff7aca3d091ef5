"""Energies among the properties of crystals, by their names."""

from __future__ import annotations

import re
from itertools import pairwise

UNITS = ("eV/atom", "eV")
"""Units of an energy of a crystal: of each atom, or of the whole cell."""
WORDS = frozenset(
    (
        "energy",
        "energies",
        "enthalpy",
        "hull",
        "ehull",
        "eform",
        "ef",
        "hform",
        "toten",
        "etot",
        "etotal",
        "e0",
        "formation",
    )
)
"""Words of which one names an energy."""
SYMBOLS = frozenset(("e", "h", "de", "dh", "delta", "\u0394", "\u03b4", "\u0394e", "\u03b4e", "\u0394h", "\u03b4h"))
"""Words that name an energy before one of `AFTER_A_SYMBOL`."""
AFTER_A_SYMBOL = frozenset(("form", "formation", "tot", "total", "above", "coh", "cohesive", "decomp", "e", "h", "f"))
"""Words that name an energy after one of `SYMBOLS`."""
OTHER = frozenset(
    (
        "gap", "fermi", "surface", "density", "adsorption", "activation", "migration", "barrier", "ionization",
        "cutoff", "vacancy", "defect", "interface", "binding", "phonon", "kinetic", "per", "atom", "error", "std", "id",
    )
)  # fmt: skip
"""Words of energies of something else, and of names that say what the energy is for."""


def is_open_energy(name: str) -> bool:
    """Return whether a property is an energy of a crystal that its name does not say to be that of an atom.

    Example:
        >>> [is_open_energy(name) for name in ("e_form", "Formation Energy", "energy_per_atom", "band_gap", "hardness")]
        [True, True, False, False, False]
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = [word for word in re.split(r"[^a-z0-9\u0394\u03b4]+", spaced.lower()) if word]
    if OTHER & set(words):
        return False
    has_symbol = any(first in SYMBOLS and second in AFTER_A_SYMBOL for first, second in pairwise(words))
    return bool(WORDS & set(words)) or has_symbol
