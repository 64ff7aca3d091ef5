"""Acquisition functions against their definitions."""

import math
from functools import partial

import pytest
import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.utils.multi_objective.hypervolume import Hypervolume
from botorch.utils.multi_objective.pareto import is_non_dominated

from invdesign.core import InvdesignError
from invdesign.search.acquisition import (
    log_ei,
    log_improvement,
    log_nehvi,
    pareto_front,
    posterior_mean,
    posterior_sample,
    reference_point,
    ucb,
)


def test_log_improvement_is_known_at_the_incumbent():
    """EI of N(0, 1) over 0 is phi(0) = 1 / sqrt(2 pi)."""
    zero, one = torch.zeros(1).double(), torch.ones(1).double()
    assert float(log_improvement(zero, one, zero)) == pytest.approx(-math.log(2 * math.pi) / 2)


def test_log_improvement_agrees_with_botorch_and_keeps_its_gradient_far_below(build):
    landscape = build()
    X = 3 * torch.randn(50, 1, 3).double()
    ours = log_ei(landscape)(X)
    theirs = LogExpectedImprovement(landscape.model, best_f=landscape.U.max())(X)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    mean = torch.tensor([-1e3], dtype=torch.float64, requires_grad=True)
    log_improvement(mean, torch.ones(1).double(), torch.zeros(1).double()).backward()
    assert mean.grad is not None and float(mean.grad) == pytest.approx(1e3, rel=0.01)


def test_ucb_is_mean_plus_root_beta_sd(build):
    landscape, X = build(), torch.randn(5, 1, 3).double()
    posterior = landscape.model.posterior(X)
    expected = (posterior.mean + 3 * posterior.variance.sqrt()).flatten()
    assert torch.allclose(ucb(landscape, beta=9.0)(X), expected)
    assert torch.allclose(posterior_mean(landscape)(X), posterior.mean.flatten())


def test_a_range_of_beta_is_drawn_anew_at_each_call(build):
    landscape, X = build(), torch.randn(5, 1, 3).double()
    acquire = partial(ucb, beta=(0.1, 10.0))
    assert not torch.equal(acquire(landscape)(X), acquire(landscape)(X))
    with pytest.raises(InvdesignError, match="range"):
        ucb(landscape, beta=(0.0, 1.0))


def test_density_counts_in_standard_deviations_of_utility(build):
    landscape = build(density=lambda z: -10 * z[..., 0].abs())
    near, far = torch.zeros(1, 1, 3).double(), torch.zeros(1, 1, 3).double()
    far[..., 0] = 1.0
    known = landscape.density(landscape.Z)
    width = float(known.quantile(0.75) - known.quantile(0.25)) / 1.349
    bare, dense = posterior_mean(landscape), posterior_mean(landscape, density_weight=0.7)
    gap = float((dense(near) - bare(near)) - (dense(far) - bare(far)))
    above = min(float(-known.quantile(0.5)) / width, 2.0) - (-10 - float(known.quantile(0.5))) / width
    assert gap == pytest.approx(0.7 * float(landscape.U.std()) * above, rel=0.02)


def test_a_sample_is_drawn_jointly(build):
    """Two points a hair apart have the same value in one sample, and another value in the next."""
    landscape = build()
    X = torch.tensor([[[2.0, 2.0, 2.0]], [[2.0, 2.0, 2.0 + 1e-7]]]).double()
    first, second = posterior_sample(landscape)(X), posterior_sample(landscape)(X)
    assert float((first[0] - first[1]).abs()) < 0.01 < float((first - second).abs().max())


def test_hypervolume_improvement_is_larger_beyond_the_front_than_behind_it(build):
    landscape = build(m=2)
    X = torch.tensor([[[0.0, 0.0, 0.0]], [[2.5, 2.5, 2.5]]]).double()
    values = log_nehvi(landscape)(X)
    assert float(values[0]) > float(values[1])
    with pytest.raises(InvdesignError, match="two objectives"):
        log_nehvi(build())


def test_the_reference_point_lies_below_the_front_and_the_best_rows_come_first():
    U = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.2, 0.2], [-5.0, -5.0]]).double()
    assert bool((reference_point(U) <= 0).all())
    assert set(pareto_front(U, 2).tolist()) == {0, 1} and pareto_front(U, 4)[-1] == 3
    assert pareto_front(U[:, :1], 2).tolist() == [1, 2]


def test_the_hypervolume_of_random_directions_is_that_of_boxes():
    """The estimator that `select` relies on, against BoTorch's exact hypervolume."""
    Y = torch.rand(20, 3).double()
    exact = Hypervolume(torch.zeros(3).double()).compute(Y[is_non_dominated(Y)])
    directions = torch.randn(200_000, 3).double().abs()
    directions = directions / directions.norm(dim=1, keepdim=True)
    reach = (Y[:, None] / directions).amin(-1).amax(0)
    volume_of_an_octant = 4 / 3 * math.pi / 8
    assert float(reach.pow(3).mean()) * volume_of_an_octant == pytest.approx(exact, rel=0.01)
