"""Directions of properties: found where there is one, orthogonal to nuisances, calibrated after decoding."""

from __future__ import annotations

import numpy as np
import pytest
import toy

from invdesign.atlas.directions import DirectionMethod, DoseResponse, calibrate, fit_direction, measure_response
from invdesign.core import Array, InvdesignError

rng = np.random.default_rng(0)
Z = rng.normal(size=(300, 6))
SIZE = Z[:, 0] + 0.3 * Z[:, 1]


@pytest.mark.parametrize("method", ["ridge", "means"])
def test_a_direction_is_that_in_which_the_property_rises_by_one_unit(method: DirectionMethod) -> None:
    found = fit_direction("height", Z, 3 * Z[:, 2] + rng.normal(size=300), method=method)
    assert found.is_found
    assert found.step[2] * 3 == pytest.approx(found.unit, rel=0.15)
    assert np.linalg.norm(np.delete(found.step, 2)) < 0.35


def test_a_direction_of_a_label_points_from_those_without_to_those_with_it() -> None:
    label = (Z[:, 3] > 0.5).astype(float)
    found = fit_direction("aromatic", Z, label, method="means")
    assert found.is_found and np.argmax(np.abs(found.step)) == 3 and found.step[3] > 0


def test_permuted_values_have_no_direction() -> None:
    shuffled = [fit_direction("noise", Z, np.random.default_rng(i).permutation(SIZE), seed=i) for i in range(20)]
    assert sum(direction.is_found for direction in shuffled) <= 2


def test_nuisances_stay_along_a_direction() -> None:
    property_ = SIZE + Z[:, 4]
    plain = fit_direction("logp", Z, property_)
    held = fit_direction("logp", Z, property_, nuisances={"size": SIZE})
    gradient_of_size = np.array([1.0, 0.3, 0, 0, 0, 0])
    assert plain.step @ gradient_of_size > 0.5
    assert abs(held.step @ gradient_of_size) < 0.02
    assert held.is_found and held.nuisances == ("size",)


def test_a_property_that_is_a_nuisance_has_no_direction_left() -> None:
    with pytest.raises(InvdesignError, match="which leaves no direction"):
        fit_direction("weight", Z, 2 * SIZE, nuisances={"size": SIZE})


def test_unknown_values_are_left_out_and_too_few_are_an_error() -> None:
    y = np.where(np.arange(300) < 290, 2 * Z[:, 2], np.nan)
    assert fit_direction("height", Z, y).n == 290
    with pytest.raises(InvdesignError, match="expected at least 20 designs"):
        fit_direction("height", Z, np.where(np.arange(300) < 10, y, np.nan))
    with pytest.raises(InvdesignError, match="differs between designs"):
        fit_direction("height", Z, np.ones(300))


def test_a_curve_is_measured_after_decoding_and_gives_the_length_of_a_unit() -> None:
    space, designs = toy.engine(toy.campaign()).latent_space, toy.corpus(200).designs

    def first(points: object) -> Array:
        return np.array([point[0] for point in points], dtype=np.float64)  # type: ignore[attr-defined]

    found = fit_direction("x", space.encode(designs).numpy(), first(designs))
    doses = (-1.0, 0.0, 1.0)
    curve = measure_response(space, designs[:40], found, doses, first)
    assert curve.change.shape == (3, 40) and curve.is_valid.all()
    assert curve.mean[2] > 0 > curve.mean[0] and np.allclose(curve.change[1], 0, atol=0.1)
    assert np.isnan(curve.right_sign()[1])
    one_side = measure_response(space, designs[:40], found, (0.5, 1.0, 2.0), first)
    calibrated = calibrate(found, one_side)
    again = measure_response(space, designs[:40], calibrated, doses, first)
    assert again.mean[2] == pytest.approx(found.unit, rel=0.1)
    assert [row["dose"] for row in again.rows()] == [-1.0, 0.0, 1.0]


def test_a_move_is_lengthened_where_the_decoder_returns_the_design_itself() -> None:
    space, designs = toy.engine(toy.campaign()).latent_space, toy.corpus(60).designs

    def first(points: object) -> Array:
        return np.array([point[0] for point in points], dtype=np.float64)  # type: ignore[attr-defined]

    found = fit_direction("x", space.encode(designs).numpy(), first(designs))
    cell = 1 / space.scale  # a design is returned for half a cell
    for length, share in ((0.4, 1.0), (0.6, 0.0), (0.2, 1.0)):
        dose = length * cell / float(found.step[0])
        curve = measure_response(space, designs, found, [dose], first)
        assert curve.is_lengthened.mean() == share
        assert curve.factors.max() == {0.4: 1.44, 0.6: 1.0, 0.2: 1.73}[length]
        made = 0 if length == 0.2 else 1 / (length * curve.factors)
        assert curve.travelled == pytest.approx(made, rel=0.03, abs=1e-6)
        assert curve.mean[0] == pytest.approx(0 if length == 0.2 else 1)


def test_the_interval_holds_a_further_change_with_its_probability() -> None:
    draws = np.random.default_rng(1)
    inside = []
    for _ in range(200):
        change = draws.normal(size=(1, 60))
        nothing = np.ones_like(change)
        (low, high), *_ = DoseResponse(np.ones(1), change, nothing, nothing, nothing, nothing).interval()
        further = draws.normal(size=50)
        inside.append(np.mean((further >= low) & (further <= high)))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_dimensions_in_which_designs_do_not_differ_are_not_moved() -> None:
    # A decoder ignores such a dimension, however well its small deviations predict the property.
    latents = Z * np.array([1, 1, 1, 1, 1, 0.01])
    found = fit_direction("height", latents, Z[:, 2] + Z[:, 5])
    assert abs(found.step[5]) < 0.02 < found.step[2]
    assert found.spread[5] == pytest.approx(0.01, rel=0.1)


def test_where_one_unit_is_not_reached_the_largest_change_gives_the_length() -> None:
    direction = fit_direction("height", Z, Z[:, 2])
    change = np.tile(np.array([[0.1], [0.4], [0.2]]), 30)
    nothing = np.ones_like(change)
    curve = DoseResponse(np.array([-1.0, -2.0, -3.0]), -change, nothing, nothing, nothing, nothing)
    assert np.allclose(calibrate(direction, curve).step, 2 * direction.step)
