"""Rate-distortion curve: falling rates, the choice with its reason, and a sweep that continues."""

from dataclasses import replace
from pathlib import Path

import pytest

from invdesign.core import InvdesignError
from invdesign.latent import rate_sweep as module
from invdesign.latent.rate_sweep import RatePoint, choose_point, rate_sweep, read_curve


def point(rate: float, neg_elbo: float, reconstruction: float) -> RatePoint:
    return RatePoint(rate, rate, neg_elbo - rate, neg_elbo, reconstruction, None, None)


def test_the_lowest_bound_of_those_that_reconstruct_enough_is_chosen() -> None:
    points = [point(50, 52, 0.99), point(40, 44, 0.9), point(30, 38, 0.6)]
    assert choose_point(points, 0.85)[0] == 1
    chosen, reason = choose_point(points, 0.995)
    assert chosen == 0 and "no rate reconstructs" in reason


def test_a_sweep_lowers_the_rate_and_raises_the_distortion_and_continues(
    words, corpus, recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(recipe, epochs=24)
    curve = rate_sweep(words, corpus, short, [3.0, 10.0], cache=tmp_path)
    assert [p.target_rate for p in curve.points] == [10.0, 3.0]
    assert curve.points[0].rate > curve.points[1].rate
    assert curve.points[0].distortion < curve.points[1].distortion
    assert curve.information is not None and curve.rows()[curve.chosen][""] == "chosen"

    def must_not_train(*given: object, **more: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "train", must_not_train)
    monkeypatch.setattr(module, "measure_information", lambda *given, **more: curve.information)
    assert rate_sweep(words, corpus, short, [3.0, 10.0], cache=tmp_path) == curve
    assert read_curve(words, corpus, replace(short, target_rate=5.0), tmp_path) == curve
    assert read_curve(words, corpus, replace(short, seed=8), tmp_path) is None


def test_rates_that_are_none_are_refused(words, corpus, recipe, tmp_path: Path) -> None:
    for rates in ([], [0.0, 4.0]):
        with pytest.raises(InvdesignError, match="positive rates"):
            rate_sweep(words, corpus, recipe, rates, cache=tmp_path)
