"""Warps keep the order and can be undone."""

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
    [outcome_transforms.none, outcome_transforms.log, outcome_transforms.quantile, outcome_transforms.winsorized],
)
@given(values=VALUES)
def test_a_warp_never_turns_an_order_round(transform, values) -> None:  # type: ignore[no-untyped-def]
    u = torch.tensor(values, dtype=torch.float64)
    w = transform(u).u
    assert bool((w.argsort(stable=True).sort().values == torch.arange(len(u))).all())
    assert bool((w[u.argsort(stable=True)].diff() >= 0).all())


@pytest.mark.parametrize("transform", [outcome_transforms.none, outcome_transforms.log, outcome_transforms.quantile])
@given(values=VALUES)
def test_what_was_warped_comes_back(transform, values) -> None:  # type: ignore[no-untyped-def]
    u = torch.tensor(values, dtype=torch.float64)
    warped = transform(u)
    torch.testing.assert_close(warped.inverse(warped.u), u, atol=1e-6, rtol=1e-6)


def test_equal_utilities_get_equal_scores() -> None:
    w = outcome_transforms.quantile(torch.tensor([0.0, 1.0, 0.0, 5.0], dtype=torch.float64)).u
    assert w[0] == w[2] < w[1] < w[3]


def test_winsorizing_raises_the_worst() -> None:
    w = outcome_transforms.winsorized(torch.tensor([-1000.0, 0.0, 1.0, 2.0, 3.0], dtype=torch.float64), low=0.25).u
    assert w.tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(InvdesignError, match="share must be positive"):
        outcome_transforms.log(torch.zeros(3), share=0)
