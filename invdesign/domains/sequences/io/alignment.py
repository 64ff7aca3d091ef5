"""Alignment of single sequences to a family that is aligned already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from Bio.Align import PairwiseAligner

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import GAP

WORD = 8
"""Letters of the words by which the nearest sequence of the family is found."""


def align_to_family(designs: Sequence[str], family: Sequence[str]) -> list[str]:
    """Return sequences in the columns of an aligned family.

    Each sequence is aligned to the member with which it shares most words of 8 letters, from end to end, with free gaps
    at the ends. Letters between two columns, and those beyond the family at the ends, are left out.

    Args:
        designs: `n` sequences, with or without gaps.
        family: Aligned sequences of one length.

    Raises:
        InvdesignError: The family is empty or not aligned.

    References:
        Needleman and Wunsch, J. Mol. Biol. 1970, doi:10.1016/0022-2836(70)90057-4.

    Example:
        >>> align_to_family(["TTACGTACGGTACCA", "ACGTACG-TACC"], ["ACGTACG-TACC"])
        ['ACGTACG-TACC', 'ACGTACG-TACC']
    """
    lengths = {len(member) for member in family}
    if len(lengths) != 1:
        raise InvdesignError(
            f"align: expected an aligned family, got {len(lengths)} different lengths. Give a corpus of one length"
        )
    members = [member.replace(GAP, "") for member in family]
    numbers_of = _index(members)
    make: Any = PairwiseAligner  # its annotations are incomplete
    aligner = make(
        mode="global", match_score=1, mismatch_score=-1, open_gap_score=-3, extend_gap_score=-0.5, end_gap_score=0
    )
    aligned = []
    for design in designs:
        letters = design.replace(GAP, "")
        nearest = _nearest(letters, numbers_of, len(members))
        aligned.append(_in_columns(letters, members[nearest], family[nearest], aligner))
    return aligned


def _words(letters: str) -> set[str]:
    return {letters[i : i + WORD] for i in range(max(1, len(letters) - WORD + 1))}


def _index(members: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the members that have each word."""
    numbers_of: dict[str, list[int]] = {}
    for number, member in enumerate(members):
        for word in _words(member):
            numbers_of.setdefault(word, []).append(number)
    return numbers_of


def _nearest(letters: str, numbers_of: dict[str, list[int]], n: int) -> int:
    shared = np.zeros(n, dtype=np.int64)
    for word in _words(letters):
        shared[numbers_of.get(word, [])] += 1
    return int(shared.argmax())


def _in_columns(letters: str, member: str, columns: str, aligner: Any) -> str:
    """Return letters in the columns of an aligned member."""
    if not letters:
        return GAP * len(columns)
    column_of = [column for column, letter in enumerate(columns) if letter != GAP]
    found = [GAP] * len(columns)
    targets, queries = aligner.align(member, letters)[0].aligned
    for (start, end), (first, _) in zip(targets, queries, strict=True):
        for offset in range(end - start):
            found[column_of[start + offset]] = letters[first + offset]
    return "".join(found)
