"""Token grammar: branches that are closed, labels in pairs, and a decoder that obeys both."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.smiles import ring_number, tokenize_smiles
from invdesign.vae.build import sequence_vae
from invdesign.vae.grammar import TokenGrammar, token_grammar
from invdesign.vae.tokens import END, PAD, UNKNOWN, learn_vocabulary

SMILES = ["CC(C)C", "C1CC1", "c1ccccc1C(=O)N", "C1CC2CCC1C2", "CC(C)(C)O"]


@pytest.fixture(scope="module", params=[0, 6])
def vocabulary(request):
    return learn_vocabulary([tokenize_smiles(s) for s in SMILES], n_merges=request.param, min_count=1)


@pytest.fixture(scope="module")
def grammar(vocabulary) -> TokenGrammar:
    return token_grammar(vocabulary, opening="(", closing=")", label_of=ring_number)


def test_every_real_sequence_is_allowed_token_by_token(vocabulary, grammar: TokenGrammar) -> None:
    for tokens in vocabulary.tokenize([tokenize_smiles(s) for s in SMILES]):
        state = grammar.start(1, torch.device("cpu"))
        for token in [*tokens.tolist(), END]:
            assert not grammar.forbidden(state)[0, token]
            state = grammar.follow(state, torch.tensor([token]))


def test_an_open_branch_an_open_ring_and_a_branch_closed_too_often_are_forbidden(vocabulary, grammar) -> None:
    number = {symbol: i for i, symbol in enumerate(vocabulary.symbols)}
    state = grammar.start(2, torch.device("cpu"))
    assert grammar.forbidden(state)[:, number[")"]].all()
    state = grammar.follow(state, torch.tensor([number["("], number["1"]]))
    assert grammar.forbidden(state)[:, END].all()
    assert grammar.forbidden(state)[:, number[")"]].tolist() == [False, True]
    state = grammar.follow(state, torch.tensor([number[")"], number["1"]]))
    assert not grammar.forbidden(state)[:, END].any()


def test_a_token_is_forbidden_where_it_closes_more_branches_than_are_open(grammar: TokenGrammar) -> None:
    depth = torch.arange(8)
    forbidden = grammar.forbidden((depth, torch.zeros_like(depth)))
    expected = depth[:, None] + grammar.lowest < 0
    expected[:, END] = depth > 0
    assert torch.equal(forbidden, expected)


def test_a_sequence_that_closed_too_many_branches_may_close_no_more(vocabulary, grammar: TokenGrammar) -> None:
    # The decoder is made to obey, but a caller may follow any token.
    depth = torch.tensor([0, -1, -5])
    forbidden = grammar.forbidden((depth, torch.zeros_like(depth)))
    closing = vocabulary.symbols.index(")")
    assert forbidden[:, closing].all() and torch.equal(forbidden[1], forbidden[0])
    assert torch.equal(forbidden[2], forbidden[0])


def test_special_tokens_do_not_change_the_state(grammar: TokenGrammar) -> None:
    state = grammar.start(3, torch.device("cpu"))
    followed = grammar.follow(state, torch.tensor([PAD, END, UNKNOWN]))
    assert all(torch.equal(a, b) for a, b in zip(state, followed, strict=True))


@pytest.mark.parametrize("beam", [1, 3])
def test_an_untrained_decoder_of_smiles_balances_what_it_ends(beam: int) -> None:
    encoding = Molecules(representation="smiles").fit(SMILES)
    torch.manual_seed(0)
    vae = sequence_vae(encoding, d=8, embedding=16, width=16, beam=beam).eval()
    rows = vae.generate(5 * torch.randn(300, 8, generator=torch.Generator().manual_seed(0)))
    ended = rows[(rows == END).any(1)]
    assert len(ended) > 50
    for symbols in encoding.vocabulary.decode(ended):
        assert symbols.count("(") == symbols.count(")")
        assert all(symbols.count(number) % 2 == 0 for number in "12")


def test_selfies_have_no_grammar_and_too_many_labels_are_refused() -> None:
    assert Molecules(representation="selfies").fit(SMILES).shape.grammar is None
    many = learn_vocabulary([[str(i) for i in range(63)]])
    with pytest.raises(InvdesignError, match="at most 62 labels"):
        token_grammar(many, opening="(", closing=")", label_of=ring_number)
