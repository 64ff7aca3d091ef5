"""Cross-validation: calibration, held-out sets and rank correlation."""

import math

import botorch
import pytest
import torch
from botorch.models import SingleTaskGP
from gpytorch.kernels import MaternKernel

from invdesign.surrogate import ConditionedGP, cross_validate, deep_kernel_gp, exact_gp, sparse_gp
from invdesign.surrogate.diagnostics import spearman

D = 3


def test_the_coverage_of_a_correct_process_is_nominal():
    X = torch.randn(400, 2).double()
    kernel = MaternKernel().double()
    K = kernel(X).to_dense().detach() + 0.1 * torch.eye(400)
    U = torch.linalg.cholesky(K) @ torch.randn(400, 1).double()
    model = ConditionedGP(kernel, X, U, noise=0.1 / float(U.var()))
    report = cross_validate(model, X, U, d=2)
    assert report.coverage_50[0] == pytest.approx(0.5, abs=0.15)
    assert report.coverage_90[0] == pytest.approx(0.9, abs=0.08)
    assert report.msll[0] < 0


def test_one_held_out_design_is_no_report(build):
    X, U = build(n=6)
    model = deep_kernel_gp(X, U, d=D)
    assert len(model.held_out_rows) < 2
    assert cross_validate(model, X, U, d=D).method == "none"


def test_sparse_and_other_models_are_reported_on_a_held_out_set(build):
    X, U = build(n=80)
    sparse = sparse_gp(X, U, d=D, n_inducing=30)
    assert cross_validate(sparse, X, U, d=D).method == "held-out"

    def single_task_gp(X, U, *, d):
        with botorch.settings.validate_input_scaling(False):
            return SingleTaskGP(X[:, :d], U)

    X = X[:, :D].contiguous()
    model = single_task_gp(X, U, d=D)
    report = cross_validate(model, X, U, d=D, surrogate=single_task_gp)
    assert (report.method, report.n) == ("held-out", 16)
    assert cross_validate(model, X, U, d=D).method == "none"


def test_a_held_out_report_uses_no_random_numbers_of_the_campaign(build):
    X, U = build(n=80)
    sparse = sparse_gp(X, U, d=D, n_inducing=30)
    state = torch.get_rng_state()
    cross_validate(sparse, X, U, d=D)
    assert torch.equal(state, torch.get_rng_state())


def test_there_is_no_report_without_a_model_or_with_too_few_designs(build):
    X, U = build(n=3)
    assert cross_validate(None, X, U, d=D).method == "none"
    report = cross_validate(exact_gp(X, U, d=D), X, U, d=D)
    assert report.method == "none" and str(report) == "no surrogate"


def test_a_report_is_one_line(build):
    X, U = build(n=30)
    assert str(cross_validate(exact_gp(X, U, d=D), X, U, d=D)).endswith("(leave-one-out, 30 designs)")


def test_equal_values_have_their_mean_rank():
    a, b = torch.tensor([1.0, 2.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])
    assert spearman(a, b) == pytest.approx(4.5 / math.sqrt(4.5 * 5.0))
    assert math.isnan(spearman(a, torch.ones(4)))


def test_intervals_are_corrected_by_the_errors_of_the_designs_with_the_highest_predictions():
    torch.manual_seed(0)
    X = torch.linspace(0, 1, 120, dtype=torch.float64)[:, None]
    noise = torch.where(X > 0.75, 0.5, 0.02) * torch.randn(120, 1, dtype=torch.float64)
    U = 3 * X + noise
    up, down = (cross_validate(exact_gp(X, V, d=1), X, V, d=1).residual_quantiles[0] for V in (U, -U))
    assert up[-1] - up[0] > 1.5 * (down[-1] - down[0]), "the noise is where utilities are high"
