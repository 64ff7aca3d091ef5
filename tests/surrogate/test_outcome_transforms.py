"""Outcome transforms preserve the order and can be inverted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import InvdesignError
from invdesign.surrogate import outcome_transforms

VALUES = st.lists(st.floats(-100, 100).map(lambda v: round(v, 3)), min_size=2, max_size=20)


@pytest.mark.parametrize(
    "transform",
    [outcome_transforms.none, outcome_transforms.log, outcome_transforms.quantile, outcome_transforms.winsorize],
)
@given(values=VALUES)
def test_a_transform_preserves_the_order(transform, values) -> None:  # type: ignore[no-untyped-def]
    u = torch.tensor(values, dtype=torch.float64)
    w = transform(u).u
    assert bool((w.argsort(stable=True).sort().values == torch.arange(len(u))).all())
    assert bool((w[u.argsort(stable=True)].diff() >= 0).all())


@pytest.mark.parametrize("transform", [outcome_transforms.none, outcome_transforms.log, outcome_transforms.quantile])
@given(values=VALUES)
def test_the_inverse_restores_the_utilities(transform, values) -> None:  # type: ignore[no-untyped-def]
    u = torch.tensor(values, dtype=torch.float64)
    transformed = transform(u)
    torch.testing.assert_close(transformed.inverse(transformed.u), u, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("transform", [outcome_transforms.log, outcome_transforms.quantile])
def test_transformed_utilities_stay_on_their_device(transform) -> None:  # type: ignore[no-untyped-def]
    u = torch.zeros(3, dtype=torch.float64)
    with torch.device("meta"):
        transformed = transform(u)
        assert transformed.inverse(transformed.u).device == u.device


def test_equal_utilities_have_equal_scores() -> None:
    w = outcome_transforms.quantile(torch.tensor([0.0, 1.0, 0.0, 5.0], dtype=torch.float64)).u
    assert w[0] == w[2] < w[1] < w[3]


def test_winsorizing_raises_the_worst_utilities() -> None:
    w = outcome_transforms.winsorize(torch.tensor([-1000.0, 0.0, 1.0, 2.0, 3.0], dtype=torch.float64), low=0.25).u
    assert w.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_an_offset_of_zero_raises_an_error() -> None:
    with pytest.raises(InvdesignError, match="expected offset_fraction > 0"):
        outcome_transforms.log(torch.zeros(3), offset_fraction=0.0)


def test_scores_beyond_the_utilities_continue_with_their_scale() -> None:
    u = torch.tensor([0.0, 1.0, 2.0, 10.0], dtype=torch.float64)
    transformed = outcome_transforms.quantile(u)
    beyond = transformed.inverse(torch.stack([transformed.u[0] - 1, transformed.u[-1] + 1]))
    assert beyond[0] < 0 and beyond[1] > 10
