"""Groups of sequences for quotas and shared factors."""

from __future__ import annotations

from collections.abc import Sequence

from invdesign.domains.sequences.wild_type.wild_type import WildType


def mutated_positions(designs: Sequence[str], *, wild_type: WildType) -> list[str]:
    """Return the residues of the wild type at which each sequence differs, e.g. `12,40`; its length where that differs.

    Args:
        designs: `n` sequences.
        wild_type: Sequence that positions refer to.

    Example:
        >>> mutated_positions(["MKV", "MAT", "MK"], wild_type=WildType("MKT"))
        ['3', '2', '2 letters']
    """
    own = wild_type.sequence
    return [
        ",".join(str(wild_type.number(i)) for i, (a, b) in enumerate(zip(own, design, strict=True)) if a != b)
        if len(design) == len(own)
        else f"{len(design)} letters"
        for design in designs
    ]
