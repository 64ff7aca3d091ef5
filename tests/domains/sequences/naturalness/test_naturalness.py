"""Frequency models by hand and by brute force; choice of a score; naturalness as oracle and validator."""

import pickle
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
import torch

from invdesign.core import Corpus, InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.io.corpus import library
from invdesign.domains.sequences.naturalness.frequency_models import align_designs, pairwise, site_independent
from invdesign.domains.sequences.naturalness.naturalness import (
    choose_method,
    choose_score,
    min_naturalness_percentile,
    naturalness,
    residues_seen_in_corpus,
)
from invdesign.testing import check_oracle, check_validator
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.store import save_model

NATIVE = WildType("ACDE", first=11)


def sample_designs(n=60, seed=0):
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACDE"), size=(n, 4), p=[0.5, 0.25, 0.15, 0.1])
    # D follows C at the second position.
    letters[letters[:, 1] == "C", 2] = "D"
    return tuple(sorted({"".join(row) for row in letters}))


def load(n=60, seed=0):
    designs = sample_designs(n, seed)
    y = np.array([float(d[0] == "A") + (d[1:3] == "CD") for d in designs])
    return Corpus(designs, {"y": y, "none": np.full(len(designs), np.nan)}, sha256="x")


def test_site_independent_scores_are_sums_of_log_frequencies():
    score = site_independent(["AC", "AC", "AD", "CC"], pseudocount=1)
    # The letters are A, C and D; counts at position 1: A 3, C 1; at position 2: C 3, D 1.
    expected = [np.log(4 / 7) * 2, np.log(2 / 7) * 2, np.log(1 / 7) * 2]
    np.testing.assert_allclose(score(["AC", "CD", "DA"]), expected)
    weighted = site_independent(["AC", "CC"], weights=np.array([3.0, 1.0]), pseudocount=1)
    np.testing.assert_allclose(weighted(["AC", "CC"]), np.log([4 / 6 * 5 / 6, 2 / 6 * 5 / 6]))


def test_independent_pairs_do_not_change_the_score():
    every = ["".join(row) for row in product("ACD", "AC", "CDE")]
    np.testing.assert_allclose(pairwise(every)(every), site_independent(every)(every), rtol=1e-6)


def test_the_pairwise_score_agrees_with_its_definition():
    designs, s, pseudo = sample_designs(), 0.5, 0.5
    w = np.random.default_rng(1).random(len(designs))

    def weight(*letters):
        return sum(v for d, v in zip(designs, w, strict=True) if all(d[i] == a for i, a in letters))

    def score(x):
        total = sum(np.log((weight((i, a)) + pseudo) / (w.sum() + 4 * pseudo)) for i, a in enumerate(x))
        for (i, a), (j, b) in combinations(enumerate(x), 2):
            expected = weight((i, a)) * weight((j, b)) / w.sum()
            total += np.log((weight((i, a), (j, b)) + s) / (expected + s)) / 3
        return total

    queries = [*designs[:5], "EEEE", "AWDE", "\N{GREEK SMALL LETTER ALPHA}CXX"]
    np.testing.assert_allclose(pairwise(designs, weights=w)(queries), [score(x) for x in queries], rtol=1e-6)


def test_sequences_of_different_lengths_are_aligned_to_the_wild_type():
    assert align_designs(["ACDE", "AE", "ACWDE"], NATIVE) == ["ACDE", "A--E", "ACDE"]
    assert align_designs(["ACDE", "ACDF"], NATIVE) == ["ACDE", "ACDF"]
    score = site_independent(["ACDE", "ACE"], wild_type=NATIVE)
    np.testing.assert_allclose(*score(["ACWDE", "ACDE"])[:, None])


def test_an_unsuitable_corpus_or_weights_are_rejected():
    with pytest.raises(InvdesignError, match="at least one sequence"):
        pairwise([])
    with pytest.raises(InvdesignError, match="got 2 to 3 letters"):
        site_independent(["AC", "ACD"])
    with pytest.raises(InvdesignError, match="positive sum"):
        site_independent(["AC"], weights=np.zeros(1))


def test_the_score_with_the_highest_rank_correlation_is_chosen_on_unseen_designs():
    labels = np.array([1.0, 2, 3, 4, 5, np.nan])
    scores = {"up": np.arange(6.0), "down": -np.arange(6.0), "flat": np.ones(6)}
    found = choose_score(scores, labels)
    assert found.chosen == "up" and found.n == 5 and found.is_held_out
    assert found.correlations == pytest.approx({"up": 1, "down": -1, "flat": 0})
    assert found.describe().endswith("up 1.000, down −1.000, flat 0.000; up is highest.")
    is_seen = np.array([True, True, False, False, False, False])
    assert choose_score(scores, labels, is_seen=is_seen, min_unseen=3).n == 3
    assert not choose_score(scores, labels, is_seen=is_seen, min_unseen=4).is_held_out
    assert "none is positive" in choose_score({"down": -labels}, labels).describe()
    with pytest.raises(InvdesignError, match="three designs"):
        choose_score(scores, labels[:2].repeat(3) * np.nan)


