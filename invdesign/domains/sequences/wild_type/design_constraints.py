"""What may be changed: designable and fixed positions, allowed and forbidden letters, a budget of mutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance


@dataclass(frozen=True)
class Scope:
    """The limits of a design task; by default there are none.

    Args:
        letters: of the alphabet.
        wild_type: what positions and mutations are counted on.
        designable: number of each residue that may change, with the letters allowed there (its own always is); an
            empty text allows all. Without any, all residues may change.
        fixed: numbers of residues that must stay.
        forbidden: letters that a mutation may not bring in.
        max_mutations: edits from the wild type that are allowed.
        min_length: letters of the shortest design.
        max_length: letters of the longest design; 0 for no limit.
    """

    letters: str
    wild_type: WildType | None = None
    designable: Mapping[int, str] = field(default_factory=dict)
    fixed: Sequence[int] = ()
    forbidden: str = ""
    max_mutations: int | None = None
    min_length: int = 1
    max_length: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "designable", {int(n): str(a or "") for n, a in dict(self.designable).items()})
        object.__setattr__(self, "fixed", tuple(int(n) for n in self.fixed))
        said = "".join(self.designable.values()) + self.forbidden + (self.wild_type.sequence if self.wild_type else "")
        strange = sorted(set(said) - set(self.letters))
        if strange:
            raise InvdesignError(
                f"sequences: {', '.join(map(repr, strange))} in the wild type, designable or forbidden: no letters of "
                f"{self.letters}; write capitals, and no unknown residues"
            )
        if (self.designable or self.fixed or self.max_mutations is not None) and self.wild_type is None:
            raise InvdesignError("sequences: designable, fixed and max_mutations count on a wild type; set wild_type")
        both = sorted(set(self.designable) & set(self.fixed))
        if both:
            raise InvdesignError(f"sequences: residues {both} are both fixed and designable; take them out of one list")
        if self.wild_type is not None:
            for number in (*self.designable, *self.fixed):
                self.wild_type.position(number)

    def allowed(self, position: int) -> str:
        """Letters that may stand at a position (0-based) of a design as long as the wild type."""
        free = "".join(a for a in self.letters if a not in self.forbidden)
        if self.wild_type is None:
            return free
        own, number = self.wild_type.sequence[position], self.wild_type.number(position)
        if number in self.fixed or (self.designable and number not in self.designable):
            return own
        chosen = self.designable.get(number, "") or free
        return "".join(a for a in self.letters if a == own or (a in chosen and a not in self.forbidden))

    def trouble(self, design: str) -> str:
        """Why a design is out of bounds, or an empty string."""
        if len(design) < self.min_length or (self.max_length and len(design) > self.max_length):
            return f"{len(design)} letters, allowed are {self.min_length} to {self.max_length or 'any number'}"
        if self.wild_type is None:
            found = sorted(set(design) & set(self.forbidden))
            return f"forbidden letters {', '.join(found)}" if found else ""
        own = self.wild_type.sequence
        if len(design) == len(own):
            bad = [
                mutation
                for i, (a, b) in enumerate(zip(own, design, strict=True))
                if a != b and b not in self.allowed(i)
                for mutation in (f"{a}{self.wild_type.number(i)}{b}",)
            ]
            if bad:
                return f"not allowed: {', '.join(bad)}"
        elif self.designable or self.fixed:
            return f"{len(design)} letters where the wild type has {len(own)}: fixed positions would move"
        elif set(design) & (set(self.forbidden) - set(own)):
            return f"forbidden letters {', '.join(sorted(set(design) & set(self.forbidden)))}"
        if self.max_mutations is not None and (n := distance(own, design)) > self.max_mutations:
            return f"{n} mutations, allowed are {self.max_mutations}"
        return ""

    def restored(self, design: str) -> str:
        """A design as long as the wild type, with the wild type's letter wherever another one is not allowed."""
        if self.wild_type is None or len(design) != len(self.wild_type.sequence):
            return design
        own = self.wild_type.sequence
        return "".join(b if b in self.allowed(i) else own[i] for i, b in enumerate(design))
