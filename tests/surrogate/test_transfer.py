"""Transfer from another assay: it sharpens predictions where the assays agree, and is dropped where they do not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from invdesign.surrogate import Source, exact_gp, fit_robustly, fit_transfer
from invdesign.surrogate.fantasies import condition_on_pending
from invdesign.surrogate.transfer import TransferGP

GENERATOR = torch.Generator().manual_seed(0)
GRID = 4 * torch.rand(200, 2, generator=GENERATOR, dtype=torch.float64) - 2
FEW, MANY, REST = GRID[:12], GRID[12:92], GRID[92:]


def surface(X: Tensor) -> Tensor:
    return (2 * X[:, 0]).sin() + (1.5 * X[:, 1]).cos()


def errors(u: Tensor, source: Tensor) -> tuple[float, float, str]:
    """Return the errors of the few measurements alone and with a source, and the note."""
    fitted = fit_robustly(exact_gp, FEW, u[:, None], d=2)
    with_source = fit_transfer(exact_gp, fitted, Source(MANY, source), d=2)
    both = []
    for fit in (fitted, with_source):
        assert fit.model is not None
        mean = fit.model.posterior(REST.unsqueeze(1)).mean.reshape(-1)  # type: ignore[attr-defined]
        both.append(float((mean - surface(REST)).square().mean().sqrt()))
    return both[0], both[1], with_source.notes[-1]


def test_a_related_assay_on_another_scale_sharpens_the_predictions() -> None:
    alone, both, note = errors(surface(FEW), 40 * surface(MANY) + 100)
    assert both < 0.6 * alone and "second task" in note


def test_an_assay_that_runs_the_other_way_is_used_with_a_negative_correlation() -> None:
    alone, both, note = errors(surface(FEW), -surface(MANY))
    assert both < 0.6 * alone and "correlation -" in note


def test_a_hostile_source_is_dropped() -> None:
    noise = torch.randn(len(MANY), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    alone, both, note = errors(surface(FEW), noise)
    assert math.isclose(alone, both) and "not used" in note


def test_pending_designs_are_conditioned_on() -> None:
    fitted = fit_transfer(
        exact_gp, fit_robustly(exact_gp, FEW, surface(FEW)[:, None], d=2), Source(MANY, surface(MANY)), d=2
    )
    assert isinstance(fitted.model, TransferGP)
    conditioned = condition_on_pending(fitted.model, REST[:2])
    before = fitted.model.posterior(REST[:2].unsqueeze(1))
    after = conditioned.posterior(REST[:2].unsqueeze(1))
    assert torch.allclose(after.mean, before.mean, atol=1e-2)  # type: ignore[attr-defined]
    assert (after.variance < before.variance).all()  # type: ignore[attr-defined]
