"""Directions of properties: found where there is one, orthogonal to nuisances, straight or bent."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.directions import StraightMethod, bend, fit_direction, points_along, ridge_gradient
from invdesign.core import InvdesignError

rng = np.random.default_rng(0)
Z = rng.normal(size=(300, 6))
SIZE = Z[:, 0] + 0.3 * Z[:, 1]


@pytest.mark.parametrize("method", ["ridge", "means"])
def test_a_direction_is_that_in_which_the_property_rises_by_one_unit(method: StraightMethod) -> None:
    found = fit_direction("height", Z, 3 * Z[:, 2] + rng.normal(size=300), method=method)
    assert found.is_found
    assert found.step[2] * 3 == pytest.approx(found.unit, rel=0.15)
    assert np.linalg.norm(np.delete(found.step, 2)) < 0.35


def test_a_direction_of_a_label_points_from_those_without_to_those_with_it() -> None:
    label = (Z[:, 3] > 0.5).astype(float)
    found = fit_direction("aromatic", Z, label, method="means")
    assert found.is_found and np.argmax(np.abs(found.step)) == 3 and found.step[3] > 0


def test_a_space_of_one_dimension_has_a_direction() -> None:
    Z = np.random.default_rng(0).normal(size=(60, 1))
    assert fit_direction("x", Z, -2 * Z[:, 0]).step[0] == pytest.approx(-1, abs=0.2)


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


def test_dimensions_in_which_designs_do_not_differ_are_not_moved() -> None:
    # A decoder ignores such a dimension, however well its small deviations predict the property.
    latents = Z * np.array([1, 1, 1, 1, 1, 0.01])
    found = fit_direction("height", latents, Z[:, 2] + Z[:, 5])
    assert abs(found.step[5]) < 0.02 < found.step[2]
    assert found.spread[5] == pytest.approx(0.01, rel=0.1)


def test_points_lie_at_their_lengths_on_the_sum_of_straight_directions() -> None:
    directions = [fit_direction("a", Z, Z[:, 1]), fit_direction("b", Z, 2 * Z[:, 4])]
    points = points_along(Z[:3], directions, [1.0, -1.0], [1.0, 2.5])
    assert points.shape == (2, 3, 6)
    moved = (points - Z[:3]) / Z.std(0)
    assert np.linalg.norm(moved, axis=2) == pytest.approx(np.array([[1.0] * 3, [2.5] * 3]), rel=0.1)
    assert (moved[..., 1] > 0.6).all() and (moved[..., 4] < -0.6).all()


def test_a_bent_direction_leads_to_a_maximum_that_straight_ones_pass() -> None:
    height = 0.2 * Z[:, 0] - ((Z[:, :2] - 0.3) ** 2).sum(1)
    straight = fit_direction("height", Z, height)
    bent = bend(straight, Z, height)
    assert bent.method == "bent" and bent.confidence == straight.confidence
    far = np.array([[2.0, 2.0, 0, 0, 0, 0], [-2.0, -2.0, 0, 0, 0, 0]])
    ends = points_along(far, [bent], [1.0], [1.5])[0]
    assert (np.linalg.norm(ends[:, :2] - 0.3, axis=1) < np.linalg.norm(far[:, :2] - 0.3, axis=1) - 1).all()
    ends = points_along(far, [straight], [1.0], [1.5])[0]
    assert not (np.linalg.norm(ends[:, :2] - 0.3, axis=1) < np.linalg.norm(far[:, :2] - 0.3, axis=1)).all()


def test_nuisances_stay_along_a_bent_direction() -> None:
    held = {"size": SIZE}
    bent = bend(fit_direction("logp", Z, SIZE + Z[:, 4], nuisances=held), Z, SIZE + Z[:, 4], nuisances=held)
    ends = points_along(Z[:5], [bent], [1.0], [2.0])[0]
    assert (ends - Z[:5])[:, 4].min() > 1.5
    assert np.abs((ends - Z[:5]) @ np.array([1.0, 0.3, 0, 0, 0, 0])).max() < 0.1


def test_the_gradient_of_ridge_regression_is_that_of_a_linear_property() -> None:
    assert ridge_gradient(Z, 3 * Z[:, 2]) == pytest.approx(np.array([0, 0, 3, 0, 0, 0]), abs=0.05)
