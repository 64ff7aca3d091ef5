"""Letters of sequences."""

from __future__ import annotations

from invdesign.core import InvdesignError

GAP = "-"
LETTERS = {"protein": "ACDEFGHIKLMNPQRSTVWY", "dna": "ACGT", "rna": "ACGU"}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def letters_of(kind: str) -> str:
    """The letters of a kind of sequence: `"protein"`, `"dna"`, `"rna"`, or the letters themselves.

    Raises:
        InvdesignError: letters that repeat, are fewer than two, or hold white space, a gap, or lower case.
    """
    letters = LETTERS.get(kind, kind)
    if len(set(letters)) < max(2, len(letters)) or GAP in letters or letters != "".join(letters.split()).upper():
        raise InvdesignError(
            f"sequences: {kind!r} is neither one of {', '.join(LETTERS)} nor at least two different capital letters "
            "or digits"
        )
    return letters


def reverse_complement(dna: str) -> str:
    """The other strand, from its own beginning."""
    return dna.translate(COMPLEMENT)[::-1]
