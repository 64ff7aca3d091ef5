"""Designs decoded around a way, the model of their changes, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import toy

from invdesign.atlas.decodings import (
    ChangeModel,
    Decodings,
    choose_decodings,
    decode_around,
    fit_change_model,
    join_decodings,
)
from invdesign.atlas.directions import Direction, fit_direction, ridge_gradient
from invdesign.atlas.dose_response import measure_decodings
from invdesign.core import Array

SPACE = toy.engine(toy.campaign()).latent_space
DESIGNS = toy.corpus(200).designs


def first(points: Sequence[tuple[int, int]]) -> Array:
    return np.array([float(point[0]) for point in points])


def direction() -> Direction:
    return fit_direction("x", SPACE.encode(DESIGNS).numpy(), first(DESIGNS))


def decodings_at(latents: Array) -> Decodings[str]:
    """Return `k` decodings of one design at the origin."""
    k = len(latents)
    return Decodings(np.zeros((1, 2)), [[str(i)] for i in range(k)], latents[:, None], np.ones((k, 1), dtype=bool))


def test_designs_on_and_around_a_path_are_decoded_and_encoded_again() -> None:
    designs = DESIGNS[:5]
    Z = SPACE.encode(designs).numpy()
    decodings = decode_around(SPACE, Z, designs, [direction()], [1.0], asked=[1.0])
    assert decodings.is_other.shape == (21, 5) and decodings.latents.shape == (21, 5, 2)
    assert all(x is not None and x[0] > d[0] for x, d in zip(decodings.designs[0], designs, strict=True))
    for designs_of_row, latents in zip(decodings.designs, decodings.latents, strict=True):
        for design, latent in zip(designs_of_row, latents, strict=True):
            expected = [np.nan, np.nan] if design is None else SPACE.encode([design])[0].numpy()
            np.testing.assert_allclose(latent, expected)


def test_of_equal_predictions_the_nearby_design_is_chosen() -> None:
    model = ChangeModel(1.0, np.array([1.0, 0.0]), 0.0, 2.0, np.array([0.0, 1.0, 1.0]), 1.0)
    decodings = decodings_at(np.array([[1.0, 3.0], [1.0, 0.5], [0.1, 0.0]]))
    assert choose_decodings(decodings, [model], [np.zeros(1)], [1.0]).tolist() == [1]


def test_a_design_with_a_value_above_its_prediction_is_expected_to_lose_some_of_it_far_away() -> None:
    model = ChangeModel(1.0, np.array([1.0, 0.0]), 0.0, 2.0, np.array([0.0, 1.0, 1.0]), 1.0)
    latents = np.array([[[1.0, 0.0]], [[1.0, 9.0]]])
    mean, variance = model.predict(np.array([0.8]), np.zeros((1, 2)), latents)
    assert mean[0, 0] == pytest.approx(1 - 0.8 * (1 - np.exp(-1 / 8)))
    assert mean[1, 0] == pytest.approx(0.2, abs=0.01)
    assert variance[0, 0] < 0.3 < variance[1, 0]


def test_the_design_itself_is_chosen_only_where_there_is_no_other() -> None:
    model = ChangeModel(1.0, np.array([1.0, 0.0]), 0.0, 2.0, np.array([0.0, 1.0, 1.0]), 1.0)
    latents = np.array([[[0.0, 0.0]], [[-1.0, 0.0]], [[np.nan, np.nan]]])
    designs: list[list[str | None]] = [["self"], ["other"], [None]]
    is_other = np.array([[False], [True], [False]])
    decodings = Decodings(np.zeros((1, 2)), designs, latents, is_other)
    assert decodings.designs_of(choose_decodings(decodings, [model], [np.zeros(1)], [1.0])) == ["other"]
    alone = Decodings(np.zeros((1, 2)), designs, latents, np.zeros((3, 1), dtype=bool))
    assert alone.designs_of(choose_decodings(alone, [model], [np.zeros(1)], [1.0])) == ["self"]


def test_the_distance_within_which_residuals_are_alike_is_found() -> None:
    rng = np.random.default_rng(0)
    n, k, reach = 400, 12, 1.0
    starts = rng.normal(size=(n, 3))
    latents = starts + rng.normal(size=(k, n, 3)) * rng.uniform(0.2, 1.5, size=(k, n, 1))
    rho = np.exp(-((latents - starts) ** 2).sum(-1) / (2 * reach**2))
    residual = rng.normal(size=n)
    after = latents[..., 0] + rho * residual + np.sqrt(1 - rho**2) * rng.normal(size=(k, n))
    before = starts[:, 0] + residual
    found = fit_direction("x", starts, starts[:, 0])
    decodings = Decodings(starts, [[str(i)] * n for i in range(k)], latents, np.ones((k, n), dtype=bool))
    model = fit_change_model(found, np.array([1.0, 0, 0]), before, decodings, after - before)
    assert 0.6 < model.reach < 1.5
    assert model.coefficients == pytest.approx([0, 1, 1], abs=0.3)
    assert model.sd * model.unit == pytest.approx(1, abs=0.25)


def test_a_model_without_any_change_to_learn_from_predicts_that_of_the_linear_one() -> None:
    decodings = decodings_at(np.array([[1.0, 0.0]]))
    nothing = np.full((1, 1), np.nan)
    found = direction()
    model = fit_change_model(found, found.unit * np.array([1.0, 0.0]), np.zeros(1), decodings, nothing)
    assert model.predict(np.zeros(1), np.zeros((1, 2)), decodings.latents)[0][0, 0] == pytest.approx(1)


def test_decodings_on_both_sides_are_joined() -> None:
    designs = DESIGNS[:4]
    Z = SPACE.encode(designs).numpy()
    sides = [decode_around(SPACE, Z, designs, [direction()], [sign]) for sign in (1.0, -1.0)]
    both = join_decodings(sides)
    assert both.is_other.shape == (40, 4) and len(both.designs) == 40
    gradient = ridge_gradient(SPACE.encode(DESIGNS).numpy(), first(DESIGNS))
    change = measure_decodings(both, first(designs), first)
    model = fit_change_model(direction(), gradient, first(designs), both, change)
    mean, _ = model.predict(first(designs), Z, both.latents)
    known = both.is_other
    assert mean[known] * model.unit == pytest.approx(change[known], abs=0.05)
