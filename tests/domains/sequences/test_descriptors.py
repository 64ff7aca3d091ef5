"""Descriptors of residues and nucleotides, compared with published values."""

import numpy as np
import pytest
from Bio.SeqUtils.ProtParamData import Flex, kd

from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.domains.sequences.descriptors import descriptor_names, descriptors, residue_descriptors


def test_descriptors_equal_the_published_values():
    table = residue_descriptors()
    assert sorted(table) == sorted(LETTERS["protein"])
    assert {a: row["hydropathy"] for a, row in table.items()} == kd
    assert {a: row["flexibility"] for a, row in table.items()} == Flex
    assert [table["W"][f"z{i}"] for i in range(1, 6)] == [-4.36, 3.94, 0.59, 3.44, -1.59]
    assert (table["G"]["volume"], table["D"]["polarity"], table["E"]["helix"], table["V"]["sheet"]) == (
        60.1, 13.0, 1.51, 1.70,
    )  # fmt: skip
    assert {a for a, row in table.items() if row["charge"]} == set("DEKR")


@pytest.mark.parametrize("kind", ["protein", "dna", "rna"])
def test_columns_are_standardized_over_the_letters(kind):
    values = descriptors(LETTERS[kind])
    assert values.shape == (len(LETTERS[kind]), len(descriptor_names(LETTERS[kind])))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-12)


def test_nucleotides_are_described_by_three_classes():
    np.testing.assert_array_equal(descriptors("ACGT"), [[1, -1, 1], [-1, 1, 1], [1, 1, -1], [-1, -1, -1]])
    np.testing.assert_array_equal(descriptors("ACGU"), descriptors("ACGT"))


def test_gaps_are_zero_and_unknown_alphabets_have_no_descriptors():
    values = descriptors("-" + LETTERS["protein"])
    np.testing.assert_array_equal(values[0], 0)
    np.testing.assert_array_equal(values[1:], descriptors(LETTERS["protein"]))
    assert descriptors("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345").shape == (32, 0)
    # Aspartate and glutamate have the same charge: that column is constant.
    assert not descriptors("DE")[:, descriptor_names("DE").index("charge")].any()
