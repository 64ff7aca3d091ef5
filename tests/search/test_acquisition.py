"""Acquisition functions against their definitions."""

import math
from functools import partial

import pytest
import torch
from botorch.acquisition import LogExpectedImprovement
from botorch.acquisition.multi_objective import logei

from invdesign.core import InvdesignError
from invdesign.search.acquisition import (
    cholesky_factor,
    density_alone,
    log_ei,
    log_expected_improvement,
    log_nehvi,
    log_pi,
    marginals,
    posterior_mean,
    posterior_sample,
    ucb,
)


def test_the_expected_improvement_at_the_incumbent_is_phi_of_zero():
    """EI of N(0, 1) over 0 is phi(0) = 1 / sqrt(2 pi)."""
    zero, one = torch.zeros(1).double(), torch.ones(1).double()
    assert float(log_expected_improvement(zero, one, zero)) == pytest.approx(-math.log(2 * math.pi) / 2)


def test_log_expected_improvement_agrees_with_botorch_and_keeps_its_gradient_far_below(build):
    landscape = build()
    X = 3 * torch.randn(50, 1, 3).double()
    ours = log_ei(landscape)(X)
    theirs = LogExpectedImprovement(landscape.model, best_f=landscape.U.max())(X)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    mean = torch.tensor([-1e3], dtype=torch.float64, requires_grad=True)
    log_expected_improvement(mean, torch.ones(1).double(), torch.zeros(1).double()).backward()
    assert mean.grad is not None and float(mean.grad) == pytest.approx(1e3, rel=0.01)


def test_ucb_is_mean_plus_root_beta_sd(build):
    landscape, X = build(), torch.randn(5, 1, 3).double()
    posterior = landscape.model.posterior(X)
    expected = (posterior.mean + 3 * posterior.variance.sqrt()).flatten()
    assert torch.allclose(ucb(landscape, beta=9.0)(X), expected)
    assert torch.allclose(posterior_mean(landscape)(X), posterior.mean.flatten())


def test_beta_from_a_range_differs_between_calls(build):
    landscape, X = build(), torch.randn(5, 1, 3).double()
    acquire = partial(ucb, beta=(0.1, 10.0))
    assert not torch.equal(acquire(landscape)(X), acquire(landscape)(X))
    with pytest.raises(InvdesignError, match="expected beta as a number or a range"):
        ucb(landscape, beta=(0.0, 1.0))


def test_a_sample_is_joint(build):
    """Two points very near to each other have the same value in one sample, and another value in the next."""
    landscape = build()
    X = torch.tensor([[[2.0, 2.0, 2.0]], [[2.0, 2.0, 2.0 + 1e-7]]]).double()
    first, second = posterior_sample(landscape)(X), posterior_sample(landscape)(X)
    assert float((first[0] - first[1]).abs()) < 0.01 < float((first - second).abs().max())


def test_density_alone_is_density_plus_feasibility(build):
    landscape = build(feasibility=lambda X: X[..., 0])
    X = torch.randn(6, 3).double()
    expected = landscape.density(X) + X[:, 0]
    assert torch.allclose(density_alone(landscape)(X[:, None]), expected)


def test_probability_of_improvement_is_the_normal_tail_plus_the_weighted_density(build):
    landscape = build()
    X = torch.randn(6, 3).double()
    mean, variance = marginals(landscape.model, X)
    spread = landscape.U.std()
    tail = torch.special.log_ndtr((mean[:, 0] - landscape.U.max() + 0.05 * spread) / variance[:, 0].sqrt())
    assert torch.allclose(log_pi(landscape, density_weight=0.0)(X[:, None]), tail)
    weighted = log_pi(landscape)(X[:, None]) - tail
    order = landscape.density(X).argsort()
    assert bool((weighted[order].diff() >= 0).all())


def test_nothing_is_compiled_and_no_lock_of_a_compilation_is_waited_for(build, monkeypatch):
    def load(*_, **__):
        raise AssertionError("BoTorch compiles an extension")

    assert hasattr(logei, "_try_load_fused_kernel")
    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    log_nehvi(build(m=2))(torch.zeros(1, 1, 3).double())
    assert logei._C is None


def test_hypervolume_improvement_is_larger_beyond_the_front_than_behind_it(build):
    landscape = build(m=2)
    X = torch.tensor([[[0.0, 0.0, 0.0]], [[2.5, 2.5, 2.5]]]).double()
    values = log_nehvi(landscape)(X)
    assert float(values[0]) > float(values[1])
    with pytest.raises(InvdesignError, match="two objectives"):
        log_nehvi(build())


def test_a_singular_covariance_has_a_cholesky_factor():
    v = torch.randn(5, 1).double()
    factor = cholesky_factor(v @ v.T)
    assert torch.allclose(factor @ factor.T, v @ v.T, atol=1e-4)
    indefinite = torch.tensor([[1.0, 2.0], [2.0, 1.0]]).double()
    assert torch.equal(cholesky_factor(indefinite), torch.eye(2).double())
