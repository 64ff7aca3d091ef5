"""Common ions and Shannon's ionic radii, extrapolated to other coordination numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache

from pymatgen.core.periodic_table import Element

from invdesign.core import InvdesignError

# Constant b of the bond-valence relation s = exp((R0 - d) / b) [angstrom]: the increase of the bond length as the
# valence is shared among more bonds.
SOFTNESS = 0.37
ROMAN = {
    "I": 1,
    "II": 2,
    "III": 3,
    "IV": 4,
    "V": 5,
    "VI": 6,
    "VII": 7,
    "VIII": 8,
    "IX": 9,
    "X": 10,
    "XI": 11,
    "XII": 12,
    "XIV": 14,
}

# Common cations by charge.
CATIONS = {
    1: "Li Na K Rb Cs Cu Ag Tl",
    2: "Be Mg Ca Sr Ba V Cr Mn Fe Co Ni Cu Zn Cd Hg Pb Sm Eu Yb",
    3: "Al Ga In Tl Sc Y La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ti V Cr Mn Fe Co Ni Mo Ru Rh Ir Sb Bi",
    4: "Si Ge Sn Pb Ti Zr Hf V Nb Ta Mo W Mn Re Ru Os Rh Ir Pd Pt Te Ce Pr Tb Th U",
    5: "P As Sb Bi V Nb Ta Mo Ru Re Os Ir U",
    6: "S Se Te Cr Mo W Re Os U",
    7: "Re Os I",
}
# Charges of common anions.
ANIONS = {"O": -2, "F": -1, "Cl": -1, "Br": -1, "I": -1, "S": -2, "Se": -2, "Te": -2, "N": -3, "P": -3}
ANIONS |= {"As": -3, "Sb": -3, "Bi": -3}
# Radii [angstrom] of anions that are not in Shannon's table: distances in III-V compounds and in rock salts of the rare
# earths, minus the radius of the cation.
PNICTIDES = {"P": 1.92, "As": 2.02, "Sb": 2.20, "Bi": 2.26}
# Cations that oxidize all but the hardest anions, by charge.
OXIDIZING = {
    2: "Cu",
    3: "Tl Mn Ni Co",
    4: "Pb Mn Rh Ce Pr Tb",
    5: "Bi Sb Mn V Cr Os Ir Ru U As P",
    6: "Mn Cr Fe Re Os Te Se S U",
    7: "Mn Re Os Cl I",
}
HARD = frozenset({"O", "F"})


@dataclass(frozen=True)
class Ion:
    """Element in an oxidation state."""

    element: str
    """Chemical symbol."""
    charge: int
    """Oxidation state."""

    @property
    def is_anion(self) -> bool:
        """Whether the charge is negative."""
        return self.charge < 0

    def is_ionic_with(self, anion: Ion) -> bool:
        """Return whether the pair keeps its charges.

        The anion must be the more electronegative one, and an oxidizing cation needs a hard anion (O or F).
        """
        is_oxidizing = self.element in OXIDIZING.get(self.charge, "").split()
        is_stable = not is_oxidizing or anion.element in HARD
        return is_stable and electronegativity(self.element) < electronegativity(anion.element)


@cache
def electronegativity(element: str) -> float:
    """Return the electronegativity on Pauling's scale; 0 for an element without a value."""
    value = Element(element).data.get("X")
    return float(value) if isinstance(value, int | float) else 0.0


def parse_ions(text: str) -> tuple[Ion, ...]:
    """Return the ions that a text names.

    Args:
        text: A charge for all common cations of that charge (`"2"`), one cation (`"Ti4"`) or one anion (`"O"`).

    Raises:
        InvdesignError: If the text has none of these forms.

    Example:
        >>> parse_ions("Ti4")
        (Ion(element='Ti', charge=4),)
        >>> parse_ions("O")
        (Ion(element='O', charge=-2),)
        >>> len(parse_ions("1"))
        8
    """
    if text.isdigit() and int(text) in CATIONS:
        return tuple(Ion(element, int(text)) for element in CATIONS[int(text)].split())
    if text in ANIONS:
        return (Ion(text, ANIONS[text]),)
    match = re.fullmatch(r"([A-Z][a-z]?)(\d)", text)
    if match is None:
        raise InvdesignError(f"ions: expected a charge (2), a cation (Ti4) or an anion (O), got {text!r}.")
    return (Ion(match[1], int(match[2])),)


@cache
def radius(ion: Ion, coordination: int) -> float:
    """Return the ionic radius [angstrom] of an ion, in the high-spin state where there is a choice.

    If Shannon gives no radius for a coordination number `n`, that of the nearest one `m` is extrapolated with the
    bond-valence relation, in which each of `n` bonds has the valence `charge / n`: `r(n) = r(m) + 0.37 ln(n / m)`. For
    anions the nearest entry is taken without extrapolation.

    Args:
        ion: The ion.
        coordination: Number of nearest neighbours.

    Raises:
        InvdesignError: If there is no radius of the ion.

    References:
        Shannon, Acta Cryst. A 32, 751 (1976), doi:10.1107/S0567739476001551;
        Brown and Altermatt, Acta Cryst. B 41, 244 (1985), doi:10.1107/S0108768185002063.

    Example:
        >>> radius(Ion("Ca", 2), 12)
        1.34
    """
    if ion.is_anion and ion.element in PNICTIDES:
        return PNICTIDES[ion.element]
    radii = _shannon_radii(ion)
    if not radii:
        raise InvdesignError(
            f"radius: expected an ion of Shannon's table, got {ion.element} with charge {ion.charge:+d}. "
            f"Choose another oxidation state."
        )
    nearest = min(radii, key=lambda n: (abs(math.log(n / coordination)), n))
    if ion.is_anion:
        return radii[nearest]
    return radii[nearest] + SOFTNESS * math.log(coordination / nearest)


def _shannon_radii(ion: Ion) -> dict[int, float]:
    """Return Shannon's radii [angstrom] of an ion by coordination number.

    Entries for square (SQ) and pyramidal (PY) sites count only where there is no other of the coordination number.
    """
    table = Element(ion.element).data.get("Shannon radii", {}).get(str(ion.charge), {})
    radii: dict[int, float] = {}
    for label, spins in table.items():
        n = ROMAN.get(label.removesuffix("SQ").removesuffix("PY"))
        if n is not None and (n not in radii or label in ROMAN):
            entry = spins.get("High Spin") or spins.get("") or next(iter(spins.values()))
            radii[n] = float(entry["ionic_radius"])
    return radii
