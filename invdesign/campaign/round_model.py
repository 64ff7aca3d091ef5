"""The surrogates of a round, and the landscape of each trust region."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from botorch.models.model import Model
from torch import Tensor

from invdesign.campaign.calibration import calibrate
from invdesign.campaign.definition import Campaign
from invdesign.campaign.engine import Engine
from invdesign.campaign.property_fit import PropertyFit, choose_scales, fit_properties, predict
from invdesign.campaign.regions import members
from invdesign.campaign.state import Calibration, State
from invdesign.core import (
    FAILED,
    Array,
    B,
    Candidate,
    D,
    Landscape,
    are_met,
    improved_columns,
    pareto_front,
    utilities,
)
from invdesign.core.intervals import QUANTILE_SCORES
from invdesign.surrogate import (
    Fit,
    Source,
    SurrogateReport,
    TransformedUtility,
    constraint_feasibility,
    cross_validate,
    fit_robustly,
    fit_transfer,
)
from invdesign.surrogate.calibration import recalibrate
from invdesign.surrogate.fantasies import condition_on_pending

MIN_FAILURES = 5
"""Failed measurements from which the feasibility model is fitted."""
MAX_PROPERTY = 1e300
"""Largest quantile: the inverse of an outcome transform may overflow far outside of the measured values."""
N_DIGITS = 6
"""Significant digits of the quantiles that are kept."""


@dataclass(frozen=True, eq=False)
class RoundModel:
    """Surrogates fitted on the measured designs.

    Designs without a latent are part of the fit where there are features, and not among the `n` designs from which a
    search starts.
    """

    X: Tensor
    """`n x (d + f)` inputs of the designs with a latent."""
    U: Tensor
    """`n x m` transformed utilities; the surrogate's mean where an objective was not measured."""
    Y: Tensor
    """`n x m` properties in their units, NaN where not measured."""
    d: int
    """Latent dimensions."""
    fitted: Fit | None = None
    """Surrogate of the utilities on `[z | features]`; None where the search needs none or the history is too small."""
    fitted_latent: Fit | None = None
    """Surrogate of the utilities on the latents alone."""
    feasibility: Callable[[Tensor], Tensor] | None = None
    """Log-probability that a design can be measured; None while few measurements failed."""
    report: SurrogateReport | None = None
    """Cross-validation of the surrogate."""
    transforms: tuple[TransformedUtility, ...] = ()
    """Outcome transform of each utility."""
    pending: Tensor = field(default_factory=lambda: torch.zeros(0, 0, dtype=torch.float64))
    """`k x (d + f)` inputs of pending designs, at which the surrogates are conditioned on their own means."""
    fitted_limits: PropertyFit | None = None
    """Surrogate of the properties with outcome constraints, in the order of the constraints."""
    limit_feasibility: Callable[[Tensor], Tensor] | None = None
    """Log-probability that a design keeps the outcome constraints; None where there are none, or no predictions."""
    reference: Tensor | None = None
    """`m` transformed utilities of the reference point; None where the campaign states none."""
    is_admissible: Tensor | None = None
    """`n` booleans: whether each design meets the outcome constraints; None where there are none."""
    calibration: Calibration | None = None
    """Correction of the intervals that are stated for people; the search does not use it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the fit."""
        return self.fitted.notes if self.fitted else ()

    def landscape(self, center: Tensor, bounds: Tensor, density: Callable[[Tensor], Tensor]) -> Landscape | None:
        """Return the landscape around a center, or None without a surrogate."""
        if self.fitted is None or self.fitted.model is None:
            return None
        latent = self.fitted_latent or self.fitted
        model, latent_model = self.fitted.model, latent.model or self.fitted.model
        if len(self.pending):
            is_shared = latent_model is model
            model = condition_on_pending(model, self.pending)
            latent_model = model if is_shared else condition_on_pending(latent_model, self.pending[:, : self.d])
        return Landscape(
            model=model,
            latent_model=latent_model,
            density=density,
            bounds=bounds,
            center=center,
            X=self.X,
            U=self.U,
            d=self.d,
            feasibility=_join_feasibilities(self.feasibility, self.limit_feasibility),
            is_admissible=self.is_admissible,
            reference=self.reference,
        )


