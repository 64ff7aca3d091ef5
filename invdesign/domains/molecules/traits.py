"""Traits of molecules: functional groups by name, and ring systems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from rdkit import Chem

from invdesign.domains.molecules.smiles import molecule

GROUPS = {
    "carboxylic acid": "[CX3](=O)[OX2H1,OX1-]",
    "ester": "[#6][CX3](=O)[OX2][#6]",
    "secondary amide": "[#6][CX3](=O)[NX3H1][#6]",
    "tertiary amide": "[#6][CX3](=O)[NX3H0]([#6])[#6]",
    "primary amide": "[CX3](=O)[NX3H2]",
    "urea": "[NX3][CX3](=O)[NX3]",
    "carbamate": "[NX3][CX3](=O)[OX2]",
    "sulfonamide": "[SX4](=O)(=O)[NX3]",
    "sulfone": "[#6][SX4](=O)(=O)[#6]",
    "thioether": "[#6;!$(C=[O,S])][SX2][#6]",
    "ketone": "[#6][CX3](=O)[#6]",
    "primary amine": "[NX3H2,NX4H3+;!$(N[#6]=[O,N,S]);!$(NS);!$(Na)][CX4]",
    "tertiary amine": "[NX3H0,NX4H1+;!$(N[#6]=[O,N,S]);!$(NS)]([CX4])([CX4])[CX4]",
    "quaternary ammonium": "[NX4+;H0]",
    "aniline": "[NX3;H1,H2;!$(NC=O);!$(NS)]c",
    "phenol": "[OX2H]c",
    "alcohol": "[OX2H][CX4]",
    "aryl ether": "c[OX2][CX4]",
    "nitrile": "C#N",
    "nitro": "[$([NX3](=O)=O),$([NX3+](=O)[O-])]",
    "alkyne": "[CX2]#[CX2]",
    "alkene": "[CX3;!$(C=[O,N,S])]=[CX3]",
    "fluorine": "[F;!$(FC(F)F)]",
    "trifluoromethyl": "C(F)(F)F",
    "chlorine": "Cl",
    "bromine or iodine": "[Br,I]",
    "tert-butyl": "[CH3]C([CH3])([CH3])",
}
"""SMARTS pattern of each functional group."""


def find_traits(designs: Sequence[str]) -> list[frozenset[str]]:
    """Return the functional groups and the ring systems of molecules; nothing for what is no molecule.

    A ring system is written with the atoms that are joined to it by double bonds.

    Example:
        >>> sorted(find_traits(["OC(=O)c1ccccc1Cl"])[0])
        ['carboxylic acid', 'chlorine', 'ring c1ccccc1']
    """
    return [frozenset() if mol is None else _groups_of(mol) | _ring_systems(mol) for mol in map(molecule, designs)]


@cache
def _patterns() -> dict[str, Chem.Mol]:
    return {name: Chem.MolFromSmarts(smarts) for name, smarts in GROUPS.items()}


def _groups_of(mol: Chem.Mol) -> frozenset[str]:
    return frozenset(name for name, pattern in _patterns().items() if mol.HasSubstructMatch(pattern))


def _ring_systems(mol: Chem.Mol) -> frozenset[str]:
    systems: list[set[int]] = []
    for ring in map(set, mol.GetRingInfo().AtomRings()):
        joined = [system for system in systems if system & ring]
        systems = [system for system in systems if not system & ring]
        systems.append(ring.union(*joined))
    return frozenset(f"ring {_write(mol, system)}" for system in systems)


def _write(mol: Chem.Mol, system: set[int]) -> str:
    """Return the SMILES of a ring system without its stereochemistry."""
    doubly = {
        bond.GetOtherAtomIdx(atom)
        for atom in system
        for bond in mol.GetAtomWithIdx(atom).GetBonds()
        if bond.GetBondType() == Chem.BondType.DOUBLE
    }
    return str(Chem.MolFragmentToSmiles(mol, sorted(system | doubly), isomericSmiles=False))
