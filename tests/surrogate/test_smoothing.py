"""Smoothing of utilities over the graph of nearest designs."""

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.surrogate import cross_validate, smoothed_gp
from invdesign.surrogate.smoothing import smooth_on_graph


def noisy_line(n: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    X = torch.linspace(-3, 3, n, dtype=torch.float64)[:, None]
    truth = X.sin()
    return X, truth + 0.5 * torch.randn(n, 1, generator=generator, dtype=torch.float64), truth


def test_smoothing_brings_noisy_values_nearer_to_the_truth_and_keeps_their_mean() -> None:
    X, U, truth = noisy_line()
    smooth = smooth_on_graph(X, U, k=4, strength=2.0)
    assert float((smooth - truth).square().mean()) < 0.5 * float((U - truth).square().mean())
    torch.testing.assert_close(smooth.mean(), U.mean())
    assert torch.equal(smooth_on_graph(X, U, strength=0.0), U)


def test_cross_validation_smooths_without_the_designs_that_it_predicts() -> None:
    X, U, _ = noisy_line()
    report = cross_validate(smoothed_gp(X, U, d=1), X, U, d=1, surrogate=smoothed_gp)
    assert report.method == "held-out"


def test_a_graph_without_links_is_refused() -> None:
    X, U, _ = noisy_line()
    with pytest.raises(InvdesignError, match="expected k >= 1"):
        smooth_on_graph(X, U, k=0)
