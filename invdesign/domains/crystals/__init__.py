"""Crystals as symmetric descriptions: a space group, a unit cell and one atom per orbit."""

from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.domain import Crystals

__all__ = ["Crystal", "Crystals", "Orbit"]
