"""Molecules from fingerprints."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from invdesign.domains.molecules.environments import collect_environments, shipped_environments
from invdesign.domains.molecules.from_fingerprint import FingerprintDecoder

HELD_OUT = (
    "CC(=O)Nc1ccc(O)cc1",
    "CC(C)CC1CC(=O)N(c2cccc(C(F)(F)F)c2)C1",
    "O=C(OC1CCCC(C(F)(F)F)C1)c1occc1Br",
    "C[NH+]1CCN(c2ncccc2C#N)CC1",
    "COc1ccc2[nH]cc(CCNC(C)=O)c2c1",
)


def fingerprint(smiles, *, radius=3, n_bits=2048):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=n_bits)
    return generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(("radius", "n_bits"), [(3, 2048), (2, 2048), (3, 1024)])
def test_molecules_are_found_from_their_fingerprints(radius, n_bits):
    decoder = FingerprintDecoder(shipped_environments(), radius=radius, n_bits=n_bits)
    for smiles in HELD_OUT:
        found = decoder.decode(fingerprint(smiles, radius=radius, n_bits=n_bits))
        assert found is not None
        assert (
            fingerprint(found, radius=radius, n_bits=n_bits) == fingerprint(smiles, radius=radius, n_bits=n_bits)
        ).all()
        if radius == 3:
            assert found == Chem.CanonSmiles(smiles)


def test_the_search_leaves_the_counts_of_the_fingerprint_as_they_are():
    wanted = fingerprint(HELD_OUT[0])
    before = wanted.copy()
    FingerprintDecoder(shipped_environments()).decode(wanted)
    assert (wanted == before).all()


def test_no_molecule_is_returned_for_counts_that_none_has():
    decoder = FingerprintDecoder(shipped_environments(), max_steps=2000)
    wanted = fingerprint(HELD_OUT[0])
    wanted[np.flatnonzero(wanted == 0)[:3]] += 1
    assert decoder.decode(wanted) is None
    assert decoder.decode(np.zeros(2048)) is None


def test_an_environment_that_the_table_lacks_is_not_invented():
    decoder = FingerprintDecoder(collect_environments(["CCCCO"]))
    assert decoder.decode(fingerprint("CCCO")) == "CCCO"
    assert decoder.decode(fingerprint("CCCN")) is None
