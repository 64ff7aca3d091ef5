"""What the checks of sequences refuse, and that they say where."""

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

# Residues 2 to 11; an NG of its own at 5, an odd number of cysteines, a run of six.
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
    said = yaml.safe_load((CONF / "vendor" / f"{name}.yaml").read_text())
    return Vendor(**{key: value for key, value in said.items() if key != "_target_"})


def test_letters_of_no_residue_are_named_with_their_places():
    task = Sequences(wild_type=NATIVE)
    assert only(validators.alphabet(["AXLNGCTTTTTT*"], domain=task)) == (False, "'X' at 3, '*' at 14")
    assert only(validators.alphabet(["AK-"], domain=Sequences())) == (False, "'-' at 3")
    assert only(validators.alphabet(["AK-"], domain=Sequences(gaps=True))) == (True, "")
    assert only(validators.alphabet([""], domain=Sequences())) == (False, "it is empty")


def test_many_findings_are_counted():
    assert only(validators.alphabet(["X" * 11], domain=Sequences()))[1].endswith("'X' at 8 and 3 more")


def test_a_length_counts_letters_and_no_gaps():
    assert only(validators.length(["AC-D"], min=4)) == (False, "3 letters, allowed 4 and more")
    assert only(validators.length(["AC-D"], max=3)) == (True, "3 letters, allowed 1 to 3")


def test_a_fixed_residue_that_changed_is_said_first_and_loudly():
    task = Sequences(wild_type=NATIVE, fixed=(3,), forbidden="C", max_mutations=2)
    assert only(validators.scope(["AKLNGCTTTTTTA"], domain=task)) == (True, "")
    passed, detail = only(validators.scope(["ARLNGCTTTTTTC"], domain=task))
    assert not passed and detail.startswith("fixed residues changed: K3R; not allowed: K3R, W14C")
    assert only(validators.scope(["GKGGGCTTTTTTW"], domain=task))[1] == "3 mutations, allowed are 2"


def test_checks_of_another_domain_are_refused():
    with pytest.raises(InvdesignError, match="expected their domain, got str"):
        validators.scope(["A"], domain="molecules")


def test_sequons_need_a_residue_other_than_proline_between_asparagine_and_serine_or_threonine():
    checks = validators.glycosylation(["ANGSA", "ANPSA", "ANGTA", "ANGAS", "NNSS"])
    assert [c.passed for c in checks] == [False, True, False, True, False]
    assert checks[0].detail == "NGS at 2" and checks[4].detail == "NNS at 1, NSS at 2"


def test_what_the_wild_type_has_itself_is_no_finding():
    own = WildType("ANGSADPQ", first=100)
    assert only(validators.glycosylation(["ANGTADPQ"], wild_type=own)) == (True, "")
    assert only(validators.glycosylation(["ANGSADPQNAS"], wild_type=own)) == (False, "NAS at 107+1")
    assert only(validators.cleavage(["ANGSADPQ"], wild_type=own)) == (True, "")
    assert only(validators.cleavage(["ANGDPDPQ"], wild_type=own)) == (False, "DP at 103")
    assert only(validators.deamidation(["NGGSADPQ"], wild_type=own)) == (False, "NG at 100 (high)")


def test_motifs_keep_their_number_behind_a_deletion_and_across_a_gap():
    own = WildType("MKLAVNGSWDG", first=1)
    assert only(validators.deamidation(["MKAVNGSWDG"], wild_type=own)) == (True, "")
    assert only(validators.isomerization(["MKAVNGDGWDG"], wild_type=own)) == (False, "DG at 7 (high)")
    assert only(validators.deamidation(["MN--GK"])) == (False, "NG at 2 (high)")


