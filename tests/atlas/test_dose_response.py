"""Curves of directions: designs are moved, chosen among what is decoded, and measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import toy

from invdesign.atlas.decodings import Decodings, choose_decodings, decode_around, fit_change_model
from invdesign.atlas.directions import fit_direction, ridge_gradient
from invdesign.atlas.dose_response import DoseResponse, calibrate, measure_decodings, measure_response
from invdesign.core import Array

SPACE = toy.engine(toy.campaign()).latent_space
DESIGNS = toy.corpus(200).designs


def first(points: Sequence[tuple[int, int]]) -> Array:
    return np.array([float(point[0]) for point in points])


def test_a_curve_is_measured_after_decoding_and_calibrated_to_one_unit() -> None:
    Z = SPACE.encode(DESIGNS).numpy()
    found = fit_direction("x", Z, first(DESIGNS))
    given = DESIGNS[:40]
    starts, before = SPACE.encode(given).numpy(), first(given)
    side = decode_around(SPACE, starts, given, [found], [1.0], asked=[0.5, 1.0])
    change = measure_decodings(side, before, first)
    model = fit_change_model(found, ridge_gradient(Z, first(DESIGNS)), before, side, change)
    model, signal = calibrate(model, side, before, change, 1)
    assert model.gain == pytest.approx(1, abs=0.2) and signal > 3
    doses = (-1.0, 0.0, 0.5, 1.0)
    curve = measure_response(SPACE, given, found, model, doses, first, sides={1: side})
    assert curve.change.shape == (4, 40) and curve.is_valid.all()
    assert curve.mean[3] == pytest.approx(found.unit, rel=0.15)
    assert curve.mean[3] > curve.mean[2] > 0 > curve.mean[0] and not curve.change[1].any()
    assert curve.right_sign()[[0, 2, 3]].tolist() == [1.0, 1.0, 1.0] and np.isnan(curve.right_sign()[1])
    assert [row["dose"] for row in curve.rows()] == list(doses)


def test_where_one_unit_is_not_reached_the_gain_is_that_of_the_largest_change() -> None:
    rng = np.random.default_rng(0)
    starts = rng.normal(size=(30, 2))
    latents = starts + np.array([[0.2, 0.0], [0.5, 0.0]])[:, None]
    decodings = Decodings(starts, [["a"] * 30, ["b"] * 30], latents, np.ones((2, 30), dtype=bool))
    found = fit_direction("x", starts, starts[:, 0])
    change = np.broadcast_to(np.array([[0.2], [0.5]]), (2, 30))
    model = fit_change_model(found, np.array([1.0, 0.0]), starts[:, 0], decodings, change)
    model, _ = calibrate(model, decodings, starts[:, 0], change, 1)
    assert choose_decodings(decodings, [model], [starts[:, 0]], [1.0]).tolist() == [1] * 30


def test_the_change_of_a_single_design_says_nothing_about_a_method() -> None:
    starts = np.random.default_rng(0).normal(size=(30, 2))
    latents = np.full((1, 30, 2), np.nan)
    latents[0, 0] = starts[0] + 1.0
    decodings = Decodings(starts, [["a", *[None] * 29]], latents, np.isfinite(latents[..., 0]))
    found = fit_direction("x", starts, starts[:, 0])
    change = latents[..., 0] - starts[:, 0]
    model = fit_change_model(found, np.array([1.0, 0.0]), starts[:, 0], decodings, change)
    assert calibrate(model, decodings, starts[:, 0], change, 1)[1] == -np.inf


def test_the_interval_holds_a_further_change_with_its_probability() -> None:
    draws = np.random.default_rng(1)
    inside = []
    for _ in range(200):
        change = draws.normal(size=(1, 60))
        nothing = np.ones_like(change)
        (low, high), *_ = DoseResponse(np.ones(1), change, nothing, nothing).interval()
        further = draws.normal(size=50)
        inside.append(np.mean((further >= low) & (further <= high)))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)
