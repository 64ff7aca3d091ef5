"""The domain of molecules and its encoding."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.smiles import canonical, ring_number
from invdesign.testing import check_domain


def test_molecules_satisfy_the_contract_of_a_domain(domain, built_in):
    check_domain(domain, built_in.designs[:20])


@pytest.mark.slow
def test_a_corpus_is_encoded_and_decoded_without_loss(encoding, built_in):
    batch = encoding.encode(built_in.designs)
    assert batch.shape == (600, encoding.shape.length) and batch.dtype == torch.int64
    assert encoding.decode(batch) == list(built_in.designs)
    assert encoding.errors(built_in.designs) == [""] * 600


def test_an_encoding_is_restored_from_its_state(encoding, built_in):
    restored = Molecules().restore(json.loads(json.dumps(encoding.state())))
    assert restored == encoding
    assert torch.equal(restored.encode(built_in.designs[:5]), encoding.encode(built_in.designs[:5]))


def test_the_state_of_another_domain_is_rejected():
    with pytest.raises(InvdesignError, match="another domain or version"):
        Molecules().restore({"symprec": 0.1, "vocabulary": {}})


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_any_row_of_tokens_decodes_to_a_canonical_molecule_or_to_none(data, encoding):
    n_tokens = encoding.shape.n_tokens
    rows = data.draw(st.lists(st.lists(st.integers(0, n_tokens - 1), min_size=20, max_size=20), min_size=1, max_size=4))
    for design in encoding.decode(torch.tensor(rows)):
        assert design is None or canonical(design) == design


def test_selfies_without_special_tokens_always_decode(built_in):
    encoding = Molecules(representation="selfies").fit(built_in.designs)
    rows = torch.randint(3, encoding.shape.n_tokens, (200, 30), generator=torch.Generator().manual_seed(0))
    decoded = encoding.decode(rows)
    assert sum(design is not None for design in decoded) > 195


def test_encoding_errors_give_the_reason(built_in):
    encoding = Molecules(representation="selfies").fit(built_in.designs)
    unknown, long, hypervalent, odd = encoding.errors(["C[Se]C", "C" * 150, "CI(=O)=O", "OCC"])
    assert "[Se]" in unknown
    assert "tokens" in long
    assert "SELFIES" in hypervalent
    assert "another molecule" in odd  # it is not canonical
    assert encoding.encode(["C[Se]C", "C" * 3000, "CI(=O)=O"]).shape == (3, encoding.length)


def test_a_row_is_never_longer_than_max_length(built_in):
    assert Molecules(max_length=20).fit(built_in.designs).length == 20


def test_features_count_substructures_independently_of_the_spelling():
    encoding = Molecules(radius=1, n_bits=64).fit(["CCCC"])
    features = encoding.features(["CCCC", "C(CC)C", "nonsense"])
    assert features.shape == (3, 64) and features.dtype == np.float64
    assert np.array_equal(features[0], features[1])
    # Butane, radius 1: 4 atoms, and one environment around each.
    assert features[0].sum() == 8
    assert np.isnan(features[2]).all()


def test_a_design_is_described_by_inchikey_formula_and_weight():
    described = Molecules().describe(["CCO", "nonsense"])
    assert described["inchikey"] == ["LFQSCWFLJHTTHZ-UHFFFAOYSA-N", None]
    assert described["formula"] == ["C2H6O", None]
    assert described["molecular_weight"][0] == pytest.approx(46.069, abs=0.001)


def test_text_that_is_not_a_molecule_is_rejected_with_the_reason():
    assert Molecules().from_text("OCC") == "CCO"
    with pytest.raises(InvdesignError, match="valence"):
        Molecules().from_text("C(C)(C)(C)(C)C")


def test_a_drawing_is_an_svg_element():
    assert Molecules().draw("CCO").startswith("<svg")
    with pytest.raises(InvdesignError, match="cannot draw"):
        Molecules().draw("C(")


def test_invalid_settings_are_rejected():
    with pytest.raises(InvdesignError, match="selfies"):
        Molecules(representation="graph")  # type: ignore[arg-type]
    with pytest.raises(InvdesignError, match="max_length must be at least 2, got 1"):
        Molecules(max_length=1)


def test_only_a_fitted_domain_has_an_encoding():
    assert not hasattr(Molecules(), "encode")
    with pytest.raises(InvdesignError, match="expected a corpus to learn a vocabulary from, got none"):
        Molecules().fit([])


def test_a_decoded_radical_gets_hydrogens_unless_radicals_are_allowed():
    for representation in ("smiles", "selfies"):
        for allow, expected in ((False, "CCC"), (True, "C[CH]C")):
            domain = Molecules(representation=representation, allow_radicals=allow)
            encoding = domain.fit(["CCC", "C[CH]C", "CC(C)(C)O"])
            assert encoding.decode(encoding.encode(["C[CH]C"])) == [expected]


def test_measures_of_sanity_name_radicals_large_rings_and_what_cannot_be_made():
    measures = Molecules().quality(["CCO", "C[CH]C", "C1CCCCCCCC1", "not a molecule"])
    assert measures["radical"][:3].tolist() == [0, 1, 0]
    assert measures["large ring"][:3].tolist() == [0, 0, 1]
    assert measures["nonsense"][:3].tolist() == [0, 1, 1]
    assert np.isnan(measures["nonsense"][3])


def test_ring_numbers_of_smiles_are_recognized():
    assert [ring_number(token) for token in ("1", "%12", "%(101)", "C", "(", "[13C]")] == [
        "1", "12", "101", None, None, None
    ]  # fmt: skip


def test_rings_that_are_rare_in_the_corpus_are_penalized_when_decoded_designs_are_compared() -> None:
    encoding = Molecules().fit(["CCO", "c1ccccc1", "CCN", "CCC"])
    assert encoding.large_ring_share == pytest.approx(1 / 5)
    ethanol, ring = encoding.penalties(["CCO", "C1CCCCCCCC1"])
    assert ethanol == 0
    assert ring == pytest.approx(3 * np.log(5))
    rings = Molecules().fit(["C1CCCCCCCC1"] * 3)
    assert rings.penalties(["C1CCCCCCCC1"]) == [0]
    assert Molecules().restore(encoding.state()) == encoding


def test_the_alphabet_of_a_model_names_its_elements_and_charges():
    encoding = Molecules().fit(["CC(=O)Nc1ccc(Br)cc1", "C[NH3+]", "c1ccsc1", "[O-]Cl"])
    assert encoding.describe_alphabet() == "the elements Br, C, Cl, N, O, S; charged atoms [NH3+] [O-]"
    assert "elements C, O" in Molecules(representation="selfies").fit(["CCO"]).describe_alphabet()
