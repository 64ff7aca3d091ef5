"""Surrogates against brute force, and a table of degenerate input."""

import math
import time
from functools import partial

import botorch
import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import MaternKernel
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_operator.utils.errors import NotPSDError

from invdesign.core import InvdesignError
from invdesign.surrogate import (
    ConditionedGP,
    auto,
    cross_validate,
    deep_kernel_gp,
    exact_gp,
    feasibility_surrogate,
    fit,
    joint_gp,
    minmax,
    sparse_gp,
    tanimoto_gp,
)
from invdesign.surrogate.diagnostics import spearman
from invdesign.surrogate.fitting import subset
from invdesign.surrogate.kernels import MinMaxKernel

D, F = 3, 12
ALL = [exact_gp, sparse_gp, tanimoto_gp, partial(tanimoto_gp, is_fitted=True), joint_gp, deep_kernel_gp, auto]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def data(n=40, m=1, f=F):
    Z = torch.randn(n, D, dtype=torch.float64)
    counts = torch.poisson(torch.rand(n, f, dtype=torch.float64) * 2)
    U = torch.stack([1.5 * Z[:, j % D].sin() + 0.6 * counts[:, :4].sum(1) * (f > 0) for j in range(m)], 1)
    return torch.cat([Z, counts], 1), 5 + 100 * U


def slow_minmax(A, B):
    least, most = np.minimum(A[:, None], B[None]).sum(-1), np.maximum(A[:, None], B[None]).sum(-1)
    return np.where(most > 0, least / np.where(most > 0, most, 1), 1.0)


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.booleans())
@settings(max_examples=40, deadline=None)
def test_minmax_equals_its_definition(seed, n, k, f, is_whole):
    rng = np.random.default_rng(seed)
    A, B = rng.poisson(0.7, (n, f)).astype(float), rng.poisson(0.7, (k, f)).astype(float)
    if not is_whole:
        A, B = A * rng.random((n, f)), B * rng.random((k, f))
    assert np.allclose(minmax(torch.tensor(A), torch.tensor(B)).numpy(), slow_minmax(A, B), atol=1e-12)


def test_the_minmax_kernel_is_one_on_its_diagonal_also_for_empty_rows():
    A = torch.tensor([[0.0, 0.0], [1.0, 3.0]]).double()
    kernel = MinMaxKernel()
    assert kernel(A).to_dense().diagonal().tolist() == [1.0, 1.0]
    assert kernel(A, diag=True).tolist() == [1.0, 1.0]
    assert kernel(A, A.flip(0), diag=True).tolist() == [0.0, 0.0]


def test_two_thousand_by_two_thousand_fingerprints_take_about_a_second():
    A = torch.poisson(torch.full((2000, 2048), 0.04, dtype=torch.float64))
    start = time.process_time()
    minmax(A, A.flip(0))
    assert time.process_time() - start < 4


def test_the_posterior_is_that_of_gpytorch():
    X, U = data(f=0, m=1)
    kernel = MaternKernel().double()
    kernel.lengthscale = 1.3
    closed = ConditionedGP(kernel, X, U, noise=0.05)
    reference = SingleTaskGP(X, closed.standardized, covar_module=kernel, outcome_transform=None)
    reference.likelihood.noise = 0.05
    reference.mean_module.constant.data.zero_()
    reference.eval()
    test = torch.randn(4, 5, D).double()
    ours, theirs = closed.posterior(test), reference.posterior(test)
    assert torch.allclose(ours.mean, theirs.mean * closed.scale + closed.shift, atol=1e-6)
    assert torch.allclose(
        ours.distribution.covariance_matrix,
        theirs.distribution.covariance_matrix * closed.scale**2,
        rtol=1e-4,
        atol=1e-3,
    )
    single = closed.posterior(test.reshape(20, 1, D))
    assert torch.allclose(single.mean.flatten(), ours.mean.flatten())
    assert torch.allclose(single.variance.flatten(), ours.variance.flatten(), rtol=1e-5)


def test_leave_one_out_in_closed_form_is_that_of_leaving_each_one_out():
    X, U = data(n=12, m=2)
    kernel = MinMaxKernel(tuple(range(D, D + F)))
    closed = ConditionedGP(kernel, X, U, noise=0.1)
    mean, sd = closed.leave_one_out()
    Y = closed.standardized
    for i in range(len(X)):
        rest = [j for j in range(len(X)) if j != i]
        K = torch.tensor(slow_minmax(X[:, D:].numpy(), X[:, D:].numpy()))
        solve = torch.linalg.inv(K[rest][:, rest] + 0.1 * torch.eye(len(rest)).double())
        expected = K[i, rest] @ solve @ Y[rest]
        variance = 1.1 - K[i, rest] @ solve @ K[rest, i]
        assert torch.allclose(mean[i], closed.shift + closed.scale * expected)
        assert torch.allclose(sd[i], closed.scale * variance.sqrt())


