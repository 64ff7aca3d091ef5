"""The process on counts and descriptors."""

import numpy as np
import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.surrogate import ConditionedGP, MinMaxKernel, auto, cross_validate, descriptor_gp, tanimoto_gp
from invdesign.surrogate.descriptors import DescriptorKernel, count_fitted
from invdesign.surrogate.diagnostics import spearman
from invdesign.surrogate.gp import IndependentGPs

D, F, P = 2, 30, 4


def make_inputs(n, seed=0):
    """Return latents, sparse counts, and descriptors of different units, one of which is the sum of the counts."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.4, (n, F)).astype(float)
    described = np.column_stack([counts.sum(1), rng.normal(60, 20, n), rng.normal(0, 1, n), np.zeros(n)])
    return torch.from_numpy(np.concatenate([rng.normal(size=(n, D)), counts, described], 1))


def utility_of(X):
    """Return a utility that depends on a window of the first descriptor and on one substructure."""
    return torch.exp(-((X[:, -P] - 12) ** 2) / 8)[:, None] + 0.2 * X[:, D : D + 1]


def test_the_kernel_is_the_weighted_mean_of_minmax_and_matern():
    X = make_inputs(7)
    kernel = DescriptorKernel(MinMaxKernel(D, D + F), torch.tensor([2.0, 20.0, 1.0, 0.3]).double()).double()
    kernel.initialize(count_share=0.3)
    kernel.matern.lengthscale = torch.tensor([1.0, 2.0, 3.0, 4.0]).double()
    A = X.numpy()
    counts, scaled = A[:, D : D + F], A[:, -P:] / np.array([2.0, 40.0, 3.0, 1.2])
    for i in range(7):
        for j in range(7):
            minmax = np.minimum(counts[i], counts[j]).sum() / np.maximum(counts[i], counts[j]).sum()
            r = np.sqrt(5) * np.linalg.norm(scaled[i] - scaled[j])
            expected = 0.3 * minmax + 0.7 * (1 + r + r**2 / 3) * np.exp(-r)
            assert kernel(X).to_dense()[i, j].item() == pytest.approx(expected, abs=1e-9)
    assert torch.allclose(kernel(X, diag=True), torch.ones(7).double())
    assert torch.allclose(kernel(X, X.flip(0), diag=True), kernel(X, X.flip(0)).to_dense().diagonal(), atol=1e-6)


def test_a_window_of_a_descriptor_is_found_where_counts_alone_do_not_show_it():
    X, X_new = make_inputs(120), make_inputs(200, seed=1)
    U, new = utility_of(X), utility_of(X_new)[:, 0]
    ranks = {}
    for name, model, width in (
        ("both", descriptor_gp(X, U, d=D, n_descriptors=P), X.shape[1]),
        ("counts", tanimoto_gp(X[:, :-P], U, d=D), X.shape[1] - P),
    ):
        ranks[name] = spearman(model.posterior(X_new[:, None, :width]).mean[:, 0, 0], new)
    assert ranks["both"] > 0.85 > 0.6 > ranks["counts"]


def test_a_larger_unit_of_a_descriptor_or_of_the_utilities_does_not_matter():
    X, X_new = make_inputs(60), make_inputs(5, seed=1)
    U = utility_of(X)
    factors = torch.ones(X.shape[1]).double()
    factors[-3] = 100.0
    mean = descriptor_gp(X, U, d=D, n_descriptors=P).posterior(X_new).mean
    other = descriptor_gp(X * factors, 1e3 * U, d=D, n_descriptors=P).posterior(X_new * factors).mean
    assert torch.allclose(1e3 * mean, other, rtol=1e-3)


def test_a_model_that_extends_the_last_one_is_that_of_all_data():
    X = make_inputs(90)
    U = torch.cat([utility_of(X), X[:, -2:-1]], 1)
    grown = None
    for n in (40, 60, 70, 90):
        torch.manual_seed(n)
        grown = descriptor_gp(X[:n], U[:n], d=D, n_descriptors=P, previous=grown)
    whole = descriptor_gp(X, U, d=D, n_descriptors=P)
    assert isinstance(grown, IndependentGPs) and isinstance(whole, IndependentGPs)
    new = make_inputs(6, seed=1)
    assert torch.allclose(grown.posterior(new).mean, whole.posterior(new).mean, atol=1e-9)
    assert torch.allclose(grown.posterior(new).variance, whole.posterior(new).variance, atol=1e-9)


def test_hyperparameters_are_kept_until_the_data_have_grown_by_half_and_their_values_are_the_same():
    X = make_inputs(80)
    U = utility_of(X)
    first = descriptor_gp(X[:60], U[:60], d=D, n_descriptors=P)
    later = descriptor_gp(X[:70], U[:70], d=D, n_descriptors=P, previous=first)
    assert isinstance(first, ConditionedGP) and isinstance(later, ConditionedGP)
    assert later.kernel is first.kernel and later.factor.blocks[0] is first.factor.blocks[0]
    corrected = U[:70].clone()
    corrected[3] += 1
    assert descriptor_gp(X[:70], corrected, d=D, n_descriptors=P, previous=first).kernel is not first.kernel
    assert descriptor_gp(X, U, d=D, n_descriptors=P, previous=first).kernel is not first.kernel
    assert count_fitted(74) == 50 and count_fitted(75) == 75


def test_the_fit_does_not_draw_from_the_random_numbers_of_the_campaign():
    X = make_inputs(400)
    torch.manual_seed(5)
    descriptor_gp(X, utility_of(X), d=D, n_descriptors=P)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_few_designs_and_constant_descriptors_are_fitted():
    X = make_inputs(3)
    model = descriptor_gp(X, utility_of(X), d=D, n_descriptors=P)
    assert model.posterior(X).mean.isfinite().all()


def test_predictions_are_cross_validated_in_closed_form():
    X = make_inputs(100)
    model = descriptor_gp(X, utility_of(X), d=D, n_descriptors=P)
    report = cross_validate(model, X, utility_of(X), d=D)
    assert report.method == "leave-one-out" and report.rank_correlation[0] > 0.8


def test_auto_reads_descriptors_where_there_are_counts_and_the_error_names_another_surrogate():
    X = make_inputs(20)
    U = utility_of(X)
    assert isinstance(auto(X, U, d=D, n_descriptors=P).kernel, DescriptorKernel)
    assert isinstance(auto(X[:, :-P], U, d=D).kernel, MinMaxKernel)
    with pytest.raises(InvdesignError, match="expected descriptors of the domain, got none"):
        descriptor_gp(X, U, d=D)
    negative = X.clone()
    negative[0, D] = -1
    with pytest.raises(InvdesignError, match="counts or other features >= 0"):
        descriptor_gp(negative, U, d=D, n_descriptors=P)


def test_a_model_of_other_columns_or_settings_is_not_extended():
    X = make_inputs(60)
    U = utility_of(X)
    first = descriptor_gp(X, U, d=D, n_descriptors=P)
    for changes in ({"d": D + 5}, {"n_descriptors": 2}, {"max_steps": 3}, {"max_fit_points": 20}):
        settings = {"d": D, "n_descriptors": P, **changes}
        new = descriptor_gp(X, U, **settings)
        grown = descriptor_gp(X, U, previous=first, **settings)
        assert torch.equal(grown.posterior(X).mean, new.posterior(X).mean), changes


def test_the_memory_layout_of_the_utilities_does_not_matter():
    X = make_inputs(60)
    U = torch.cat([utility_of(X), X[:, -2:-1]], 1)
    alone = descriptor_gp(X, U[:, :1].clone(), d=D, n_descriptors=P)
    both = descriptor_gp(X, U, d=D, n_descriptors=P)
    assert isinstance(both, IndependentGPs)
    assert torch.equal(both.models[0].posterior(X).mean, alone.posterior(X).mean)
    U[0] = 9.0
    changed = descriptor_gp(X, U[:, :1], d=D, n_descriptors=P, previous=alone)
    assert changed.kernel is not alone.kernel