def test_sites_of_moderate_severity_are_named_and_refused_only_on_request():
    assert only(validators.deamidation(["ANSANHANTA"])) == (
        True,
        "NS at 2 (moderate), NH at 5 (moderate), NT at 8 (moderate)",
    )
    assert not only(validators.deamidation(["ANSA"], refuse="any"))[0]
    assert only(validators.isomerization(["DSDTDDDHK"]))[0] and not only(validators.isomerization(["DGDS"]))[0]
    assert only(validators.isomerization(["DDDG"]))[1] == "DD at 1 (moderate), DD at 2 (moderate), DG at 3 (high)"


def test_cysteines_are_even_or_as_many_as_the_wild_type_has():
    assert only(validators.cysteines(["ACCA"]))[0] and only(validators.cysteines(["AAA"])) == (True, "")
    assert only(validators.cysteines(["ACAC", "CAAA"])[1:]) == (False, "1 cysteines: 1")
    assert only(validators.cysteines([NATIVE.sequence], wild_type=NATIVE)) == (True, "1 cysteines: 7")


def test_a_run_of_six_is_refused_unless_the_wild_type_has_it():
    assert only(validators.runs(["KAAAAAA"])) == (False, "6 A from 2, at most 5")
    assert only(validators.runs(["KAAAAAK"])) == (True, "")
    assert only(validators.runs(["KAA-AAAA"]))[0] is False
    assert only(validators.runs([NATIVE.sequence], wild_type=NATIVE)) == (True, "")
    assert only(validators.runs(["AKLNGTTTTTTTW"], wild_type=NATIVE)) == (False, "7 T from 7, at most 5")


def test_properties_lie_in_windows():
    # Hydropathies of Kyte and Doolittle: I 4.5, R -4.5.
    assert not only(validators.isoelectric_point(["DDDDEEEE"]))[0] and only(validators.isoelectric_point(["AG"]))[0]
    assert only(validators.gravy(["III"])) == (False, "4.5, allowed -2 to 1")
    assert only(validators.gravy(["I-R"], max=2)) == (True, "0, allowed -2 to 2")
    assert not only(validators.charge(["K" * 40]))[0] and only(validators.charge(["K" * 10]))[0]
    assert not only(validators.charge(["AXA"]))[0]


def test_the_instability_index_may_be_as_high_as_the_wild_types():
    # Dipeptide weights of Guruprasad: WW 1.0, EQ 20.26; the index is 10 / length times their sum.
    assert only(validators.instability(["WW"])) == (True, "5, allowed -inf to 40")
    assert only(validators.instability(["EQ"])) == (False, "101.3, allowed -inf to 40")
    assert only(validators.instability(["EQ"], wild_type=WildType("EQ")))[0]


def test_designs_stay_apart_from_what_is_known_by_hamming_or_levenshtein(tmp_path):
    known = ["ACDEFG", "KLMNPQRS"]
    checks = validators.apart(["ACDEFG", "ACDEFH", "ACDHHG", "ACDEFGH", "WWWWWW"], known=known, min=2)
    assert [c.passed for c in checks] == [False, False, True, False, True]
    assert checks[1].detail == "1 edits from ACDEFG of the corpus, at least 2" and checks[0].name == "apart_corpus"
    file = tmp_path / "own.fasta"
    file.write_text(">a\nACDEFG\n")
    assert only(validators.apart_from_file(["ACDEFH"], path=file, domain=Sequences()))[0] is False
    assert validators.apart_from_file(["A"], path=file, domain=Sequences(), min=1)[0].name == "apart_own"
    with pytest.raises(InvdesignError, match="no such file"):
        validators.apart_from_file(["A"], path=tmp_path / "none.fasta", domain=Sequences())


@given(st.lists(st.text("ACD", min_size=1, max_size=5), min_size=1, max_size=8), st.text("ACD", min_size=1, max_size=5))
def test_apart_agrees_with_every_distance_counted_by_itself(known, design):
    from invdesign.domains.sequences.wild_type.wild_type import distance

    nearest = min(distance(other, design) for other in known)
    for limit in (1, 2, 3):
        assert only(validators.apart([design], known=known, min=limit))[0] == (nearest >= limit)


