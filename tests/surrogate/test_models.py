"""What all surrogates have in common, and what each of them reads."""

from functools import partial

import pytest
import torch
from gpytorch.kernels import MaternKernel

from invdesign.core import InvdesignError
from invdesign.surrogate import (
    ConditionedGP,
    MinMaxKernel,
    auto,
    cross_validate,
    deep_kernel_gp,
    exact_gp,
    fit_robustly,
    joint_gp,
    sparse_gp,
    tanimoto_gp,
)
from invdesign.surrogate.diagnostics import spearman
from invdesign.surrogate.fantasies import condition_on_pending

D, F = 3, 12
ALL = [exact_gp, sparse_gp, tanimoto_gp, partial(tanimoto_gp, is_noise_fitted=True), joint_gp, deep_kernel_gp, auto]


@pytest.mark.slow
@pytest.mark.parametrize("surrogate", ALL)
@pytest.mark.parametrize("m", [1, 2])
def test_every_surrogate_predicts_in_the_unit_of_its_utilities(build, surrogate, m):
    X, U = build(n=50, m=m)
    model = surrogate(X, U, d=D)
    posterior = model.posterior(X[:10].unsqueeze(1))
    assert posterior.mean.shape == (10, 1, m) and model.num_outputs == m
    assert model.posterior(X[:10]).rsample(torch.Size([3])).shape == (3, 10, m)
    assert spearman(posterior.mean[:, 0, 0], U[:10, 0]) > 0.5
    part = model.subset_output([m - 1]).posterior(X[:10])
    assert torch.allclose(part.mean.squeeze(-1), model.posterior(X[:10]).mean[:, m - 1])


@pytest.mark.parametrize("surrogate", ALL)
def test_the_report_distinguishes_a_good_surrogate_from_noise(build, surrogate):
    X, U = build(n=120)
    good = fit_robustly(surrogate, X, U, d=D)
    report = cross_validate(good.model, good.X, good.U, d=D, surrogate=surrogate)
    assert report.method == "leave-one-out" and len(report.rank_correlation) == 1
    assert report.rank_correlation[0] > 0.3
    noise = fit_robustly(tanimoto_gp, X, torch.randn_like(U), d=D)
    assert abs(cross_validate(noise.model, noise.X, noise.U, d=D).rank_correlation[0]) < 0.3


def test_a_latent_surrogate_reads_only_the_latents_and_has_gradients(build):
    X, U = build()
    model = exact_gp(X, U, d=D)
    Z = X[:5, :D].clone().requires_grad_(True)
    assert torch.allclose(model.posterior(X[:5]).mean, model.posterior(Z).mean)
    model.posterior(Z.unsqueeze(1)).mean.sum().backward()
    assert Z.grad is not None and float(Z.grad.abs().min()) > 0


def test_the_default_tanimoto_process_has_fixed_hyperparameters(build):
    X, U = build()
    model = tanimoto_gp(X, U, d=D)
    assert model.noise == 1e-4
    far = torch.zeros(1, 1, D + F).double()
    assert float(model.posterior(far).variance) == pytest.approx(float(U.var()))


def test_a_tanimoto_surrogate_raises_an_error_for_features_that_it_cannot_read(build):
    X, U = build(f=0)
    with pytest.raises(InvdesignError, match="got none"):
        tanimoto_gp(X, U, d=D)
    X, U = build()
    X[0, D + 2] = -1
    with pytest.raises(InvdesignError, match="column 2"):
        tanimoto_gp(X, U, d=D)


def test_auto_reads_counts_if_there_are_any(build):
    X, U = build()
    assert isinstance(auto(X, U, d=D).kernel, MinMaxKernel)
    assert isinstance(auto(X[:, :D], U, d=D).kernel, MaternKernel)
    # Fewer points than inducing points.
    assert auto(X[:, :D], U, d=D, max_exact_points=10).inducing_points is None


def test_a_deep_kernel_holds_out_a_fifth_of_the_rows(build):
    X, U = build(n=50)
    assert len(deep_kernel_gp(X, U, d=D).held_out_rows) == 10


def test_a_long_history_of_counts_is_read_through_inducing_points(build) -> None:
    X, U = build(n=60)
    model = tanimoto_gp(X, U, d=D, max_points=40, n_inducing=20)
    assert isinstance(model, ConditionedGP)
    assert len(model.X) == 60
    assert model.inducing_points is not None
    assert model.inducing_points.shape == (20, X.shape[1])
    X_more, U_more = torch.cat([X, X[:3] + 1]), torch.cat([U, U[:3]])
    batches = tanimoto_gp(X_more, U_more, d=D, max_points=40, n_inducing=20, previous=model)
    assert isinstance(batches, ConditionedGP)
    assert torch.equal(batches.basis_points, model.basis_points)
    whole = ConditionedGP(MinMaxKernel(D), X_more, U_more, noise=model.noise, inducing_points=model.inducing_points)
    test = X[:7, None] + 2
    assert torch.allclose(batches.posterior(test).mean, whole.posterior(test).mean)
    assert torch.allclose(batches.posterior(test).variance, whole.posterior(test).variance)
    grown = condition_on_pending(model, X[:2] + 1)
    assert isinstance(grown, ConditionedGP)
    assert grown.sums is not None
    assert grown.sums.n == 62
    assert len(grown.X) == 62
