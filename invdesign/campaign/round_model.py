"""What a round knows: the history as surrogate inputs, the surrogates, the landscape of each trust region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from invdesign.campaign.definition import Campaign, State
from invdesign.campaign.regions import FAILED, members, pareto_front
from invdesign.core import Array, B, Candidate, D, Landscape
from invdesign.latent.space import LatentSpace
from invdesign.search.acquisition import marginals
from invdesign.surrogate import Fit, SurrogateReport, TransformedUtility, cross_validate, fit_robustly

MIN_FAILURES = 5


@dataclass(frozen=True, eq=False)
class RoundModel:
    """The measured designs (`n`), what the surrogates learnt from them, and what can be told of new designs.

    `fitted` is None where the search needs no surrogate or the history is too small for one.
    """

    X: Tensor
    U: Tensor
    Y: Tensor
    d: int
    fitted: Fit | None = None
    fitted_latent: Fit | None = None
    feasibility: Callable[[Tensor], Tensor] | None = None
    report: SurrogateReport | None = None
    notes: tuple[str, ...] = ()
    warped: tuple[TransformedUtility, ...] = ()

    def landscape(self, center: Tensor, bounds: Tensor, density: Callable[[Tensor], Tensor]) -> Landscape | None:
        """The landscape around a center, or None where there is no surrogate to make one of."""
        if self.fitted is None or self.fitted.model is None:
            return None
        latent = self.fitted_latent or self.fitted
        return Landscape(
            model=self.fitted.model,
            latent_model=latent.model or self.fitted.model,
            density=density,
            bounds=bounds,
            center=center,
            X=self.X,
            U=self.U,
            d=self.d,
            feasibility=self.feasibility,
        )

    def predict(self, campaign: Campaign[D, B], X: Tensor) -> tuple[list[list[float]], list[list[float]]]:
        """Mean and standard deviation of the `m` properties, in their units, at `X`; empty rows without a surrogate.

        Where every utility is a property or its negative, the search's own surrogate answers; else the properties
        get one of their own.
        """
        if self.fitted is None or self.fitted.model is None or not len(X):
            return [[] for _ in X], [[] for _ in X]
        goals = [objective.goal for objective in campaign.objectives]
        is_plain = self.U.shape[1] == len(goals) and all(isinstance(goal, str) for goal in goals)
        model = self.fitted.model if is_plain else fit_robustly(campaign.surrogate, self.X, self.Y, d=self.d).model
        if model is None:
            return [[] for _ in X], [[] for _ in X]
        with torch.no_grad():
            means, variances = marginals(model, X)
        mean, sd = means.reshape(len(X), -1), variances.reshape(len(X), -1).clamp_min(0).sqrt()
        if is_plain:
            ends = [self._back(w) for w in (mean - sd, mean, mean + sd)]
            mean, sd = ends[1], (ends[2] - ends[0]) / 2
            sign = torch.tensor([-1.0 if goal == "minimize" else 1.0 for goal in goals], dtype=mean.dtype)
            mean = mean * sign
        return mean.tolist(), sd.tolist()

    def _back(self, w: Tensor) -> Tensor:
        """TransformedUtility utilities (`n x m`) in their unit."""
        return torch.stack([warp.inverse(w[:, j]) for j, warp in enumerate(self.warped)], 1) if self.warped else w


def fit_surrogates(
    campaign: Campaign[D, B], space: LatentSpace[D, B], state: State[D], features: dict[str, Array]
) -> RoundModel:
    """Fit the surrogates on the history.

    Args:
        campaign: the parts.
        space: the map.
        state: its history is what is known.
        features: remembers between rounds what was computed of a design, by key.
    """
    U = campaign.utilities(state.history)
    is_known = np.asarray(np.isfinite(U).all(axis=1))
    measured = [c for c, ok in zip(state.history, is_known, strict=True) if ok]
    d = space.d
    if not measured or campaign.search.acquire is None:
        empty = torch.zeros(0, d, dtype=torch.float64)
        return RoundModel(empty, torch.zeros(0, U.shape[1]), torch.zeros(0, len(campaign.objectives)), d)
    X = surrogate_inputs(campaign, measured, features)
    warped = tuple(campaign.outcome_transform(torch.from_numpy(column.copy())) for column in U[is_known].T)
    known = torch.stack([warp.u for warp in warped], 1)
    Y = torch.tensor([c.y for c in measured], dtype=torch.float64)
    fitted = fit_robustly(campaign.surrogate, X, known, d=d)
    climbed = campaign.latent_surrogate if X.shape[1] > d else None
    fitted_latent = fit_robustly(climbed, X[:, :d], known, d=d) if climbed else None
    report = cross_validate(fitted.model, fitted.X, fitted.U, d=d, surrogate=campaign.surrogate)
    feasibility = _feasibility(campaign, state, d, features)
    return RoundModel(X, known, Y, d, fitted, fitted_latent, feasibility, report, fitted.notes, warped)


def surrogate_inputs(
    campaign: Campaign[D, B], candidates: Sequence[Candidate[D]], features: dict[str, Array]
) -> Tensor:
    """`n x (d + f)` surrogate inputs of known designs; `features` remembers by key what was computed before."""
    Z = torch.stack([c.z for c in candidates])
    if not campaign.use_features:
        return Z
    new = [c for c in candidates if c.key not in features]
    if new:
        for c, row in zip(new, campaign.domain.features([c.design for c in new]), strict=True):
            features[c.key] = np.asarray(row, dtype=np.float32)
    block = np.stack([features[c.key] for c in candidates]).astype(np.float64)
    return torch.cat([Z, torch.from_numpy(block)], dim=1)


def center_of(campaign: Campaign[D, B], state: State[D], index: int) -> Tensor | None:
    """The incumbent of a trust region; for several objectives a random member of its Pareto front."""
    own = members(state, index)
    best = pareto_front(campaign.utilities(own))
    if not best:
        return None
    return own[best[int(torch.randint(len(best), ()))]].z


def _feasibility(
    campaign: Campaign[D, B], state: State[D], d: int, features: dict[str, Array]
) -> Callable[[Tensor], Tensor] | None:
    """What failures teach of where designs can be measured at all; None while there are few of them."""
    settled = [c for c in state.history if c.status == "measured" or c.status in FAILED]
    is_feasible = torch.tensor([c.status == "measured" for c in settled])
    if (~is_feasible).sum() < MIN_FAILURES:
        return None
    return campaign.feasibility(surrogate_inputs(campaign, settled, features), is_feasible, d=d)