@given(proteins)
def test_motifs_are_those_that_a_plain_reading_finds(design):
    text = design.replace("-", "")
    triples = [text[i : i + 3] for i in range(len(text) - 2)]
    found = any(a == "N" and b != "P" and c in "ST" for a, b, c in triples)
    assert only(validators.glycosylation([design]))[0] is not found
    assert only(validators.cleavage([design]))[0] is ("DP" not in text)
    assert only(validators.glycosylation([design], wild_type=WildType(design or "A")))[0]


def test_gc_is_held_against_the_vendors_limits():
    assert only(dna_validators.gc_content(["GGCCATATAT"])) == (True, "40.0 % GC, any vendor: 25 to 65 %")
    assert not only(dna_validators.gc_content(["GGCCGGCA"]))[0]
    assert only(dna_validators.gc_content(["GGGG"], vendor=FREE))[0]


def test_the_worst_window_is_named_by_its_first_and_last_base():
    text = "ACTG" * 20 + "AT" * 25 + "CAGT" * 20
    passed, detail = only(dna_validators.gc_windows([text]))
    assert not passed and "the worst 0 % GC from 81 to 130; any vendor: 35 to 65 %" in detail
    assert (
        only(dna_validators.gc_windows([text], wild_type=WildType(text, first=1001)))[1].find("from 1081 to 1130") > 0
    )
    assert only(dna_validators.gc_windows(["AAAA"])) == (True, "")
    assert dna_validators.window_shares("GGAA", 2).tolist() == [100, 50, 0]


def test_homopolymers_of_ten_are_refused():
    assert only(dna_validators.homopolymers(["C" + "A" * 10 + "G"])) == (False, "10 A from 2")
    assert only(dna_validators.homopolymers(["C" + "A" * 9 + "G"])) == (True, "")
    assert only(dna_validators.homopolymers(["A" * 50], vendor=FREE)) == (True, "")


def test_repeats_of_more_than_twenty_bases_are_found_on_both_strands():
    word = "ACGTTGCAAGCTTACCGATAG"
    assert only(dna_validators.repeats([word + "TT" + word])) == (False, "21 bp at 1 and 24")
    assert only(dna_validators.repeats([word[1:] + "TT" + word[1:]])) == (True, "")
    turned = dna_validators.reverse_complement(word)
    assert only(dna_validators.repeats([word + "TT" + turned])) == (False, "21 bp at 1 and 24 (inverted)")
    assert only(dna_validators.repeats([word + "TT" + word], vendor=FREE)) == (True, "")


def test_a_longer_repeat_is_one_finding_with_its_length():
    word = "ACGTTGCAAGCTTACCGATAGGTC"
    assert dna_validators.repeated(word + "TT" + word, 21) == [(0, 26, 24, False)]
    assert dna_validators.repeated(word + "T" + dna_validators.reverse_complement(word), 21) == [(0, 25, 24, True)]


def test_restriction_sites_are_found_on_both_strands():
    assert only(dna_validators.restriction_sites(["AAGGTCTCAAGAATTC"])) == (False, "BsaI at 3, EcoRI at 11")
    assert only(dna_validators.restriction_sites(["AAGAGACCAA"])) == (False, "BsaI at 3")
    for site in ("CGTCTC", "TCTAGA", "ACTAGT", "CTGCAG", "GCGGCCGC"):
        assert not only(dna_validators.restriction_sites([site]))[0]
    assert dna_validators.sites("CACGGGGTG", "DraIII") == [0] and dna_validators.sites("CACGGGTG", "DraIII") == []
    with pytest.raises(InvdesignError, match="Biopython knows none"):
        dna_validators.restriction_sites(["ACGT"], vendor=Vendor(sites=("Nonsense",)))


