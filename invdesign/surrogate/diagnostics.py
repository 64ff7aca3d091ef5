"""How far a surrogate can be trusted: rank correlation and calibration, leave-one-out or on a held-out part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from botorch.models.model import Model
from torch import Tensor

from invdesign.core import FitSurrogate
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs


@dataclass(frozen=True)
class SurrogateReport:
    """Quality of predictions on designs that the surrogate had not seen. Each figure has one value per objective.

    Args:
        method: `"leave-one-out"`, `"held-out"`, or `"none"` where there was no model or too few designs.
        n: designs predicted.
        rank_correlation: Spearman's, between prediction and measurement.
        rmse: root mean square error, in the objective's utility.
        coverage_50: share of measurements inside the central 50 % interval of their prediction.
        coverage_90: the same of the 90 % interval.
        msll: mean standardized log loss: below 0 is better than predicting mean and variance of the data for all.
    """

    method: Literal["leave-one-out", "held-out", "none"] = "none"
    n: int = 0
    rank_correlation: tuple[float, ...] = ()
    rmse: tuple[float, ...] = ()
    coverage_50: tuple[float, ...] = ()
    coverage_90: tuple[float, ...] = ()
    msll: tuple[float, ...] = ()

    def __str__(self) -> str:
        if self.method == "none":
            return "no surrogate"
        ranks = ", ".join(f"{r:.2f}" for r in self.rank_correlation)
        inside = ", ".join(f"{c:.0%}" for c in self.coverage_90)
        return f"rank correlation {ranks}; {inside} inside the 90 % interval ({self.method}, {self.n} designs)"


@torch.no_grad()
def cross_validate(
    model: Model | None,
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    surrogate: FitSurrogate | None = None,
    share: float = 0.2,
    largest_exact: int = 4000,
) -> SurrogateReport:
    """Report on a surrogate, without refitting wherever its form allows.

    Leave-one-out in closed form (Rasmussen and Williams, 2006, 5.4.2) for exact processes of at most `largest_exact`
    points (for a deep kernel on the rows that its network was not trained on). Longer or sparse ones keep their
    hyperparameters and are conditioned anew on `1 - share` of the data. Any other BoTorch model, and a process that
    learnt as many weights as it has data, is fitted anew on that part by `surrogate`; without one there is nothing to
    report.

    Args:
        model: a fitted model, or None after a round without one.
        X: `n x (d + f)` inputs that it was fitted to.
        U: `n x m` utilities.
        d: number of latent columns.
        surrogate: what fitted the model.
        share: held out.
        largest_exact: most points for leave-one-out.
    """
    if model is None or len(X) < 4:
        return SurrogateReport()
    parts = _closed(model)
    if any(p.is_learnt for p in parts):
        parts = []
    if parts and all(p.inducing is None and len(p.X) <= largest_exact for p in parts):
        pairs = [p.leave_one_out() for p in parts]
        mean, sd = torch.cat([mean for mean, _ in pairs], 1), torch.cat([sd for _, sd in pairs], 1)
        measured, rows = torch.cat([p.U for p in parts], 1), parts[0].unseen
        if rows is None:
            rows = torch.arange(len(measured))
        return _score("leave-one-out", measured[rows], mean[rows], sd[rows])
    with torch.random.fork_rng(devices=[]):
        return _held_out(parts, X, U, d=d, surrogate=surrogate, share=share)


def _held_out(
    parts: Sequence[ConditionedGP], X: Tensor, U: Tensor, *, d: int, surrogate: FitSurrogate | None, share: float
) -> SurrogateReport:
    """The report on a part that the rest foretells; a campaign's random numbers do not depend on it."""
    n = len(parts[0].X) if parts else len(X)
    if n < 10:
        return SurrogateReport()
    order = torch.randperm(n)
    test, train = order[: max(2, round(share * n))], order[max(2, round(share * n)) :]
    if parts:
        X, U = parts[0].X, torch.cat([p.U for p in parts], 1)
        again: Model = IndependentGPs([_conditioned(p, train) for p in parts])
    elif surrogate is not None:
        with torch.enable_grad():
            again = surrogate(X[train], U[train], d=d)
    else:
        return SurrogateReport()
    means, variances = [], []
    for rows in test.split(256):
        posterior: Any = again.posterior(X[rows].unsqueeze(1), observation_noise=True)
        means.append(posterior.mean.squeeze(1))
        variances.append(posterior.variance.squeeze(1))
    return _score("held-out", U[test], torch.cat(means), torch.cat(variances).sqrt())


def _closed(model: Model) -> Sequence[ConditionedGP]:
    """The closed-form processes that a model consists of, or nothing if any part of it is something else."""
    parts = list(model.models) if isinstance(model, IndependentGPs) else [model]
    return (
        [p for p in parts if isinstance(p, ConditionedGP)] if all(isinstance(p, ConditionedGP) for p in parts) else []
    )


def _conditioned(part: ConditionedGP, rows: Tensor) -> ConditionedGP:
    """The same hyperparameters on some of the data."""
    inducing = part.inducing
    if inducing is not None:
        inducing = part.X[rows[: len(inducing)]]
    return ConditionedGP(part.kernel, part.X[rows], part.U[rows], noise=part.noise, means=part.means, inducing=inducing)


def _score(method: Literal["leave-one-out", "held-out"], U: Tensor, mean: Tensor, sd: Tensor) -> SurrogateReport:
    error = U - mean
    within = (error / sd).abs()
    trivial = (U - U.mean(0)) ** 2 / U.var(0).clamp_min(1e-300) / 2 + U.std(0).clamp_min(1e-150).log()
    loss = within**2 / 2 + sd.log() - trivial
    return SurrogateReport(
        method=method,
        n=len(U),
        rank_correlation=tuple(spearman(mean[:, j], U[:, j]) for j in range(U.shape[1])),
        rmse=tuple(error.square().mean(0).sqrt().tolist()),
        coverage_50=tuple((within < 0.6744897501960817).double().mean(0).tolist()),
        coverage_90=tuple((within < 1.6448536269514722).double().mean(0).tolist()),
        msll=tuple(loss.mean(0).tolist()),
    )


def spearman(a: Tensor, b: Tensor) -> float:
    """Spearman's rank correlation of two vectors, ties sharing their mean rank; NaN where one of them is constant."""
    ra, rb = _ranks(a), _ranks(b)
    ra, rb = ra - ra.mean(), rb - rb.mean()
    norm = float(ra.norm() * rb.norm())
    return float(ra @ rb) / norm if norm > 0 else math.nan


def _ranks(a: Tensor) -> Tensor:
    _, inverse, counts = a.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() - 1) / 2)[inverse]
