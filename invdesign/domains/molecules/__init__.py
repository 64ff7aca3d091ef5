"""Molecules: designs are canonical isomeric SMILES; RDKit knows the chemistry."""

from invdesign.domains.molecules.domain import Molecules

__all__ = ["Molecules"]
