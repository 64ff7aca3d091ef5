"""Fitting that does not fail: input made fit for a GP, and a ladder of ever more cautious fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gpytorch
import torch
from botorch.exceptions.errors import ModelFittingError
from botorch.models.model import Model
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor

from invdesign.core import FitSurrogate, InvdesignError
from invdesign.surrogate.gp import ConditionedGP

Rung = Literal["asked", "jitter", "noise floor", "random"]

NUMERICAL = (NotPSDError, NanError, ModelFittingError, torch.linalg.LinAlgError, ArithmeticError, FloatingPointError)


@dataclass(frozen=True, eq=False)
class Fit:
    """What came of fitting a surrogate.

    Args:
        model: the fitted model, or None: this round can only be drawn at random.
        fallback_level: `"asked"` (fitted as asked), `"jitter"` or `"noise floor"` (with that help), `"random"`
            (not at all).
        notes: sentences for the round's record: merged duplicates, dropped rows, outliers, and why a level failed.
        X: `n x (d + f)` inputs that it was fitted to, duplicates merged.
        U: `n x m` utilities that it was fitted to.
    """

    model: Model | None
    fallback_level: Rung
    notes: tuple[str, ...]
    X: Tensor
    U: Tensor


def fit(surrogate: FitSurrogate, X: Tensor, U: Tensor, *, d: int, least: int = 2) -> Fit:
    """Fit a surrogate, whatever the history looks like.

    Rows with NaN or infinity are left out, duplicates merged into their mean; both are noted, and so are constant
    latent columns and outliers, which are kept. Fewer than `least` distinct designs, or one utility for all of them,
    leave nothing to learn: `model` is None. A fit that breaks numerically is tried again with jitter, then with a
    noise floor, then given up.

    Args:
        surrogate: `(X, U, *, d, noise_floor)` to a fitted model.
        X: `n x (d + f)` float64.
        U: `n x m` float64.
        d: number of latent columns.
        least: distinct designs below which a round is random.

    Raises:
        InvdesignError: where shapes disagree, or features are not what the surrogate reads.
    """
    if X.dim() != 2 or U.dim() != 2 or len(X) != len(U) or X.shape[1] < d:
        raise InvdesignError(
            f"a surrogate is fitted to X of n x (d + f) and U of n x m with d = {d}, "
            f"got {tuple(X.shape)} and {tuple(U.shape)}"
        )
    X, U, notes = tidy(X.double(), U.double(), d=d)
    if len(X) < least:
        return Fit(None, "random", (*notes, f"{len(X)} distinct designs, at least {least} are needed"), X, U)
    if bool((U.amax(0) - U.amin(0) <= 1e-12 * (1 + U.abs().amax(0))).all()):
        return Fit(None, "random", (*notes, "all designs have the same utility"), X, U)
    rungs: tuple[tuple[Rung, float, float | None], ...] = (
        ("asked", 1e-8, None),
        ("jitter", 1e-4, None),
        ("noise floor", 1e-4, 1e-2),
    )
    for fallback_level, jitter, floor in rungs:
        try:
            with gpytorch.settings.cholesky_jitter(double_value=jitter):
                model = surrogate(X, U, d=d) if floor is None else surrogate(X, U, d=d, noise_floor=floor)
            trouble = _trouble(model, X)
        except NUMERICAL as error:
            trouble = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if not trouble:
            if isinstance(model, ConditionedGP) and len(model.X) < len(X):
                notes = (*notes, f"fitted to {len(model.X)} of {len(X)} designs: the best, the newest and random ones")
            return Fit(model, fallback_level, notes, X, U)
        notes = (*notes, f"{fallback_level}: {trouble}")
    return Fit(None, "random", notes, X, U)


def tidy(X: Tensor, U: Tensor, *, d: int) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Inputs and utilities that a GP can take, and what was done to them.

    The order of the rows (oldest first) is kept.
    """
    notes: list[str] = []
    is_finite = X.isfinite().all(1) & U.isfinite().all(1)
    if not bool(is_finite.all()):
        rows = (~is_finite).nonzero().squeeze(1).tolist()
        notes.append(f"{len(rows)} rows with NaN or infinity left out: {_listed(rows)}")
        X, U = X[is_finite], U[is_finite]
    if not len(X):
        return X, U, tuple(notes)
    group, first = _groups(X)
    if len(first) < len(X):
        notes.append(f"{len(X) - len(first)} duplicates merged into their mean")
        counts = torch.zeros(len(first), dtype=U.dtype).index_add_(0, group, torch.ones(len(X), dtype=U.dtype))
        U = torch.zeros(len(first), U.shape[1], dtype=U.dtype).index_add_(0, group, U) / counts[:, None]
        X = X[first]
    if len(X) > 2:
        constant = (X[:, :d].amax(0) == X[:, :d].amin(0)).nonzero().squeeze(1).tolist()
        if constant:
            notes.append(f"constant latent columns: {_listed(constant)}")
    notes.extend(_outliers(U))
    return X, U, tuple(notes)


def _groups(X: Tensor) -> tuple[Tensor, Tensor]:
    """The group of each row (equal rows, one group), and the first row of each group; groups in order of appearance."""
    seen: dict[bytes, int] = {}
    rows = (X + 0.0).numpy()  # -0.0 and 0.0 differ in their bytes alone
    group = torch.tensor([seen.setdefault(row.tobytes(), len(seen)) for row in rows])
    first = torch.full((len(seen),), len(X)).scatter_reduce(0, group, torch.arange(len(X)), reduce="amin")
    return group, first


def _outliers(U: Tensor, *, limit: float = 10.0) -> list[str]:
    """Rows whose utility lies more than `limit` robust standard deviations from the median; named, not altered."""
    notes: list[str] = []
    if len(U) < 8:
        return notes
    middle = U.median(0).values
    spread = 1.4826 * (U - middle).abs().median(0).values
    for j in range(U.shape[1]):
        if float(spread[j]) <= 0:
            continue
        far = ((U[:, j] - middle[j]).abs() > limit * spread[j]).nonzero().squeeze(1).tolist()
        if far:
            worst = max(far, key=lambda i: abs(float(U[i, j] - middle[j])))
            notes.append(
                f"objective {j}: {len(far)} outliers beyond {limit:g} robust sd, kept (rows {_listed(far)}; "
                f"the farthest is {float(U[worst, j]):g} against a median of {float(middle[j]):g})"
            )
    return notes


def _listed(rows: list[int], *, most: int = 8) -> str:
    return ", ".join(map(str, rows[:most])) + (f" and {len(rows) - most} more" if len(rows) > most else "")


@torch.no_grad()
def _trouble(model: Model, X: Tensor) -> str:
    """What is wrong with the predictions of a fitted model at some of its own points, or nothing."""
    posterior: Any = model.posterior(X[:8].unsqueeze(1))
    if not bool(posterior.mean.isfinite().all()) or not bool(posterior.variance.isfinite().all()):
        return "its predictions are not finite"
    return ""
