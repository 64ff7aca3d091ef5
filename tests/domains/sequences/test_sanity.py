"""Measures of sanity of sequences."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.core import capabilities
from invdesign.domains.sequences import Sequences, WildType


@pytest.mark.parametrize(
    ("kind", "design", "is_nonsense"),
    [
        ("protein", "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ", 0),
        ("protein", "MKT" + "A" * 9, 1),
        ("protein", "AGAGAGAGAGAGAGAGAGAGAGAG", 1),
        ("protein", "AG", 0),
        ("dna", "ACGTTGCAATGCCGTATTGCAACG", 0),
        ("dna", "ACG" + "T" * 13, 1),
        ("XY", "X" * 50, 0),
    ],
)
def test_long_runs_and_compositions_of_few_letters_are_nonsense(kind: str, design: str, is_nonsense: int) -> None:
    assert capabilities.quality(Sequences(kind), [design])["nonsense"] == [is_nonsense]


def test_substitutions_of_the_wild_type_are_counted() -> None:
    domain = Sequences(wild_type=WildType("MKTAYIAK"))
    found = domain.quality(["MKTAYIAK", "MRTAYIAR", "MKT"])["mutations"]
    assert found[:2].tolist() == [0, 2] and np.isnan(found[2])


def test_no_designs_have_no_measures() -> None:
    assert all(len(values) == 0 for values in Sequences().quality([]).values())
