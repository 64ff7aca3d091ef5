"""Ehrlich functions: by hand, against published values, and what is drawn from their chains."""

import json

import numpy as np
import paths
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.oracles.ehrlich import Ehrlich, chain, ehrlich, function, letters, mutants, stationary
from invdesign.testing import check_corpus, check_oracle

GOLDEN = paths.SHARED / "sequences" / "ehrlich_golden.json"
SMALL = {"n_letters": 20, "length": 15, "n_motifs": 2, "motif_length": 4}


def by_hand(epistasis=0.0, quantization=2):
    """Motifs A.D (a letter between) and CC in five of the letters ACD, where C must not follow A."""
    return Ehrlich(
        letters="ACD",
        transitions=np.array([[0.5, 0, 0.5], [0.2, 0.4, 0.4], [0.3, 0.3, 0.4]]),
        motifs=np.array([[0, 2], [1, 1]]),
        offsets=np.array([[0, 2], [0, 1]]),
        length=5,
        quantization=quantization,
        epistasis=epistasis,
        initial="AAAAA",
    )


def test_values_by_hand():
    designs = ["ADDCC", "AADCD", "CCAAD", "AAAAA", "CCCCC"]
    np.testing.assert_array_equal(by_hand().value(designs), [1, 0.5, 1, 0, 0])
    # A.D is half there in CCCCC by no letter at all: neither A nor D.
    np.testing.assert_array_equal(by_hand().presence(["AADCD", "CCCCC"]), [[1, 0.5], [0, 1]])


def test_with_one_level_only_a_whole_motif_counts():
    np.testing.assert_array_equal(by_hand(quantization=1).value(["AADCD", "CCAAD"]), [0, 1])


def test_epistasis_by_hand():
    # h (1 + e h (h - 1)) at h = 1/2 and e = 2: 1/2 (1 - 1/2).
    np.testing.assert_array_equal(by_hand(epistasis=2.0).value(["AADCD", "ADDCC"]), [0.25, 1])


def test_what_is_not_feasible_is_not_a_number_and_spoils_no_neighbour():
    values = by_hand().value(["ACDCC", "ADDCC", "ADDC", "", "ADDCX", "ADDC\N{GREEK SMALL LETTER ALPHA}", "addcc"])
    np.testing.assert_array_equal(np.isnan(values), [True, False, True, True, True, True, True])
    assert by_hand().value([]).shape == (0,)


def test_the_optimum_is_feasible_and_worth_one():
    assert by_hand().optimum() == "AADCC"
    for numbers in ((20, 15, 2, 4), (20, 32, 4, 4), (32, 32, 4, 4), (5, 7, 1, 3), (36, 64, 3, 5)):
        for seed in range(5):
            one = function(*numbers, seed=seed)
            np.testing.assert_array_equal(one.value([one.optimum()]), [1])
            assert 0 <= one.value([one.initial])[0] <= 1


def test_a_published_instance():
    one = function(**SMALL)
    assert ["".join(one.letters[i] for i in motif) for motif in one.motifs] == ["VQNS", "DYQN"]
    np.testing.assert_array_equal(one.offsets, [[0, 1, 2, 5], [0, 2, 3, 5]])
    assert [one.letters[i] for i in np.flatnonzero(one.transitions[0] == 0)] == ["E", "F", "G"]
    assert one.value([one.initial])[0] == 0.1875


@pytest.mark.skipif(not GOLDEN.exists(), reason="the published values lie in ../shared/data, which is not here")
def test_every_published_value_is_met():
    for case in json.loads(GOLDEN.read_text())["instances"]:
        one = function(
            case["num_states"], case["dim"], case["num_motifs"], case["motif_length"], case["quantization"],
            case["epistasis_factor"], case["random_seed"],
        )  # fmt: skip
        assert one.motifs.tolist() == case["motifs"]
        assert np.diff(one.offsets, axis=1).tolist() == case["spacings"]
        assert [np.flatnonzero(row == 0).tolist() for row in one.transitions] == [sorted(b) for b in case["banned"]]
        designs = ["".join(one.letters[i] for i in sequence) for sequence in case["sequences"]]
        np.testing.assert_allclose(one.value(designs), case["values"], atol=1e-7)


def test_it_keeps_the_contract_of_an_oracle():
    designs = chain(n=5, **SMALL).designs
    check_oracle(lambda d: ehrlich(d, **SMALL), list(designs), m=1)
    np.testing.assert_array_equal(ehrlich(designs, **SMALL), function(**SMALL).value(designs))


def test_numbers_that_do_not_fit_together_are_refused():
    with pytest.raises(InvdesignError, match="2 to 36"):
        letters(37)
    with pytest.raises(InvdesignError, match="do not fit into length 15"):
        ehrlich([], length=15, n_motifs=4)
    with pytest.raises(InvdesignError, match="does not divide"):
        ehrlich([], quantization=3)
    with pytest.raises(InvdesignError, match="epistasis"):
        ehrlich([], epistasis=-1.0)


def test_the_stationary_distribution_is_left_as_it_is():
    transitions = by_hand().transitions
    pi = stationary(transitions)
    np.testing.assert_allclose(pi @ transitions, pi, atol=1e-12)
    assert pi.sum() == pytest.approx(1)


@pytest.mark.parametrize("load", [chain, mutants])
def test_corpora_are_feasible_begin_with_the_start_and_grow(load):
    corpus = load(n=200, **SMALL)
    check_corpus(lambda: load(n=200, **SMALL))
    assert len(corpus) == 200 and corpus.designs[0] == function(**SMALL).initial
    assert np.isfinite(ehrlich(corpus.designs, **SMALL)).all()
    assert load(n=50, **SMALL).designs == corpus.designs[:50]
    assert load(n=50, draw_seed=1, **SMALL).designs != corpus.designs[:50]


def test_draws_follow_the_chain():
    one = by_hand()
    numbers = np.array([[one.letters.index(a) for a in d] for d in one.draws(4_000, np.random.default_rng(0))])
    np.testing.assert_allclose(np.bincount(numbers[:, 0]) / 4_000, stationary(one.transitions), atol=0.03)
    after = numbers[:, 1:][numbers[:, :-1] == 1]
    np.testing.assert_allclose(np.bincount(after) / len(after), one.transitions[1], atol=0.03)


def test_a_corpus_that_cannot_be_is_refused():
    with pytest.raises(InvdesignError, match="ask for fewer"):
        mutants(n=5_000, n_letters=3, length=6, n_motifs=1, motif_length=3)
