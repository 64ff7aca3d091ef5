"""Profiles: tables of counts or of real values, such as gene expression or the abundance of taxa."""

from invdesign.domains.profiles.domain import Profile, Profiles

__all__ = ["Profile", "Profiles"]
