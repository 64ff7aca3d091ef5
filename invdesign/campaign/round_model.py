"""The surrogates of a round, and the landscape of each trust region."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from botorch.models.model import Model
from torch import Tensor

from invdesign.campaign.engine import Engine
from invdesign.campaign.regions import members
from invdesign.campaign.state import State
from invdesign.core import FAILED, B, Candidate, D, Landscape, pareto_front
from invdesign.search.acquisition import marginals
from invdesign.surrogate import Fit, SurrogateReport, TransformedUtility, cross_validate, fit_robustly
from invdesign.surrogate.fantasies import condition_on_pending

MIN_FAILURES = 5
"""Failed measurements from which the feasibility model is fitted."""


@dataclass(frozen=True, eq=False)
class RoundModel:
    """Surrogates fitted on the measured designs.

    Designs without a latent are part of the fit where there are features, and not among the `n` designs from which a
    search starts.
    """

    X: Tensor
    """`n x (d + f)` inputs of the designs with a latent."""
    U: Tensor
    """`n x m` transformed utilities."""
    Y: Tensor
    """`n x m` properties in their units."""
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
            feasibility=self.feasibility,
        )


def fit_surrogates(engine: Engine[D, B], state: State[D]) -> RoundModel:
    """Fit the surrogates of a round on the history.

    Args:
        engine: The campaign bound to its latent space.
        state: Its history is fitted; its pending designs are conditioned on.
    """
    campaign, d = engine.campaign, engine.latent_space.d
    surrogates = campaign.surrogates
    U = campaign.utilities(state.history)
    is_measured = np.asarray(np.isfinite(U).all(axis=1))
    measured = [c for c, ok in zip(state.history, is_measured, strict=True) if ok]
    keys = {c.key for c in engine.informative(measured)}
    is_used = np.array([c.key in keys for c in measured], dtype=bool)
    measured = [c for c in measured if c.key in keys]
    is_placed = torch.tensor([c.is_placed for c in measured], dtype=torch.bool)
    if not is_placed.any() or campaign.search.acquire is None:
        empty = torch.zeros(0, d, dtype=torch.float64)
        return RoundModel(empty, torch.zeros(0, U.shape[1]), torch.zeros(0, len(campaign.objectives)), d)
    X = engine.inputs(measured)
    transforms = tuple(
        surrogates.outcome_transform(torch.from_numpy(column.copy())) for column in U[is_measured][is_used].T
    )
    transformed = torch.stack([transform.u for transform in transforms], 1)
    Y = torch.tensor([c.y for c in measured], dtype=torch.float64)
    fitted = fit_robustly(surrogates.surrogate, X, transformed, d=d)
    latent_surrogate = surrogates.latent_surrogate if X.shape[1] > d else None
    placed, placed_U = X[is_placed], transformed[is_placed]
    fitted_latent = fit_robustly(latent_surrogate, placed[:, :d], placed_U, d=d) if latent_surrogate else None
    report = cross_validate(fitted.model, fitted.X, fitted.U, d=d, surrogate=surrogates.surrogate)
    feasibility = _fit_feasibility(engine, state)
    waiting = engine.informative(state.open)
    pending = engine.inputs(waiting) if waiting else X[:0]
    return RoundModel(
        placed, placed_U, Y[is_placed], d, fitted, fitted_latent, feasibility, report, transforms, pending
    )


def predict_properties(
    engine: Engine[D, B], model: RoundModel, X: Tensor
) -> tuple[list[list[float]], list[list[float]]]:
    """Return mean and standard deviation of the `m` properties, in their units, at `X`; empty rows without a surrogate.

    The surrogate of the round predicts each property that is maximized or minimized, since its utility is the property
    or its negative. The utility of a target, a window or a combination has no inverse: a surrogate of these properties
    alone is fitted when the selected designs are predicted, and not in a round that selects none. It takes time, but
    the hyperparameters of the utilities do not suit the properties: on 150 designs of the campaign `peptide` the
    predicted hydrophobic share, for which a window is set, had a root mean square error of 0.073 with them and of 0.048
    with its own (rank correlation 0.49 and 0.73).

    Args:
        engine: The campaign bound to its latent space.
        model: Surrogates of the round.
        X: `n x (d + f)` inputs of the designs.

    Returns:
        `n x m` means and standard deviations; NaN for a property that cannot be fitted.
    """
    if model.fitted is None or model.fitted.model is None or not len(X):
        nothing: list[list[float]] = [[] for _ in X]
        return nothing, nothing
    goals = [objective.goal for objective in engine.campaign.objectives]
    is_pareto = engine.campaign.task.combine == "pareto"
    invertible = [j for j, goal in enumerate(goals) if is_pareto and isinstance(goal, str)]
    others = [j for j in range(len(goals)) if j not in invertible]
    mean = torch.full((len(X), len(goals)), math.nan, dtype=X.dtype)
    sd = mean.clone()
    if invertible:
        utility, utility_sd = predict(model.fitted.model, X)
        for j in invertible:
            invert, sign = model.transforms[j].inverse, -1.0 if goals[j] == "minimize" else 1.0
            u, half = utility[:, j], utility_sd[:, j]
            mean[:, j], sd[:, j] = sign * invert(u), (invert(u + half) - invert(u - half)) / 2
    if others:
        fitted = fit_robustly(engine.campaign.surrogates.surrogate, model.X, model.Y[:, others], d=model.d).model
        if fitted is not None:
            mean[:, others], sd[:, others] = predict(fitted, X)
    return mean.tolist(), sd.tolist()


def predict(model: Model, X: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (`n x m` each) of what a surrogate was fitted to, at `X`."""
    with torch.no_grad():
        mean, variance = marginals(model, X)
    return mean.reshape(len(X), -1), variance.reshape(len(X), -1).clamp_min(0).sqrt()


def incumbent(engine: Engine[D, B], state: State[D], index: int) -> Tensor | None:
    """Return the latent of the incumbent of a trust region; of several objectives a random member of its front."""
    own = [c for c in members(state, index) if c.is_placed]
    best = pareto_front(engine.campaign.utilities(own))
    if not best:
        return None
    return own[best[int(torch.randint(len(best), ()))]].z


def _fit_feasibility(engine: Engine[D, B], state: State[D]) -> Callable[[Tensor], Tensor] | None:
    """Return the log-probability that a design can be measured; None while few measurements failed."""
    finished: list[Candidate[D]] = engine.informative(
        [c for c in state.history if c.status == "measured" or c.status in FAILED]
    )
    is_feasible = torch.tensor([c.status == "measured" for c in finished])
    if (~is_feasible).sum() < MIN_FAILURES:
        return None
    return engine.campaign.surrogates.feasibility(engine.inputs(finished), is_feasible, d=engine.latent_space.d)
