"""Ions that are common, and how large they are: Shannon's radii, carried over to other coordination numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from pymatgen.core import Element

from invdesign.core import InvdesignError

# The softness of a bond in bond-valence sums (angstrom): what a bond gains in length as its valence is shared.
SOFTNESS = 0.37
ROMAN = dict(
    zip(
        ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIV"],
        [*range(1, 13), 14],
        strict=True,
    )
)

CATIONS = {
    1: "Li Na K Rb Cs Cu Ag Tl",
    2: "Be Mg Ca Sr Ba V Cr Mn Fe Co Ni Cu Zn Cd Hg Pb Sm Eu Yb",
    3: "Al Ga In Tl Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ti V Cr Mn Fe Co Ni Mo Ru Rh Ir Sb Bi",
    4: "Si Ge Sn Pb Ti Zr Hf V Nb Ta Mo W Mn Re Ru Os Rh Ir Pd Pt Te Ce Pr Tb Th U",
    5: "P As Sb Bi V Nb Ta Mo Ru Re Os Ir U",
    6: "S Se Te Cr Mo W Re Os U",
    7: "Re Os I",
}
ANIONS = {"O": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1, "S": -2, "Se": -2, "Te": -2, "N": -3, "P": -3}
ANIONS |= {"As": -3, "Sb": -3, "Bi": -3}
# Not in Shannon's table: the distances in III-V compounds and in rock salts of the rare earths, less the cation.
PNICTIDES = {"P": 1.92, "As": 2.02, "Sb": 2.20, "Bi": 2.26}
# Ions that take electrons from all but the hardest anions.
OXIDIZING = frozenset(
    [
        "Pb4",
        "Tl3",
        "Bi5",
        "Sb5",
        "Mn3",
        "Mn4",
        "Mn5",
        "Mn6",
        "Mn7",
        "Ni3",
        "Co3",
        "Cu2",
        "V5",
        "Cr6",
        "Cr5",
        "Fe6",
        "Re6",
        "Re7",
        "Os5",
        "Os6",
        "Os7",
        "Ir5",
        "Ru5",
        "Rh4",
        "Te6",
        "Se6",
        "S6",
        "Cl7",
        "I7",
        "U5",
        "U6",
        "Ce4",
        "Pr4",
        "Tb4",
        "As5",
        "P5",
    ]
)
HARD = frozenset({"O", "F"})


@dataclass(frozen=True)
class Ion:
    """An element in an oxidation state."""

    element: str
    charge: int

    @property
    def is_anion(self) -> bool:
        """Whether it is the negative part of a crystal."""
        return self.charge < 0

    def bonds_to(self, anion: Ion) -> bool:
        """Whether the pair stays charged as it is: more electronegative anions, oxidizing cations with hard ones."""
        is_safe = f"{self.element}{self.charge}" not in OXIDIZING or anion.element in HARD
        return is_safe and electronegativity(self.element) < electronegativity(anion.element)


@cache
def electronegativity(element: str) -> float:
    """On Pauling's scale; 0 for an element that has none."""
    value = Element(element).data.get("X")
    return float(value) if isinstance(value, int | float) else 0.0


def ions(text: str) -> tuple[Ion, ...]:
    """The ions that a word names: `"2"` all common ones of that charge, `"Ti4"` one cation, `"O"` one anion.

    Raises:
        InvdesignError: the word names none.
    """
    if text.isdigit() and int(text) in CATIONS:
        return tuple(Ion(element, int(text)) for element in CATIONS[int(text)].split())
    if text in ANIONS:
        return (Ion(text, ANIONS[text]),)
    found = re.fullmatch(r"([A-Z][a-z]?)(\d)", text)
    if found is None:
        raise InvdesignError(f"{text!r} names no ion: expected a charge (2), a cation (Ti4) or an anion (O)")
    return (Ion(found[1], int(found[2])),)


@cache
def radius(ion: Ion, coordination: int) -> float:
    """The ionic radius (angstrom) of an ion with so many neighbours, high spin where there is a choice.

    Where Shannon has another coordination number only, the length of a bond follows the valence that is left for it:
    `r(n) = r(m) + 0.37 ln(n / m)`. Anions take the nearest entry as it is.

    Raises:
        InvdesignError: there is no radius of the ion.

    References:
        Shannon, Acta Cryst. A 32, 751 (1976), doi:10.1107/S0567739476001551;
        Brown and Altermatt, Acta Cryst. B 41, 244 (1985), doi:10.1107/S0108768185002063.
    """
    if ion.is_anion and ion.element in PNICTIDES:
        return PNICTIDES[ion.element]
    table = Element(ion.element).data.get("Shannon radii", {}).get(str(ion.charge), {})
    known = {}
    for label, spins in table.items():
        n = ROMAN.get(label.removesuffix("SQ").removesuffix("PY"))
        if n is not None and (n not in known or label in ROMAN):
            best = spins.get("High Spin") or spins.get("") or next(iter(spins.values()))
            known[n] = float(best["ionic_radius"])
    if not known:
        raise InvdesignError(f"Shannon's table has no radius of {ion.element} with charge {ion.charge:+d}")
    near = min(known, key=lambda n: (abs(math.log(n / coordination)), n))
    return known[near] if ion.is_anion else known[near] + SOFTNESS * math.log(coordination / near)