def fit_surrogates(engine: Engine[D, B], state: State[D]) -> RoundModel:
    """Fit the surrogates of a round on the designs that have an outcome.

    Args:
        engine: The campaign bound to its latent space.
        state: Its evaluated designs are fitted; its open ones are conditioned on.
    """
    campaign, d = engine.campaign, engine.latent_space.d
    surrogates = campaign.surrogates
    found = [c for c in state.evaluated if c.status == "measured" and any(map(math.isfinite, c.y))]
    measured = engine.informative(found)
    U, notes = _known_utilities(engine, measured)
    is_known = np.asarray(np.isfinite(U).any(axis=1))
    measured, U = [c for c, ok in zip(measured, is_known, strict=True) if ok], U[is_known]
    is_placed = torch.tensor([c.is_placed for c in measured], dtype=torch.bool)
    if not is_placed.any() or campaign.search.acquire is None:
        empty = torch.zeros(0, d, dtype=torch.float64)
        return RoundModel(empty, torch.zeros(0, U.shape[1]), torch.zeros(0, len(campaign.objectives)), d)
    X = engine.measured_inputs(measured)
    scales = choose_scales(torch.from_numpy(U)).numpy()
    U = U / scales
    transforms, transformed = _transform(U, scales, surrogates.outcome_transform)
    Y = torch.tensor([c.y for c in measured], dtype=torch.float64)
    errors = _known_errors(campaign, measured, U, scales, transformed)
    fitted = fit_robustly(engine.surrogate, X, transformed, d=d, errors=errors, previous=engine.reuse.model)
    engine.reuse.model = fitted.model
    needs_latent_model = X.shape[1] > d and campaign.search.follows_gradients
    latent_surrogate = surrogates.latent_surrogate if needs_latent_model else None
    placed_errors = None if errors is None else errors[is_placed]
    fitted_latent = (
        fit_robustly(latent_surrogate, X[is_placed][:, :d], transformed[is_placed], d=d, errors=placed_errors)
        if latent_surrogate
        else None
    )
    report = cross_validate(fitted.model, fitted.X, fitted.U, d=d, surrogate=engine.surrogate)
    fitted = _with_source(engine, fitted, float(scales[0]))
    fitted_limits = _fit_limits(engine, X, Y)
    feasibility = _fit_feasibility(engine, state)
    limits = campaign.task.limits
    is_admissible = torch.from_numpy(are_met(campaign.objectives, limits, Y.numpy())) if limits else None
    waiting = engine.informative(state.open)
    pending = engine.inputs(waiting) if waiting else X[:0]
    placed = slice(None) if bool(is_placed.all()) else is_placed
    return RoundModel(
        X[placed],
        fill_unknown(transformed, fitted.model, X)[placed],
        Y[placed],
        d,
        replace(fitted, notes=(*notes, *fitted.notes)),
        fitted_latent,
        feasibility,
        report,
        transforms,
        pending,
        fitted_limits,
        _limit_feasibility(campaign, fitted_limits),
        _transform_reference(campaign.task.reference_utilities, scales, U, transformed),
        None if is_admissible is None else is_admissible[placed],
        calibrate(state, campaign.objectives, report),
    )


@dataclass(frozen=True)
class Prediction:
    """Predicted properties of one design, in their units; empty without a surrogate."""

    mean: tuple[float, ...] = ()
    """Means of the `m` properties, medians after an outcome transform; NaN for one that cannot be fitted."""
    sd: tuple[float, ...] = ()
    """Standard deviations: half the width between the quantiles at normal scores of -1 and 1."""
    quantiles: tuple[tuple[float, ...], ...] = ()
    """Quantiles at `QUANTILE_SCORES`."""


