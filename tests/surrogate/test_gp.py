"""The closed-form posterior against GPyTorch and brute force."""

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import MaternKernel
from scipy.stats import multivariate_normal

from invdesign.surrogate import ConditionedGP, MinMaxKernel, tanimoto_gp

D, F = 3, 12
F_WIDE, N_GROWN = 60, 205


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


def test_points_that_come_again_have_the_posterior_of_a_new_process(build):
    X, U = build(n=12, m=1)
    first, second = X[:5].roll(1, 0) + 0.3, X[2:8].roll(1, 0) + 0.3
    used, new = (ConditionedGP(MaternKernel().double(), X, U, noise=0.05) for _ in range(2))
    used.posterior(first)
    again, expected = used.posterior(second), new.posterior(second)
    assert torch.allclose(again.mean, expected.mean, rtol=1e-12)
    assert torch.allclose(again.variance, expected.variance, rtol=1e-12)


def test_leave_one_out_in_closed_form_equals_leaving_each_one_out(build, minmax_by_definition):
    X, U = build(n=12, m=2)
    kernel = MinMaxKernel(D)
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


def counts(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    Z = torch.randn(n, D, dtype=torch.float64, generator=generator)
    F = torch.poisson(torch.full((n, F_WIDE), 0.3, dtype=torch.float64), generator=generator)
    return torch.cat([Z, F], 1), F[:, :5].sum(1, keepdim=True) + 0.1 * Z[:, :1]


def test_a_process_that_grew_by_batches_is_that_of_brute_force(minmax_by_definition):
    X, U = counts(N_GROWN)
    model = None
    for n in (30, 50, 140, N_GROWN):
        model = tanimoto_gp(X[:n], U[:n], d=D, noise=1e-3, previous=model)
    at_once = tanimoto_gp(X, U, d=D, noise=1e-3)
    assert torch.equal(model.coefficients, at_once.coefficients)
    features, test = X[:, D:].numpy(), counts(7, seed=1)[0]
    K = minmax_by_definition(features, features) + 1e-3 * np.eye(N_GROWN)
    k = minmax_by_definition(test[:, D:].numpy(), features)
    u = ((U - U.mean()) / U.std()).numpy()
    posterior = model.posterior(test)
    mean = k @ np.linalg.solve(K, u) * float(U.std()) + float(U.mean())
    prior = minmax_by_definition(test[:, D:].numpy(), test[:, D:].numpy())
    covariance = (prior - k @ np.linalg.solve(K, k.T)) * float(U.var())
    assert np.allclose(posterior.mean.numpy(), mean)
    assert np.allclose(posterior.distribution.covariance_matrix.numpy(), covariance, atol=1e-8)
    expected = multivariate_normal(np.zeros(N_GROWN), K).logpdf(u[:, 0])
    assert float(model.log_marginal_likelihood()) == pytest.approx(expected)


def test_a_process_with_other_rows_or_noise_extends_only_what_is_equal():
    X, U = counts(N_GROWN)
    previous = tanimoto_gp(X, U, d=D)
    changed = X.clone()
    changed[100, D] += 1
    for inputs, noise in ((changed, 1e-4), (X, 1e-2), (X[:90], 1e-4)):
        grown = tanimoto_gp(inputs, U[: len(inputs)], d=D, noise=noise, previous=previous)
        fresh = tanimoto_gp(inputs, U[: len(inputs)], d=D, noise=noise)
        assert torch.equal(grown.coefficients, fresh.coefficients)


def test_variances_given_the_nearest_data_bound_the_exact_ones(monkeypatch):
    X, U = counts(N_GROWN)
    exact, bounded = tanimoto_gp(X, U, d=D), tanimoto_gp(X, U, d=D)
    test = counts(20, seed=1)[0].unsqueeze(1)
    expected = exact.posterior(test)
    monkeypatch.setattr("invdesign.surrogate.gp.MAX_EXACT_VARIANCE_POINTS", 100)
    monkeypatch.setattr("invdesign.surrogate.gp.N_NEIGHBORS", 60)
    posterior = bounded.posterior(test)
    assert torch.allclose(posterior.mean, expected.mean)
    ratio = posterior.variance / expected.variance
    assert float(ratio.min()) > 1 - 1e-9 and float(ratio.max()) < 2
    assert torch.allclose(bounded.posterior(test[5:]).mean, posterior.mean[5:], rtol=1e-12)


def test_points_in_another_order_have_the_variances_of_before(monkeypatch):
    monkeypatch.setattr("invdesign.surrogate.gp.MAX_EXACT_VARIANCE_POINTS", 100)
    monkeypatch.setattr("invdesign.surrogate.gp.N_NEIGHBORS", 60)
    X = torch.poisson(torch.full((150, F_WIDE), 0.3, dtype=torch.float64))
    points = torch.poisson(torch.full((20, F_WIDE), 0.3, dtype=torch.float64))
    used, new = (ConditionedGP(MinMaxKernel(), X, X.sum(1, keepdim=True), noise=0.01) for _ in range(2))
    used.posterior(points[:5])
    used.posterior(points)
    order = torch.arange(20).flip(0)
    assert torch.allclose(used.posterior(points[order]).variance, new.posterior(points).variance[order], rtol=1e-9)


@pytest.mark.parametrize(("max_exact", "n_values"), [(2000, 300), (100, 150)])
def test_the_memo_is_cleared_at_the_size_of_what_it_stores(monkeypatch, max_exact, n_values):
    X = torch.poisson(torch.full((150, F_WIDE), 0.3, dtype=torch.float64))
    points = torch.poisson(torch.full((40, F_WIDE), 0.3, dtype=torch.float64)).unique(dim=0)
    monkeypatch.setattr("invdesign.surrogate.gp.MAX_EXACT_VARIANCE_POINTS", max_exact)
    monkeypatch.setattr("invdesign.surrogate.gp.N_NEIGHBORS", 60)
    monkeypatch.setattr("invdesign.surrogate.gp.MAX_MEMO", 20 * n_values * 8)
    model = ConditionedGP(MinMaxKernel(), X, X.sum(1, keepdim=True), noise=0.01)
    sizes = []
    for i in range(len(points)):
        model.posterior(points[i : i + 1])
        sizes.append(len(model._memo))
        assert sum(part.numel() for entry in model._memo.values() for part in entry) == n_values * sizes[-1]
    assert max(sizes) == 21 and sizes[21] == 1


def test_leave_one_out_of_the_newest_rows_is_the_end_of_that_of_all(build):
    X, U = build(n=100)
    model = ConditionedGP(MinMaxKernel(D), X, U, noise=0.1)
    for newest, every in zip(model.leave_one_out(70), model.leave_one_out(), strict=True):
        assert torch.allclose(newest, every[-70:])
