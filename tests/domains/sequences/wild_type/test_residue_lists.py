"""Residues that settings list."""

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.wild_type.residue_lists import parse_residues

WILD_TYPE = WildType("MKTAYIAKQR", first=10)
ANTIBODY = WildType("SYG", numbers=(52, "52A", 53))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([10, 11], {10: "", 11: ""}),
        (["10-12", 15], {10: "", 11: "", 12: "", 15: ""}),
        ("10-12, 15", {10: "", 11: "", 12: "", 15: ""}),
        ("10..11; 15: av", {10: "", 11: "", 15: "AV"}),
        ({"10-11": "AV", 15: None}, {10: "AV", 11: "AV", 15: ""}),
        ([{10: "AV"}, "12 - 13"], {10: "AV", 12: "", 13: ""}),
        (10, {10: ""}),
        (None, {}),
    ],
)
def test_numbers_ranges_and_letters_are_read(given, expected):
    assert parse_residues(given, WILD_TYPE) == expected


def test_ranges_follow_the_numbering_of_the_wild_type():
    assert parse_residues("52-53", ANTIBODY) == {52: "", "52A": "", 53: ""}
    assert parse_residues(["-3--1"], WildType("MKTAY", first=-3)) == {-3: "", -2: "", -1: ""}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["12-10"], "to go up"),
        (["10-99"], "no residue 99"),
        ({"10-12": "A", 11: "V"}, "listed twice"),
        ("ten", "expected residues"),
        ([1.5], "expected a number"),
    ],
)
def test_lists_that_make_no_sense_are_errors(given, message):
    with pytest.raises(InvdesignError, match=message):
        parse_residues(given, WILD_TYPE)
    with pytest.raises(InvdesignError, match="needs a wild type"):
        parse_residues(["10-12"])


def test_a_domain_takes_lists_and_ranges_and_any_case_of_its_kind():
    domain = Sequences("Protein", length="fixed", wild_type=WILD_TYPE, designable=[10, "12-13"], fixed=["18-19"])
    assert domain.kind == "protein" and domain.fixed == (18, 19)
    changeable = [i for i in range(10) if len(domain.constraints.allowed_letters(i)) > 1]
    assert changeable == [0, 2, 3]


def test_labels_and_notations_are_read_as_designs():
    domain = Sequences(wild_type=WILD_TYPE)
    for design in ("MKTAYIAKQR", "MKTAYIAKQ", "GGMKTAYIAKQR", "MKTGGAYIAKQW"):
        assert domain.from_text(domain.label(design)) == design
    assert domain.from_text("p.[Thr12Ala;Arg19Lys]") == "MKAAYIAKQK"
    assert domain.from_text("wild type") == "MKTAYIAKQR" and domain.from_text("WT") == "WT"
    assert Sequences(length="fixed", wild_type=WILD_TYPE).from_text("WT") == "MKTAYIAKQR"
    with pytest.raises(InvdesignError, match="residue 12 of 'wild type' is T, not A"):
        domain.from_text("A12G")
