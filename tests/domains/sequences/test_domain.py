"""The domain of sequences and its encoding."""

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
SHORT = Sequences(length="fixed", wild_type=WILD_TYPE)
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
def test_sequences_of_any_kind_satisfy_the_contract_of_a_domain(domain, designs):
    check_domain(domain, designs)


@given(st.lists(st.text(LETTERS["protein"], min_size=1, max_size=30), min_size=1, max_size=5))
def test_designs_are_encoded_and_decoded_without_loss(designs):
    assert FREE.errors(designs) == [""] * len(designs)
    assert FREE.decode(FREE.encode(designs)) == designs


@given(st.lists(st.text(min_size=0, max_size=50), min_size=1, max_size=5))
def test_any_text_can_be_encoded_and_one_that_changes_has_an_error(texts):
    decoded = FREE.decode(FREE.encode(texts))
    for text, error, found in zip(texts, FREE.errors(texts), decoded, strict=True):
        assert error or found == text


@given(st.lists(st.lists(st.integers(0, 22), min_size=31, max_size=31), min_size=1, max_size=4))
def test_any_row_of_tokens_is_a_design_or_none(rows):
    for design in FREE.decode(torch.tensor(rows)):
        assert design is None or FREE.errors([design]) == [""]


def test_the_end_token_is_written_only_where_lengths_differ(variants):
    assert FREE.encode(["AC"])[0, :4].tolist() == [3, 4, 1, 0]
    assert FREE.decode(torch.tensor([[3, 4, 1, 5, 5, 0], [3, 2, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])) == [
        "AC",
        None,
        None,
    ]
    assert variants.shape.length == 8 and variants.encode(["MKTAYIAK"]).min() > 2
    assert variants.decode(torch.tensor([[3] * 7 + [1]])) == [None]


def test_decoded_designs_satisfy_all_limits_but_the_number_of_mutations():
    domain = Sequences(length="fixed", wild_type=WILD_TYPE, designable={6: "", 7: "AG"}, max_mutations=1, forbidden="C")
    encoding = domain.fit([WILD_TYPE.sequence])
    free = Sequences(length=8).fit([WILD_TYPE.sequence])
    # K6W and T7G are allowed, two of them are one too many; M5A and K6C are not allowed at all.
    assert encoding.decode(free.encode(["MWGAYIAK", "AKTAYIAK", "MCTAYIAK"])) == [
        "MWGAYIAK",
        "MKTAYIAK",
        "MKTAYIAK",
    ]
    assert encoding.errors(["MWGAYIAK", "AKTAYIAK"]) == ["", "not allowed: M5A"]
    without = Sequences(forbidden="C", max_length=9).fit(["AAAA"])
    assert without.decode(FREE.encode(["ACA", "ADA"])) == [None, "ADA"]


def test_the_fitted_length_allows_a_tenth_more_than_the_longest_design():
    assert Sequences(length="fixed").fit(["ACD", "ACE"]).shape.length == 3
    assert Sequences().fit(["A" * 50]).domain.max_length == 55
    assert Sequences(max_length=52).fit(["A" * 50]).shape.length == 53
    assert Sequences().fit(["A" * 3]).domain.max_length == 4


def test_a_corpus_that_does_not_fit_the_domain_is_an_error():
    with pytest.raises(InvdesignError, match="3 to 4 letters"):
        Sequences(length="fixed").fit(["ACD", "ACDE"])
    with pytest.raises(InvdesignError, match="Raise the domain's max_length"):
        Sequences(max_length=5).fit(["ACDEFG"])
    with pytest.raises(InvdesignError, match="expected a corpus of the letters ACGT, got 'E', 'F'"):
        Sequences("dna").fit(["ACEF"])
    with pytest.raises(InvdesignError, match="expected a corpus of at least one sequence, got none"):
        Sequences().fit([])
    assert not hasattr(Sequences(), "encode")


def test_wrong_settings_are_errors():
    for settings, message in (
        ({"kind": "prot"}, "neither one of"),
        ({"length": 5, "wild_type": WILD_TYPE}, "expected a wild type of length=5, got 8 letters"),
        ({"length": 0}, "at least 1"),
        ({"min_length": 9, "max_length": 8}, "min_length=9"),
        ({"fixed": [1], "wild_type": WILD_TYPE}, "no residue 1"),
        ({"designable": {5: ""}}, "set wild_type"),
    ):
        with pytest.raises(InvdesignError, match=message):
            Sequences(**settings)


def test_a_restored_encoding_has_the_limits_of_the_campaign_not_those_of_its_training():
    trained = Sequences(length="fixed", wild_type=WILD_TYPE, fixed=[5]).fit([WILD_TYPE.sequence])
    state = json.loads(json.dumps(trained.state()))
    other = Sequences(length="fixed", wild_type=WILD_TYPE, fixed=[6]).restore(state)
    assert other.domain.fixed == (6,) and other.vocabulary == trained.vocabulary
    with pytest.raises(InvdesignError, match="another domain or version"):
        other.domain.restore({"representation": "selfies", "vocabulary": []})
    with pytest.raises(InvdesignError, match="another version: its tokens differ"):
        other.domain.restore({**state, "vocabulary": state["vocabulary"][:-1]})
    with pytest.raises(InvdesignError, match="expected a wild type of length=8, got 3 letters"):
        Sequences(wild_type=WildType("ACD")).restore(state)


def test_either_vae_is_restored_from_its_architecture(variants):
    for made in (aligned_vae(variants, d=4), sequence_vae(variants, d=4)):
        again = type(made).from_architecture(json.loads(json.dumps(made.architecture())), variants)
        assert again.architecture() == made.architecture()
        again.load_state_dict(made.state_dict())
    with pytest.raises(InvdesignError, match="differ in length"):
        aligned_vae(FREE)


def test_a_design_may_be_written_as_mutations_of_the_wild_type():
    assert SHORT.from_text("K6W; T7G") == SHORT.from_text("K6W,T7G") == "MWGAYIAK"
    assert SHORT.from_text(" MKTA\nYIAK ") == "MKTAYIAK"
    for text, message in (("K7W", "not K"), ("MKX", "'X'"), ("", "empty"), ("mktayiak", "letters")):
        with pytest.raises(InvdesignError, match=message):
            SHORT.from_text(text)


def test_a_label_gives_few_mutations_or_an_abbreviated_sequence():
    assert SHORT.label("MWGAYIAK") == "K6W;T7G"
    assert SHORT.label("MKTAYIAK") == "short"
    assert SHORT.label("MKTAIAK") == "Y9del"
    assert Sequences().label("ACD") == "ACD"
    assert Sequences().label("A" * 100) == "AAAAAAAAAAAAAAAAAAAAAAAA...AAAAAAAAAAAA (100 letters)"


def test_features_are_one_hot_letters_as_wide_as_the_longest_design():
    encoding = Sequences("dna", max_length=3).fit(["ACG"])
    expected = np.zeros((3, 12))
    expected[0, [0, 5, 10]] = expected[1, 3] = 1
    assert np.array_equal(encoding.features(["ACG", "T", ""]), expected)


def test_a_description_has_mutations_and_what_an_order_form_needs():
    described = SHORT.describe(["MKTAYIAK", "MWGAYIAK"])
    assert (
        described["n_mutations"] == [0, 2]
        and described["mutations"] == ["", "K6W;T7G"]
        and described["length"] == [8, 8]
    )
    assert described["isoelectric_point"][0] == pytest.approx(9.7, abs=0.1)
    glycine = Sequences().describe(["G", "X"])
    assert glycine["molecular_weight"] == [75.07, None] and glycine["gravy"] == [-0.4, None]
    dna = Sequences("dna", gaps=True).describe(["GC-A", "GCN"])
    assert dna["length"] == [3, 3] and dna["gc"][0] == 0.667 and dna["molecular_weight"][1] is None
    assert set(Sequences("XYZ").describe(["XY"])) == {"length"}


def test_a_picture_names_mutations_by_residue_numbers():
    picture = SHORT.draw("MWTAYIAK")
    assert picture.count("<rect") == 1 and "K6W" in picture and ">5</text>" in picture
    longer = SHORT.draw("MKTAYYIK")
    assert longer.startswith("<svg")
    shorter = SHORT.draw("MKTAIAK")
    assert shorter.count("<path") == 1 and "<rect" not in shorter
    assert "D inserted" in SHORT.draw("MKTADYIAK")


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
    with pytest.raises(InvdesignError, match="both_strands needs kind='dna', got 'protein'"):
        Sequences(kind="protein", both_strands=True)


def test_a_design_outside_the_task_has_a_place_and_one_of_other_letters_or_length_has_none():
    encoding = Sequences(length="fixed", wild_type=WILD_TYPE, designable={6: ""}).fit([WILD_TYPE.sequence])
    other = "W" + WILD_TYPE.sequence[1:]
    assert encoding.errors([other]) != [""] and encoding.placement_errors([other]) == [""]
    reasons = encoding.placement_errors([WILD_TYPE.sequence[1:], "X" + WILD_TYPE.sequence[1:]])
    assert reasons[0].startswith("7 letters, not 8") and reasons[1] == "letters 'X'"
    assert "the letters ACDEFGHIKLMNPQRSTVWY" in encoding.describe_alphabet()


def test_a_sequence_beyond_the_limits_of_the_task_is_adapted() -> None:
    own = WildType("MKTAYIAKQR", first=10)
    domain = Sequences(length="fixed", wild_type=own, fixed=(10,), forbidden="C", max_mutations=2)
    assert domain.adapt("MKTAYIAKQW") == "MKTAYIAKQW"
    adapted = domain.adapt("AKCAWIAWWW")
    assert adapted is not None and not domain.constraints.violation(adapted)
    assert domain.adapt("MKTA") is None
    assert Sequences(forbidden="C").adapt("MC") is None
