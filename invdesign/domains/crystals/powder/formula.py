"""Formulas that are given as text."""

from __future__ import annotations

from pymatgen.core.composition import Composition
from pymatgen.core.periodic_table import Element

from invdesign.core import InvdesignError

TOLERANCE = 1e-6


def parse_formula(text: str) -> dict[str, int]:
    """Return the number of atoms of each element in a formula unit.

    Args:
        text: A formula of whole numbers, e.g. `"LiFePO4"` or `"Ca3(PO4)2"`.

    Raises:
        InvdesignError: The text is no formula of elements, or has fractions.

    Example:
        >>> parse_formula("Ca3(PO4)2")
        {'Ca': 3, 'P': 2, 'O': 8}
    """
    try:
        composition = Composition(text)
        counts = {Element(str(element)).symbol: float(n) for element, n in composition.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise InvdesignError(f"formula: expected one such as LiFePO4, got {text!r} ({error})") from error
    if not counts:
        raise InvdesignError("formula: expected one such as LiFePO4, got none")
    whole = {element: round(n) for element, n in counts.items()}
    if any(abs(counts[e] - n) > TOLERANCE or n < 1 for e, n in whole.items()):
        raise InvdesignError(
            f"formula: expected whole numbers of atoms, got {text!r}. Crystals here have one element on each site; "
            "give the formula of an ordered crystal"
        )
    return whole
