"""Degenerate input, and fits that fail numerically."""

import math

import pytest
import torch
from linear_operator.utils.errors import NotPSDError

from invdesign.core import InvdesignError
from invdesign.surrogate import auto, cross_validate, exact_gp, fit_robustly, joint_gp, tanimoto_gp

D = 3


def rows(build, n, value=None):
    X, U = build(n=max(n, 1))
    return X[:n], (U if value is None else torch.full_like(U, value))[:n]


def with_nan(build):
    X, U = build(20)
    U[3], X[5, 0] = math.nan, math.inf
    return X, U


def with_duplicates(build):
    X, U = build(20)
    return torch.cat([X, X[:5]]), torch.cat([U, U[:5] + 2])


def with_constant_column(build):
    X, U = build(20)
    X[:, 1] = 0.7
    return X, U


def with_outlier(build):
    X, U = build(20)
    U[7] = -1e9
    return X, U


def one_design(build):
    X, U = build(20)
    return X[:1].expand(20, -1).clone(), U


TABLE = {
    "no designs": (lambda build: rows(build, 0), "random", "0 distinct designs"),
    "one design": (lambda build: rows(build, 1), "random", "1 distinct designs"),
    "two designs": (lambda build: rows(build, 2), "standard", ""),
    "equal utilities": (lambda build: rows(build, 20, 3.0), "random", "same utility"),
    "the same design twenty times": (one_design, "random", "19 duplicates"),
    "NaN and infinity": (with_nan, "standard", "2 rows with NaN or infinity dropped: 3, 5"),
    "duplicates": (with_duplicates, "standard", "5 duplicates merged"),
    "a constant column": (with_constant_column, "standard", "constant latent columns: 1"),
    "an outlier": (with_outlier, "standard", "rows 7"),
}


@pytest.mark.parametrize("surrogate", [exact_gp, tanimoto_gp, joint_gp, auto])
@pytest.mark.parametrize("case", TABLE)
def test_degenerate_input_ends_at_the_expected_level_with_a_note(build, case, surrogate):
    make, fallback_level, note = TABLE[case]
    X, U = make(build)
    result = fit_robustly(surrogate, X, U, d=D)
    assert result.fallback_level == fallback_level
    assert note in " ".join(result.notes)
    assert (result.model is None) == (fallback_level == "random")
    if result.model is not None:
        assert bool(result.model.posterior(X[:1]).mean.isfinite().all()) or not bool(X[:1].isfinite().all())
    cross_validate(result.model, result.X, result.U, d=D)


def test_merged_duplicates_have_their_mean(build):
    X, U = with_duplicates(build)
    result = fit_robustly(tanimoto_gp, X, U, d=D)
    assert len(result.X) == 20 and torch.equal(result.X, X[:20])
    assert torch.allclose(result.U[:5], U[:5] + 1) and torch.equal(result.U[5:], U[5:20])


def test_a_fit_that_fails_numerically_is_repeated_at_the_next_level(build):
    noise_floors = []

    def fail(n_times):
        def surrogate(X, U, *, d, noise_floor=1e-4):
            noise_floors.append(noise_floor)
            if len(noise_floors) <= n_times:
                raise NotPSDError("not positive definite")
            return exact_gp(X, U, d=d, noise_floor=noise_floor)

        return surrogate

    X, U = build()
    for n_times, fallback_level in [(0, "standard"), (1, "jitter"), (2, "noise floor"), (3, "random")]:
        noise_floors.clear()
        result = fit_robustly(fail(n_times), X, U, d=D)
        assert result.fallback_level == fallback_level and len(result.notes) == n_times
    assert noise_floors == [1e-4, 1e-4, 1e-2]


def test_a_programming_error_in_a_surrogate_is_raised(build):
    def wrong(X, U, *, d):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        fit_robustly(wrong, *build(), d=D)


@pytest.mark.usefixtures("without_type_checks")
def test_shapes_that_disagree_raise_an_error():
    with pytest.raises(InvdesignError, match="expected X of n x"):
        fit_robustly(auto, torch.zeros(3, D).double(), torch.zeros(2, 1).double(), d=D)


def test_fewer_designs_than_required_leave_no_model(build):
    assert fit_robustly(auto, *build(10), d=D, min_designs=11).model is None