def test_a_stop_belongs_at_the_end_of_the_frame():
    assert only(dna_validators.reading_frame(["ATGAAATAA"])) == (True, "")
    assert only(dna_validators.reading_frame(["ATGTAGAAATAA"])) == (False, "stop TAG at 4")
    assert only(dna_validators.reading_frame(["ATGAAAT"])) == (False, "1 bases beyond whole codons")
    assert only(dna_validators.reading_frame(["CATGAAATAA"], first=2)) == (True, "")
    assert only(dna_validators.reading_frame(["AT"]))[0] is False


def test_a_hairpin_near_the_start_is_refused_and_a_later_one_is_not():
    stem = "GGCATCGA"
    turned = dna_validators.reverse_complement(stem)
    assert only(dna_validators.hairpin(["A" + stem + "AAAA" + turned])) == (False, "8 bp from 2 pair with 14")
    assert only(dna_validators.hairpin([stem + "AA" + turned])) == (True, "")
    assert only(dna_validators.hairpin(["A" * 30 + stem + "AAAA" + turned]))[0]
    assert only(dna_validators.hairpin(["AUG" + stem[:7] + "AAAA"]))[0]


@given(dna, st.integers(2, 6))
def test_repeats_are_those_that_every_pair_of_words_shows(text, k):
    words = [text[i : i + k] for i in range(len(text) - k + 1)]
    turned = [dna_validators.reverse_complement(word) for word in words]
    expected = {b for b, word in enumerate(words) if word in words[:b] or word in turned[:b]}
    found = dna_validators.repeated(text, k)
    assert {b + i for _, b, n, _ in found for i in range(n - k + 1)} == expected
    for a, b, n, is_inverted in found:
        first = text[a : a + n]
        assert text[b : b + n] == (dna_validators.reverse_complement(first) if is_inverted else first)


@given(dna)
def test_hairpins_and_sites_are_the_same_on_the_other_strand(text):
    back = dna_validators.reverse_complement(text)
    assert dna_validators.reverse_complement(back) == text
    assert (dna_validators.folded(text, 4, 3) is None) == (dna_validators.folded(back, 4, 3) is None)
    ends = [len(text) - i - 6 for i in dna_validators.sites(text, "BsaI")]
    assert sorted(ends) == dna_validators.sites(back, "BsaI")


@pytest.mark.parametrize("name", ["twist", "idt", "none"])
def test_the_profiles_of_vendors_are_dated_and_what_their_names_say(name):
    vendor = profile(name)
    assert vendor.name == name and vendor.date
    limits = ("gc", "window", "window_gc", "max_run", "max_repeat", "sites")
    if name == "none":
        assert all(check.passed for text in DNA for check in dna_validators.orderable(text, vendor=vendor))
    else:
        assert all(getattr(vendor, limit) == getattr(ANY, limit) for limit in limits)
        assert not only(dna_validators.order_length(["ACGT"], vendor=vendor))[0]


def test_a_vendor_with_limits_upside_down_is_refused():
    with pytest.raises(InvdesignError, match=r"gc is \[low, high\] in percent"):
        Vendor("odd", gc=(65, 25))


PLAIN = [
    validators.length, validators.glycosylation, validators.deamidation, validators.isomerization, validators.cleavage,
    validators.cysteines, validators.runs, validators.isoelectric_point, validators.charge, validators.gravy,
    validators.instability,
]  # fmt: skip
OF_DNA = [
    dna_validators.order_length, dna_validators.gc_content, dna_validators.gc_windows, dna_validators.homopolymers,
    dna_validators.repeats, dna_validators.restriction_sites, dna_validators.reading_frame, dna_validators.hairpin,
]  # fmt: skip


@pytest.mark.parametrize("check", [*PLAIN, *OF_DNA], ids=lambda check: check.__name__)
def test_every_check_keeps_the_contract_of_validators_on_whatever_it_is_given(check):
    testing.check_validator(check, [*PROTEINS, *DNA, "", "XX", "ACGU" * 9])
