"""Alphabets of proteins, DNA and RNA."""

from __future__ import annotations

from invdesign.core import InvdesignError

GAP = "-"
LETTERS = {"protein": "ACDEFGHIKLMNPQRSTVWY", "dna": "ACGT", "rna": "ACGU"}
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def canonical_kind(kind: str) -> str:
    """Return the name of a kind of sequence in lower case; letters are returned unchanged.

    Example:
        >>> canonical_kind("DNA"), canonical_kind("HP")
        ('dna', 'HP')
    """
    lower = str(kind).strip().lower()
    return lower if lower in LETTERS else kind


def letters_of(kind: str) -> str:
    """Return the letters of a kind of sequence.

    Args:
        kind: `"protein"`, `"dna"`, `"rna"` in any case, or the letters themselves.

    Raises:
        InvdesignError: Letters repeat, are fewer than two, or contain white space, a gap, or lower case.

    Example:
        >>> letters_of("dna")
        'ACGT'
        >>> letters_of("HP")
        'HP'
    """
    letters = LETTERS.get(canonical_kind(kind), kind)
    if len(set(letters)) < max(2, len(letters)) or GAP in letters or letters != "".join(letters.split()).upper():
        raise InvdesignError(
            f"sequences: expected a kind of sequence or its letters, got {kind!r}, neither one of {', '.join(LETTERS)} "
            "nor at least two different capital letters or digits"
        )
    return letters


def reverse_complement(dna: str) -> str:
    """Return the complementary strand, 5' to 3'.

    Example:
        >>> reverse_complement("AACG")
        'CGTT'
    """
    return dna.translate(COMPLEMENT)[::-1]
