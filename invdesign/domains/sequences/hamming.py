"""Neighbours of sequences: those that differ in one letter."""

from __future__ import annotations

from typing import Any

from invdesign.core import Corpus, Domain
from invdesign.domains.shared_links import Links, link_groups


def hamming(domain: Domain[str, Any], corpus: Corpus[str], *, seed: int = 0) -> Links:
    """Return links between sequences of one length that differ in one letter.

    Sequences that agree everywhere but in one position are a group, and each is linked to three others of it.

    Args:
        domain: The kind of designs.
        corpus: The sequences.
        seed: Seed of the links within a group.
    """
    groups: dict[tuple[int, str, str], list[int]] = {}
    for row, design in enumerate(corpus.designs):
        for i in range(len(design)):
            groups.setdefault((i, design[:i], design[i + 1 :]), []).append(row)
    return link_groups((rows for rows in groups.values() if len(rows) > 1), seed=seed)
