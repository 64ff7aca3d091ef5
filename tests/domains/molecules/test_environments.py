"""Environments of atoms, and their Morgan identifiers."""

import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from invdesign.core import InvdesignError
from invdesign.domains.molecules.environments import (
    EnvironmentTable,
    collect_environments,
    first_identifier,
    next_identifier,
    shipped_environments,
    type_of,
)

SMILES = ("CC(=O)Nc1ccc(O)cc1", "C[NH+]1CCC(C#N)(c2cc[nH]c2)C1[S@](=O)CC", "O=C([O-])C1=C(Cl)CSC2N1C2=O")


def test_identifiers_are_those_of_rdkit():
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3)
    for smiles in SMILES:
        mol = Chem.MolFromSmiles(smiles)
        output = rdFingerprintGenerator.AdditionalOutput()
        output.AllocateBitInfoMap()
        generator.GetSparseCountFingerprint(mol, additionalOutput=output)
        theirs = {place: identifier for identifier, places in output.GetBitInfoMap().items() for place in places}
        own = [first_identifier(type_of(atom)) for atom in mol.GetAtoms()]
        for radius in range(4):
            if radius:
                bonds = [
                    [(int(b.GetBondType()), b.GetOtherAtomIdx(a.GetIdx())) for b in a.GetBonds()]
                    for a in mol.GetAtoms()
                ]
                own = [
                    next_identifier(radius, own[i], [(bond, own[j]) for bond, j in pairs])
                    for i, pairs in enumerate(bonds)
                ]
            assert {own[i] == theirs[i, r] for i, r in theirs if r == radius} <= {True}


def test_a_table_is_stored_without_loss():
    table = collect_environments(SMILES)
    again = EnvironmentTable.from_bytes(table.to_bytes())
    assert again.types == table.types and again.environments == table.environments
    assert len(collect_environments(SMILES, min_count=2).environments) < len(table.environments)


def test_molecules_that_cannot_be_read_make_no_table():
    with pytest.raises(InvdesignError, match="none that can be read"):
        collect_environments(["no molecule"])


def test_the_shipped_table_has_the_environments_of_usual_molecules():
    table = shipped_environments()
    usual = collect_environments(["CC(=O)Nc1ccc(O)cc1"])
    assert set(usual.second) <= set(table.second)
