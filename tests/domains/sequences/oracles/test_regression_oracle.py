"""Regressions of measured variants: encoding, accuracy, unseen letters, and the cache."""

import json
from functools import partial

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.core.capabilities import prepare_oracle, value_sources
from invdesign.domains.sequences.oracles.regression_oracle import (
    predict,
    regression,
    score_predictions,
    train_or_load,
)
from invdesign.domains.sequences.oracles.regressors import Encoder, NetworkRecipe, fit_networks, fit_ridge
from invdesign.testing import check_oracle

QUICK = NetworkRecipe(members=2, width=16, depth=1, epochs=30, batch=64, learning_rate=1e-2)


def variants(n=400, seed=0):
    """Return designs of six letters; A at position 1 adds 2, and C at positions 2 and 3 together adds 3."""
    rng = np.random.default_rng(seed)
    designs = sorted({"".join(row) for row in rng.choice(list("ACDE"), size=(n, 6), p=[0.4, 0.3, 0.2, 0.1])})
    y = [2.0 * (d[0] == "A") + 3.0 * (d[1:3] == "CC") for d in designs]
    return designs, np.array(y)


@pytest.fixture
def table(tmp_path):
    designs, y = variants()
    path = tmp_path / "variants.csv"
    path.write_text("sequence,y\n" + "".join(f"{d},{v}\n" for d, v in zip(designs, y, strict=True)))
    return path


def fail_if_training(stage, done, total):
    raise AssertionError("trained again")


def test_designs_are_encoded_by_their_differences_from_the_most_common_letters():
    encoder = Encoder.fit(["ACD", "ACE", "AC", "ACD", "DCD"])
    assert encoder.common == "ACD"
    assert encoder.pairs == ((0, "D"), (2, " "), (2, "E"))
    numbers, is_known = encoder.encode(["ACD", "DCE", "AC", "AAA", "ACDE", "A\N{GREEK SMALL LETTER ALPHA}D", ""])
    np.testing.assert_array_equal(is_known, [True, True, True, False, False, False, False])
    np.testing.assert_array_equal(numbers[:3], [[0, 0], [1, 3], [2, 0]])


def test_ridge_recovers_additive_effects():
    designs, _ = variants()
    y = np.array([1.0 + 2 * (d[0] == "A") - 3 * (d[4] == "D") for d in designs])
    encoder = Encoder.fit(designs)
    numbers, _ = encoder.encode(designs)
    model = fit_ridge(numbers, y, len(encoder.pairs), alpha=1e-6)
    np.testing.assert_allclose(predict(encoder, model, ["AAAADA", "CAAAAA"]), [0, 1], atol=1e-4)
    chosen = fit_ridge(numbers, y, len(encoder.pairs))
    np.testing.assert_allclose(predict(encoder, chosen, ["AAAADA", "CAAAAA"]), [0, 1], atol=0.05)


def test_networks_learn_nonadditive_effects_reproducibly():
    designs, y = variants()
    encoder = Encoder.fit(designs)
    numbers, _ = encoder.encode(designs)
    model = fit_networks(numbers, y, len(encoder.pairs), QUICK)
    other, measured = variants(seed=1)
    accuracy = score_predictions(predict(encoder, model, other), measured)
    additive = score_predictions(predict(encoder, fit_ridge(numbers, y, len(encoder.pairs)), other), measured)
    assert accuracy.rmse < 0.8 * additive.rmse
    again = fit_networks(numbers, y, len(encoder.pairs), QUICK)
    np.testing.assert_array_equal(predict(encoder, again, other), predict(encoder, model, other))
    with pytest.raises(InvdesignError, match="the same value"):
        fit_networks(numbers, np.ones(len(y)), len(encoder.pairs), QUICK)


def test_scores_by_hand():
    found = score_predictions(np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, 3.0, 9.0, 2.0]))
    assert (found.n, found.n_unseen) == (3, 1)
    assert found.spearman == pytest.approx(0.5)
    assert found.rmse == pytest.approx(np.sqrt(5 / 3))
    assert score_predictions(np.ones(3), np.arange(3.0)).spearman == 0


