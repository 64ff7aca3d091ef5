"""Substitution of elements by name: `Cl -> Br`, `NaCl -> NaBr`."""

from __future__ import annotations

from functools import partial

from pymatgen.core.composition import Composition

from invdesign.core import InvdesignError
from invdesign.core.transformations import Transformation
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.mutations import replace_elements
from invdesign.domains.crystals.symmetry.canonical import occupation


def element_change(text: str) -> Transformation[Crystal]:
    """Return the substitution that two elements or two formulas name: elements of equal amount replace each other.

    Crystals with the same elements on the same sites are the same result, whatever their cells.

    Args:
        text: `"Cl -> Br"`, or formulas that differ in one or more elements, `"NaCl -> KBr"`.

    Raises:
        InvdesignError: The text names no substitution.

    Example:
        >>> element_change("NaCl -> NaBr").name
        'Cl -> Br'
    """
    pairs = _replaced(text)
    name = ", ".join(f"{old} -> {new}" for old, new in pairs.items())
    return Transformation(name, partial(substitute, elements=pairs), occupation)


def substitute(design: Crystal, *, elements: dict[str, str]) -> Crystal | None:
    """Return a crystal with other elements; None where it lacks one of the old ones or has one of the new ones."""
    own = set(design.counts)
    if not own.issuperset(elements) or own & set(elements.values()):
        return None
    return replace_elements(design, {element: elements.get(element, element) for element in own})


def _replaced(text: str) -> dict[str, str]:
    first, arrow, last = text.partition("->")
    wrong = InvdesignError(
        f"{text!r}: expected a substitution of elements such as 'Cl -> Br' or 'NaCl -> NaBr', with as many atoms of "
        "the new element as of the old one, or a .csv file with two columns of designs"
    )
    try:
        before, after = (Composition(side.strip()).get_el_amt_dict() for side in (first, last))
    except ValueError as error:
        raise wrong from error
    old = [e for e in before if e not in after]
    new = [e for e in after if e not in before]
    is_paired = [before[e] for e in old] == [after[e] for e in new]
    if not (arrow and old and is_paired and all(before[e] == after[e] for e in before if e in after)):
        raise wrong
    return dict(zip(old, new, strict=True))
