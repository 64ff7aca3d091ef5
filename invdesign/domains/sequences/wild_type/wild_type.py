"""The wild type, its numbering, and designs as mutations of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Hamming, Levenshtein

from invdesign.core import InvdesignError

SUBSTITUTION = re.compile(r"([A-Z*])(-?\d+)([A-Z*])")


@dataclass(frozen=True)
class WildType:
    """A sequence that designs are variants of, and the numbers of its residues.

    Args:
        sequence: capital letters.
        name: shown to people.
        first: number of the first residue.
        numbers: the number of every residue, where they do not follow one after the other.
    """

    sequence: str
    name: str = "wild type"
    first: int = 1
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(int(n) for n in self.numbers))
        if not self.sequence:
            raise InvdesignError(f"wild type {self.name!r}: its sequence is empty")
        if self.numbers and (len(self.numbers) != len(self.sequence) or len(set(self.numbers)) < len(self.numbers)):
            raise InvdesignError(
                f"wild type {self.name!r}: numbers must be {len(self.sequence)} different ones, one for each residue, "
                f"got {list(self.numbers)}"
            )

    @property
    def residues(self) -> str:
        """The numbers of its residues, e.g. `"101-133"`, or one by one where some are left out."""
        numbers = [self.number(i) for i in range(len(self.sequence))]
        is_whole = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        return f"{numbers[0]}-{numbers[-1]}" if is_whole else " ".join(map(str, numbers))

    def number(self, position: int) -> int:
        """The number of the residue at a position (0-based)."""
        return self.numbers[position] if self.numbers else self.first + position

    def position(self, number: int) -> int:
        """The position (0-based) of a residue's number.

        Raises:
            InvdesignError: there is no such residue.
        """
        found = self.numbers.index(number) if number in self.numbers else -1
        found = found if self.numbers else number - self.first
        if not 0 <= found < len(self.sequence):
            last = self.number(len(self.sequence) - 1)
            raise InvdesignError(
                f"wild type {self.name!r} has no residue {number}; it counts from {self.number(0)} to {last}"
            )
        return found

    def mutations(self, design: str) -> tuple[str, ...]:
        """What tells a design from the wild type, by residue numbers.

        Substitutions where lengths are equal (`A108D`); otherwise the fewest edits: `A108D`, `A108del`, and `108insGG`
        for letters inserted behind residue 108.
        """
        own = self.sequence
        if len(design) == len(own):
            pairs = enumerate(zip(own, design, strict=True))
            return tuple(f"{a}{self.number(i)}{b}" for i, (a, b) in pairs if a != b)
        found: list[str] = []
        inserted: dict[int, str] = {}
        for edit in Levenshtein.editops(own, design):
            if edit.tag == "replace":
                found.append(f"{own[edit.src_pos]}{self.number(edit.src_pos)}{design[edit.dest_pos]}")
            elif edit.tag == "delete":
                found.append(f"{own[edit.src_pos]}{self.number(edit.src_pos)}del")
            else:
                inserted[edit.src_pos] = inserted.get(edit.src_pos, "") + design[edit.dest_pos]
        before = {at: self.number(at - 1) if at else self.number(0) - 1 for at in inserted}
        return (*found, *(f"{before[at]}ins{letters}" for at, letters in inserted.items()))

    def mutated(self, mutations: Sequence[str]) -> str:
        """The wild type with substitutions such as `A108D`.

        Raises:
            InvdesignError: one cannot be read, or names another residue than the wild type has.
        """
        letters = list(self.sequence)
        for mutation in mutations:
            match = SUBSTITUTION.fullmatch(mutation.strip())
            if match is None:
                raise InvdesignError(f"cannot read the mutation {mutation!r}; write substitutions as A108D")
            old, number, new = match.groups()
            position = self.position(int(number))
            own = self.sequence[position]
            if own != old:
                raise InvdesignError(
                    f"mutation {mutation!r}: residue {number} of {self.name!r} is {own}, not {old}; "
                    f"check the numbering (the first residue is number {self.number(0)})"
                )
            letters[position] = new
        return "".join(letters)


def distance(first: str, second: str) -> int:
    """Return the number of edits between two sequences: Hamming distance for equal lengths, else Levenshtein."""
    if len(first) == len(second):
        return int(Hamming.distance(first, second))
    return int(Levenshtein.distance(first, second))
