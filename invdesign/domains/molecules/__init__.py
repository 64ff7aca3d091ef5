"""Domain of molecules: designs are canonical isomeric SMILES, handled with RDKit."""

from invdesign.domains.molecules.domain import Molecules

__all__ = ["Molecules"]
