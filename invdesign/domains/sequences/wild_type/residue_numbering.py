"""Residue numbering of designs by alignment to the wild type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.wild_type.wild_type import WildType

MAX_LISTED = 8


@dataclass(frozen=True)
class NumberedSequence:
    """Sequence without gaps, with the residue number of each letter."""

    text: str
    """The letters."""
    labels: tuple[str, ...]
    """Residue label of each letter.

    The number of the wild type's residue, or `108+2` for the second letter inserted after residue 108. Without a wild
    type, the position counted from 1.
    """
    origins: tuple[int, ...]
    """Position (0-based) of the wild type's letter that each letter is aligned to; -1 for an insertion."""


def remove_gaps(design: str, wild_type: WildType | None = None) -> NumberedSequence:
    """Return a design without its gaps, with the labels that its letters have in `number_residues`.

    Example:
        >>> remove_gaps("MK-Y", WildType("MKTY", first=10)).labels
        ('10', '11', '13')
    """
    labels, origins = number_residues(design, wild_type)
    if GAP not in design:
        return NumberedSequence(design, labels, origins)
    letters = [i for i, letter in enumerate(design) if letter != GAP]
    return NumberedSequence(
        design.replace(GAP, ""), tuple(labels[i] for i in letters), tuple(origins[i] for i in letters)
    )


def number_residues(design: str, wild_type: WildType | None = None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the labels and origins (see `NumberedSequence`) of all characters of a design, gaps included.

    A design as long as the wild type is aligned position by position, any other by a minimum number of edits.
    """
    n = len(design)
    if wild_type is None or n == len(wild_type.sequence):
        return _number_columns(n, wild_type)
    labels, origins = [""] * n, [-1] * n
    for edit in Levenshtein.opcodes(wild_type.sequence, design):
        start, first = edit.src_start, edit.dest_start
        previous = wild_type.number(start - 1) if start else wild_type.number_before
        for k in range(edit.dest_end - first):
            if edit.tag == "insert":
                labels[first + k] = f"{previous}+{k + 1}"
            else:
                labels[first + k], origins[first + k] = str(wild_type.number(start + k)), start + k
    return tuple(labels), tuple(origins)


def summarize_findings(findings: Iterable[str]) -> str:
    """Join the first 8 findings by commas and append the number of the others."""
    listed = list(findings)
    more = f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
    return ", ".join(listed[:MAX_LISTED]) + more


@lru_cache(maxsize=64)
def _number_columns(n: int, wild_type: WildType | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    columns = tuple(range(n))
    return tuple(str(i + 1 if wild_type is None else wild_type.number(i)) for i in columns), columns
