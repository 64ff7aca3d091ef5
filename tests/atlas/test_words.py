"""Latents and words in one space."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.words import fit_words, learn_vocabulary, retrieval_rate, write_texts
from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.peptides import peptides

DRAW = np.random.default_rng(0)
TRUTH = DRAW.random((900, 8)) < 0.4
LATENTS = np.where(TRUTH, 1.0, -1.0) @ DRAW.normal(size=(8, 12)) + 0.1 * DRAW.normal(size=(900, 12))


def test_a_text_finds_its_design_and_combinations_that_were_never_seen_together() -> None:
    is_pair = TRUTH[:, 0] & TRUTH[:, 1]
    fitted = np.flatnonzero(~is_pair)[:600]
    others = np.setdiff1d(np.arange(900), fitted)
    word_map = fit_words(LATENTS[fitted], TRUTH[fitted], epochs=60)
    assert retrieval_rate(word_map, LATENTS[others[:100]], TRUTH[others[:100]]) > 0.3
    both, first = np.arange(8)[None] < 2, np.arange(8)[None] < 1
    best = np.argsort(-word_map.score(LATENTS[others], write_texts(both))[0])[:20]
    assert is_pair[others][best].mean() > 0.9
    best = np.argsort(-word_map.score(LATENTS, write_texts(first & ~first, first))[0])[:20]
    assert TRUTH[best, 0].mean() < 0.2


def test_words_that_have_nothing_to_do_with_the_latents_find_nothing() -> None:
    word_map = fit_words(DRAW.normal(size=(400, 12)), TRUTH[:400], epochs=10)
    assert retrieval_rate(word_map, DRAW.normal(size=(100, 12)), TRUTH[400:500]) < 0.1


def test_words_are_learned_from_a_corpus_and_hold_by_its_thirds() -> None:
    designs = peptides(n=300).designs
    vocabulary = learn_vocabulary(Sequences(), designs)
    truth = vocabulary.truth(designs)
    by_word = dict(zip(vocabulary.statements, truth.T, strict=True))
    assert {"lysine", "cationic", "amphipathic", "short", "long"} <= set(by_word)
    assert by_word["lysine"].tolist() == ["K" in design for design in designs]
    lengths = np.array([len(design) for design in designs])
    assert lengths[by_word["short"]].max() < lengths[by_word["long"]].min()
    with pytest.raises(InvdesignError, match="at least 100 designs"):
        learn_vocabulary(Sequences(), designs[:50])
