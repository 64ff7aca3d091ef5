"""Oracles of molecules, against known values."""

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.molecules import oracles

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
SIMPLE = (
    oracles.qed,
    oracles.logp,
    oracles.sa_score,
    oracles.tpsa,
    oracles.molecular_weight,
    oracles.penalized_logp,
)


@pytest.mark.parametrize(
    ("oracle", "value", "within"),
    [
        (oracles.qed, 0.5501, 1e-3),  # Bickerton 2012 gives 0.55
        (oracles.logp, 1.3101, 1e-3),
        (oracles.tpsa, 63.60, 1e-2),
        (oracles.molecular_weight, 180.159, 1e-3),
        (oracles.sa_score, 1.58, 1e-2),
    ],
)
def test_aspirin_has_its_published_values(oracle, value, within):
    assert oracle([ASPIRIN])[0] == pytest.approx(value, abs=within)


def test_penalized_logp_by_hand():
    smiles = ["C1CCCCCCC1"]
    logp, sa = oracles.logp(smiles)[0], oracles.sa_score(smiles)[0]
    # One ring of eight: two atoms more than six.
    by_hand = (
        (logp - 2.4570953396190123) / 1.434324401111988
        - (sa - 3.0525811293166134) / 0.8335207024513095
        - (2 - 0.0485696876403053) / 0.2860212110245455
    )
    assert oracles.penalized_logp(smiles)[0] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("oracle", SIMPLE)
def test_a_design_that_cannot_be_parsed_is_nan_and_does_not_affect_others(oracle):
    values = oracle(["C(", ASPIRIN, ""])
    assert values.shape == (3,) and values.dtype == np.float64
    assert np.isnan(values[[0, 2]]).all() and np.isfinite(values[1])
    assert oracle([]).shape == (0,)


@pytest.mark.parametrize("kind", ["ECFP4", "ECFP6", "FCFP4", "AP", "PHCO"])
def test_a_molecule_has_similarity_one_to_itself(kind):
    values = oracles.tanimoto_similarity(["OC(=O)c1ccccc1OC(C)=O", "CCCCCC"], reference=ASPIRIN, kind=kind)
    assert values[0] == 1 and values[1] < 0.3


def test_similarity_is_one_for_equal_molecules_and_invalid_settings_are_rejected():
    assert oracles.tanimoto_similarity(["CCC"], reference="CCC")[0] == 1
    with pytest.raises(InvdesignError, match="ECFP4"):
        oracles.tanimoto_similarity(["C"], reference="C", kind="MACCS")  # type: ignore[arg-type]
    with pytest.raises(InvdesignError, match="reference"):
        oracles.tanimoto_similarity(["C"], reference="C(")


def test_the_presence_of_a_pattern_is_one_or_zero():
    np.testing.assert_array_equal(
        oracles.smarts_presence(["CCO", "CC", "C("], smarts="[OX2H]"), np.array([1, 0, np.nan])
    )
    with pytest.raises(InvdesignError, match="SMARTS"):
        oracles.smarts_presence(["CCO"], smarts="[OX2H")


def test_measured_values_are_found_independently_of_the_spelling(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text("smiles,a,b\nOCC,1,2\nc1ccccc1,3,\n")
    np.testing.assert_array_equal(
        oracles.measured_table(["CCO", "C1=CC=CC=C1", "CC"], path=path, columns=["a", "b"]),
        [[1, 2], [3, np.nan], [np.nan, np.nan]],
    )
    np.testing.assert_array_equal(oracles.measured_table(["CCO"], path=path, columns="b"), [2])
    with pytest.raises(InvdesignError, match="no such file"):
        oracles.measured_table(["CCO"], path=tmp_path / "none.csv", columns="a")
    with pytest.raises(InvdesignError, match="'c'"):
        oracles.measured_table(["CCO"], path=path, columns="c")
