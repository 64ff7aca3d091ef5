"""Sequence domain: proteins, DNA and RNA as strings of capital letters, often variants of a wild type."""

from invdesign.domains.sequences.domain import Sequences
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.wild_type import WildType

__all__ = ["DesignConstraints", "Sequences", "WildType"]
