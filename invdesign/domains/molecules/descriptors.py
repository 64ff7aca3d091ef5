"""Physico-chemical descriptors of molecules, as inputs of a surrogate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from invdesign.core import Array
from invdesign.domains.molecules.smiles import molecule

ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I", "B", "Si")
"""Elements whose atoms are counted, besides hydrogen."""
NAMES = (
    "hydrogens",
    *ELEMENTS,
    "charge",
    "log P",
    "polar surface",
    "aromatic atoms",
    "aromatic rings",
    "aliphatic rings",
    "rotatable bonds",
    "donors",
    "acceptors",
    "sp3 carbons",
    "stereocentres",
)
"""Names of the descriptors, in the order of the columns."""


def descriptors(designs: Sequence[str]) -> Array:
    """Return `n x p` descriptors of molecules; NaN where a design cannot be parsed.

    These are counts of atoms by element, formal charge, log P (Crippen), topological polar surface [square angstrom],
    and counts of rings, rotatable bonds, hydrogen-bond donors and acceptors, sp3 carbons and stereocentres.
    Fingerprints contain most of them, but spread over hundreds of columns.

    References:
        Wildman and Crippen, J. Chem. Inf. Comput. Sci. 39 (1999) 868, doi:10.1021/ci990307l.
        Ertl et al., J. Med. Chem. 43 (2000) 3714, doi:10.1021/jm000942e.

    Example:
        >>> row = dict(zip(NAMES, descriptors(["OCc1ccccc1"])[0].round(2).tolist()))
        >>> [row[name] for name in ("hydrogens", "C", "O", "log P", "aromatic rings")]
        [8.0, 7.0, 1.0, 1.18, 1.0]
    """
    rows = np.full((len(designs), len(NAMES)), np.nan)
    for i, design in enumerate(designs):
        mol = molecule(design)
        if mol is not None:
            rows[i] = _describe(mol)
    return rows


def _describe(mol: Chem.Mol) -> list[float]:
    """Return the descriptors of a molecule in the order of `NAMES`."""
    atoms = list(mol.GetAtoms())
    elements = Counter(atom.GetSymbol() for atom in atoms)
    aromatic = [atom for atom in atoms if atom.GetIsAromatic()]
    sp3 = [a for a in atoms if a.GetAtomicNum() == 6 and a.GetHybridization() == Chem.HybridizationType.SP3]
    log_p, _ = rdMolDescriptors.CalcCrippenDescriptors(mol)
    return [
        sum(atom.GetTotalNumHs() for atom in atoms) + elements["H"],
        *(elements[element] for element in ELEMENTS),
        Chem.GetFormalCharge(mol),
        log_p,
        rdMolDescriptors.CalcTPSA(mol),
        len(aromatic),
        rdMolDescriptors.CalcNumAromaticRings(mol),
        rdMolDescriptors.CalcNumAliphaticRings(mol),
        rdMolDescriptors.CalcNumRotatableBonds(mol, rdMolDescriptors.NumRotatableBondsOptions.NonStrict),
        rdMolDescriptors.CalcNumHBD(mol),
        rdMolDescriptors.CalcNumHBA(mol),
        len(sp3),
        rdMolDescriptors.CalcNumAtomStereoCenters(mol),
    ]
