"""The sequence domain: what `core.Domain` promises."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import LETTERS
from invdesign.domains.shared_validators import novel_to_file
from invdesign.testing import check_domain
from invdesign.vae.build import aligned_vae, sequence_vae

WILD_TYPE = WildType("MKTAYIAK", name="short", first=5)
FREE = Sequences(max_length=30).fit(["A" * 30])


@pytest.mark.parametrize(
    ("domain", "designs"),
    [
        (Sequences(), ["MKV", "MKVA", "ACDEFGH"]),
        (Sequences("dna", length="fixed", gaps=True), ["AC-T", "ACGT", "GCG-"]),
        (Sequences("rna"), ["AUG", "A"]),
        (Sequences("XYZ01", length=3), ["XYZ", "Z01"]),
        (Sequences(length="fixed", wild_type=WILD_TYPE, designable={6: "", 7: "AG"}), ["MKTAYIAK", "MWGAYIAK"]),
        (Sequences(wild_type=WILD_TYPE, max_mutations=2), ["MKTAYIAK", "MKTAYIA", "MKTTAYIAKK"]),
    ],
    ids=str,
)
def test_sequences_of_any_kind_are_a_domain(domain, designs):
    check_domain(domain, designs)


@given(st.lists(st.text(LETTERS["protein"], min_size=1, max_size=30), min_size=1, max_size=5))
def test_designs_go_through_the_batch_and_back(designs):
    assert FREE.encoding_errors(designs) == [""] * len(designs)
    assert FREE.from_batch(FREE.to_batch(designs)) == designs


@given(st.lists(st.text(min_size=0, max_size=50), min_size=1, max_size=5))
def test_no_text_breaks_the_batch_and_what_does_not_come_back_is_a_misfit(texts):
    back = FREE.from_batch(FREE.to_batch(texts))
    for text, encoding_error, found in zip(texts, FREE.encoding_errors(texts), back, strict=True):
        assert encoding_error or found == text


@given(st.lists(st.lists(st.integers(0, 22), min_size=31, max_size=31), min_size=1, max_size=4))
def test_any_row_of_tokens_is_a_design_or_none(rows):
    for design in FREE.from_batch(torch.tensor(rows)):
        assert design is None or FREE.encoding_errors([design]) == [""]


def test_the_end_is_written_where_lengths_differ_and_not_where_they_do_not(variants):
    assert FREE.to_batch(["AC"])[0, :4].tolist() == [3, 4, 1, 0]
    assert FREE.from_batch(torch.tensor([[3, 4, 1, 5, 5, 0], [3, 2, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])) == [
        "AC",
        None,
        None,
    ]
    assert variants.row_length == 8 and variants.to_batch(["MKTAYIAK"]).min() > 2
    assert variants.from_batch(torch.tensor([[3] * 7 + [1]])) == [None]


def test_what_is_decoded_keeps_within_the_limits_but_for_the_budget():
    domain = Sequences(length="fixed", wild_type=WILD_TYPE, designable={6: "", 7: "AG"}, max_mutations=1, forbidden="C")
    domain = domain.fit([WILD_TYPE.sequence])
    free = Sequences(length=8).fit([WILD_TYPE.sequence])
    # K6W and T7G are allowed, two of them are one too many; M5A and K6C are not allowed at all.
    assert domain.from_batch(free.to_batch(["MWGAYIAK", "AKTAYIAK", "MCTAYIAK"])) == [
        "MWGAYIAK",
        "MKTAYIAK",
        "MKTAYIAK",
    ]
    assert domain.encoding_errors(["MWGAYIAK", "AKTAYIAK"]) == ["", "not allowed: M5A"]
    without = Sequences(forbidden="C", max_length=9).fit(["AAAA"])
    assert without.from_batch(FREE.to_batch(["ACA", "ADA"])) == [None, "ADA"]


def test_fit_learns_the_length_and_leaves_room_for_a_tenth_more():
    assert Sequences(length="fixed").fit(["ACD", "ACE"]).length == 3
    assert Sequences().fit(["A" * 50]).max_length == 55
    assert Sequences(max_length=52).fit(["A" * 50]).row_length == 53
    assert Sequences().fit(["A" * 3]).max_length == 4


def test_a_corpus_that_the_domain_cannot_hold_is_refused():
    with pytest.raises(InvdesignError, match="3 to 4 letters"):
        Sequences(length="fixed").fit(["ACD", "ACDE"])
    with pytest.raises(InvdesignError, match="raise the domain's max_length"):
        Sequences(max_length=5).fit(["ACDEFG"])
    with pytest.raises(InvdesignError, match="letters 'E', 'F'"):
        Sequences("dna").fit(["ACEF"])
    with pytest.raises(InvdesignError, match="nothing to learn"):
        Sequences().fit([])
    with pytest.raises(InvdesignError, match="fit"):
        Sequences().to_batch(["ACD"])


def test_wrong_settings_are_refused():
    for settings, said in (
        ({"kind": "prot"}, "neither one of"),
        ({"length": 5, "wild_type": WILD_TYPE}, "wild type has 8"),
        ({"length": 0}, "at least 1"),
        ({"min_length": 9, "max_length": 8}, "min_length=9"),
        ({"fixed": [1], "wild_type": WILD_TYPE}, "no residue 1"),
        ({"designable": {5: ""}}, "set wild_type"),
    ):
        with pytest.raises(InvdesignError, match=said):
            Sequences(**settings)


def test_a_model_goes_with_the_limits_of_the_campaign_not_with_those_it_was_trained_under():
    trained = Sequences(length="fixed", wild_type=WILD_TYPE, fixed=[5]).fit([WILD_TYPE.sequence])
    state = json.loads(json.dumps(trained.state()))
    other = Sequences(length="fixed", wild_type=WILD_TYPE, fixed=[6]).restore(state)
    assert other.fixed == (6,) and other.vocabulary == trained.vocabulary
    with pytest.raises(InvdesignError, match="molecules"):
        other.restore({"domain": "molecules"})
    with pytest.raises(InvdesignError, match="another version"):
        other.restore({"domain": "sequences"})
    with pytest.raises(InvdesignError, match="the wild type has 3"):
        Sequences(wild_type=WildType("ACD")).restore(state)


def test_either_vae_is_restored_from_its_architecture(variants):
    for made in (aligned_vae(variants, d=4), sequence_vae(variants, d=4)):
        again = variants.model(json.loads(json.dumps(made.architecture())))
        assert type(again) is type(made)
        again.load_state_dict(made.state_dict())
    with pytest.raises(InvdesignError, match="differ in length"):
        aligned_vae(FREE)


def test_a_design_may_be_written_as_mutations_of_the_wild_type(variants):
    assert variants.from_text("K6W; T7G") == variants.from_text("k6w".upper() + ",T7G") == "MWGAYIAK"
    assert variants.from_text(" MKTA\nYIAK ") == "MKTAYIAK"
    for text, said in (("K7W", "not K"), ("MKX", "'X'"), ("", "empty"), ("mktayiak", "letters")):
        with pytest.raises(InvdesignError, match=said):
            variants.from_text(text)


def test_people_call_a_design_by_its_mutations_where_they_are_few(variants):
    assert variants.label("MWGAYIAK") == "K6W;T7G"
    assert variants.label("MKTAYIAK") == "short"
    assert variants.label("MKTAIAK") == "Y9del"
    assert FREE.label("ACD") == "ACD"
    assert FREE.label("A" * 100) == "AAAAAAAAAAAAAAAAAAAAAAAA...AAAAAAAAAAAA (100 letters)"


def test_features_are_one_hot_letters_and_as_wide_before_the_corpus_is_known():
    domain = Sequences("dna", max_length=3)
    expected = np.zeros((3, 12))
    expected[0, [0, 5, 10]] = expected[1, 3] = 1
    assert np.array_equal(domain.features(["ACG", "T", ""]), expected)


def test_a_design_is_described_by_its_mutations_and_by_what_is_ordered_by(variants):
    told = variants.describe(["MKTAYIAK", "MWGAYIAK"])
    assert told["n_mutations"] == [0, 2] and told["mutations"] == ["", "K6W;T7G"] and told["length"] == [8, 8]
    assert told["isoelectric_point"][0] == pytest.approx(9.7, abs=0.1)
    glycine = Sequences().describe(["G", "X"])
    assert glycine["molecular_weight"] == [75.07, None] and glycine["gravy"] == [-0.4, None]
    dna = Sequences("dna", gaps=True).describe(["GC-A", "GCN"])
    assert dna["length"] == [3, 3] and dna["gc"][0] == 0.667 and dna["molecular_weight"][1] is None
    assert set(Sequences("XYZ").describe(["XY"])) == {"length"}


def test_a_picture_names_mutations_by_their_numbers(variants):
    picture = variants.draw("MWTAYIAK")
    assert picture.count("<rect") == 1 and "K6W" in picture and ">5</text>" in picture
    longer = variants.draw("MKTAYYIK")
    assert longer.startswith("<svg")
    shorter = variants.draw("MKTAIAK")
    assert shorter.count("<path") == 1 and "<rect" not in shorter
    assert "D inserted" in variants.draw("MKTADYIAK")


def test_novelty_to_a_file_works_though_limits_are_a_mapping(tmp_path):
    domain = Sequences(wild_type=WILD_TYPE, designable={6: "AG"})
    path = tmp_path / "known.fasta"
    path.write_text(">a\nMKTAYIAK\n")
    checks = novel_to_file(["MKTAYIAK", "MATAYIAK"], path=path, domain=domain)
    assert [check.passed for check in checks] == [False, True]


def test_a_strand_and_its_reverse_complement_are_one_design_of_double_dna() -> None:
    double = Sequences(kind="dna", length=8, both_strands=True)
    assert double.key("AGGTATCA") == double.key("TGATACCT") == "AGGTATCA"
    assert Sequences(kind="dna", length=8).key("TGATACCT") == "TGATACCT"
    with pytest.raises(InvdesignError, match="both_strands is for DNA"):
        Sequences(kind="protein", both_strands=True)
