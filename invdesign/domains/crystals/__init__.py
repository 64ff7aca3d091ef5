"""Crystals: designs are symmetric descriptions, one atom for each orbit of a space group."""

from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.domain import Crystals

__all__ = ["Crystal", "Crystals", "Orbit"]