def test_the_oracle_is_a_picklable_log_ratio_to_the_wild_type():
    oracle = partial(naturalness, corpus=partial(load, n=60), wild_type=NATIVE)
    check_oracle(oracle, ["ACDE", "CCDE", "WCDE"], m=1)
    assert oracle(["ACDE"])[0] == 0 and oracle(["WCDE"])[0] < oracle(["CCDE"])[0] < 0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(oracle))(["CCDE"]), oracle(["CCDE"]))
    score = site_independent(sample_designs())
    found = naturalness(["CCDE"], corpus=load, wild_type=NATIVE, method="independent")
    np.testing.assert_allclose(found, score(["CCDE"]) - score(["ACDE"]))
    best = choose_method(load, labels="y").chosen
    np.testing.assert_array_equal(
        naturalness(sample_designs(), corpus=load, method="best", labels="y"),
        naturalness(sample_designs(), corpus=load, method=best),
    )


def test_a_model_can_be_chosen_too(tmp_path):
    encoding = Sequences(length=4).fit(sample_designs())
    torch.manual_seed(0)
    save_model(
        tmp_path,
        AlignedVAE(encoding.shape.n_tokens, 4, d=3, width=4),
        {"domain": "sequences", "encoding": encoding.state()},
    )
    found = choose_method(load, labels="y", model=tmp_path, samples=2)
    assert list(found.correlations) == ["independent", "pairwise", "vae"] and not found.is_held_out
    oracle = partial(naturalness, corpus=None, wild_type=NATIVE, method="vae", model=tmp_path, samples=2)
    check_oracle(oracle, ["ACDF", "CCDE", "ACDEF"], m=1)
    assert np.isnan(oracle(["ACDEF"])[0]) and oracle(["ACDE"])[0] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "best"}, "needs labels"),
        ({"method": "best", "labels": "x"}, "no property 'x'; its properties are y, none"),
        ({"method": "best", "labels": "none"}, "three designs"),
        ({"method": "vae"}, "needs a model"),
        ({"corpus": None}, "needs a corpus"),
    ],
)
def test_a_missing_input_of_a_method_is_named(settings, message):
    with pytest.raises(InvdesignError, match=message):
        naturalness(["ACDE"], **{"corpus": load, **settings})


def test_designs_below_nearly_all_of_the_corpus_fail():
    corpus = partial(library, wild_type=WildType("ACDEFGHIKL"), n=300, mutations=(1, 3))
    validator = partial(min_naturalness_percentile, corpus=corpus, wild_type=WildType("ACDEFGHIKL"))
    check_validator(validator, ["ACDEFGHIKM", "WWWWWWWWWW", "ACDEFGHIKL"])
    assert [check.passed for check in validator(["ACDEFGHIKM", "WWWWWWWWWW", "ACDEFGHIKL"])] == [True, False, True]
    rejected = sum(not check.passed for check in min_naturalness_percentile(corpus().designs, corpus=corpus))
    assert rejected <= 3
    assert min_naturalness_percentile(["WWW"], corpus=None)[0].passed
    assert not min_naturalness_percentile(["ACDEFGHIK"], corpus=corpus)[0].passed


def test_different_lengths_are_not_compared_without_a_wild_type():
    def mixed():
        return Corpus(tuple("A" * n for n in range(1, 31)))

    assert min_naturalness_percentile(["WWW"], corpus=mixed)[0].detail.startswith("not checked")
    assert not min_naturalness_percentile(["WWW"], corpus=mixed, wild_type=WildType("AAA"))[0].passed
    assert np.isnan(site_independent(["AC", "AD"])(["ACD"])[0])


def test_a_letter_that_the_corpus_lacks_at_a_position_is_reported():
    def few():
        return Corpus(("ACDE", "CCDE"), sha256="few")

    found = residues_seen_in_corpus(["CCDE", "ACDC", "ACDEF"], corpus=few)
    assert [check.passed for check in found] == [True, False, True]
    assert found[1].detail == "not in the corpus: C4"
    assert residues_seen_in_corpus(["ACDC"], corpus=few, wild_type=NATIVE)[0].detail == "not in the corpus: C14"
    assert residues_seen_in_corpus(["WWWW"], corpus=None)[0].passed
    check_validator(partial(residues_seen_in_corpus, corpus=few), ["ACDE", "CCDE", "WCDE"])
