"""Cross-validation of surrogates: rank correlation and calibration, leave-one-out or on a held-out set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from botorch.models.model import Model
from jaxtyping import Float, Int64
from torch import Tensor

from invdesign.core import FitSurrogate
from invdesign.surrogate.calibration import coverage, residual_quantiles
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs

Method = Literal["leave-one-out", "held-out", "none"]
MIN_DESIGNS = 4
"""Designs below which there is no report."""
MIN_HELD_OUT_DESIGNS = 10
"""Designs below which none are held out."""
TOP_FRACTION, MIN_TOP_DESIGNS = 0.25, 20
"""Part of the designs, those with the highest predictions, whose errors correct the intervals of the next batch: it is
selected for high predictions. On GB1 (four draws of 96 variants, the next 96) the 50 and 90 % intervals by these errors
contain 29 and 85 % of the outcomes, those by the errors of all designs 20 and 72 %."""
MAX_ROWS = 10_000
"""Designs of a longer history, drawn at random, on which a sparse process is refitted and rated."""
CHUNK = 256
"""Designs that are predicted at once, which bounds the memory."""


@dataclass(frozen=True)
class SurrogateReport:
    """Quality of predictions on designs that the surrogate is not conditioned on, with one value per objective.

    Leave-one-out keeps hyperparameters that were fitted with the design: with many of them and few designs it is
    somewhat too optimistic, see `descriptor_gp`.
    """

    method: Method = "none"
    """How designs were held out; `"none"` if there was no model or too few designs."""
    n: int = 0
    """Number of predicted designs."""
    rank_correlation: tuple[float, ...] = ()
    """Spearman's correlation of predictions and measurements."""
    rmse: tuple[float, ...] = ()
    """Root mean square error, in the unit of the utility."""
    coverage_50: tuple[float, ...] = ()
    """Fraction of measurements inside the central 50 % interval of their prediction."""
    coverage_90: tuple[float, ...] = ()
    """Fraction of measurements inside the central 90 % interval of their prediction."""
    msll: tuple[float, ...] = ()
    """Mean standardized log loss; below 0 is better than predicting mean and variance of the data for all designs."""
    residual_quantiles: tuple[tuple[float, ...], ...] = ()
    """Quantiles of the standardized errors at 5, 25, 50, 75 and 95 %, of the quarter of the designs with the highest
    predictions; those of the normal distribution where their coverages are within 5 points."""

    def __str__(self) -> str:
        if self.method == "none":
            return "no surrogate"
        ranks = ", ".join(f"{r:.2f}" for r in self.rank_correlation)
        inside = ", ".join(f"{c:.0%}" for c in self.coverage_90)
        return f"rank correlation {ranks}; {inside} inside the 90 % interval ({self.method}, {self.n} designs)"


@torch.no_grad()
def cross_validate(
    model: Model | None,
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    surrogate: FitSurrogate | None = None,
    test_fraction: float = 0.2,
    max_exact_points: int = 1000,
) -> SurrogateReport:
    """Report on a surrogate, without refitting where possible.

    Exact processes use leave-one-out in closed form (Rasmussen and Williams, 2006, 5.4.2) on the newest
    `max_exact_points` rows; a deep kernel on the rows that its network was not trained on. Sparse processes keep their
    hyperparameters and are conditioned on `1 - test_fraction` of the data. Any other BoTorch model, and a process with
    a learned kernel, is fitted again on that part by `surrogate`; without one there is no report.

    Args:
        model: Fitted model, or None after a round without one.
        X: `n x (d + f)` inputs that the model was fitted to.
        U: `n x m` utilities.
        d: Number of latent columns.
        surrogate: Function that fitted the model.
        test_fraction: Fraction of the designs that is held out.
        max_exact_points: Largest number of rows that are left out in turn.

    Example:
        >>> from invdesign.surrogate.models import exact_gp
        >>> X = torch.linspace(0, 3, 8, dtype=torch.float64)[:, None]
        >>> cross_validate(exact_gp(X, X.sin(), d=1), X, X.sin(), d=1).method
        'leave-one-out'
    """
    if model is None or len(X) < MIN_DESIGNS:
        return SurrogateReport()
    if isinstance(model, IndependentGPs) and not bool(U.isfinite().all()):
        return _combine_reports(
            [
                cross_validate(
                    part, X[known], U[known, j : j + 1], d=d, surrogate=surrogate, test_fraction=test_fraction
                )
                for j, part in enumerate(model.models)
                for known in [U[:, j].isfinite()]
            ]
        )
    parts = _conditioned_parts(model)
    if any(part.has_learned_kernel for part in parts):
        parts = []
    if parts and all(part.inducing_points is None for part in parts):
        n_newest = None if parts[0].held_out_rows is not None else max_exact_points
        predictions = [part.leave_one_out(n_newest) for part in parts]
        mean = torch.cat([mean for mean, _ in predictions], 1)
        sd = torch.cat([sd for _, sd in predictions], 1)
        measured = torch.cat([part.U[-len(mean) :] for part in parts], 1)
        rows = parts[0].held_out_rows
        if rows is None:
            rows = torch.arange(len(measured), device=measured.device)
        return _build_report("leave-one-out", measured[rows], mean[rows], sd[rows])
    # The random numbers of a campaign must not depend on the report.
    with torch.random.fork_rng(devices=[X.device] if X.is_cuda else []):
        return _report_on_held_out_set(parts, X, U, d=d, surrogate=surrogate, test_fraction=test_fraction)


