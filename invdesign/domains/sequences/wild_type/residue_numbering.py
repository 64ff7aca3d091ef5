"""Where the letters of a design stand, by the numbers of the wild type's residues."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.wild_type.wild_type import WildType

MAX_SAID = 8


@dataclass(frozen=True)
class Placed:
    """A design without its gaps.

    Args:
        text: its letters.
        labels: what people call the place of each: the number of the wild type's residue, `108+2` for the second
            letter that was inserted behind residue 108; without a wild type the position, from 1.
        origins: the position (0-based) of the wild type's letter that each stands for, -1 where it was inserted.
    """

    text: str
    labels: tuple[str, ...]
    origins: tuple[int, ...]


def placed(design: str, wild_type: WildType | None = None) -> Placed:
    """The letters of a design with their places: by columns where lengths are equal, else by the fewest edits."""
    labels, origins = numbered(design, wild_type)
    if GAP not in design:
        return Placed(design, labels, origins)
    kept = [i for i, letter in enumerate(design) if letter != GAP]
    return Placed(design.replace(GAP, ""), tuple(labels[i] for i in kept), tuple(origins[i] for i in kept))


def numbered(design: str, wild_type: WildType | None = None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Labels and origins (see `Placed`) of all characters of a design, gaps too."""
    n = len(design)
    if wild_type is None or n == len(wild_type.sequence):
        return _columns(n, wild_type)
    labels, origins = [""] * n, [-1] * n
    for edit in Levenshtein.opcodes(wild_type.sequence, design):
        start, first = edit.src_start, edit.dest_start
        before = wild_type.number(start - 1) if start else wild_type.number(0) - 1
        for k in range(edit.dest_end - first):
            if edit.tag == "insert":
                labels[first + k] = f"{before}+{k + 1}"
            else:
                labels[first + k], origins[first + k] = str(wild_type.number(start + k)), start + k
    return tuple(labels), tuple(origins)


def said(findings: Iterable[str]) -> str:
    """The first findings, comma by comma, and how many more there are."""
    listed = list(findings)
    more = f" and {len(listed) - MAX_SAID} more" if len(listed) > MAX_SAID else ""
    return ", ".join(listed[:MAX_SAID]) + more


@lru_cache(maxsize=64)
def _columns(n: int, wild_type: WildType | None) -> tuple[tuple[str, ...], tuple[int, ...]]:
    columns = tuple(range(n))
    return tuple(str(i + 1 if wild_type is None else wild_type.number(i)) for i in columns), columns
