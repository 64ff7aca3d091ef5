"""Lists and ranges of residue numbers, as settings state them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.notation import Residue, residue
from invdesign.domains.sequences.wild_type.wild_type import WildType

ResidueList = Mapping[Any, str | None] | Sequence[Any] | int | str | None
"""Residue numbers, ranges such as `"10-20"`, or numbers and ranges with the letters allowed there."""

_NUMBER = r"-?\d+[A-Za-z]?"
_RANGE = re.compile(rf"({_NUMBER})\s*(?:-|\u2013|\.\.|to)\s*({_NUMBER})")
_ITEM = re.compile(rf"({_NUMBER}(?:\s*(?:-|\u2013|\.\.|to)\s*{_NUMBER})?)\s*(?:[:=]\s*([A-Za-z*-]*))?(?:[\s,;]+|$)")


def parse_residues(given: ResidueList, wild_type: WildType | None = None) -> dict[Residue, str]:
    """Return the letters allowed at each listed residue; an empty string where none are stated.

    Args:
        given: Mapping of numbers or ranges to letters, a list of them, or a text such as `"10-20, 35, 52A: AV"`.
        wild_type: Numbering of the residues; ranges need it.

    Raises:
        InvdesignError: A number or range cannot be read, a range has no wild type or an end that the wild type lacks,
            or a residue is listed twice with different letters.

    Example:
        >>> parse_residues([10, "12-13"], WildType("MKTAY", first=10))
        {10: '', 12: '', 13: ''}
        >>> parse_residues({"10-11": "AV", 14: ""}, WildType("MKTAY", first=10))
        {10: 'AV', 11: 'AV', 14: ''}
    """
    found: dict[Residue, str] = {}
    for key, letters in _pairs(given):
        for number in _expand(key, wild_type):
            if found.get(number, letters) != letters:
                raise InvdesignError(
                    f"sequences: residue {number} is listed twice, with the letters {found[number]!r} and {letters!r}. "
                    "List it once"
                )
            found[number] = letters
    return found


def _pairs(given: Any) -> list[tuple[Any, str]]:
    """Return numbers or ranges with their letters."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        return [(key, str(letters or "")) for key, letters in given.items()]
    if isinstance(given, str):
        return _split(given)
    if isinstance(given, Sequence):
        return [pair for item in given for pair in _pairs(item)]
    return [(given, "")]


def _split(text: str) -> list[tuple[str, str]]:
    pairs = []
    position = 0
    text = text.strip()
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise InvdesignError(f"sequences: expected residues such as '10-20, 35, 52A: AV', got {text[:60]!r}")
        pairs.append((match[1], (match[2] or "").upper()))
        position = match.end()
    return pairs


def _expand(key: object, wild_type: WildType | None) -> list[Residue]:
    """Return the residues of a number or a range."""
    match = _RANGE.fullmatch(str(key).strip())
    if match is None:
        return [residue(key)]
    if wild_type is None:
        raise InvdesignError(f"sequences: the range {key!r} needs a wild type; set wild_type")
    start, end = (wild_type.position(residue(text)) for text in match.groups())
    if end < start:
        raise InvdesignError(f"sequences: expected the range {key!r} to go up, got its ends in the other order")
    return [wild_type.number(position) for position in range(start, end + 1)]
