"""Required and forbidden parts of molecules: conditions that every proposed molecule meets."""

from __future__ import annotations

from dataclasses import dataclass

from rdkit import Chem

from invdesign.core import InvdesignError
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import molecule


@dataclass(frozen=True)
class PartConstraints:
    """Parts and elements that molecules must or must not have; empty ones allow everything.

    Example:
        >>> constraints = PartConstraints(required=("c1ccccc1",), forbidden=("[N+](=O)[O-]",))
        >>> constraints.violation("CCO"), constraints.violation("Cc1ccccc1")
        ('lacks c1ccccc1', '')
    """

    required: tuple[str, ...] = ()
    """SMARTS or SMILES of parts that a molecule must have, e.g. a scaffold."""
    forbidden: tuple[str, ...] = ()
    """SMARTS or SMILES of parts that it must not have."""
    only: tuple[str, ...] = ()
    """Elements that it may have, besides hydrogen; all where it is empty."""

    def __post_init__(self) -> None:
        for smarts in (*self.required, *self.forbidden):
            pattern(smarts)
        table = Chem.GetPeriodicTable()
        symbols = {table.GetElementSymbol(number) for number in range(1, 119)}
        unknown = [element for element in self.only if element not in symbols]
        if unknown:
            raise InvdesignError(f"domain.only: expected chemical symbols, got {unknown[0]!r}. Write e.g. Cl")
        both = sorted(set(self.required) & set(self.forbidden))
        if both:
            raise InvdesignError(f"domain.forbidden: {both[0]} is also required. Remove it from one")

    def violation(self, design: str) -> str:
        """Return which condition a SMILES does not meet; an empty string where it meets all."""
        mol = molecule(design)
        if mol is None:
            return "no molecule"
        if self.only:
            foreign = sorted({atom.GetSymbol() for atom in mol.GetAtoms()} - {"H", *self.only})
            if foreign:
                return f"{', '.join(foreign)} not allowed"
        for smarts in self.required:
            if not mol.HasSubstructMatch(pattern(smarts)):
                return f"lacks {smarts}"
        for smarts in self.forbidden:
            if mol.HasSubstructMatch(pattern(smarts)):
                return f"has {smarts}"
        return ""
