"""Sequences in words: the residues or bases that they have, and what they end with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from invdesign.domains.sequences.alphabet import GAP

RESIDUES = {
    "A": "alanine", "C": "cysteine", "D": "aspartate", "E": "glutamate", "F": "phenylalanine", "G": "glycine",
    "H": "histidine", "I": "isoleucine", "K": "lysine", "L": "leucine", "M": "methionine", "N": "asparagine",
    "P": "proline", "Q": "glutamine", "R": "arginine", "S": "serine", "T": "threonine", "V": "valine",
    "W": "tryptophan", "Y": "tyrosine",
}  # fmt: skip
EXTREMES_OF_PROTEINS = {
    "size": ("short", "long"),
    "charge": ("anionic", "cationic"),
    "gravy": ("hydrophilic", "hydrophobic"),
    "hydrophobic_moment": ("not amphipathic", "amphipathic"),
    "aromaticity": ("few aromatic residues", "aromatic"),
    "instability": ("stable", "unstable"),
}
EXTREMES_OF_BASES = {"size": ("short", "long"), "gc_content": ("at-rich", "gc-rich")}
SYNONYMS = {
    "negatively charged": "anionic",
    "negative": "anionic",
    "positively charged": "cationic",
    "positive": "cationic",
    "low gc": "at-rich",
    "high gc": "gc-rich",
    "aspartic acid": "aspartate",
    "glutamic acid": "glutamate",
}


def find_statements(designs: Sequence[str], *, kind: str) -> list[frozenset[str]]:
    """Return the words for what sequences have: residues by name, repeats, a palindrome.

    Example:
        >>> sorted(find_statements(["GKKC"], kind="protein")[0])
        ['cysteine', 'glycine', 'lysine', 'repeat']
    """
    return [_of(design.replace(GAP, ""), kind) for design in designs]


def extremes(kind: str) -> Mapping[str, tuple[str, str]]:
    """Return the words for the ends of the properties of a kind of sequences."""
    if kind == "protein":
        return EXTREMES_OF_PROTEINS
    return EXTREMES_OF_BASES if kind in ("dna", "rna") else {"size": ("short", "long")}


def _of(design: str, kind: str) -> frozenset[str]:
    letters = set(design)
    words = {RESIDUES[letter] for letter in letters if letter in RESIDUES} if kind == "protein" else set()
    if any(first == second for first, second in pairwise(design)):
        words.add("repeat")
    if kind in ("dna", "rna") and "CG" in design:
        words.add("cpg")
    return frozenset(words)
