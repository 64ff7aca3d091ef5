"""Wild type: residue numbers and mutations."""

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance

WILD_TYPE = WildType("MKTAYIAKQR", "toy", first=10)


def test_mutations_have_the_numbers_of_the_wild_type():
    assert WILD_TYPE.mutations("MKTAYIAKQK") == ("R19K",)
    assert WILD_TYPE.mutations("MKGGTAYIAKQR") == ("11insGG",)
    assert WILD_TYPE.mutations("KTAYIAKQR") == ("M10del",)


def test_mutations_are_applied_if_they_name_the_residues_of_the_wild_type():
    assert WILD_TYPE.apply_mutations(["T12A", "R19K"]) == "MKAAYIAKQK"
    with pytest.raises(InvdesignError, match="residue 12 of 'toy' is T, not A"):
        WILD_TYPE.apply_mutations(["A12G"])
    with pytest.raises(InvdesignError, match="expected a substitution"):
        WILD_TYPE.apply_mutations(["T12del"])


def test_residues_with_listed_numbers_are_found_by_number():
    four_sites = WildType("VDGV", "GB1", numbers=(39, 40, 41, 54))
    assert four_sites.residues == "39 40 41 54" and WILD_TYPE.residues == "10-19"
    assert [four_sites.position(number) for number in four_sites.numbers] == [0, 1, 2, 3]
    with pytest.raises(InvdesignError, match="no residue 42"):
        four_sites.position(42)


def test_an_invalid_wild_type_is_rejected():
    with pytest.raises(InvdesignError, match="must not be empty"):
        WildType("")
    with pytest.raises(InvdesignError, match="4 different integers"):
        WildType("VDGV", numbers=(1, 2, 2, 3))


def test_distances_are_hamming_for_equal_lengths_and_levenshtein_otherwise():
    assert distance("ACDE", "CDEA") == 4
    assert distance("ACDE", "CDE") == 1
