"""Sequences of the crystals of one formula."""

import pytest
import torch

from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.model.encoding import unpack
from invdesign.domains.crystals.model.formula_grammar import can_divide, formula_grammar
from invdesign.domains.crystals.model.token_vae import crystal_token_vae


@pytest.fixture(scope="module")
def encoding(crystals):
    return Crystals().fit(crystals)


@pytest.fixture(scope="module")
def vae(encoding):
    torch.manual_seed(0)
    return crystal_token_vae(encoding, d=8, embedding=16, width=16, beam=6, prior="normal").eval()


def test_true_sequences_obey_the_grammar_of_their_formula_and_no_other(crystals, encoding, vae):
    tokens = vae.language.tokenize(encoding.encode(crystals))
    base = vae.language.grammar()
    for crystal, row in zip(crystals, tokens, strict=True):
        for formula, is_own in ((crystal.counts, True), ({"Na": 1, "O": 7}, False)):
            grammar = formula_grammar(base, formula)
            state, is_allowed = grammar.start(1, torch.device("cpu")), True
            for token in row[row > 0]:
                is_allowed &= not bool(grammar.forbidden(state)[0, token])
                state = grammar.follow(state, token[None])
            assert is_allowed == is_own


def test_an_untrained_model_writes_only_crystals_of_the_formula(encoding, vae):
    ranked = vae.generate_formula(torch.randn(12, 8), {"Zn": 1, "O": 1})
    written = [
        crystal
        for output in ranked
        for crystal, score in zip(unpack(encoding.vocabulary, output.batch), output.scores, strict=True)
        if torch.isfinite(score)
    ]
    assert written and all(crystal is not None and crystal.formula == "OZn" for crystal in written)


def test_a_formula_with_an_unknown_element_has_no_grammar(vae):
    assert formula_grammar(vae.language.grammar(), {"U": 1, "O": 2}) is None
    assert vae.generate_formula(torch.zeros(1, 8), {"U": 1}) == []


def test_orbits_are_divided_among_elements():
    assert can_divide((8, 4, 4, 2), (6, 12)) and not can_divide((8, 8), (4, 12))
    assert not can_divide((4,), (2, 3)) and can_divide((), (0, 0))
