"""Robust GP fitting: input cleaning and a sequence of fallback levels."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import gpytorch
import torch
from botorch.exceptions.errors import ModelFittingError
from botorch.models.model import Model
from jaxtyping import Float, Int64
from linear_operator.utils.errors import NanError, NotPSDError
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined, unused-ignore]  # not exported to type checkers

from invdesign.core import FitSurrogate, InvdesignError
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs

FallbackLevel = Literal["standard", "jitter", "noise floor", "random"]
"""How a surrogate was fitted: without help, with more jitter, with a larger noise floor, or not at all."""

NUMERICAL_ERRORS = (
    NotPSDError,
    NanError,
    ModelFittingError,
    LinAlgError,
    ArithmeticError,
    FloatingPointError,
)
"""Errors of a fit that the next level may avoid; all others are programming errors."""


class Level(NamedTuple):
    """Settings of one attempt to fit."""

    name: FallbackLevel
    jitter: float
    noise_floor: float | None


LEVELS = (
    Level("standard", jitter=1e-8, noise_floor=None),
    Level("jitter", jitter=1e-4, noise_floor=None),
    Level("noise floor", jitter=1e-4, noise_floor=1e-2),
)
"""Attempts, in order."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Result of fitting a surrogate."""

    model: Model | None
    """Fitted model, or None: designs of this round can be selected at random only."""
    fallback_level: FallbackLevel
    """Level of the successful attempt; `"random"` if there is no model."""
    notes: tuple[str, ...]
    """Notes for the record of the round: merged duplicates, dropped rows, outliers, and why a level failed."""
    X: Float[Tensor, "n c"]
    """`n x (d + f)` inputs that the model was fitted to, duplicates merged."""
    U: Float[Tensor, "n m"]
    """`n x m` utilities that the model was fitted to."""


def fit_robustly(
    surrogate: FitSurrogate,
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    min_designs: int = 2,
    errors: Float[Tensor, "n m"] | None = None,
    previous: Model | None = None,
) -> Fit:
    """Fit a surrogate to any history, without failing for numerical reasons.

    Rows with NaN or infinity are dropped and duplicates are merged into their mean. Both are noted, and so are constant
    latent columns and outliers, which stay. Where designs are measured for some of the objectives only, each objective
    is fitted to its own rows. With fewer than `min_designs` distinct designs, or one utility for all of
    them, there is no model. A fit with a numerical error is repeated with more jitter, then with a larger noise floor.

    Args:
        surrogate: Function `(X, U, *, d, noise_floor)` that returns a fitted model.
        X: `n x (d + f)` inputs, oldest first.
        U: `n x m` utilities.
        d: Number of latent columns.
        min_designs: Number of distinct designs below which there is no model.
        errors: Known standard errors of the utilities (`n x m`), NaN where unknown. A closed-form process is
            conditioned with them where they are larger than its noise.
        previous: Model of the round before, for a surrogate that extends its computations.

    Returns:
        The model with the cleaned data that it was fitted to; `model` is None if no level succeeds.

    Raises:
        InvdesignError: The shapes disagree, or the features are not what the surrogate reads.

    Example:
        >>> from invdesign.surrogate.models import exact_gp
        >>> X = torch.linspace(0, 3, 8, dtype=torch.float64)[:, None]
        >>> fit_robustly(exact_gp, X, X.sin(), d=1).fallback_level
        'standard'
    """
    if X.dim() != 2 or U.dim() != 2 or len(X) != len(U) or X.shape[1] < d:
        raise InvdesignError(
            f"surrogate: expected X of n x (d + f) and U of n x m with d = {d}, got {tuple(X.shape)} and "
            f"{tuple(U.shape)}"
        )
    X, U = X.double(), U.double()
    is_known = U.isfinite()
    if bool((is_known.any(1) & ~is_known.all(1)).any()):
        return _fit_each_column(surrogate, X, U, d=d, min_designs=min_designs, errors=errors)
    given = X
    X, U, notes = clean_data(X, U, d=d)
    if len(X) < min_designs:
        return Fit(None, "random", (*notes, f"{len(X)} distinct designs, at least {min_designs} are needed"), X, U)
    if bool((U.amax(0) - U.amin(0) <= 1e-12 * (1 + U.abs().amax(0))).all()):
        return Fit(None, "random", (*notes, "all designs have the same utility"), X, U)
    for level in LEVELS:
        try:
            model = _fit_at_level(surrogate, X, U, d=d, level=level, previous=previous)
            problem = _find_problem(model, X)
        except NUMERICAL_ERRORS as error:
            message = str(error).splitlines()[0] if str(error) else ""
            problem = f"{type(error).__name__}: {message}"
        if not problem:
            part = model.models[0] if isinstance(model, IndependentGPs) else model
            if isinstance(part, ConditionedGP) and len(part.X) < len(X):
                notes = (*notes, f"fitted to {len(part.X)} of {len(X)} designs: the best, the newest and random ones")
            if errors is not None and bool(errors.isfinite().any()):
                model = _with_row_noise(model, given, errors)
            return Fit(model, level.name, notes, X, U)
        notes = (*notes, f"{level.name}: {problem}")
    return Fit(None, "random", notes, X, U)


