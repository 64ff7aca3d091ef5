"""Companions of naturalness by hand and by brute force; the one that ranks best, as oracle and validator."""

import pickle
from functools import partial
from itertools import combinations, product

import numpy as np
import pytest
import torch

from invdesign.core import Corpus, InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.io.corpus import library
from invdesign.domains.sequences.naturalness.frequency_models import aligned, pairwise, site_independent
from invdesign.domains.sequences.naturalness.naturalness import best_of, chosen, natural, naturalness, seen
from invdesign.testing import check_oracle, check_validator
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.store import save_model

NATIVE = WildType("ACDE", first=11)


def some(n=60, seed=0):
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("ACDE"), size=(n, 4), p=[0.5, 0.25, 0.15, 0.1])
    # C at the second place goes with D at the third.
    letters[letters[:, 1] == "C", 2] = "D"
    return tuple(sorted({"".join(row) for row in letters}))


def load(n=60, seed=0):
    designs = some(n, seed)
    y = np.array([float(d[0] == "A") + (d[1:3] == "CD") for d in designs])
    return Corpus(designs, {"y": y, "none": np.full(len(designs), np.nan)}, sha256="x")


def test_site_independent_scores_are_sums_of_log_frequencies():
    score = site_independent(["AC", "AC", "AD", "CC"], pseudocount=1)
    # A, C, D are the letters; at the first place A 3, C 1; at the second C 3, D 1.
    wanted = [np.log(4 / 7) * 2, np.log(2 / 7) * 2, np.log(1 / 7) * 2]
    np.testing.assert_allclose(score(["AC", "CD", "DA"]), wanted)
    weighted = site_independent(["AC", "CC"], weights=np.array([3.0, 1.0]), pseudocount=1)
    np.testing.assert_allclose(weighted(["AC", "CC"]), np.log([4 / 6 * 5 / 6, 2 / 6 * 5 / 6]))


def test_pairs_that_know_nothing_of_each_other_change_nothing():
    every = ["".join(row) for row in product("ACD", "AC", "CDE")]
    np.testing.assert_allclose(pairwise(every)(every), site_independent(every)(every), rtol=1e-6)


def test_pairwise_support_agrees_with_its_definition():
    designs, s, pseudo = some(), 0.5, 0.5
    w = np.random.default_rng(1).random(len(designs))

    def weight(*wanted):
        return sum(v for d, v in zip(designs, w, strict=True) if all(d[i] == a for i, a in wanted))

    def support(x):
        total = sum(np.log((weight((i, a)) + pseudo) / (w.sum() + 4 * pseudo)) for i, a in enumerate(x))
        for (i, a), (j, b) in combinations(enumerate(x), 2):
            expected = weight((i, a)) * weight((j, b)) / w.sum()
            total += np.log((weight((i, a), (j, b)) + s) / (expected + s)) / 3
        return total

    asked = [*designs[:5], "EEEE", "AWDE", "\N{GREEK SMALL LETTER ALPHA}CXX"]
    np.testing.assert_allclose(pairwise(designs, weights=w)(asked), [support(x) for x in asked], rtol=1e-6)


def test_sequences_of_differing_lengths_count_by_the_places_of_the_wild_type():
    assert aligned(["ACDE", "AE", "ACWDE"], NATIVE) == ["ACDE", "A--E", "ACDE"]
    assert aligned(["ACDE", "ACDF"], NATIVE) == ["ACDE", "ACDF"]
    score = site_independent(["ACDE", "ACE"], wild_type=NATIVE)
    np.testing.assert_allclose(*score(["ACWDE", "ACDE"])[:, None])


def test_nothing_to_count_is_refused():
    with pytest.raises(InvdesignError, match="nothing to count"):
        pairwise([])
    with pytest.raises(InvdesignError, match="2 to 3 letters and nothing to align"):
        site_independent(["AC", "ACD"])
    with pytest.raises(InvdesignError, match="positive sum"):
        site_independent(["AC"], weights=np.zeros(1))


def test_the_score_that_ranks_best_is_chosen_on_designs_that_none_had_seen():
    labels = np.array([1.0, 2, 3, 4, 5, np.nan])
    scores = {"up": np.arange(6.0), "down": -np.arange(6.0), "flat": np.ones(6)}
    found = best_of(scores, labels)
    assert found.chosen == "up" and found.n == 5 and found.is_held_out
    assert found.correlations == pytest.approx({"up": 1, "down": -1, "flat": 0})
    assert found.words().endswith("up 1.000, down −1.000, flat 0.000; up ranks best.")
    seen = np.array([True, True, False, False, False, False])
    assert best_of(scores, labels, seen=seen, fewest=3).n == 3
    assert not best_of(scores, labels, seen=seen, fewest=4).is_held_out
    assert "none ranks them the right way round" in best_of({"down": -labels}, labels).words()
    with pytest.raises(InvdesignError, match="three designs"):
        best_of(scores, labels[:2].repeat(3) * np.nan)


