"""Molecules near to a fingerprint that none has."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from invdesign.core import InvdesignError
from invdesign.domains.molecules.near_fingerprint import approach, tanimoto

KNOWN = ("CC(=O)Nc1ccccc1", "Oc1ccccc1", "CCN", "CCOC(C)=O")


def test_edits_of_known_molecules_come_nearer():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    wanted = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles("CC(=O)Nc1ccc(O)cc1")).astype(float)
    wanted[np.flatnonzero(wanted == 0)[:2]] = 0.5
    start = max(
        float(tanimoto(generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(s))[None], wanted)[0]) for s in KNOWN
    )
    smiles, similarity = approach(wanted, KNOWN, radius=2)
    assert similarity > start + 0.1 and Chem.MolFromSmiles(smiles) is not None
    assert approach(wanted, KNOWN, radius=2) == (smiles, similarity)


def test_known_molecules_are_needed():
    with pytest.raises(InvdesignError, match="expected known molecules"):
        approach(np.ones(1024), ["no molecule"])