def _fit_each_column(
    surrogate: FitSurrogate,
    X: Tensor,
    U: Tensor,
    *,
    d: int,
    min_designs: int,
    errors: Tensor | None,
) -> Fit:
    """Fit each objective to the rows where it is known; no model where one of them cannot be fitted."""
    fits = [
        fit_robustly(
            surrogate,
            X[known],
            U[known, j : j + 1],
            d=d,
            min_designs=min_designs,
            errors=None if errors is None else errors[known, j : j + 1],
        )
        for j in range(U.shape[1])
        for known in [U[:, j].isfinite()]
    ]
    counts = " and ".join(str(int(n)) for n in U.isfinite().sum(0))
    notes = (f"objectives fitted to {counts} designs of {len(X)}", *(note for fit in fits for note in fit.notes))
    level = max((fit.fallback_level for fit in fits), key=get_args(FallbackLevel).index)
    models = [fit.model for fit in fits]
    parts = [model for model in models if isinstance(model, ConditionedGP)]
    if len(parts) < len(models):
        return Fit(None, "random", (*notes, "not every objective has a model"), X, U)
    return Fit(IndependentGPs(parts), level, notes, X, U)


def _with_row_noise(model: Model, X: Tensor, errors: Tensor) -> Model:
    """Return exact closed-form processes conditioned with the known errors of their rows; other models unchanged.

    Args:
        model: Fitted model of `m` utilities.
        X: `n x (d + f)` inputs.
        errors: `n x m` standard errors of the utilities, NaN where unknown.
    """
    whole = list(model.models) if isinstance(model, IndependentGPs) else [model]
    parts: list[ConditionedGP] = []
    for part in whole:
        if not isinstance(part, ConditionedGP) or part.inducing_points is not None:
            return model
        parts += [part] if part.num_outputs == 1 else [part.subset_output([k]) for k in range(part.num_outputs)]
    noisy = [_condition_with_errors(part, X, errors[:, j]) for j, part in enumerate(parts)]
    return noisy[0] if len(noisy) == 1 else IndependentGPs(noisy)


def _condition_with_errors(part: ConditionedGP, X: Tensor, errors: Tensor) -> ConditionedGP:
    """Return a process of one objective conditioned with the errors of its rows; of equal rows the mean square."""
    variances: dict[bytes, list[float]] = {}
    for row, error in zip((X + 0.0).cpu().numpy(), errors.tolist(), strict=True):
        if not math.isnan(error):
            variances.setdefault(row.tobytes(), []).append(error**2)
    rows = [variances.get(row.tobytes(), [0.0]) for row in (part.X + 0.0).cpu().numpy()]
    known = part.U.new_tensor([sum(values) / len(values) for values in rows])
    return ConditionedGP(
        part.kernel,
        part.X,
        part.U,
        noise=part.noise,
        prior_means=part.prior_means,
        held_out_rows=part.held_out_rows,
        has_learned_kernel=part.has_learned_kernel,
        row_noise=known / part.scale**2,
    )


def _fit_at_level(
    surrogate: FitSurrogate, X: Tensor, U: Tensor, *, d: int, level: Level, previous: Model | None
) -> Model:
    settings: dict[str, object] = {} if level.noise_floor is None else {"noise_floor": level.noise_floor}
    if previous is not None and "previous" in inspect.signature(surrogate).parameters:
        settings["previous"] = previous
    with gpytorch.settings.cholesky_jitter(double_value=level.jitter):
        return surrogate(X, U, d=d, **settings)