def predict_properties(engine: Engine[D, B], model: RoundModel, X: Tensor) -> list[Prediction]:
    """Return predictions of the `m` properties, in their units, at `X`; empty ones without a surrogate.

    Quantiles are formed on the scale of the surrogate, where the residuals of earlier predictions correct them, and
    mapped back through the outcome transform: after a logarithm the upper part of an interval is the longer one.

    Args:
        engine: The campaign bound to its latent space.
        model: Surrogates of the round.
        X: `n x (d + f)` inputs of the designs.
    """
    if model.fitted is None or model.fitted.model is None or not len(X):
        return [Prediction() for _ in X]
    mean, sd, to_property = _predict_on_scale(engine, model, X)
    scores = np.array(QUANTILE_SCORES)
    columns = []
    for j, invert in enumerate(to_property):
        stated = None if model.calibration is None else model.calibration.residual_quantiles[j]
        shifts = scores if stated is None else recalibrate(scores, stated)
        at = mean[:, [j]] + sd[:, [j]] * torch.from_numpy(np.concatenate([[0.0], shifts]))
        columns.append(invert(at).nan_to_num(math.nan, MAX_PROPERTY, -MAX_PROPERTY))
    table = torch.stack(columns, 1)
    quantiles = table[:, :, 1:]
    low, high = (QUANTILE_SCORES.index(score) for score in (-1.0, 1.0))
    spread = (quantiles[:, :, high] - quantiles[:, :, low]) / 2
    return [
        Prediction(tuple(means), tuple(sds), tuple(tuple(map(_short, own)) for own in rows))
        for means, sds, rows in zip(table[:, :, 0].tolist(), spread.tolist(), quantiles.tolist(), strict=True)
    ]


def _short(value: float) -> float:
    """Return a quantile with the digits that are worth keeping for each of them."""
    return float(f"{value:.{N_DIGITS}g}")


def _predict_on_scale(
    engine: Engine[D, B], model: RoundModel, X: Tensor
) -> tuple[Tensor, Tensor, list[Callable[[Tensor], Tensor]]]:
    """Return means and standard deviations on the scale of the surrogates, and what maps each to its property.

    The surrogate of the round predicts each property that is maximized or minimized, since its utility is the property
    or its negative. The utility of a target, a window or a combination has no inverse: a surrogate of these properties
    alone is fitted when the selected designs are predicted, and not in a round that selects none. It takes time, but
    the hyperparameters of the utilities do not suit the properties: on 150 designs of the campaign `peptide` the
    predicted hydrophobic share, for which a window is set, had a root mean square error of 0.073 with them and of 0.048
    with its own (rank correlation 0.49 and 0.73).

    Returns:
        `n x m` means and standard deviations, in the direction of the property; NaN for one that cannot be fitted.
    """
    assert model.fitted is not None and model.fitted.model is not None
    goals = [objective.goal for objective in engine.campaign.objectives]
    is_pareto = engine.campaign.task.combine == "pareto"
    columns = {j: k for k, j in enumerate(improved_columns(engine.campaign.objectives))}
    invertible = [j for j, goal in enumerate(goals) if is_pareto and goal in ("maximize", "minimize")]
    limited = [] if model.fitted_limits is None or model.fitted_limits.model is None else _limited(engine.campaign)
    others = [j for j in range(len(goals)) if j not in (*invertible, *limited)]
    mean = torch.full((len(X), len(goals)), math.nan, dtype=X.dtype)
    sd = mean.clone()
    to_property: list[Callable[[Tensor], Tensor]] = [lambda w: w for _ in goals]
    if invertible:
        utility, utility_sd = predict(model.fitted.model, X)
        for j in invertible:
            sign, invert = -1.0 if goals[j] == "minimize" else 1.0, model.transforms[columns[j]].inverse
            mean[:, j], sd[:, j] = sign * utility[:, columns[j]], utility_sd[:, columns[j]]
            to_property[j] = partial(_invert_with_sign, sign, invert)
    if limited:
        assert model.fitted_limits is not None
        mean[:, limited], sd[:, limited] = model.fitted_limits.predict(X)
    if others:
        fitted = fit_properties(engine.surrogate, model.X, model.Y[:, others], d=model.d)
        mean[:, others], sd[:, others] = fitted.predict(X)
    return mean, sd, to_property


