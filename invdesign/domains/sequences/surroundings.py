"""Letters of a sequence with their surroundings."""

from __future__ import annotations

from invdesign.core import Place

REACHES = (0, 1, 2)
"""Letters to each side of one that are its surroundings."""


def letter_places(design: str, *, is_aligned: bool) -> list[Place]:
    """Return the letters of a sequence; their surroundings are the letters beside them.

    Args:
        design: Sequence.
        is_aligned: Whether all sequences have one length, so that a letter belongs to its position.

    Example:
        >>> letter_places("MKV", is_aligned=True)[1]
        Place(name='K2', surroundings=('2:0:K', '2:1:MKV', '2:2:^MKV$'))
    """
    widest = max(REACHES)
    padded = "^" * widest + design + "$" * widest
    found = []
    for i, letter in enumerate(design):
        around = []
        for reach in REACHES:
            text = padded[i + widest - reach : i + widest + reach + 1]
            around.append(f"{i + 1 if is_aligned else ''}:{reach}:{text}")
        found.append(Place(f"{letter}{i + 1}", tuple(around)))
    return found