def clean_data(
    X: Float[Tensor, "n c"], U: Float[Tensor, "n m"], *, d: int
) -> tuple[Float[Tensor, "k c"], Float[Tensor, "k m"], tuple[str, ...]]:
    """Return data that a GP can be fitted to, in the order of the rows, and notes on what was changed or is unusual.

    Args:
        X: `n x (d + f)` inputs.
        U: `n x m` utilities.
        d: Number of latent columns.

    Returns:
        Inputs and utilities of `k` distinct, finite rows, and the notes.
    """
    notes: list[str] = []
    # Sums take a tenth of the time: single values are read where one of the sums is not finite.
    is_finite = (X.sum(1) + U.sum(1)).isfinite()
    if not bool(is_finite.all()):
        is_finite = X.isfinite().all(1) & U.isfinite().all(1)
    if not bool(is_finite.all()):
        rows = (~is_finite).nonzero().squeeze(1).tolist()
        notes.append(f"{len(rows)} rows with NaN or infinity dropped: {_list_rows(rows)}")
        X, U = X[is_finite], U[is_finite]
    if not len(X):
        return X, U, tuple(notes)
    group, first = _group_equal_rows(X, d)
    if len(first) < len(X):
        notes.append(f"{len(X) - len(first)} duplicates merged into their mean")
        counts = U.new_zeros(len(first)).index_add_(0, group, U.new_ones(len(X)))
        U = U.new_zeros(len(first), U.shape[1]).index_add_(0, group, U) / counts[:, None]
        X = X[first]
    if len(X) > 2:
        constant = (X[:, :d].amax(0) == X[:, :d].amin(0)).nonzero().squeeze(1).tolist()
        if constant:
            notes.append(f"constant latent columns: {_list_rows(constant)}")
    notes.extend(_describe_outliers(U))
    return X, U, tuple(notes)


def _group_equal_rows(X: Tensor, d: int) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " k"]]:
    """Return the group of each row (equal rows, one group) and the first row of each group, in order of appearance."""
    groups: dict[bytes, int] = {}
    rows = X.detach().cpu().numpy()
    # -0.0 and 0.0 are equal, but not their bytes. Latents are short, and few designs share them.
    latents = [row.tobytes() for row in rows[:, :d] + 0.0]
    counts = Counter(latents)
    group: list[int] = []
    first: list[int] = []
    for position, latent in enumerate(latents):
        key = latent if counts[latent] == 1 else (rows[position] + 0.0).tobytes()
        if key not in groups:
            groups[key] = len(groups)
            first.append(position)
        group.append(groups[key])
    return torch.tensor(group, device=X.device), torch.tensor(first, device=X.device)


def _describe_outliers(U: Tensor, *, limit: float = 10.0) -> list[str]:
    """Return a note for each objective with utilities beyond `limit` robust standard deviations from the median."""
    notes: list[str] = []
    if len(U) < 8:
        return notes
    middle = U.median(0).values
    spread = 1.4826 * (U - middle).abs().median(0).values
    for j in range(U.shape[1]):
        if float(spread[j]) <= 0:
            continue
        distances = (U[:, j] - middle[j]).abs()
        far = (distances > limit * spread[j]).nonzero().squeeze(1).tolist()
        if far:
            worst = max(far, key=distances.tolist().__getitem__)
            notes.append(
                f"objective {j}: {len(far)} outliers beyond {limit:g} robust sd, kept (rows {_list_rows(far)}; "
                f"the farthest is {float(U[worst, j]):g}, the median {float(middle[j]):g})"
            )
    return notes


def _list_rows(rows: list[int], *, max_listed: int = 8) -> str:
    """Return numbers separated by commas, the first ones only if there are many."""
    text = ", ".join(map(str, rows[:max_listed]))
    return f"{text} and {len(rows) - max_listed} more" if len(rows) > max_listed else text


@torch.no_grad()
def _find_problem(model: Model, X: Tensor) -> str:
    """Return what is wrong with the predictions of a fitted model at some of its own points, or an empty string."""
    posterior: Any = model.posterior(X[:8].unsqueeze(1))
    if not bool(posterior.mean.isfinite().all()) or not bool(posterior.variance.isfinite().all()):
        return "the predictions are not finite"
    return ""
