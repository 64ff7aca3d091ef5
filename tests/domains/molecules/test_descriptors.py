"""Descriptors of molecules."""

import numpy as np
import pytest

from invdesign.core.capabilities import descriptors as read_descriptors
from invdesign.core.protocols import Descriptors
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.descriptors import NAMES, descriptors


def describe(smiles):
    return dict(zip(NAMES, descriptors([smiles])[0].tolist(), strict=True))


def test_descriptors_are_counts_charge_log_p_and_polar_surface():
    aspirin = describe("CC(=O)Oc1ccccc1C(=O)O")
    assert {name: aspirin[name] for name in ("hydrogens", "C", "O", "N", "charge", "stereocentres")} == {
        "hydrogens": 8, "C": 9, "O": 4, "N": 0, "charge": 0, "stereocentres": 0,
    }  # fmt: skip
    assert aspirin["log P"] == pytest.approx(1.3101) and aspirin["polar surface"] == pytest.approx(63.6)
    assert (aspirin["aromatic atoms"], aspirin["aromatic rings"], aspirin["aliphatic rings"]) == (6, 1, 0)
    assert (aspirin["donors"], aspirin["acceptors"], aspirin["sp3 carbons"]) == (1, 3, 1)
    assert describe("C[C@H](N)C(=O)[O-]")["charge"] == -1
    assert describe("C[C@H](N)C(=O)O")["stereocentres"] == 1
    assert describe("FC(Cl)(Br)I")["I"] == 1


def test_written_hydrogens_and_isotopes_are_counted():
    assert describe("[2H]C([2H])([2H])O")["hydrogens"] == 4
    assert describe("[H][H]")["hydrogens"] == 2


def test_a_design_that_is_no_molecule_has_no_descriptors():
    rows = descriptors(["CCO", "no molecule"])
    assert np.isfinite(rows[0]).all() and np.isnan(rows[1]).all() and rows.shape == (2, len(NAMES))


def test_the_encoding_offers_descriptors():
    encoding = Molecules().fit(["CCO", "CCN"])
    assert isinstance(encoding, Descriptors)
    assert read_descriptors(encoding, []).shape == (0, len(NAMES))
