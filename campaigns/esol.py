"""An oracle of one's own: Delaney's estimate of water solubility."""

from collections.abc import Sequence

import numpy as np
from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors, rdMolDescriptors


def log_solubility(designs: Sequence[str]) -> np.ndarray:
    """log10 of the solubility in mol/L (`n`); NaN where a design cannot be parsed.

    References:
        Delaney, J. Chem. Inf. Comput. Sci. 2004, doi:10.1021/ci034243x.
    """
    return np.array([np.nan if mol is None else _estimate(mol) for mol in map(Chem.MolFromSmiles, designs)])


def _estimate(mol: Chem.Mol) -> float:
    n_aromatic = sum(atom.GetIsAromatic() for atom in mol.GetAtoms())
    return float(
        0.16
        - 0.63 * Crippen.MolLogP(mol)
        - 0.0062 * Descriptors.MolWt(mol)
        + 0.066 * rdMolDescriptors.CalcNumRotatableBonds(mol)
        - 0.74 * n_aromatic / mol.GetNumHeavyAtoms()
    )
