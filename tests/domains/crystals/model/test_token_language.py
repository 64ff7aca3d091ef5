"""Crystals as tokens: what is written is read again, and the grammar allows every crystal and nothing else."""

import pytest
import torch
from known_crystals import KNOWN, crystal

from invdesign.domains.crystals.model.encoding import learn, pack, unpack
from invdesign.domains.crystals.model.token_language import TokenLanguage
from invdesign.domains.crystals.symmetry.matching import match
from invdesign.vae.tokens import END, PAD, UNKNOWN


@pytest.fixture(scope="module")
def corpus(crystals):
    return [*crystals, *(crystal(name) for name in KNOWN)]


@pytest.fixture(scope="module")
def vocabulary(corpus):
    return learn(corpus)


@pytest.fixture(scope="module")
def language(vocabulary):
    return TokenLanguage(vocabulary)


@pytest.fixture(scope="module")
def tokens(language, vocabulary, corpus):
    return language.tokenize(pack(vocabulary, corpus))


def test_a_sequence_has_a_token_for_each_degree_of_freedom(language, vocabulary, crystals):
    lengths = (language.tokenize(pack(vocabulary, crystals)) != PAD).sum(1).tolist()
    # Rock salt: group, two sites, two elements, volume, end. Wurtzite also has a ratio of lengths and two heights.
    assert lengths == [7, 9, 10, 10]
    assert lengths[2] == 1 + 2 * 2 + 1 + 2 + 1 + 1


def test_crystals_are_read_again_up_to_the_width_of_the_bins(language, vocabulary, corpus, tokens):
    read = unpack(vocabulary, language.rows(tokens))
    for before, after in zip(corpus, read, strict=True):
        assert after is not None and match(before, after)
        assert after.space_group == before.space_group and after.formula == before.formula
        assert [o.letter for o in after.orbits] == [o.letter for o in before.orbits]


def test_what_was_read_is_written_as_the_same_tokens(language, tokens):
    assert torch.equal(language.tokenize(language.rows(tokens)), tokens)


def test_the_grammar_allows_every_crystal_of_the_corpus(language, tokens):
    grammar = language.grammar()
    state = grammar.start(len(tokens), tokens.device)
    for token in tokens.T:
        is_forbidden = grammar.forbidden(state).gather(1, token[:, None])[:, 0]
        assert not (is_forbidden & (token != PAD)).any()
        state = grammar.follow(state, token)


def test_whatever_the_grammar_allows_is_a_crystal(language, vocabulary):
    grammar = language.grammar()
    torch.manual_seed(0)
    state = grammar.start(300, torch.device("cpu"))
    written = torch.full((300, language.length), PAD)
    is_open = torch.ones(300, dtype=torch.bool)
    for step in range(language.length):
        weights = (~grammar.forbidden(state)).float()
        token = weights.multinomial(1)[:, 0]
        written[:, step] = torch.where(is_open, token, PAD)
        is_open &= token != END
        state = grammar.follow(state, token)
    assert not is_open.any()
    rows = language.rows(written)
    for read in unpack(vocabulary, rows):
        assert read is not None
        letters = [orbit.letter for orbit in read.orbits]
        assert letters == sorted(letters)
    assert torch.equal(language.tokenize(rows), written)


def test_a_sequence_without_an_end_or_with_an_unknown_token_is_no_crystal(language, vocabulary, tokens):
    unended, unknown = tokens[:1].clone(), tokens[:1].clone()
    unended[unended == END] = PAD
    unknown[:, 1] = UNKNOWN
    empty = torch.full_like(unended, PAD)
    empty[:, 0] = END
    assert unpack(vocabulary, language.rows(torch.cat([unended, unknown, empty]))) == [None, None, None]


def test_what_the_vocabulary_lacks_becomes_the_unknown_token(crystals):
    salt, perovskite, *_ = crystals
    vocabulary = learn([salt])
    tokens = TokenLanguage(vocabulary).tokenize(pack(vocabulary, [perovskite]))
    assert tokens[0, 0] == UNKNOWN