def test_the_oracle_is_a_log_ratio_to_the_wild_type_that_travels():
    oracle = partial(naturalness, corpus=partial(load, n=60), wild_type=NATIVE)
    check_oracle(oracle, ["ACDE", "CCDE", "WCDE"], m=1)
    assert oracle(["ACDE"])[0] == 0 and oracle(["WCDE"])[0] < oracle(["CCDE"])[0] < 0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(oracle))(["CCDE"]), oracle(["CCDE"]))
    score = site_independent(some())
    found = naturalness(["CCDE"], corpus=load, wild_type=NATIVE, method="independent")
    np.testing.assert_allclose(found, score(["CCDE"]) - score(["ACDE"]))
    best = chosen(load, labels="y").chosen
    np.testing.assert_array_equal(
        naturalness(some(), corpus=load, method="best", labels="y"), naturalness(some(), corpus=load, method=best)
    )


def test_a_model_is_the_third_to_choose_from(tmp_path):
    domain = Sequences(length=4).fit(some())
    torch.manual_seed(0)
    save_model(tmp_path, AlignedVAE(len(domain.vocabulary), 4, d=3, width=4), {"domain": domain.state()})
    found = chosen(load, labels="y", model=tmp_path, samples=2)
    assert list(found.correlations) == ["independent", "pairwise", "vae"] and not found.is_held_out
    oracle = partial(naturalness, corpus=None, wild_type=NATIVE, method="vae", model=tmp_path, samples=2)
    check_oracle(oracle, ["ACDF", "CCDE", "ACDEF"], m=1)
    assert np.isnan(oracle(["ACDEF"])[0]) and oracle(["ACDE"])[0] == 0


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"method": "best"}, "needs labels"),
        ({"method": "best", "labels": "x"}, "no property 'x'; it has y, none"),
        ({"method": "best", "labels": "none"}, "three designs"),
        ({"method": "vae"}, "needs model"),
        ({"corpus": None}, "needs a corpus"),
    ],
)
def test_a_method_that_lacks_something_says_what(settings, complaint):
    with pytest.raises(InvdesignError, match=complaint):
        naturalness(["ACDE"], **{"corpus": load, **settings})


def test_designs_below_nearly_all_of_the_corpus_are_not_natural():
    corpus = partial(library, wild_type=WildType("ACDEFGHIKL"), n=300, mutations=(1, 3))
    validator = partial(natural, corpus=corpus, wild_type=WildType("ACDEFGHIKL"))
    check_validator(validator, ["ACDEFGHIKM", "WWWWWWWWWW", "ACDEFGHIKL"])
    assert [check.passed for check in validator(["ACDEFGHIKM", "WWWWWWWWWW", "ACDEFGHIKL"])] == [True, False, True]
    rejected = sum(not check.passed for check in natural(corpus().designs, corpus=corpus))
    assert rejected <= 3
    assert natural(["WWW"], corpus=None)[0].passed
    assert not natural(["ACDEFGHIK"], corpus=corpus)[0].passed


def test_lengths_that_differ_are_not_compared_without_a_wild_type():
    def mixed():
        return Corpus(tuple("A" * n for n in range(1, 31)))

    assert natural(["WWW"], corpus=mixed)[0].detail.startswith("not checked")
    assert not natural(["WWW"], corpus=mixed, wild_type=WildType("AAA"))[0].passed
    assert np.isnan(site_independent(["AC", "AD"])(["ACD"])[0])


def test_a_letter_that_no_design_of_the_corpus_has_at_its_place_is_named():
    def few():
        return Corpus(("ACDE", "CCDE"), sha256="few")

    found = seen(["CCDE", "ACDC", "ACDEF"], corpus=few)
    assert [check.passed for check in found] == [True, False, True]
    assert found[1].detail == "never seen: C4"
    assert seen(["ACDC"], corpus=few, wild_type=NATIVE)[0].detail == "never seen: C14"
    assert seen(["WWWW"], corpus=None)[0].passed
    check_validator(partial(seen, corpus=few), ["ACDE", "CCDE", "WCDE"])
