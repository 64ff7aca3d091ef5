"""Fits of a round: one surrogate of the utilities, and one of the properties whose utility has no inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
import toy
from botorch.models.model import Model
from torch import Tensor

from invdesign.campaign import Campaign, State, ask, initialize, start
from invdesign.campaign.round_model import fit_surrogates, predict_properties
from invdesign.core import Check, Corpus, Objective
from invdesign.core.intervals import QUANTILE_SCORES
from invdesign.search import acquisition
from invdesign.surrogate import exact_gp, outcome_transforms
from invdesign.surrogate.calibration import SCORES

AHEAD = torch.tensor([[0.3, -0.2], [0.9, 0.4]], dtype=torch.float64)


class CountedFits:
    """The exact GP, with the `n x m` values of every fit."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []

    def __call__(self, X: Tensor, U: Tensor, *, d: int, noise_floor: float = 1e-4) -> Model:
        self.values.append(U)
        return exact_gp(X, U, d=d, noise_floor=noise_floor)


def planes(designs: Sequence[Any]) -> np.ndarray:
    """Return a plane and a bowl over the grid (`n x 2`)."""
    P = np.array(designs, dtype=float).reshape(-1, 2)
    return np.stack([P[:, 0] + P[:, 1], (P**2).sum(1) / 10], axis=1)


def campaign(*objectives: Objective, **changes: Any) -> tuple[Campaign[Any, Any], CountedFits]:
    fits = CountedFits()
    return toy.campaign(objectives=list(objectives), oracle=planes, surrogate=fits, **changes), fits


def measured(parts: Campaign[Any, Any]) -> State[Any]:
    """Return the state after designs were given with their first properties."""
    source = toy.corpus()
    columns = planes(source.designs).T
    properties = {o.name: column for o, column in zip(parts.objectives, columns, strict=False)}
    engine = toy.engine(parts)
    return start(engine, initialize(engine, Corpus(source.designs, properties=properties)))


def predictions(parts: Campaign[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    engine = toy.engine(parts)
    found = predict_properties(engine, fit_surrogates(engine, measured(parts)), AHEAD)
    return np.array([p.mean for p in found]), np.array([p.sd for p in found])


def test_properties_that_are_maximized_or_minimized_are_predicted_by_the_only_fit_of_the_round() -> None:
    parts, fits = campaign(Objective("plane"), Objective("bowl", goal="minimize"))
    mean, sd = predictions(parts)
    assert [tuple(U.shape) for U in fits.values] == [(len(toy.corpus()), 2)]
    truth = planes((AHEAD * toy.SCALE).tolist())
    assert np.allclose(mean, truth, atol=0.5) and (sd > 0).all()


def test_only_a_property_with_a_target_or_a_window_is_fitted_itself() -> None:
    parts, fits = campaign(Objective("plane"), Objective("bowl", goal=(2.0, 4.0)))
    mean, _ = predictions(parts)
    assert [U.shape[1] for U in fits.values] == [2, 1]
    assert torch.equal(fits.values[1][:, 0], torch.from_numpy(planes(toy.corpus().designs)[:, 1]))
    both, _ = campaign(Objective("plane"), Objective("bowl"))
    assert np.allclose(mean, predictions(both)[0], atol=1e-6)


@pytest.mark.parametrize("goal", ["maximize", "minimize", 3.0, (2.0, 4.0)])
def test_the_unit_of_a_property_changes_neither_proposals_nor_intervals(goal: Any) -> None:
    found = {}
    for unit in (1.0, 2.0**-40, 2.0**40):
        scaled = tuple(unit * g for g in goal) if isinstance(goal, tuple) else unit * goal if goal == 3.0 else goal
        search = replace(toy.campaign().search, acquire=acquisition.log_ei)
        parts = toy.campaign(
            objectives=[Objective("plane", goal=scaled)],
            oracle=lambda designs, unit=unit: unit * planes(designs)[:, :1],
            search=search,
            surrogate=exact_gp,
        )
        engine, source = toy.engine(parts), toy.corpus()
        given = Corpus(source.designs, properties={"plane": unit * planes(source.designs)[:, 0]})
        batch = ask(engine, start(engine, initialize(engine, given)), n=4)
        moments = np.array([(c.mean[0], c.sd[0]) for c in batch.candidates]) / unit
        found[unit] = ([c.key for c in batch.candidates], moments)
    keys, expected = found[1.0]
    for others, moments in found.values():
        assert others == keys
        assert np.allclose(moments, expected, rtol=1e-3)


@pytest.mark.parametrize("combine", ["weighted", "geometric"])
def test_a_combination_is_not_taken_for_a_property(combine: str) -> None:
    parts, fits = campaign(Objective("plane", weight=3.0, worst=-20.0, best=20.0), combine=combine)
    plain, _ = campaign(Objective("plane"))
    assert np.allclose(predictions(parts)[0], predictions(plain)[0], atol=1e-6)
    assert len(fits.values) == 2


def test_a_round_without_candidates_fits_the_utilities_alone() -> None:
    parts, fits = campaign(
        Objective("bowl", goal=3.0), screens=[lambda designs: [Check("never", False, "no") for _ in designs]]
    )
    assert not ask(toy.engine(parts), measured(parts)).candidates
    assert len(fits.values) == 1


def test_each_region_reads_the_fits_of_the_round() -> None:
    base = toy.campaign()
    search = replace(base.search, n_regions=3, acquire=acquisition.log_ei)
    parts, fits = campaign(Objective("plane", goal=3.0), search=search)
    batch = ask(toy.engine(parts), measured(parts), n=6)
    assert {c.region for c in batch.candidates} == {0, 1, 2}
    assert [U.shape[1] for U in fits.values] == [1, 1]
    assert all(math.isfinite(c.mean[0]) and c.sd[0] > 0 for c in batch.candidates)


def test_a_property_that_is_the_same_for_all_designs_has_no_prediction() -> None:
    parts, _ = campaign(Objective("plane"), Objective("level", goal=(0.0, 1.0)))
    source = toy.corpus()
    plane = planes(source.designs)[:, 0]
    engine = toy.engine(parts)
    given = Corpus(source.designs, properties={"plane": plane, "level": np.full(len(plane), 2.0)})
    state = start(engine, initialize(engine, given))
    found = predict_properties(engine, fit_surrogates(engine, state), AHEAD)
    assert all(math.isfinite(row[0]) and math.isnan(row[1]) for p in found for row in (p.mean, p.sd))


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_intervals_after_an_outcome_transform_are_skewed_as_its_inverse(goal: Literal["maximize", "minimize"]) -> None:
    parts = toy.campaign(
        objectives=[Objective("plane", goal=goal)],
        oracle=lambda designs: np.exp(planes(designs)[:, :1]),
        outcome_transform=outcome_transforms.log,
    )
    source = toy.corpus()
    engine = toy.engine(parts)
    given = Corpus(source.designs, properties={"plane": np.exp(planes(source.designs)[:, 0])})
    model = fit_surrogates(engine, start(engine, initialize(engine, given)))
    assert model.calibration is not None
    model = replace(model, calibration=replace(model.calibration, residual_quantiles=(SCORES,)))
    for found in predict_properties(engine, model, AHEAD):
        quantiles = np.array(found.quantiles[0])
        low, middle, high = np.interp([-1.0, 0.0, 1.0], QUANTILE_SCORES, quantiles)
        assert (np.diff(quantiles) >= 0).all() and middle == pytest.approx(found.mean[0], rel=1e-4)
        is_longer_above = high - middle > middle - low
        assert is_longer_above == (goal == "maximize"), "the transform is the logarithm of the utility"
