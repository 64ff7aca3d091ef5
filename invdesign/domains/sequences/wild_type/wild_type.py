"""Wild type, its residue numbering, and designs as mutations of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Hamming, Levenshtein

from invdesign.core import InvdesignError

SUBSTITUTION = re.compile(r"([A-Z*])(-?\d+)([A-Z*])")


@dataclass(frozen=True)
class WildType:
    """Sequence that designs are variants of, with the numbers of its residues.

    Raises:
        InvdesignError: The sequence is empty, or `numbers` are not one different number for each residue.

    Example:
        >>> wild_type = WildType("MKTAY", first=10)
        >>> wild_type.mutations("MKTGY")
        ('A13G',)
        >>> wild_type.apply_mutations(["A13G"])
        'MKTGY'
    """

    sequence: str
    """Capital letters."""
    name: str = "wild type"
    """Display name."""
    first: int = 1
    """Number of the first residue."""
    numbers: tuple[int, ...] = ()
    """Number of every residue, where they are not consecutive."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(int(n) for n in self.numbers))
        if not self.sequence:
            raise InvdesignError(f"wild type {self.name!r}: sequence must not be empty")
        if self.numbers and (len(self.numbers) != len(self.sequence) or len(set(self.numbers)) < len(self.numbers)):
            raise InvdesignError(
                f"wild type {self.name!r}: numbers must be {len(self.sequence)} different integers, one for each "
                f"residue, got {list(self.numbers)}"
            )

    @property
    def residues(self) -> str:
        """Residue numbers: a range such as `"101-133"`, or the listed numbers where they are not consecutive."""
        numbers = [self.number(i) for i in range(len(self.sequence))]
        is_consecutive = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        return f"{numbers[0]}-{numbers[-1]}" if is_consecutive else " ".join(map(str, numbers))

    def number(self, position: int) -> int:
        """Return the residue number of a position (0-based)."""
        return self.numbers[position] if self.numbers else self.first + position

    def position(self, number: int) -> int:
        """Return the position (0-based) of a residue number.

        Raises:
            InvdesignError: The wild type has no residue of this number.
        """
        if self.numbers:
            position = self.numbers.index(number) if number in self.numbers else -1
        else:
            position = number - self.first
        if not 0 <= position < len(self.sequence):
            last = self.number(len(self.sequence) - 1)
            raise InvdesignError(
                f"wild type {self.name!r} has no residue {number}; its residues are numbered from {self.number(0)} to "
                f"{last}"
            )
        return position

    def mutations(self, design: str) -> tuple[str, ...]:
        """Return the mutations of a design relative to the wild type, by residue numbers.

        For equal lengths these are substitutions (`A108D`). Otherwise they are a minimum number of edits: `A108D`,
        `A108del`, and `108insGG` for letters inserted after residue 108.
        """
        own = self.sequence
        if len(design) == len(own):
            pairs = enumerate(zip(own, design, strict=True))
            return tuple(f"{old}{self.number(i)}{new}" for i, (old, new) in pairs if old != new)
        mutations: list[str] = []
        inserted: dict[int, str] = {}
        for edit in Levenshtein.editops(own, design):
            if edit.tag == "replace":
                mutations.append(f"{own[edit.src_pos]}{self.number(edit.src_pos)}{design[edit.dest_pos]}")
            elif edit.tag == "delete":
                mutations.append(f"{own[edit.src_pos]}{self.number(edit.src_pos)}del")
            else:
                inserted[edit.src_pos] = inserted.get(edit.src_pos, "") + design[edit.dest_pos]
        for position, letters in inserted.items():
            previous = self.number(position - 1) if position else self.number(0) - 1
            mutations.append(f"{previous}ins{letters}")
        return tuple(mutations)

    def apply_mutations(self, mutations: Sequence[str]) -> str:
        """Return the wild type with substitutions such as `A108D` applied.

        Raises:
            InvdesignError: A mutation cannot be parsed, or its first letter is not the wild type's residue.
        """
        letters = list(self.sequence)
        for mutation in mutations:
            match = SUBSTITUTION.fullmatch(mutation.strip())
            if match is None:
                raise InvdesignError(f"cannot read the mutation {mutation!r}: expected a substitution such as A108D")
            old, number, new = match.groups()
            position = self.position(int(number))
            own = self.sequence[position]
            if own != old:
                raise InvdesignError(
                    f"mutation {mutation!r}: residue {number} of {self.name!r} is {own}, not {old}. Check the "
                    f"numbering (the first residue has the number {self.number(0)})"
                )
            letters[position] = new
        return "".join(letters)


def distance(first: str, second: str) -> int:
    """Return the number of edits between two sequences: Hamming distance for equal lengths, else Levenshtein."""
    if len(first) == len(second):
        return int(Hamming.distance(first, second))
    return int(Levenshtein.distance(first, second))
