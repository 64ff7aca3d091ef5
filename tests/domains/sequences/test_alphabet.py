"""Alphabets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import LETTERS, letters_of, reverse_complement


def test_a_kind_is_a_name_or_the_letters_themselves():
    assert letters_of("dna") == LETTERS["dna"]
    assert letters_of("HP01") == "HP01"


@pytest.mark.parametrize("kind", ["", "A", "AA", "ab", "A B", "A-"])
def test_unsuitable_letters_are_rejected(kind):
    with pytest.raises(InvdesignError, match="at least two different capital letters"):
        letters_of(kind)


@given(st.text("ACGT"))
def test_the_reverse_complement_is_an_involution(dna):
    assert reverse_complement(reverse_complement(dna)) == dna
