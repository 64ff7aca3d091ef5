"""Validators of sequences: what they reject, and the positions in their details."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from paths import CONF

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType, validators
from invdesign.domains.sequences.dna import dna_validators
from invdesign.domains.sequences.dna.vendors import ANY, Vendor
from invdesign.domains.sequences.wild_type.wild_type import distance

# Residues 2 to 14 with an NG at 5, an odd number of cysteines, and a run of six.
NATIVE = WildType("AKLNGCTTTTTTW", "native", first=2)
PROTEINS = ["AKLNGCTTTTTTW", "AKLNGCTTTTTTA", "MKV", "AKL-NGC", "GIGKFLHSAKKFGKAFVGEIMNS"]
DNA = ["ACGT" * 20, "GAATTC", "A" * 60, "GGTCTCA" * 20]
FREE = Vendor("none", gc=(0, 100), window_gc=(0, 100), max_run=None, max_repeat=None, sites=())

proteins = st.text("ACDEFGHIKLMNPQRSTVWY-", max_size=40)
dna = st.text("ACGT", min_size=1, max_size=80)


def only(checks):
    (check,) = checks
    return check.passed, check.detail


def profile(name):
    settings = yaml.safe_load((CONF / "vendor" / f"{name}.yaml").read_text())
    return Vendor(**{key: value for key, value in settings.items() if key != "_target_"})


def test_unknown_letters_are_reported_with_their_positions():
    task = Sequences(wild_type=NATIVE)
    assert only(validators.alphabet(["AXLNGCTTTTTT*"], domain=task)) == (False, "'X' at 3, '*' at 14")
    assert only(validators.alphabet(["AK-"], domain=Sequences())) == (False, "'-' at 3")
    assert only(validators.alphabet(["AK-"], domain=Sequences(gaps=True))) == (True, "")
    assert only(validators.alphabet([""], domain=Sequences())) == (False, "the design is empty")


def test_many_findings_are_summarized():
    assert only(validators.alphabet(["X" * 11], domain=Sequences()))[1].endswith("'X' at 8 and 3 more")


def test_the_length_excludes_gaps():
    assert only(validators.length(["AC-D"], min=4)) == (False, "3 letters, allowed: at least 4")
    assert only(validators.length(["AC-D"], max=3)) == (True, "3 letters, allowed: 1 to 3")


def test_changed_fixed_residues_are_reported_first():
    task = Sequences(wild_type=NATIVE, fixed=(3,), forbidden="C", max_mutations=2)
    assert only(validators.design_constraints(["AKLNGCTTTTTTA"], domain=task)) == (True, "")
    passed, detail = only(validators.design_constraints(["ARLNGCTTTTTTC"], domain=task))
    assert not passed and detail.startswith("fixed residues changed: K3R; not allowed: K3R, W14C")
    assert (
        only(validators.design_constraints(["GKGGGCTTTTTTW"], domain=task))[1] == "3 mutations, at most 2 are allowed"
    )


def test_another_domain_is_rejected():
    with pytest.raises(InvdesignError, match="expected the domain Sequences, got str"):
        validators.design_constraints(["A"], domain="molecules")


def test_sequons_exclude_proline_between_asparagine_and_serine_or_threonine():
    checks = validators.glycosylation(["ANGSA", "ANPSA", "ANGTA", "ANGAS", "NNSS"])
    assert [c.passed for c in checks] == [False, True, False, True, False]
    assert checks[0].detail == "NGS at 2" and checks[4].detail == "NNS at 1, NSS at 2"


def test_motifs_of_the_wild_type_are_ignored():
    own = WildType("ANGSADPQ", first=100)
    assert only(validators.glycosylation(["ANGTADPQ"], wild_type=own)) == (True, "")
    assert only(validators.glycosylation(["ANGSADPQNAS"], wild_type=own)) == (False, "NAS at 107+1")
    assert only(validators.acid_cleavage(["ANGSADPQ"], wild_type=own)) == (True, "")
    assert only(validators.acid_cleavage(["ANGDPDPQ"], wild_type=own)) == (False, "DP at 103")
    assert only(validators.deamidation(["NGGSADPQ"], wild_type=own)) == (False, "NG at 100 (high)")


def test_motifs_keep_their_numbers_after_a_deletion_and_across_a_gap():
    own = WildType("MKLAVNGSWDG", first=1)
    assert only(validators.deamidation(["MKAVNGSWDG"], wild_type=own)) == (True, "")
    assert only(validators.isomerization(["MKAVNGDGWDG"], wild_type=own)) == (False, "DG at 7 (high)")
    assert only(validators.deamidation(["MN--GK"])) == (False, "NG at 2 (high)")


def test_moderate_sites_are_reported_and_rejected_only_on_request():
    assert only(validators.deamidation(["ANSANHANTA"])) == (
        True,
        "NS at 2 (moderate), NH at 5 (moderate), NT at 8 (moderate)",
    )
    assert not only(validators.deamidation(["ANSA"], refuse="any"))[0]
    assert only(validators.isomerization(["DSDTDDDHK"]))[0] and not only(validators.isomerization(["DGDS"]))[0]
    assert only(validators.isomerization(["DDDG"]))[1] == "DD at 1 (moderate), DD at 2 (moderate), DG at 3 (high)"


def test_the_number_of_cysteines_is_even_or_equals_the_wild_types():
    assert only(validators.cysteines(["ACCA"]))[0] and only(validators.cysteines(["AAA"])) == (True, "")
    assert only(validators.cysteines(["ACAC", "CAAA"])[1:]) == (False, "1 cysteines: 1")
    assert only(validators.cysteines([NATIVE.sequence], wild_type=NATIVE)) == (True, "1 cysteines: 7")


def test_a_run_of_six_is_rejected_unless_the_wild_type_has_it():
    assert only(validators.homopolymers(["KAAAAAA"])) == (False, "6 A from 2, at most 5")
    assert only(validators.homopolymers(["KAAAAAK"])) == (True, "")
    assert only(validators.homopolymers(["KAA-AAAA"]))[0] is False
    assert only(validators.homopolymers([NATIVE.sequence], wild_type=NATIVE)) == (True, "")
    assert only(validators.homopolymers(["AKLNGTTTTTTTW"], wild_type=NATIVE)) == (False, "7 T from 7, at most 5")


def test_properties_are_checked_against_windows():
    # Hydropathies of Kyte and Doolittle: I 4.5, R -4.5.
    assert not only(validators.isoelectric_point(["DDDDEEEE"]))[0] and only(validators.isoelectric_point(["AG"]))[0]
    assert only(validators.gravy(["III"])) == (False, "4.5, allowed -2 to 1")
    assert only(validators.gravy(["I-R"], max=2)) == (True, "0, allowed -2 to 2")
    assert not only(validators.charge(["K" * 40]))[0] and only(validators.charge(["K" * 10]))[0]
    assert not only(validators.charge(["AXA"]))[0]


def test_the_instability_index_may_equal_the_wild_types():
    # Dipeptide weights of Guruprasad: WW 1.0, EQ 20.26; the index is 10 / length times their sum.
    assert only(validators.instability(["WW"])) == (True, "5, allowed -inf to 40")
    assert only(validators.instability(["EQ"])) == (False, "101.3, allowed -inf to 40")
    assert only(validators.instability(["EQ"], wild_type=WildType("EQ")))[0]


def test_the_minimum_edit_distance_is_hamming_or_levenshtein(tmp_path):
    references = ["ACDEFG", "KLMNPQRS"]
    designs = ["ACDEFG", "ACDEFH", "ACDHHG", "ACDEFGH", "WWWWWW"]
    checks = validators.min_edit_distance(designs, references=references, min=2)
    assert [c.passed for c in checks] == [False, False, True, False, True]
    assert checks[1].detail == "1 edits from ACDEFG of the corpus, at least 2"
    assert checks[0].name == "min_edit_distance_corpus"
    file = tmp_path / "own.fasta"
    file.write_text(">a\nACDEFG\n")
    assert only(validators.min_edit_distance_to_file(["ACDEFH"], path=file, domain=Sequences()))[0] is False
    (check,) = validators.min_edit_distance_to_file(["A"], path=file, domain=Sequences(), min=1)
    assert check.name == "min_edit_distance_own"
    with pytest.raises(InvdesignError, match="no such file"):
        validators.min_edit_distance_to_file(["A"], path=tmp_path / "none.fasta", domain=Sequences())


@given(st.lists(st.text("ACD", min_size=1, max_size=5), min_size=1, max_size=8), st.text("ACD", min_size=1, max_size=5))
def test_the_minimum_edit_distance_agrees_with_all_pairwise_distances(references, design):
    nearest = min(distance(reference, design) for reference in references)
    for limit in (1, 2, 3):
        assert only(validators.min_edit_distance([design], references=references, min=limit))[0] == (nearest >= limit)


@given(proteins)
def test_motifs_agree_with_a_plain_search(design):
    text = design.replace("-", "")
    triples = [text[i : i + 3] for i in range(len(text) - 2)]
    found = any(a == "N" and b != "P" and c in "ST" for a, b, c in triples)
    assert only(validators.glycosylation([design]))[0] is not found
    assert only(validators.acid_cleavage([design]))[0] is ("DP" not in text)
    assert only(validators.glycosylation([design], wild_type=WildType(design or "A")))[0]


def test_gc_content_is_checked_against_the_vendors_limits():
    assert only(dna_validators.gc_content(["GGCCATATAT"])) == (True, "40.0 % GC, any vendor: 25 to 65 %")
    assert not only(dna_validators.gc_content(["GGCCGGCA"]))[0]
    assert only(dna_validators.gc_content(["GGGG"], vendor=FREE))[0]


def test_the_worst_window_is_reported_by_its_first_and_last_base():
    text = "ACTG" * 20 + "AT" * 25 + "CAGT" * 20
    passed, detail = only(dna_validators.gc_windows([text]))
    assert not passed and "the worst 0 % GC from 81 to 130; any vendor: 35 to 65 %" in detail
    assert (
        only(dna_validators.gc_windows([text], wild_type=WildType(text, first=1001)))[1].find("from 1081 to 1130") > 0
    )
    assert only(dna_validators.gc_windows(["AAAA"])) == (True, "")
    assert dna_validators.window_gc_contents("GGAA", 2).tolist() == [100, 50, 0]


def test_homopolymers_of_ten_are_rejected():
    assert only(dna_validators.homopolymers(["C" + "A" * 10 + "G"])) == (False, "10 A from 2")
    assert only(dna_validators.homopolymers(["C" + "A" * 9 + "G"])) == (True, "")
    assert only(dna_validators.homopolymers(["A" * 50], vendor=FREE)) == (True, "")


def test_repeats_of_more_than_twenty_bases_are_found_on_both_strands():
    word = "ACGTTGCAAGCTTACCGATAG"
    assert only(dna_validators.repeats([word + "TT" + word])) == (False, "21 bp at 1 and 24")
    assert only(dna_validators.repeats([word[1:] + "TT" + word[1:]])) == (True, "")
    inverted = dna_validators.reverse_complement(word)
    assert only(dna_validators.repeats([word + "TT" + inverted])) == (False, "21 bp at 1 and 24 (inverted)")
    assert only(dna_validators.repeats([word + "TT" + word], vendor=FREE)) == (True, "")


def test_a_longer_repeat_is_one_finding():
    word = "ACGTTGCAAGCTTACCGATAGGTC"
    assert dna_validators.find_repeats(word + "TT" + word, 21) == [(0, 26, 24, False)]
    assert dna_validators.find_repeats(word + "T" + dna_validators.reverse_complement(word), 21) == [(0, 25, 24, True)]


def test_restriction_sites_are_found_on_both_strands():
    assert only(dna_validators.restriction_sites(["AAGGTCTCAAGAATTC"])) == (False, "BsaI at 3, EcoRI at 11")
    assert only(dna_validators.restriction_sites(["AAGAGACCAA"])) == (False, "BsaI at 3")
    for site in ("CGTCTC", "TCTAGA", "ACTAGT", "CTGCAG", "GCGGCCGC"):
        assert not only(dna_validators.restriction_sites([site]))[0]
    assert (
        dna_validators.find_sites("CACGGGGTG", "DraIII") == [0]
        and dna_validators.find_sites("CACGGGTG", "DraIII") == []
    )
    with pytest.raises(InvdesignError, match="has none of this name"):
        dna_validators.restriction_sites(["ACGT"], vendor=Vendor(sites=("Nonsense",)))


def test_a_stop_codon_is_allowed_at_the_end_of_the_frame_only():
    assert only(dna_validators.reading_frame(["ATGAAATAA"])) == (True, "")
    assert only(dna_validators.reading_frame(["ATGTAGAAATAA"])) == (False, "stop TAG at 4")
    assert only(dna_validators.reading_frame(["ATGAAAT"])) == (False, "1 bases beyond whole codons")
    assert only(dna_validators.reading_frame(["CATGAAATAA"], first=2)) == (True, "")
    assert only(dna_validators.reading_frame(["AT"]))[0] is False


def test_only_a_hairpin_near_the_start_is_rejected():
    stem = "GGCATCGA"
    inverted = dna_validators.reverse_complement(stem)
    assert only(dna_validators.hairpin(["A" + stem + "AAAA" + inverted])) == (False, "8 bp from 2 pair with 14")
    assert only(dna_validators.hairpin([stem + "AA" + inverted])) == (True, "")
    assert only(dna_validators.hairpin(["A" * 30 + stem + "AAAA" + inverted]))[0]
    assert only(dna_validators.hairpin(["AUG" + stem[:7] + "AAAA"]))[0]


@given(dna, st.integers(2, 6))
def test_repeats_agree_with_a_comparison_of_all_pairs_of_words(text, k):
    words = [text[i : i + k] for i in range(len(text) - k + 1)]
    inverted = [dna_validators.reverse_complement(word) for word in words]
    expected = {b for b, word in enumerate(words) if word in words[:b] or word in inverted[:b]}
    found = dna_validators.find_repeats(text, k)
    assert {b + i for _, b, n, _ in found for i in range(n - k + 1)} == expected
    for a, b, n, is_inverted in found:
        first = text[a : a + n]
        assert text[b : b + n] == (dna_validators.reverse_complement(first) if is_inverted else first)


@given(dna)
def test_hairpins_and_sites_are_the_same_on_the_other_strand(text):
    back = dna_validators.reverse_complement(text)
    assert dna_validators.reverse_complement(back) == text
    assert (dna_validators.find_hairpin(text, 4, 3) is None) == (dna_validators.find_hairpin(back, 4, 3) is None)
    ends = [len(text) - i - 6 for i in dna_validators.find_sites(text, "BsaI")]
    assert sorted(ends) == dna_validators.find_sites(back, "BsaI")


@pytest.mark.parametrize("name", ["twist", "idt", "none"])
def test_vendor_profiles_have_a_date_and_their_own_limits(name):
    vendor = profile(name)
    assert vendor.name == name and vendor.date
    limits = ("gc", "window", "window_gc", "max_run", "max_repeat", "sites")
    if name == "none":
        assert all(check.passed for text in DNA for check in dna_validators.check_vendor_limits(text, vendor=vendor))
    else:
        assert all(getattr(vendor, limit) == getattr(ANY, limit) for limit in limits)
        assert not only(dna_validators.order_length(["ACGT"], vendor=vendor))[0]


def test_a_vendor_with_reversed_limits_is_rejected():
    with pytest.raises(InvdesignError, match=r"gc must be \[low, high\] in percent"):
        Vendor("odd", gc=(65, 25))


PLAIN = [
    validators.length, validators.glycosylation, validators.deamidation, validators.isomerization,
    validators.acid_cleavage, validators.cysteines, validators.homopolymers, validators.isoelectric_point,
    validators.charge, validators.gravy, validators.instability,
]  # fmt: skip
OF_DNA = [
    dna_validators.order_length, dna_validators.gc_content, dna_validators.gc_windows, dna_validators.homopolymers,
    dna_validators.repeats, dna_validators.restriction_sites, dna_validators.reading_frame, dna_validators.hairpin,
]  # fmt: skip


@pytest.mark.parametrize("check", [*PLAIN, *OF_DNA], ids=lambda check: check.__name__)
def test_every_validator_satisfies_its_contract_for_any_design(check):
    testing.check_validator(check, [*PROTEINS, *DNA, "", "XX", "ACGU" * 9])
