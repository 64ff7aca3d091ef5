"""Delaney's estimate of water solubility: an example of an oracle of your own."""

from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, rdMolDescriptors


def log_solubility(designs: Sequence[str]) -> np.ndarray:
    """Return the estimated log10 of the solubility in water [mol/L].

    Args:
        designs: `n` SMILES.

    Returns:
        `n` values; NaN where a design cannot be parsed.

    References:
        Delaney, ESOL: Estimating Aqueous Solubility Directly from Molecular Structure (2004), doi:10.1021/ci034243x.
    """
    molecules = [Chem.MolFromSmiles(design) for design in designs]
    return np.array([np.nan if molecule is None else _estimate(molecule) for molecule in molecules])


def _estimate(molecule: Chem.Mol) -> float:
    n_aromatic = sum(atom.GetIsAromatic() for atom in molecule.GetAtoms())
    return float(
        0.16
        - 0.63 * Crippen.MolLogP(molecule)
        - 0.0062 * Descriptors.MolWt(molecule)
        + 0.066 * rdMolDescriptors.CalcNumRotatableBonds(molecule)
        - 0.74 * n_aromatic / molecule.GetNumHeavyAtoms()
    )
