"""Campaigns with outcome constraints: the search prefers designs that keep them, and the shortlist has no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import toy

from invdesign.campaign import initialize, run, shortlist, start
from invdesign.campaign.ask import region_landscape
from invdesign.campaign.round_model import fit_surrogates
from invdesign.core import Candidate, Corpus, InvdesignError, Objective
from invdesign.execution.in_process import InProcess
from invdesign.search import acquisition


def hill_and_slope(designs: Sequence[Any]) -> np.ndarray:
    """Return a hill with its top at (13, -7), and a property that grows to the right."""
    P = np.array(designs, dtype=float).reshape(-1, 2)
    return np.stack([np.exp(-((P - np.array([13, -7])) ** 2).sum(1) / 200), P[:, 0] / 10], axis=1)


def constrained(limit: str = "<= 0.5", **changes: Any) -> Any:
    return toy.campaign(
        objectives=[Objective("height")], oracle=hill_and_slope, constraints={"slope": limit}, **changes
    )


def candidate(height: float, slope: float) -> Candidate[Any]:
    engine = toy.engine(constrained())
    z = engine.latent_space.encode([(0, 0)])[0]
    return Candidate((0, 0), f"{height},{slope}", z, round=1, y=(height, slope), status="measured")


def test_a_constrained_property_is_measured_too() -> None:
    parts = constrained()
    assert [(o.name, o.goal) for o in parts.objectives] == [("height", "maximize"), ("slope", "measure")]
    assert parts.utilities([candidate(0.3, 0.1)]).tolist() == [[0.3]]


def test_a_campaign_needs_a_property_to_improve() -> None:
    with pytest.raises(InvdesignError, match="at least one to improve"):
        toy.campaign(objectives=[Objective("height", goal="measure")])


def test_designs_beyond_a_limit_rank_below_all_others_by_their_excess() -> None:
    group = [candidate(0.9, 2.0), candidate(0.1, 0.2), candidate(0.8, 0.6), candidate(0.2, 0.4)]
    U = constrained().ranking_utilities(group)[:, 0]
    assert np.argsort(-U).tolist() == [3, 1, 2, 0]


@pytest.mark.slow
@pytest.mark.parametrize("acquire", [acquisition.log_ei, acquisition.posterior_sample])
def test_the_search_learns_where_the_limit_is_kept(acquire: Any) -> None:
    base = toy.campaign()
    parts = constrained(search=replace(base.search, acquire=acquire), budget=45)
    engine = toy.engine(parts)
    state = run(engine, toy.begun(engine), executor=InProcess)
    late = [c for c in state.history if c.round > 2]
    kept = [c.y[1] <= 0.5 for c in late]
    assert np.mean(kept) >= 0.9
    assert all(np.isfinite(c.mean[1]) and c.sd[1] > 0 for c in late)
    best = max(c.y[0] for c in late if c.y[1] <= 0.5)
    # The best height with x <= 5 is at (5, -7).
    assert best > 0.9 * np.exp(-64 / 200)
    chosen = shortlist(engine, state)
    assert chosen and all(c.y[1] <= 0.5 for c in chosen)
    assert all("slope <= 0.5" in {check.name for check in c.checks} for c in chosen)


@pytest.mark.slow
def test_a_front_has_only_designs_that_keep_the_limits() -> None:
    parts = toy.campaign(
        objectives=[Objective("height"), Objective("slope")],
        oracle=hill_and_slope,
        constraints={"slope": "<= 0.5"},
        search=replace(toy.campaign().search, acquire=acquisition.log_nehvi),
        budget=30,
    )
    engine = toy.engine(parts)
    state = run(engine, toy.begun(engine), executor=InProcess)
    assert all(c.y[1] <= 0.5 for c in shortlist(engine, state))
    assert np.mean([c.y[1] <= 0.5 for c in state.history if c.round > 1]) >= 0.8


def test_a_stated_reference_point_is_that_of_the_hypervolume() -> None:
    objectives = [Objective("height"), Objective("slope", goal="minimize")]
    parts = toy.campaign(objectives=objectives, oracle=hill_and_slope, reference_point={"height": 0.1, "slope": 2.0})
    engine = toy.engine(parts)
    source = toy.corpus()
    values = hill_and_slope(source.designs).T
    properties = {"height": values[0], "slope": values[1]}
    state = start(engine, initialize(engine, Corpus(source.designs, properties=properties)))
    landscape = region_landscape(engine, state, fit_surrogates(engine, state), 0)
    assert landscape is not None and landscape.reference is not None
    assert landscape.reference.tolist() == pytest.approx([0.1, -2.0])
    acquired: Any = acquisition.log_nehvi(landscape)
    assert acquired.reference.tolist() == pytest.approx([0.1, -2.0])
    with pytest.raises(InvdesignError, match="a value for each of height, slope"):
        toy.campaign(objectives=objectives, reference_point={"height": 0.1})
