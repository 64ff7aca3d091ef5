"""Wild type, its residue numbering, and designs as mutations of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Hamming, Levenshtein

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.notation import STOP, Edit, Residue, parse_variant, residue

NUCLEOTIDE_LETTERS = frozenset("ACGTUNRYSWKMBDHV-")
"""Letters of DNA or RNA, those of IUPAC for several bases included."""
MIN_SHARE_OF_BASES = 0.9
"""Share of A, C, G, T and U in a wild type of DNA or RNA."""
MIN_NUCLEOTIDES = 20
"""Letters from which a wild type of these letters alone is no peptide."""


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
        >>> WildType("SYG", numbers=(52, "52A", 53)).apply_mutations(["Y52AF"])
        'SFG'
    """

    sequence: str
    """Capital letters."""
    name: str = "wild type"
    """Display name."""
    first: int = 1
    """Number of the first residue."""
    numbers: tuple[int | str, ...] = ()
    """Number of every residue, where they are not consecutive; `"52A"` has an insertion code (antibodies)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(residue(n) for n in self.numbers))
        if not self.sequence:
            raise InvdesignError(f"wild type {self.name!r}: sequence must not be empty")
        if self.numbers and (len(self.numbers) != len(self.sequence) or len(set(self.numbers)) < len(self.numbers)):
            raise InvdesignError(
                f"wild type {self.name!r}: numbers must be {len(self.sequence)} different numbers, one for each "
                f"residue, got {list(self.numbers)}"
            )

    @property
    def residues(self) -> str:
        """Residue numbers: a range such as `"101-133"`, or the listed numbers where they are not consecutive."""
        numbers = [self.number(i) for i in range(len(self.sequence))]
        first = numbers[0]
        is_consecutive = isinstance(first, int) and numbers == list(range(first, first + len(numbers)))
        return f"{first}-{numbers[-1]}" if is_consecutive else " ".join(map(str, numbers))

    @property
    def number_before(self) -> int:
        """Number after which letters are inserted that precede the first residue; no residue has it."""
        if not self.numbers:
            return self.first - 1
        return min(int(re.sub("[A-Z]$", "", str(number))) for number in self.numbers) - 1

    def number(self, position: int) -> Residue:
        """Return the residue number of a position (0-based)."""
        return self.numbers[position] if self.numbers else self.first + position

    def position(self, number: Residue) -> int:
        """Return the position (0-based) of a residue number.

        Raises:
            InvdesignError: The wild type has no residue of this number.
        """
        if self.numbers:
            position = self.numbers.index(number) if number in self.numbers else -1
        else:
            position = number - self.first if isinstance(number, int) else -1
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
                letter = own[edit.src_pos] if own[edit.src_pos].isalpha() else ""
                mutations.append(f"{letter}{self.number(edit.src_pos)}del")
            else:
                inserted[edit.src_pos] = inserted.get(edit.src_pos, "") + design[edit.dest_pos]
        for position, letters in inserted.items():
            previous = self.number(position - 1) if position else self.number_before
            mutations.append(f"{previous}ins{letters}")
        return tuple(mutations)

    def apply_mutations(self, mutations: Iterable[str]) -> str:
        """Return the wild type with mutations applied, in any notation that `parse_variant` reads.

        Raises:
            InvdesignError: A mutation cannot be read, its first letter is not the wild type's residue, two of them
                concern one residue, or one is a stop.
        """
        return self.apply_edits([edit for mutation in mutations for edit in parse_variant(mutation)])

    def apply_edits(self, edits: Sequence[Edit]) -> str:
        """Return the wild type with edits applied; see `apply_mutations`."""
        cells = list(self.sequence)
        inserted: dict[int, str] = {}
        changed: set[int] = set()
        for edit in edits:
            self._check_level(edit)
            start, end = self._place(edit)
            span = range(start, end + 1)
            if edit.kind in ("insertion", "duplication"):
                if start in inserted:
                    raise InvdesignError(f"two insertions in one place: {edit.text!r}")
                letters = edit.letters if edit.kind == "insertion" else self.sequence[start : end + 1]
                inserted[start if edit.kind == "insertion" else end] = letters
                continue
            if changed & set(span):
                raise InvdesignError(f"two mutations of one residue: {edit.text!r}")
            changed |= set(span)
            is_substitution = edit.kind == "substitution"
            if is_substitution and STOP in edit.letters and STOP not in self.sequence:
                n_left = start + edit.letters.index(STOP)
                raise InvdesignError(f"mutation {edit.text!r} is a stop: {n_left} residues would be left")
            for position in span:
                cells[position] = ""
            cells[start] = edit.letters if is_substitution else ""
        return inserted.get(-1, "") + "".join(cell + inserted.get(i, "") for i, cell in enumerate(cells))

    def _check_level(self, edit: Edit) -> None:
        """Reject a change of nucleotides in a protein, and the reverse: A, C, G and T are residues too."""
        n_bases = sum(self.sequence.count(letter) for letter in "ACGTU")
        is_nucleotides = set(self.sequence) <= NUCLEOTIDE_LETTERS and n_bases >= MIN_SHARE_OF_BASES * len(self.sequence)
        if edit.level == "nucleotides" and not is_nucleotides:
            raise InvdesignError(
                f"the wild type is a protein: expected a change of residues, got {edit.text!r}, one of nucleotides. "
                "Translate it, e.g. p.Gly2Asp"
            )
        if edit.level == "protein" and is_nucleotides and len(self.sequence) >= MIN_NUCLEOTIDES:
            raise InvdesignError(
                f"the wild type is DNA or RNA: expected a change of nucleotides, got {edit.text!r}, one of residues. "
                "Give c. or n. instead"
            )

    def _place(self, edit: Edit) -> tuple[int, int]:
        """Return the first and the last position of an edit (0-based); -1 for an insertion before the first residue."""
        for number, letter in edit.named_residues:
            own = self.sequence[self.position(number)]
            if own != letter:
                raise InvdesignError(
                    f"mutation {edit.text!r}: residue {number} of {self.name!r} is {own}, not {letter}. Check the "
                    f"numbering (the first residue has the number {self.number(0)})"
                )
        if edit.kind == "insertion" and edit.start == self.number_before:
            return -1, -1
        start, end = self.position(edit.start), self.position(edit.end)
        is_insertion = edit.kind == "insertion"
        if end < start or (is_insertion and end > start + 1):
            expected = "neighbouring residues" if is_insertion else "the first residue before the last"
            raise InvdesignError(f"cannot read the mutation {edit.text!r}: expected {expected}")
        if edit.kind == "deletion" and edit.letters not in ("", self.sequence[start : end + 1]):
            raise InvdesignError(
                f"mutation {edit.text!r}: {self.name!r} has {self.sequence[start : end + 1]} there, not {edit.letters}"
            )
        return start, start if is_insertion else end


def distance(first: str, second: str) -> int:
    """Return the number of edits between two sequences: Hamming distance for equal lengths, else Levenshtein."""
    if len(first) == len(second):
        return int(Hamming.distance(first, second))
    return int(Levenshtein.distance(first, second))
