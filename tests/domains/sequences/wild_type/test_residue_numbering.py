"""Residue numbers of designs."""

from hypothesis import given
from hypothesis import strategies as st

from invdesign.domains.sequences.wild_type.residue_numbering import (
    number_residues,
    remove_gaps,
    summarize_findings,
)
from invdesign.domains.sequences.wild_type.wild_type import WildType

WILD_TYPE = WildType("MKTAY", first=10)


def test_designs_of_the_same_length_are_numbered_by_position():
    assert number_residues("MKT-Y", WILD_TYPE) == (("10", "11", "12", "13", "14"), (0, 1, 2, 3, 4))
    assert number_residues("AC") == (("1", "2"), (0, 1))


def test_insertions_and_deletions_keep_the_numbers_of_the_other_residues():
    assert number_residues("MKGGTAY", WILD_TYPE)[0] == ("10", "11", "11+1", "11+2", "12", "13", "14")
    assert number_residues("MKTY", WILD_TYPE)[0] == ("10", "11", "12", "14")
    assert number_residues("GMKTAY", WILD_TYPE) == (("9+1", "10", "11", "12", "13", "14"), (-1, 0, 1, 2, 3, 4))


@given(st.text("MKTAY-", min_size=1, max_size=8))
def test_the_letters_without_gaps_keep_their_labels(design):
    labels, origins = number_residues(design, WILD_TYPE)
    numbered = remove_gaps(design, WILD_TYPE)
    kept = [i for i, letter in enumerate(design) if letter != "-"]
    assert numbered.text == design.replace("-", "")
    assert numbered.labels == tuple(labels[i] for i in kept)
    assert numbered.origins == tuple(origins[i] for i in kept)


def test_the_ninth_and_later_findings_are_counted():
    assert summarize_findings("ABC") == "A, B, C"
    assert summarize_findings("ABCDEFGHIJ") == "A, B, C, D, E, F, G, H and 2 more"