def test_a_regression_is_trained_once_and_stored_with_its_accuracy(table, tmp_path):
    given = {"column": "y", "recipe": QUICK, "cache": tmp_path / "cache"}
    first = train_or_load(table, progress=lambda *_: None, **given)
    assert first.report.chosen == "networks" and first.report.held_out == first.report.variants
    assert first.report.networks.rmse < first.report.ridge.rmse
    again = train_or_load(table, progress=fail_if_training, **given)
    designs = [*variants(seed=2)[0][:40], "AAAAAV"]
    np.testing.assert_array_equal(again.predict(designs), first.predict(designs))
    assert again.report == first.report and np.isnan(again.predict(designs)[-1])
    (report,) = (tmp_path / "cache").glob("*.json")
    assert json.loads(report.read_text())["networks"]["rmse"] == first.report.networks.rmse
    table.write_text(table.read_text() + "AAAAAW,1\n")
    with pytest.raises(AssertionError, match="trained again"):
        train_or_load(table, progress=fail_if_training, **given)


def test_the_oracle_returns_the_predictions_of_the_regression(tmp_path, caplog):
    # Additive values, so that ridge is chosen and stored.
    designs, _ = variants(n=80)
    path = tmp_path / "few.csv"
    path.write_text("seq,y\n" + "".join(f"{d},{d.count('A')}\n" for d in designs) + "EEEEED,\n")

    def oracle(designs):
        return regression(designs, path=path, column="y", cache=tmp_path / "cache")

    prepare_oracle(partial(regression, path=path, column="y", cache=tmp_path / "cache"))
    assert "held-out error" in caplog.text and "rank correlation" in caplog.text
    assert oracle([]).shape == (0,)
    check_oracle(oracle, [*designs[:5], "AAAAAV", "A" * 7, "", "aaaaaa"], m=1)
    assert train_or_load(path, column="y", cache=tmp_path / "cache").report.chosen == "ridge"
    assert train_or_load(path, column="y", cache=tmp_path / "cache", progress=fail_if_training).report.chosen == "ridge"
    np.testing.assert_allclose(oracle(designs), [d.count("A") for d in designs], atol=0.1)


def test_unsuitable_tables_are_rejected(table, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("sequence,y\nACD,1\nACE,\n")
    with pytest.raises(InvdesignError, match=r"at least 30 variants .* got 1"):
        train_or_load(few, column="y", cache=tmp_path)
    with pytest.raises(InvdesignError, match="no such file"):
        train_or_load(tmp_path / "none.csv", column="y", cache=tmp_path)
    with pytest.raises(InvdesignError, match="no column 'z'"):
        train_or_load(table, column="z", cache=tmp_path)


def test_a_table_that_predicts_nothing_falls_back_to_few_mutations_of_the_consensus(tmp_path, caplog):
    rng = np.random.default_rng(0)
    designs = sorted({"".join(row) for row in rng.choice(list("ACDE"), size=(120, 6), p=[0.7, 0.15, 0.1, 0.05])})
    path = tmp_path / "noise.csv"
    path.write_text("sequence,y\n" + "".join(f"{d},{rng.normal():.4f}\n" for d in designs))
    oracle = partial(regression, path=path, column="y", cache=tmp_path / "cache")
    prepare_oracle(oracle)
    assert "below 0.2: it predicts nothing and is not used" in caplog.text
    (source,) = value_sources(oracle, 1)
    assert source.kind == "predicted" and source.rank_correlation < 0.2 and source.error > 0.8
    values = oracle(["AAAAAA", "CAAAAA", "EAAAAA", "ECAAAA", "ECDECA"])
    assert (np.diff(values) < 0).all() and not any(map(source.is_beyond, values))
    # Fewer mutations are nearer to any goal.
    lower = oracle(["AAAAAA", "CAAAAA", "ECDECA"], goal="minimize")
    assert (np.diff(lower) > 0).all()


def test_the_source_of_a_regression_states_its_held_out_error_and_its_range(table, tmp_path):
    fitted = train_or_load(table, column="y", cache=tmp_path / "cache", progress=lambda *_: None)
    (source,) = value_sources(partial(regression, path=table, column="y", cache=tmp_path / "cache"), 1)
    assert source.error == fitted.report.best.rmse and source.rank_correlation == fitted.report.best.spearman
    assert (source.lowest, source.highest) == (0.0, 5.0) and source.is_beyond(5.5)
