"""Facts of single residues, against what was published."""

import numpy as np
import pytest
from Bio.SeqUtils.ProtParamData import Flex, kd

from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.domains.sequences.descriptors import descriptors, names, residues


def test_the_facts_are_those_that_were_published():
    facts = residues()
    assert sorted(facts) == sorted(LETTERS["protein"])
    assert {a: row["hydropathy"] for a, row in facts.items()} == kd
    assert {a: row["flexibility"] for a, row in facts.items()} == Flex
    assert [facts["W"][f"z{i}"] for i in range(1, 6)] == [-4.36, 3.94, 0.59, 3.44, -1.59]
    assert (facts["G"]["volume"], facts["D"]["polarity"], facts["E"]["helix"], facts["V"]["sheet"]) == (
        60.1, 13.0, 1.51, 1.70,
    )  # fmt: skip
    assert {a for a, row in facts.items() if row["charge"]} == set("DEKR")


@pytest.mark.parametrize("kind", ["protein", "dna", "rna"])
def test_columns_are_standardized_over_the_letters(kind):
    values = descriptors(LETTERS[kind])
    assert values.shape == (len(LETTERS[kind]), len(names(LETTERS[kind])))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-12)


def test_nucleotides_differ_by_their_three_classes():
    np.testing.assert_array_equal(descriptors("ACGT"), [[1, -1, 1], [-1, 1, 1], [1, 1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(descriptors("ACGU"), descriptors("ACGT"))


def test_gaps_are_zero_and_unknown_alphabets_have_no_facts():
    values = descriptors("-" + LETTERS["protein"])
    np.testing.assert_array_equal(values[0], 0)
    np.testing.assert_array_equal(values[1:], descriptors(LETTERS["protein"]))
    assert descriptors("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345").shape == (32, 0)
    # Aspartate and glutamate have one charge: that column says nothing.
    assert not descriptors("DE")[:, names("DE").index("charge")].any()
