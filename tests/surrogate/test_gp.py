"""The closed-form posterior against GPyTorch and brute force."""

import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import MaternKernel

from invdesign.surrogate import ConditionedGP, MinMaxKernel

D, F = 3, 12


def test_the_posterior_is_that_of_gpytorch(build):
    X, U = build(f=0, m=1)
    kernel = MaternKernel().double()
    kernel.lengthscale = 1.3
    conditioned = ConditionedGP(kernel, X, U, noise=0.05)
    reference = SingleTaskGP(X, conditioned.standardized_utilities, covar_module=kernel, outcome_transform=None)
    reference.likelihood.noise = 0.05
    reference.mean_module.constant.data.zero_()
    reference.eval()
    test = torch.randn(4, 5, D).double()
    ours, theirs = conditioned.posterior(test), reference.posterior(test)
    assert torch.allclose(ours.mean, theirs.mean * conditioned.scale + conditioned.offset, atol=1e-6)
    assert torch.allclose(
        ours.distribution.covariance_matrix,
        theirs.distribution.covariance_matrix * conditioned.scale**2,
        rtol=1e-4,
        atol=1e-3,
    )
    single = conditioned.posterior(test.reshape(20, 1, D))
    assert torch.allclose(single.mean.flatten(), ours.mean.flatten())
    assert torch.allclose(single.variance.flatten(), ours.variance.flatten(), rtol=1e-5)


def test_leave_one_out_in_closed_form_equals_leaving_each_one_out(build, minmax_by_definition):
    X, U = build(n=12, m=2)
    kernel = MinMaxKernel(tuple(range(D, D + F)))
    conditioned = ConditionedGP(kernel, X, U, noise=0.1)
    mean, sd = conditioned.leave_one_out()
    Y = conditioned.standardized_utilities
    K = torch.tensor(minmax_by_definition(X[:, D:].numpy(), X[:, D:].numpy()))
    for i in range(len(X)):
        rest = [j for j in range(len(X)) if j != i]
        solve = torch.linalg.inv(K[rest][:, rest] + 0.1 * torch.eye(len(rest)).double())
        expected = K[i, rest] @ solve @ Y[rest]
        variance = 1.1 - K[i, rest] @ solve @ K[rest, i]
        assert torch.allclose(mean[i], conditioned.offset + conditioned.scale * expected)
        assert torch.allclose(sd[i], conditioned.scale * variance.sqrt())


def test_the_log_marginal_likelihood_is_that_of_the_normal_distribution(build):
    X, U = build(n=12, f=0)
    conditioned = ConditionedGP(MaternKernel().double(), X, U, noise=0.1)
    K = conditioned.kernel(X).to_dense() + 0.1 * torch.eye(12).double()
    normal = torch.distributions.MultivariateNormal(torch.zeros(12).double(), K)
    expected = normal.log_prob(conditioned.standardized_utilities[:, 0])
    assert float(conditioned.log_marginal_likelihood()) == pytest.approx(float(expected))


def test_a_sparse_process_whose_inducing_points_are_its_data_is_the_exact_one(build):
    X, U = build(n=30, f=0)
    kernel = MaternKernel().double()
    exact = ConditionedGP(kernel, X, U, noise=0.1)
    sparse = ConditionedGP(kernel, X, U, noise=0.1, inducing_points=X)
    test = torch.randn(6, 1, D).double()
    assert torch.allclose(exact.posterior(test).mean, sparse.posterior(test).mean, rtol=1e-3)
    assert torch.allclose(exact.posterior(test).variance, sparse.posterior(test).variance, rtol=1e-3)


def test_closed_forms_of_exact_processes_raise_an_error_for_a_sparse_one(build):
    X, U = build(n=30, f=0)
    sparse = ConditionedGP(MaternKernel().double(), X, U, noise=0.1, inducing_points=X[:5])
    with pytest.raises(ValueError, match="expected an exact process"):
        sparse.leave_one_out()
    with pytest.raises(ValueError, match="expected an exact process"):
        sparse.log_marginal_likelihood()
