"""Wild type: residue numbers and mutations."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
    with pytest.raises(InvdesignError, match="cannot read the mutation 'T12'"):
        WILD_TYPE.apply_mutations(["T12"])
    with pytest.raises(InvdesignError, match="stop: 2 residues"):
        WILD_TYPE.apply_mutations(["T12*"])


@pytest.mark.parametrize(
    ("text", "design"),
    [
        ("T12del", "MKAYIAKQR"),
        ("T12_Y14del", "MKIAKQR"),
        ("12_14delTAY", "MKIAKQR"),
        ("delT12", "MKAYIAKQR"),
        ("9insGG", "GGMKTAYIAKQR"),
        ("K11_T12insGlyGly", "MKGGTAYIAKQR"),
        ("T12_A13delinsW", "MKWYIAKQR"),
        ("T12dup", "MKTTAYIAKQR"),
        ("p.[Thr12Ala;Arg19Lys]", "MKAAYIAKQK"),
        ("T12A_R19del", "MKAAYIAKQ"),
        ("NP_1.2:p.(Thr12=)", "MKTAYIAKQR"),
    ],
)
def test_deletions_insertions_and_hgvs_are_applied(text, design):
    assert WILD_TYPE.apply_mutations([text]) == design


@pytest.mark.parametrize("text", ["T12A;T12G", "A12del", "10_12insG", "T12_T12delAA", "p.[T12A];[R19K]", "K11_K10del"])
def test_contradictory_mutations_are_refused(text):
    with pytest.raises(InvdesignError):
        WILD_TYPE.apply_mutations([text])


@given(st.text("ACDEFGHIKLMNPQRSTVWY", min_size=1, max_size=14), st.integers(-6, 6))
@example("SECCCCAYAAA", 0)
@settings(max_examples=300, deadline=None)
def test_written_mutations_are_read_as_the_same_design(design, first):
    wild_type = WildType("MKTAYIAKQR", first=first)
    assert wild_type.apply_mutations([";".join(wild_type.mutations(design)) or "WT"]) == design
    antibody = WildType("MKTAYIAKQR", numbers=("51", "52", "52A", "52B", 53, 54, 55, "55A", 56, 58))
    assert antibody.apply_mutations([";".join(antibody.mutations(design)) or "WT"]) == design


def test_residues_with_listed_numbers_are_found_by_number():
    four_sites = WildType("VDGV", "GB1", numbers=(39, 40, 41, 54))
    assert four_sites.residues == "39 40 41 54" and WILD_TYPE.residues == "10-19"
    assert [four_sites.position(number) for number in four_sites.numbers] == [0, 1, 2, 3]
    with pytest.raises(InvdesignError, match="no residue 42"):
        four_sites.position(42)


def test_an_invalid_wild_type_is_rejected():
    with pytest.raises(InvdesignError, match="must not be empty"):
        WildType("")
    with pytest.raises(InvdesignError, match="4 different numbers"):
        WildType("VDGV", numbers=(1, 2, 2, 3))


def test_distances_are_hamming_for_equal_lengths_and_levenshtein_otherwise():
    assert distance("ACDE", "CDEA") == 4
    assert distance("ACDE", "CDE") == 1


@pytest.mark.parametrize(
    "text",
    ["c.2G>A", "g.2G>A", "2G>A", "NM_000546.6:c.2G>A", "n.2del", "r.[2g>a]", "Lys3Ala/m.2del", "p.Lys3Ala;c.2del"],
)
def test_changes_of_nucleotides_are_refused_in_a_protein(text):
    with pytest.raises(InvdesignError, match="the wild type is a protein"):
        WildType("MGKTAY").apply_mutations([text])


@pytest.mark.parametrize("text", ["p.Gly2Ala", "p.(Gly2Ala)", "p.[Gly2Ala;Ala5Cys]", "NP_000537.3:p.Gly2Ala"])
def test_changes_of_a_protein_are_refused_in_dna(text):
    with pytest.raises(InvdesignError, match="the wild type is DNA or RNA"):
        WildType("AGCTAGCTAGCTAGCTAGCTAGCT").apply_mutations([text])


def test_each_level_is_read_in_its_own_wild_type():
    assert WildType("MGKTAY").apply_mutations(["p.Gly2Ala"]) == "MAKTAY"
    assert WildType("AGCTAGCTAGCTAGCTAGCTAGCT").apply_mutations(["c.2G>A"]) == "AACTAGCTAGCTAGCTAGCTAGCT"
    assert WildType("GAGA").apply_mutations(["p.Ala2Gly"]) == "GGGA"


def test_dna_may_have_letters_for_several_bases():
    assert WildType("AGRTAGCTAGCTAGCTAGCTAGCT").apply_mutations(["c.2G>A"]) == "AARTAGCTAGCTAGCTAGCTAGCT"
