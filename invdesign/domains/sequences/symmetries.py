"""Symmetries of sequences: the reverse complement of DNA, and rotations of cyclic sequences."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from invdesign.core import InvdesignError
from invdesign.core.transformations import Transformation
from invdesign.domains.sequences.alphabet import GAP, reverse_complement

ROTATION = re.compile(r"rotate(?: by)?(?: (-?\d+))?")


def symmetry(text: str, *, kind: str, length: int | None, identify: Callable[[str], str]) -> Transformation[str]:
    """Return the symmetry that a text names.

    Args:
        text: `"reverse complement"` of DNA, `"reverse"`, or `"rotate"`, `"rotate by 3"`: the first letters are moved to
            the end.
        kind: Kind of the sequences.
        length: Letters of every sequence; None where they differ, so that rotations have no common order.
        identify: Returns the identity of a sequence.

    Raises:
        InvdesignError: The text names none.

    Example:
        >>> symmetry("rotate by 2", kind="protein", length=6, identify=str).apply("GRKWLS")
        'KWLSGR'
    """
    name = " ".join(text.lower().split())
    rotation = ROTATION.fullmatch(name)
    if name == "reverse complement" and kind == "dna":
        return Transformation(name, _complement, identify, 2)
    if name == "reverse":
        return Transformation(name, _reverse, identify, 2)
    if rotation:
        by = int(rotation[1] or 1)
        return Transformation(name, partial(rotate, by=by), identify, _rotation_order(by, length))
    names = ("reverse complement" if kind == "dna" else "", "reverse", "rotate", "rotate by N")
    raise InvdesignError(
        f"{text!r}: expected a change of sequences ({', '.join(filter(None, names))}), or a .csv file with two columns "
        "of designs"
    )


def rotate(design: str, *, by: int = 1) -> str:
    """Return a cyclic sequence that starts `by` letters later.

    Example:
        >>> rotate("GRKW"), rotate("GRKW", by=-1)
        ('RKWG', 'WGRK')
    """
    by %= max(1, len(design))
    return design[by:] + design[:by]


def _complement(design: str) -> str | None:
    return None if GAP in design else reverse_complement(design)


def _reverse(design: str) -> str:
    return design[::-1]


def _rotation_order(by: int, length: int | None) -> int | None:
    """Return how many rotations return every sequence of a length."""
    if length is None:
        return None
    return next(n for n in range(1, length + 1) if (n * by) % length == 0)