def _invert_with_sign(sign: float, invert: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """Return the property of which `w` is the transformed utility, or its negative where the property is minimized."""
    return sign * invert(sign * w)


def fill_unknown(values: Tensor, model: Model | None, X: Tensor) -> Tensor:
    """Return values in which the mean of a model stands where one is unknown; without a model the lowest known value.

    Args:
        values: `n x m` values, NaN where unknown.
        model: Model of the `m` values.
        X: `n x (d + f)` inputs.
    """
    if bool(values.isfinite().all()):
        return values
    lowest = values.nan_to_num(math.inf).amin(0).nan_to_num(posinf=0.0).expand_as(values)
    filling = lowest if model is None else predict(model, X)[0]
    return torch.where(values.isfinite(), values, filling)


def _known_utilities(engine: Engine[D, B], measured: Sequence[Candidate[D]]) -> tuple[Array, tuple[str, ...]]:
    """Return `n x m` utilities (`n x 1` when combined), NaN where unknown, and notes.

    A combination needs all properties of a design: one that was not measured counts with the mean of a surrogate of it.
    """
    campaign = engine.campaign
    U = campaign.utilities(measured)
    columns = improved_columns(campaign.objectives)
    improved = [campaign.objectives[j] for j in columns]
    Y = torch.from_numpy(campaign.properties(measured)[:, columns])
    n_partial = int((~Y.isfinite()).any(1).sum())
    if campaign.task.combine == "pareto" or not n_partial or campaign.search.acquire is None:
        return U, ()
    X = engine.inputs(measured)
    fitted = fit_properties(engine.surrogate, X, Y, d=engine.latent_space.d)
    if fitted.model is None:
        return U, (f"{n_partial} designs that are not measured for every objective are not used: no predictions",)
    filled = (fitted.scales * fill_unknown(Y / fitted.scales, fitted.model, X)).numpy()
    note = f"{n_partial} designs are not measured for every objective: predictions complete their combined utility"
    return utilities(improved, filled, combine=campaign.task.combine), (note,)


def _transform(
    U: Array, scales: Array, outcome_transform: Callable[[Tensor], TransformedUtility]
) -> tuple[tuple[TransformedUtility, ...], Tensor]:
    """Return the outcome transform of each column, fitted to its known values, and the transformed utilities.

    `U` are utilities divided by `scales`; the inverse transforms return utilities in their units.
    """
    columns = [torch.from_numpy(column.copy()) for column in U.T]
    known = [column.isfinite() for column in columns]
    transforms = [outcome_transform(column[rows]) for column, rows in zip(columns, known, strict=True)]
    transformed = torch.stack(columns, 1)
    for j, (transform, rows) in enumerate(zip(transforms, known, strict=True)):
        transformed[rows, j] = transform.u
    return tuple(_with_scale(t, scale) for t, scale in zip(transforms, scales.tolist(), strict=True)), transformed


def _with_scale(transform: TransformedUtility, scale: float) -> TransformedUtility:
    """Return the transform whose inverse multiplies by a scale."""
    return TransformedUtility(transform.u, lambda w: scale * transform.inverse(w))


def _transform_reference(reference: Array | None, scales: Array, U: Array, transformed: Tensor) -> Tensor | None:
    """Return the reference point on the scale of the surrogate: interpolated between the measured utilities.

    `U` are utilities divided by `scales`. Outcome transforms keep the order of utilities and are known at the measured
    ones only. A value beyond them is continued with the scale that they have in all.
    """
    if reference is None:
        return None
    columns = []
    for value, u, w in zip((reference / scales).tolist(), U.T, transformed.T.numpy(), strict=True):
        rows = np.flatnonzero(np.isfinite(u))
        rows = rows[np.argsort(u[rows])]
        u, w = u[rows], w[rows]
        slope = (w[-1] - w[0]) / (u[-1] - u[0]) if u[-1] > u[0] else 1.0
        nearest = float(np.clip(value, u[0], u[-1]))
        columns.append(float(np.interp(nearest, u, w)) + slope * (value - nearest))
    return torch.tensor(columns, dtype=torch.float64)


def _known_errors(
    campaign: Campaign[D, B], measured: Sequence[Candidate[D]], U: Array, scales: Array, transformed: Tensor
) -> Tensor | None:
    """Return standard errors of the transformed utilities, NaN where unknown; None where none is known.

    `U` are utilities divided by `scales`. The utility of a property changes by at most as much as the property. A
    combination, or an outcome transform that changes the scale, has no such error.
    """
    m, columns = len(campaign.objectives), improved_columns(campaign.objectives)
    errors = torch.tensor([c.error or (math.nan,) * m for c in measured], dtype=torch.float64).reshape(-1, m)
    errors, m = errors[:, columns], len(columns)
    is_same_scale = bool(torch.isclose(transformed, torch.from_numpy(U), equal_nan=True).all())
    is_property = U.shape[1] == m and (m == 1 or campaign.task.combine == "pareto")
    if campaign.task.combine == "geometric" or not is_property or not is_same_scale:
        return None
    return errors / torch.from_numpy(scales) if bool(errors.isfinite().any()) else None


def incumbent(engine: Engine[D, B], state: State[D], index: int) -> Tensor | None:
    """Return the latent of the incumbent of a trust region; of several objectives a random member of its front."""
    own = [c for c in members(state, index) if c.is_placed]
    best = pareto_front(engine.campaign.ranking_utilities(own))
    if not best:
        return None
    return own[best[int(torch.randint(len(best), ()))]].z


def _with_source(engine: Engine[D, B], fitted: Fit, scale: float) -> Fit:
    """Return the fit with the other assay as a second task, where the campaign has one and it helps.

    The utilities of both assays are divided by `scale`.
    """
    readable = engine.informative(engine.source)
    if not readable:
        return fitted
    campaign = engine.campaign
    objective = campaign.objectives[improved_columns(campaign.objectives)[0]]
    u = objective.utility(torch.tensor([c.y[0] for c in readable], dtype=torch.float64)) / scale
    source = Source(engine.inputs(readable), campaign.surrogates.outcome_transform(u).u)
    return fit_transfer(engine.surrogate, fitted, source, d=engine.latent_space.d, name="transfer")


def _limited(campaign: Campaign[D, B]) -> list[int]:
    """Return the positions of the properties that have outcome constraints, in the order of the constraints."""
    names = [objective.name for objective in campaign.objectives]
    return [names.index(limits.name) for limits in campaign.task.limits]


def _fit_limits(engine: Engine[D, B], X: Tensor, Y: Tensor) -> PropertyFit | None:
    """Return a surrogate of the properties that have outcome constraints; None without any."""
    columns = _limited(engine.campaign)
    if not columns:
        return None
    return fit_properties(engine.surrogate, X, Y[:, columns], d=engine.latent_space.d)


def _limit_feasibility(campaign: Campaign[D, B], fitted: PropertyFit | None) -> Callable[[Tensor], Tensor] | None:
    """Return the log-probability that a design keeps the outcome constraints; None where it cannot be predicted."""
    if fitted is None or fitted.model is None:
        return None
    limits = campaign.task.limits
    lows, highs = (torch.tensor([getattr(limit, side) for limit in limits]).double() for side in ("low", "high"))
    return constraint_feasibility(fitted.model, lows / fitted.scales, highs / fitted.scales)


def _join_feasibilities(
    first: Callable[[Tensor], Tensor] | None, second: Callable[[Tensor], Tensor] | None
) -> Callable[[Tensor], Tensor] | None:
    """Return the sum of two log-probabilities; the one that there is where the other is None."""
    if first is None or second is None:
        return first or second
    return lambda X: first(X) + second(X)


def _fit_feasibility(engine: Engine[D, B], state: State[D]) -> Callable[[Tensor], Tensor] | None:
    """Return the log-probability that a design can be measured; None while few measurements failed."""
    finished: list[Candidate[D]] = engine.informative(
        [c for c in state.evaluated if c.status == "measured" or c.status in FAILED]
    )
    is_feasible = torch.tensor([c.status == "measured" for c in finished])
    if (~is_feasible).sum() < MIN_FAILURES:
        return None
    X = engine.inputs(finished)
    n_read = X.shape[1] - engine.n_descriptors
    log_probability = engine.campaign.surrogates.feasibility(X[:, :n_read], is_feasible, d=engine.latent_space.d)
    return lambda x: log_probability(x[..., :n_read])
