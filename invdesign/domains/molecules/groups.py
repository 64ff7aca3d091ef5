"""Groups of molecules for quotas and shared factors."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from invdesign.domains.molecules.smiles import molecule


def scaffold(designs: Sequence[str]) -> list[str]:
    """Return the Bemis-Murcko scaffold of each SMILES: its rings and what joins them; empty without a ring.

    References:
        Bemis and Murcko, J. Med. Chem. 1996, doi:10.1021/jm9602928.

    Example:
        >>> scaffold(["Cc1ccccc1", "CCO"])
        ['c1ccccc1', '']
    """
    mols = map(molecule, designs)
    return ["" if mol is None else Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(mol)) for mol in mols]
