"""Design constraints: designable and fixed positions, allowed and forbidden letters, a maximum number of mutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.notation import Residue
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance


@dataclass(frozen=True)
class DesignConstraints:
    """Constraints of a design task; by default there are none.

    Raises:
        InvdesignError: Unknown letters, residues that the wild type does not have, residues that are both fixed and
            designable, or constraints that need a wild type where there is none.

    Example:
        >>> constraints = DesignConstraints("ACDEFGHIKLMNPQRSTVWY", WildType("MKTAY"), fixed=[1], max_mutations=1)
        >>> constraints.violation("AKTAY")
        'not allowed: M1A'
        >>> constraints.repair("AKTAG")
        'MKTAG'
    """

    letters: str
    """Letters of the alphabet."""
    wild_type: WildType | None = None
    """Reference for positions and for the number of mutations."""
    designable: Mapping[Residue, str] = field(default_factory=dict)
    """Allowed letters by number of a designable residue.

    The wild type's letter is always allowed; an empty string allows all letters. Without any entry, all residues are
    designable.
    """
    fixed: Sequence[Residue] = ()
    """Numbers of residues that must keep the wild type's letter."""
    forbidden: str = ""
    """Letters that mutations must not introduce."""
    max_mutations: int | None = None
    """Maximum number of edits from the wild type; None for no limit."""
    min_length: int = 1
    """Minimum number of letters of a design."""
    max_length: int = 0
    """Maximum number of letters of a design; 0 for no limit."""

    def __post_init__(self) -> None:
        own = self.wild_type.sequence if self.wild_type else ""
        unknown = sorted(set("".join(self.designable.values()) + self.forbidden + own) - set(self.letters))
        if unknown:
            raise InvdesignError(
                f"sequences: the wild type, designable and forbidden must consist of the letters {self.letters}, got "
                f"{', '.join(map(repr, unknown))}. Use capital letters and no unknown residues"
            )
        if (self.designable or self.fixed or self.max_mutations is not None) and self.wild_type is None:
            raise InvdesignError("sequences: designable, fixed and max_mutations need a wild type; set wild_type")
        both = sorted(set(self.designable) & set(self.fixed), key=str)
        if both:
            raise InvdesignError(
                f"sequences: residues {both} are both fixed and designable. Remove them from one of the two"
            )
        if self.wild_type is not None:
            for number in (*self.designable, *self.fixed):
                self.wild_type.position(number)

    def allowed_letters(self, position: int) -> str:
        """Return the letters allowed at a position (0-based) of a design as long as the wild type."""
        not_forbidden = "".join(letter for letter in self.letters if letter not in self.forbidden)
        if self.wild_type is None:
            return not_forbidden
        own, number = self.wild_type.sequence[position], self.wild_type.number(position)
        if number in self.fixed or (self.designable and number not in self.designable):
            return own
        chosen = self.designable.get(number, "") or not_forbidden
        return "".join(
            letter for letter in self.letters if letter == own or (letter in chosen and letter not in self.forbidden)
        )

    def violation(self, design: str) -> str:
        """Return the first constraint that a design violates, in words; an empty string if it satisfies all."""
        if len(design) < self.min_length or (self.max_length and len(design) > self.max_length):
            return f"{len(design)} letters, allowed are {self.min_length} to {self.max_length or 'any number'}"
        if self.wild_type is None:
            forbidden = sorted(set(design) & set(self.forbidden))
            return f"forbidden letters {', '.join(forbidden)}" if forbidden else ""
        violation = self._letter_violation(design, self.wild_type)
        if violation:
            return violation
        if self.max_mutations is not None:
            n_mutations = distance(self.wild_type.sequence, design)
            if n_mutations > self.max_mutations:
                return f"{n_mutations} mutations, at most {self.max_mutations} are allowed"
        return ""

    def repair(self, design: str) -> str:
        """Return a design with the wild type's letter at each position where its own letter is not allowed.

        A design whose length differs from the wild type's is returned unchanged.
        """
        if self.wild_type is None or len(design) != len(self.wild_type.sequence):
            return design
        own = self.wild_type.sequence
        return "".join(letter if letter in self.allowed_letters(i) else own[i] for i, letter in enumerate(design))

    def limit_mutations(self, design: str) -> str:
        """Return a design with at most the largest number of mutations, those kept evenly spaced along the sequence.

        A design whose length differs from the wild type's is returned unchanged.
        """
        if self.wild_type is None or self.max_mutations is None or len(design) != len(self.wild_type.sequence):
            return design
        own = self.wild_type.sequence
        changed = [i for i, (old, new) in enumerate(zip(own, design, strict=True)) if old != new]
        n = min(len(changed), self.max_mutations)
        kept = {changed[k * len(changed) // n] for k in range(n)}
        return "".join(letter if i in kept else own[i] for i, letter in enumerate(design))

    def _letter_violation(self, design: str, wild_type: WildType) -> str:
        """Describe letters that are not allowed, or a length at which fixed positions would shift."""
        own = wild_type.sequence
        if len(design) == len(own):
            mutations = [
                f"{old}{wild_type.number(i)}{new}"
                for i, (old, new) in enumerate(zip(own, design, strict=True))
                if old != new and new not in self.allowed_letters(i)
            ]
            return f"not allowed: {', '.join(mutations)}" if mutations else ""
        if self.designable or self.fixed:
            return f"{len(design)} letters, the wild type has {len(own)}: fixed positions would shift"
        if set(design) & (set(self.forbidden) - set(own)):
            return f"forbidden letters {', '.join(sorted(set(design) & set(self.forbidden)))}"
        return ""
