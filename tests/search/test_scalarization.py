"""Scalarizations of several objectives, the order of measured designs, and the terms of the location."""

import math

import pytest
import torch
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from invdesign.search.acquisition import posterior_mean
from invdesign.search.scalarization import (
    draw_chebyshev,
    draw_simplex,
    draw_weights,
    leading_rows,
    reference_point,
    scalar_spread,
)


def peel_fronts(U, n):
    """The same rows as `leading_rows`, with BoTorch's dominance."""
    rest = ((U - U.mean(0)) / U.std(0)).sum(1).argsort(descending=True)
    chosen = []
    while len(rest) and len(chosen) < n:
        is_first = is_non_dominated(U[rest], deduplicate=False)
        chosen += rest[is_first].tolist()
        rest = rest[~is_first]
    return chosen[:n]


def test_the_reference_point_is_below_the_front_and_the_best_rows_come_first():
    U = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.2, 0.2], [-5.0, -5.0]]).double()
    assert bool((reference_point(U) <= 0).all())
    assert set(leading_rows(U, 2).tolist()) == {0, 1} and leading_rows(U, 4)[-1] == 3
    assert leading_rows(U[:, :1], 2).tolist() == [1, 2]


@pytest.mark.parametrize("m", [2, 3])
def test_leading_rows_are_those_of_successive_fronts_also_with_ties(m):
    for n in (1, 7, 60):
        U = torch.randint(-6, 6, (60, m)).double()
        assert leading_rows(U, n).tolist() == peel_fronts(U, n)


def test_rows_that_are_not_finite_are_no_leading_rows():
    U = torch.tensor([[math.nan, 1.0], [math.nan, 2.0]]).double()
    assert leading_rows(U, 2).tolist() == []


def test_the_weight_of_a_single_objective_is_one():
    U = torch.randn(9, 1).double()
    assert draw_weights(U).tolist() == [1.0]
    assert torch.equal(draw_chebyshev(U)(U), U[:, 0])


def test_weights_of_standardized_utilities_sum_to_one():
    U = torch.randn(50, 3).double() * torch.tensor([1.0, 10.0, 100.0]).double()
    assert float((draw_weights(U) * U.std(0)).sum()) == pytest.approx(1.0)
    assert torch.allclose(draw_simplex(4, 3, U).sum(1), torch.ones(4).double())


def test_a_chebyshev_scalarization_increases_with_every_utility():
    U = torch.randn(50, 2).double()
    for _ in range(20):
        scalarize = draw_chebyshev(U)
        assert bool((scalarize(U + 0.1) > scalarize(U)).all())


def test_equal_utilities_have_a_spread_of_one():
    assert scalar_spread(torch.full((5, 1), 3.0).double(), torch.ones(1).double()) == 1.0
    assert scalar_spread(torch.ones(1, 1).double(), torch.ones(1).double()) == 1.0


def test_the_density_weight_is_in_standard_deviations_of_utility(build):
    landscape = build(density=lambda z: -10 * z[..., 0].abs())
    near, far = torch.zeros(1, 1, 3).double(), torch.zeros(1, 1, 3).double()
    far[..., 0] = 1.0
    measured = landscape.density(landscape.Z)
    width = float(measured.quantile(0.75) - measured.quantile(0.25)) / 1.349
    without, with_density = posterior_mean(landscape), posterior_mean(landscape, density_weight=0.7)
    gap = float((with_density(near) - without(near)) - (with_density(far) - without(far)))
    median = float(measured.quantile(0.5))
    above = min(-median / width, 2.0) - (-10 - median) / width
    assert gap == pytest.approx(0.7 * float(landscape.U.std()) * above, rel=0.02)


def test_the_hypervolume_along_random_directions_is_that_of_boxes():
    """The estimator that batch selection uses, against BoTorch's exact hypervolume."""
    Y = torch.rand(20, 3).double()
    exact = Hypervolume(torch.zeros(3).double()).compute(Y[is_non_dominated(Y)])
    directions = torch.randn(200_000, 3).double().abs()
    directions = directions / directions.norm(dim=1, keepdim=True)
    reach = (Y[:, None] / directions).amin(-1).amax(0)
    volume_of_an_octant = 4 / 3 * math.pi / 8
    assert float(reach.pow(3).mean()) * volume_of_an_octant == pytest.approx(exact, rel=0.01)