def test_a_sparse_process_whose_inducing_points_are_its_data_is_the_exact_one():
    X, U = data(n=30, f=0)
    kernel = MaternKernel().double()
    exact = ConditionedGP(kernel, X, U, noise=0.1)
    sparse = ConditionedGP(kernel, X, U, noise=0.1, inducing=X)
    test = torch.randn(6, 1, D).double()
    assert torch.allclose(exact.posterior(test).mean, sparse.posterior(test).mean, rtol=1e-3)
    assert torch.allclose(exact.posterior(test).variance, sparse.posterior(test).variance, rtol=1e-3)


@pytest.mark.parametrize("surrogate", ALL)
@pytest.mark.parametrize("m", [1, 2])
def test_every_surrogate_predicts_in_the_unit_of_its_utilities(surrogate, m):
    X, U = data(n=50, m=m)
    model = surrogate(X, U, d=D)
    posterior = model.posterior(X[:10].unsqueeze(1))
    assert posterior.mean.shape == (10, 1, m) and model.num_outputs == m
    assert model.posterior(X[:10]).rsample(torch.Size([3])).shape == (3, 10, m)
    assert spearman(posterior.mean[:, 0, 0], U[:10, 0]) > 0.5
    part = model.subset_output([m - 1]).posterior(X[:10])
    assert torch.allclose(part.mean.squeeze(-1), model.posterior(X[:10]).mean[:, m - 1])


def test_a_latent_surrogate_reads_the_latent_alone_and_has_gradients():
    X, U = data()
    model = exact_gp(X, U, d=D)
    Z = X[:5, :D].clone().requires_grad_(True)
    assert torch.allclose(model.posterior(X[:5]).mean, model.posterior(Z).mean)
    model.posterior(Z.unsqueeze(1)).mean.sum().backward()
    assert Z.grad is not None and float(Z.grad.abs().min()) > 0


def test_a_fixed_tanimoto_process_fits_nothing():
    X, U = data()
    model = tanimoto_gp(X, U, d=D)
    assert model.noise == 1e-4
    far = torch.zeros(1, 1, D + F).double()
    assert float(model.posterior(far).variance) == pytest.approx(float(U.var()))


def test_a_tanimoto_surrogate_refuses_what_it_cannot_read():
    X, U = data(f=0)
    with pytest.raises(InvdesignError, match="there are none"):
        tanimoto_gp(X, U, d=D)
    X, U = data()
    X[0, D + 2] = -1
    with pytest.raises(InvdesignError, match="column 2"):
        tanimoto_gp(X, U, d=D)


def test_auto_reads_counts_where_there_are_any():
    X, U = data()
    assert isinstance(auto(X, U, d=D).kernel, MinMaxKernel)
    assert isinstance(auto(X[:, :D], U, d=D).kernel, MaternKernel)
    assert auto(X[:, :D], U, d=D, largest_exact=10).inducing is None  # fewer points than inducing ones


def test_a_part_of_a_long_history_holds_the_best_and_the_newest():
    U = torch.randn(1000, 1).double()
    rows = subset(U, 90)
    assert len(rows) == 90 == len(set(rows.tolist()))
    assert set(U[:, 0].topk(30).indices.tolist()) <= set(rows.tolist())
    assert set(range(970, 1000)) <= set(rows.tolist())


@pytest.mark.parametrize("surrogate", ALL)
def test_the_report_knows_a_good_surrogate_from_noise(surrogate):
    X, U = data(n=120)
    good = fit(surrogate, X, U, d=D)
    report = cross_validate(good.model, good.X, good.U, d=D, surrogate=surrogate)
    assert report.method == "leave-one-out" and len(report.rank_correlation) == 1
    assert report.rank_correlation[0] > 0.3
    noise = fit(tanimoto_gp, X, torch.randn_like(U), d=D)
    assert abs(cross_validate(noise.model, noise.X, noise.U, d=D).rank_correlation[0]) < 0.3


def test_coverage_is_right_for_a_process_that_is_right():
    X = torch.randn(400, 2).double()
    kernel = MaternKernel().double()
    K = kernel(X).to_dense().detach() + 0.1 * torch.eye(400)
    U = torch.linalg.cholesky(K) @ torch.randn(400, 1).double()
    model = ConditionedGP(kernel, X, U, noise=0.1 / float(U.var()))
    report = cross_validate(model, X, U, d=2)
    assert report.coverage_50[0] == pytest.approx(0.5, abs=0.15)
    assert report.coverage_90[0] == pytest.approx(0.9, abs=0.08)
    assert report.msll[0] < 0


def test_sparse_and_foreign_models_are_reported_on_a_held_out_part():
    X, U = data(n=80)
    sparse = sparse_gp(X, U, d=D, n_inducing=30)
    assert cross_validate(sparse, X, U, d=D).method == "held-out"

    def foreign(X, U, *, d):
        with botorch.settings.validate_input_scaling(False):
            return SingleTaskGP(X[:, :d], U)

    X = X[:, :D].contiguous()
    report = cross_validate(foreign(X, U, d=D), X, U, d=D, surrogate=foreign)
    assert (report.method, report.n) == ("held-out", 16)
    assert cross_validate(foreign(X, U, d=D), X, U, d=D).method == "none"