def _combine_reports(reports: Sequence[SurrogateReport]) -> SurrogateReport:
    """Return the reports of objectives that were measured on different designs as one."""
    methods = {report.method for report in reports}
    if methods & {"none"} or len(methods) > 1:
        return SurrogateReport()
    columns = ("rank_correlation", "rmse", "coverage_50", "coverage_90", "msll", "residual_quantiles")
    values = {name: tuple(v for report in reports for v in getattr(report, name)) for name in columns}
    return SurrogateReport(method=reports[0].method, n=min(report.n for report in reports), **values)


def _report_on_held_out_set(
    parts: Sequence[ConditionedGP],
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    surrogate: FitSurrogate | None,
    test_fraction: float,
) -> SurrogateReport:
    n = len(parts[0].X) if parts else len(X)
    if n < MIN_HELD_OUT_DESIGNS:
        return SurrogateReport()
    order = torch.randperm(n, device=X.device)[:MAX_ROWS]
    n_test = max(2, round(test_fraction * len(order)))
    test, train = order[:n_test], order[n_test:]
    if parts:
        X, U = parts[0].X, torch.cat([part.U for part in parts], 1)
        refitted: Model = IndependentGPs([_condition_on(part, train) for part in parts])
    elif surrogate is not None:
        with torch.enable_grad():
            refitted = surrogate(X[train], U[train], d=d)
    else:
        return SurrogateReport()
    means, variances = [], []
    for rows in torch.split(test, CHUNK):
        posterior: Any = refitted.posterior(X[rows].unsqueeze(1), observation_noise=True)
        means.append(posterior.mean.squeeze(1))
        variances.append(posterior.variance.squeeze(1))
    return _build_report("held-out", U[test], torch.cat(means), torch.cat(variances).sqrt())


def _conditioned_parts(model: Model) -> Sequence[ConditionedGP]:
    """Return the closed-form processes that a model consists of, or nothing if any part is another model."""
    parts = list(model.models) if isinstance(model, IndependentGPs) else [model]
    conditioned = [part for part in parts if isinstance(part, ConditionedGP)]
    return conditioned if len(conditioned) == len(parts) else []


def _condition_on(part: ConditionedGP, rows: Int64[Tensor, " k"]) -> ConditionedGP:
    """Return a process with the same hyperparameters, conditioned on some of the data."""
    inducing = part.inducing_points
    if inducing is not None:
        inducing = part.X[rows[: len(inducing)]]
    return ConditionedGP(
        part.kernel,
        part.X[rows],
        part.U[rows],
        noise=part.noise,
        prior_means=part.prior_means,
        inducing_points=inducing,
        row_noise=None if part.row_noise is None else part.row_noise[rows],
    )


def _build_report(method: Method, U: Tensor, mean: Tensor, sd: Tensor) -> SurrogateReport:
    """Compare `n x m` measured utilities with the mean and sd of their predictions; one design says nothing."""
    if len(U) < 2:
        return SurrogateReport()
    error = U - mean
    residuals = error / sd
    columns = [column.cpu().numpy() for column in residuals.T]
    coverages = [coverage(column) for column in columns]
    n_top = max(MIN_TOP_DESIGNS, round(TOP_FRACTION * len(U)))
    top = [column.argsort(descending=True)[:n_top] for column in mean.T]
    trivial_loss = (U - U.mean(0)) ** 2 / U.var(0).clamp_min(1e-300) / 2 + U.std(0).clamp_min(1e-150).log()
    loss = residuals**2 / 2 + sd.log() - trivial_loss
    return SurrogateReport(
        method=method,
        n=len(U),
        rank_correlation=tuple(spearman(mean[:, j], U[:, j]) for j in range(U.shape[1])),
        rmse=tuple(error.square().mean(0).sqrt().tolist()),
        coverage_50=tuple(share for share, _ in coverages),
        coverage_90=tuple(share for _, share in coverages),
        msll=tuple(loss.mean(0).tolist()),
        residual_quantiles=tuple(residual_quantiles(residuals[rows, j].cpu().numpy()) for j, rows in enumerate(top)),
    )


def spearman(a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> float:
    """Return Spearman's rank correlation of two vectors; NaN if one of them is constant.

    Args:
        a: `n` values; equal ones have their mean rank.
        b: `n` values.

    Example:
        >>> round(spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 4.0, 9.0])), 6)
        1.0
    """
    ra, rb = _rank(a), _rank(b)
    ra, rb = ra - ra.mean(), rb - rb.mean()
    norm = float(ra.norm() * rb.norm())
    return float(ra @ rb) / norm if norm > 0 else math.nan


def _rank(a: Tensor) -> Tensor:
    """Return the rank of each value, from 1; equal values have their mean rank."""
    _, group, counts = torch.unique(a.double(), return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    mean_ranks: Tensor = last - (counts.double() - 1) / 2
    return mean_ranks[group]
