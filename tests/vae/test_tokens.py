"""The vocabulary: symbols, merges, and the way back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.vae.tokens import END, PAD, SPECIAL, UNKNOWN, Vocabulary, learn_vocabulary

LETTERS = Vocabulary((*SPECIAL, "a", "b", "c"), ((3, 4), (6, 5), (3, 3)))


def test_merges_are_applied_in_the_order_in_which_they_were_learnt() -> None:
    # a=3 b=4 c=5, ab=6, abc=7, aa=8.
    tokens = LETTERS.tokenize([list("abcab"), list("aaa"), [], list("aaaab")])
    assert [t.tolist() for t in tokens] == [[7, 6], [8, 3], [], [8, 3, 6]]


def test_every_row_is_closed_by_an_end_token_and_padded() -> None:
    batch = LETTERS.encode([list("abc"), []], 3)
    assert batch.tolist() == [[7, END, PAD], [END, PAD, PAD]]


def test_a_sequence_that_is_too_long_is_cut_and_has_no_end() -> None:
    assert LETTERS.encode([list("cbcb")], 3).tolist() == [[5, 4, 5]]


def test_unknown_symbols_become_the_unknown_token_and_are_named() -> None:
    assert LETTERS.encode([list("axb")], 4).tolist() == [[3, UNKNOWN, 4, END]]
    assert LETTERS.unknown(list("axbyx")) == ["x", "y"]


@given(st.lists(st.text("abc", max_size=12), max_size=6))
def test_decode_takes_back_what_encode_wrote(words: list[str]) -> None:
    batch = LETTERS.encode([list(w) for w in words], 13)
    assert ["".join(s) for s in LETTERS.decode(batch)] == words


@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=8))
def test_a_learnt_vocabulary_reads_back_its_corpus(words: list[str]) -> None:
    vocabulary = learn_vocabulary([list(w) for w in words], n_merges=5, min_count=2)
    batch = vocabulary.encode([list(w) for w in words], 13)
    assert ["".join(s) for s in vocabulary.decode(batch)] == words
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_the_most_frequent_pair_is_merged_first() -> None:
    vocabulary = learn_vocabulary([list("abab"), list("cab")], n_merges=1, min_count=1)
    a, b = vocabulary.symbols.index("a"), vocabulary.symbols.index("b")
    assert vocabulary.merges == ((a, b),)


def test_a_pair_seen_too_rarely_is_not_merged() -> None:
    assert learn_vocabulary([list("ab")], n_merges=4, min_count=2).merges == ()


def test_decoding_stops_at_the_end_and_skips_padding() -> None:
    assert LETTERS.decode(torch.tensor([[3, PAD, 4, END, 5]])) == [["a", "b"]]


def test_a_merge_of_what_does_not_exist_is_refused() -> None:
    with pytest.raises(InvdesignError, match="merge 0"):
        Vocabulary((*SPECIAL, "a"), ((3, 9),))


def test_a_vocabulary_without_the_special_symbols_is_refused() -> None:
    with pytest.raises(InvdesignError, match="expected to begin with"):
        Vocabulary(("a", "b"))
