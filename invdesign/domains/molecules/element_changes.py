"""Substitution of an element in a molecule by name: `Cl -> Br`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rdkit import Chem

from invdesign.core import InvdesignError
from invdesign.core.transformations import Transformation
from invdesign.domains.molecules.atom_changes import text_of
from invdesign.domains.molecules.drawing import quiet
from invdesign.domains.molecules.smiles import parse


def element_change(text: str, *, identify: Callable[[str], str]) -> Transformation[str]:
    """Return the substitution that two elements name: each atom of the first becomes one of the second.

    Args:
        text: Two elements, `"Cl -> Br"`.
        identify: Returns the identity of a molecule.

    Raises:
        InvdesignError: The text names no two elements.

    Example:
        >>> element_change("Cl -> Br", identify=str).apply("Clc1ccccc1")
        'Brc1ccccc1'
    """
    old, arrow, new = (part.strip() for part in text.partition("->"))
    table = Chem.GetPeriodicTable()
    try:
        numbers = [table.GetAtomicNumber(symbol) for symbol in (old, new)]
    except RuntimeError:  # RDKit's error of an unknown symbol
        numbers = [0, 0]
    if not (arrow and all(numbers) and old != new):
        raise InvdesignError(
            f"{text!r}: expected two elements such as 'Cl -> Br', or a .csv file with two columns of designs"
        )
    apply = partial(substitute, old=numbers[0], new=numbers[1])
    change = Transformation(f"{old} -> {new}", apply, identify)
    if new == "H":  # hydrogens are not written
        return change
    return replace(change, is_possible_result=partial(may_contain, symbol=new))


def may_contain(design: str, *, symbol: str) -> bool:
    """Return False where the text of a molecule shows that it has no atom of an element."""
    return symbol in design or symbol.lower() in design


def substitute(design: str, *, old: int, new: int) -> str | None:
    """Return a molecule with another element; None where it has no atom of the old one, or none of its valence."""
    mol = parse(design)[0] if may_contain(design, symbol=Chem.GetPeriodicTable().GetElementSymbol(old)) else None
    if mol is None:
        return None
    changed = Chem.RWMol(mol)
    atoms = [atom for atom in changed.GetAtoms() if atom.GetAtomicNum() == old]
    for atom in atoms:
        atom.SetAtomicNum(new)
    with quiet():
        return text_of(changed) if atoms else None
