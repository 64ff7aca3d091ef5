"""Molecules in words: functional groups, rings, charge, halogens, stereocentres."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from invdesign.domains.molecules.smiles import molecule
from invdesign.domains.molecules.traits import GROUPS, find_traits

RINGS = ("no ring", "one ring", "two rings", "three rings", "four rings")
SYSTEMS = {
    "benzene": "c1ccccc1", "pyridine": "c1ccncc1", "pyrimidine": "c1cncnc1", "pyrazole": "c1cnnc1",
    "imidazole": "c1cncn1", "thiazole": "c1cscn1", "thiophene": "c1ccsc1", "furan": "c1ccoc1", "triazole": "c1cnnn1",
    "piperidine": "C1CCNCC1", "piperazine": "C1CNCCN1", "morpholine": "C1COCCN1", "pyrrolidine": "C1CCNC1",
    "cyclopropane": "C1CC1", "cyclohexane": "C1CCCCC1", "indole": "c1ccc2[nH]ccc2c1", "tetrahydrofuran": "C1CCOC1",
}  # fmt: skip
"""SMARTS pattern of each ring that has a name."""
EXTREMES = {
    "size": ("small", "large"),
    "logp": ("hydrophilic", "lipophilic"),
    "tpsa": ("nonpolar", "polar"),
    "qed": ("not drug-like", "drug-like"),
    "sa": ("easy to make", "hard to make"),
}
SYNONYMS = {
    "acid": "carboxylic acid",
    "acyclic": "no ring",
    "halogenated": "halogen",
    "fluorinated": "fluorine",
    "chlorinated": "chlorine",
    "chloro": "chlorine",
    "hydrophobic": "lipophilic",
    "greasy": "lipophilic",
    "achiral": "no chiral",
    "neutral": "no charged",
    "phenyl": "benzene",
    "heterocycle": "heteroaromatic",
    "cf3": "trifluoromethyl",
    "synthesizable": "easy to make",
}
_PATTERNS = {name: Chem.MolFromSmarts(smarts) for name, smarts in SYSTEMS.items()}


def find_statements(designs: Sequence[str]) -> list[frozenset[str]]:
    """Return the words for what molecules have; nothing for what is no molecule.

    Example:
        >>> words = find_statements(["OC(=O)c1ccccc1Cl"])[0]
        >>> sorted(words & {"carboxylic acid", "benzene", "halogen", "one ring", "aromatic", "chiral"})
        ['aromatic', 'benzene', 'carboxylic acid', 'halogen', 'one ring']
    """
    return [_of(design) for design in designs]


@lru_cache(maxsize=20_000)
def _of(design: str) -> frozenset[str]:
    mol = molecule(design)
    if mol is None:
        return frozenset()
    (traits,) = find_traits([design])
    words = {trait for trait in traits if trait in GROUPS}
    words |= {name for name, pattern in _PATTERNS.items() if mol.HasSubstructMatch(pattern)}
    n_rings = rdMolDescriptors.CalcNumRings(mol)
    words.add(RINGS[n_rings] if n_rings < len(RINGS) else "many rings")
    present = {
        "ring": n_rings > 0,
        "aromatic": any(atom.GetIsAromatic() for atom in mol.GetAtoms()),
        "heteroaromatic": any(a.GetIsAromatic() and a.GetAtomicNum() != 6 for a in mol.GetAtoms()),
        "charged": any(atom.GetFormalCharge() for atom in mol.GetAtoms()),
        "halogen": any(atom.GetAtomicNum() in (9, 17, 35, 53) for atom in mol.GetAtoms()),
        "chiral": bool(Chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=False)),
        "amide": any("amide" in word for word in words),
        "amine": any(word.endswith(" amine") for word in words),
        "sulfur": any(atom.GetAtomicNum() == 16 for atom in mol.GetAtoms()),
    }
    return frozenset(words | {word for word, is_there in present.items() if is_there})
