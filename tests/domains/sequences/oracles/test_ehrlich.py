"""Ehrlich functions: values by hand, published values, and samples of their chains."""

import json

import numpy as np
import paths
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.oracles.ehrlich import (
    Ehrlich,
    ehrlich,
    ehrlich_letters,
    grow_mutants,
    make_ehrlich,
    sample_chain,
    stationary_distribution,
)
from invdesign.testing import check_corpus, check_oracle

GOLDEN = paths.SHARED / "sequences" / "ehrlich_golden.json"
SMALL = {"n_letters": 20, "length": 15, "n_motifs": 2, "motif_length": 4}


def by_hand(epistasis=0.0, quantization=2):
    """Return the function of motifs A.D (with any letter between) and CC, of length 5, where C must not follow A."""
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
    np.testing.assert_array_equal(by_hand().evaluate(designs), [1, 0.5, 1, 0, 0])
    # No letter of A.D is present in CCCCC.
    np.testing.assert_array_equal(by_hand().motif_presence(["AADCD", "CCCCC"]), [[1, 0.5], [0, 1]])


def test_with_one_level_only_whole_motifs_count():
    np.testing.assert_array_equal(by_hand(quantization=1).evaluate(["AADCD", "CCAAD"]), [0, 1])


def test_epistasis_by_hand():
    # h (1 + e h (h - 1)) at h = 1/2 and e = 2: 1/2 (1 - 1/2).
    np.testing.assert_array_equal(by_hand(epistasis=2.0).evaluate(["AADCD", "ADDCC"]), [0.25, 1])


def test_infeasible_designs_are_nan_and_do_not_affect_others():
    values = by_hand().evaluate(["ACDCC", "ADDCC", "ADDC", "", "ADDCX", "ADDC\N{GREEK SMALL LETTER ALPHA}", "addcc"])
    np.testing.assert_array_equal(np.isnan(values), [True, False, True, True, True, True, True])
    assert by_hand().evaluate([]).shape == (0,)


def test_the_optimum_is_feasible_with_value_one():
    assert by_hand().optimum() == "AADCC"
    for numbers in ((20, 15, 2, 4), (20, 32, 4, 4), (32, 32, 4, 4), (5, 7, 1, 3), (36, 64, 3, 5)):
        for seed in range(5):
            function = make_ehrlich(*numbers, seed=seed)
            np.testing.assert_array_equal(function.evaluate([function.optimum()]), [1])
            assert 0 <= function.evaluate([function.initial])[0] <= 1


def test_an_instance_of_pytorch_holo():
    function = make_ehrlich(**SMALL)
    assert ["".join(function.letters[i] for i in motif) for motif in function.motifs] == ["VQNS", "DYQN"]
    np.testing.assert_array_equal(function.offsets, [[0, 1, 2, 5], [0, 2, 3, 5]])
    assert [function.letters[i] for i in np.flatnonzero(function.transitions[0] == 0)] == ["E", "F", "G"]
    assert function.evaluate([function.initial])[0] == 0.1875


@pytest.mark.skipif(not GOLDEN.exists(), reason="needs the published values in ../shared/data")
def test_published_values_are_reproduced():
    for case in json.loads(GOLDEN.read_text())["instances"]:
        function = make_ehrlich(
            case["num_states"], case["dim"], case["num_motifs"], case["motif_length"], case["quantization"],
            case["epistasis_factor"], case["random_seed"],
        )  # fmt: skip
        assert function.motifs.tolist() == case["motifs"]
        assert np.diff(function.offsets, axis=1).tolist() == case["spacings"]
        assert [np.flatnonzero(row == 0).tolist() for row in function.transitions] == [
            sorted(b) for b in case["banned"]
        ]
        designs = ["".join(function.letters[i] for i in sequence) for sequence in case["sequences"]]
        np.testing.assert_allclose(function.evaluate(designs), case["values"], atol=1e-7)


def test_the_oracle_satisfies_its_contract():
    designs = sample_chain(n=5, **SMALL).designs
    check_oracle(lambda d: ehrlich(d, **SMALL), list(designs), m=1)
    np.testing.assert_array_equal(ehrlich(designs, **SMALL), make_ehrlich(**SMALL).evaluate(designs))


def test_inconsistent_parameters_are_rejected():
    with pytest.raises(InvdesignError, match="2 to 36"):
        ehrlich_letters(37)
    with pytest.raises(InvdesignError, match="do not fit into length 15"):
        ehrlich([], length=15, n_motifs=4)
    with pytest.raises(InvdesignError, match="must divide"):
        ehrlich([], quantization=3)
    with pytest.raises(InvdesignError, match="epistasis"):
        ehrlich([], epistasis=-1.0)


def test_the_stationary_distribution_is_invariant():
    transitions = by_hand().transitions
    pi = stationary_distribution(transitions)
    np.testing.assert_allclose(pi @ transitions, pi, atol=1e-12)
    assert pi.sum() == pytest.approx(1)


@pytest.mark.parametrize("load", [sample_chain, grow_mutants])
def test_corpora_are_feasible_start_with_the_initial_design_and_extend_each_other(load):
    corpus = load(n=200, **SMALL)
    check_corpus(lambda: load(n=200, **SMALL))
    assert len(corpus) == 200 and corpus.designs[0] == make_ehrlich(**SMALL).initial
    assert np.isfinite(ehrlich(corpus.designs, **SMALL)).all()
    assert load(n=50, **SMALL).designs == corpus.designs[:50]
    assert load(n=50, draw_seed=1, **SMALL).designs != corpus.designs[:50]


def test_samples_follow_the_chain():
    function = by_hand()
    numbers = np.array(
        [[function.letters.index(a) for a in d] for d in function.sample(4_000, np.random.default_rng(0))]
    )
    np.testing.assert_allclose(
        np.bincount(numbers[:, 0]) / 4_000, stationary_distribution(function.transitions), atol=0.03
    )
    after = numbers[:, 1:][numbers[:, :-1] == 1]
    np.testing.assert_allclose(np.bincount(after) / len(after), function.transitions[1], atol=0.03)


@pytest.mark.slow
def test_a_corpus_larger_than_the_feasible_set_is_rejected():
    with pytest.raises(InvdesignError, match="Decrease n"):
        grow_mutants(n=5_000, n_letters=3, length=6, n_motifs=1, motif_length=3)