def test_rank_correlation_shares_ranks_among_ties():
    a, b = torch.tensor([1.0, 2.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])
    assert spearman(a, b) == pytest.approx(4.5 / math.sqrt(4.5 * 5.0))
    assert math.isnan(spearman(a, torch.ones(4)))


def rows(n, value=None):
    X, U = data(n=max(n, 1))
    return X[:n], (U if value is None else torch.full_like(U, value))[:n]


def with_nan():
    X, U = data(20)
    U[3], X[5, 0] = math.nan, math.inf
    return X, U


def with_duplicates():
    X, U = data(20)
    return torch.cat([X, X[:5]]), torch.cat([U, U[:5] + 2])


def with_constant_column():
    X, U = data(20)
    X[:, 1] = 0.7
    return X, U


def with_outlier():
    X, U = data(20)
    U[7] = -1e9
    return X, U


def one_design():
    X, U = data(20)
    return X[:1].expand(20, -1).clone(), U


TABLE = {
    "no designs": (lambda: rows(0), "random", "0 distinct designs"),
    "one design": (lambda: rows(1), "random", "1 distinct designs"),
    "two designs": (lambda: rows(2), "asked", ""),
    "equal utilities": (lambda: rows(20, 3.0), "random", "same utility"),
    "the same design twenty times": (one_design, "random", "19 duplicates"),
    "NaN and infinity": (with_nan, "asked", "2 rows with NaN or infinity left out: 3, 5"),
    "duplicates": (with_duplicates, "asked", "5 duplicates merged"),
    "a constant column": (with_constant_column, "asked", "constant latent columns: 1"),
    "an outlier": (with_outlier, "asked", "rows 7"),
}


@pytest.mark.parametrize("surrogate", [exact_gp, tanimoto_gp, joint_gp, auto])
@pytest.mark.parametrize("case", TABLE)
def test_degenerate_input_ends_on_a_known_rung_with_a_note(case, surrogate):
    build, fallback_level, note = TABLE[case]
    X, U = build()
    answer = fit(surrogate, X, U, d=D)
    assert answer.fallback_level == fallback_level
    assert note in " ".join(answer.notes)
    assert (answer.model is None) == (fallback_level == "random")
    if answer.model is not None:
        assert bool(answer.model.posterior(X[:1]).mean.isfinite().all()) or not bool(X[:1].isfinite().all())
    cross_validate(answer.model, answer.X, answer.U, d=D)


def test_merged_duplicates_have_their_mean():
    X, U = with_duplicates()
    answer = fit(tanimoto_gp, X, U, d=D)
    assert len(answer.X) == 20 and torch.equal(answer.X, X[:20])
    assert torch.allclose(answer.U[:5], U[:5] + 1) and torch.equal(answer.U[5:], U[5:20])


def test_a_fit_that_breaks_goes_down_the_ladder():
    seen = []

    def breaks(times):
        def surrogate(X, U, *, d, noise_floor=1e-4):
            seen.append(noise_floor)
            if len(seen) <= times:
                raise NotPSDError("not positive definite")
            return exact_gp(X, U, d=d, noise_floor=noise_floor)

        return surrogate

    X, U = data()
    for times, fallback_level in [(0, "asked"), (1, "jitter"), (2, "noise floor"), (3, "random")]:
        seen.clear()
        answer = fit(breaks(times), X, U, d=D)
        assert answer.fallback_level == fallback_level and len(answer.notes) == times
    assert seen == [1e-4, 1e-4, 1e-2]


def test_a_mistake_in_a_surrogate_is_not_taken_for_a_numerical_failure():
    def wrong(X, U, *, d):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        fit(wrong, *data(), d=D)
    with pytest.raises(InvdesignError, match="n x"):
        fit(auto, torch.zeros(3, D).double(), torch.zeros(2, 1).double(), d=D)


@pytest.mark.parametrize("f", [0, F])
def test_feasibility_is_learnt_from_what_failed(f):
    X, _ = data(n=200, f=f)
    if f:
        X[:, D] = torch.where(torch.rand(200) < 0.3, 15.0, 0.0)
        is_feasible = X[:, D] < 1
    else:
        is_feasible = X[:, 0] < 0.5
    chance = feasibility_surrogate(X[:150], is_feasible[:150], D)(X[150:]).exp()
    assert bool((chance > 0).all()) and bool((chance <= 1).all())
    assert float(chance[is_feasible[150:]].mean()) > 0.8 > 0.4 > float(chance[~is_feasible[150:]].mean())


def test_feasibility_far_from_all_data_is_the_base_rate():
    X, _ = data(n=98, f=0)
    is_feasible = torch.arange(98) < 74  # (74 + 1) / (98 + 2)
    log_probability = feasibility_surrogate(X, is_feasible, D)
    assert float(log_probability(torch.full((1, D), 1e3).double()).exp()) == pytest.approx(0.75, abs=1e-6)
    assert log_probability(torch.zeros(2, 5, D).double()).shape == (2, 5)
    assert feasibility_surrogate(X[:0], is_feasible[:0], D)(X).tolist() == [0.0] * 98
