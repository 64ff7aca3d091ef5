"""A new campaign starts from an earlier run, or reads it as another assay."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy

from invdesign import CampaignRun, InvdesignError, Objective
from invdesign.campaign import Transfer, ask, initialize, start
from invdesign.campaign.round_model import fit_surrogates
from invdesign.core import Corpus
from invdesign.runs import latent_spaces
from invdesign.runs.earlier_run import measurements


@pytest.fixture
def earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run with ten measured designs, one of them measured twice."""
    monkeypatch.setattr(latent_spaces, "prepare_latent_space", lambda campaign, *_: toy.RunSpace(campaign.domain))
    with CampaignRun.open(tmp_path / "earlier", toy.campaign()) as run:
        designs = [c.design for c in run.suggest()]
        run.tell({design: 0.01 * i for i, design in enumerate(designs)})
        run.replicate(designs[3], 0.05)
    return tmp_path / "earlier"


def test_a_campaign_starts_from_the_measurements_of_a_run(earlier: Path, tmp_path: Path) -> None:
    seeds = partial(measurements, earlier, properties={"depth": "height"})
    parts = toy.campaign(objectives=[Objective("depth")], seeds=seeds)
    with CampaignRun.open(tmp_path / "new", parts) as run:
        status = run.begin()
        assert (status.n_measured, status.n_calls) == (10, 0) and status.best == {"depth": 0.09}
        repeated = next(c for c in run.state.history if c.y[0] == pytest.approx(0.04))
        assert math.isfinite(repeated.value_error(0))
        assert len(run.suggest()) == 5


def test_a_property_that_the_run_did_not_measure_is_named(earlier: Path) -> None:
    with pytest.raises(InvdesignError, match=r"a property that the run measured \(height\)"):
        measurements(earlier, domain=toy.Grid(), properties={"depth": "breadth"})


def assay(n: int, *, seed: int, sign: float = 1.0) -> Corpus[Any]:
    """Return points with another assay's values, which follow those of the toy, or are noise where the sign is 0."""
    generator = np.random.default_rng(seed)
    points = [tuple(int(v) for v in row) for row in generator.integers(-20, 21, size=(n, 2))]
    values = 30 * sign * np.nan_to_num(toy.bump(points)) + (generator.standard_normal(n) if sign == 0 else 5.0)
    return Corpus(tuple(points), properties={"other": values})


@pytest.mark.parametrize(("sign", "outcome"), [(1.0, "second task"), (0.0, "not used")])
def test_another_assay_is_a_second_task_where_it_helps(sign: float, outcome: str) -> None:
    source = assay(60, seed=3, sign=sign)
    parts = toy.campaign(transfer=Transfer(lambda: source, property="other"))
    engine = toy.engine(parts)
    seeds = assay(14, seed=4)
    given = Corpus(seeds.designs, properties={"height": toy.bump(seeds.designs)})
    state = start(engine, initialize(engine, given))
    notes = fit_surrogates(engine, state).notes
    assert any(outcome in note for note in notes), notes
    batch = ask(engine, state)
    assert len(batch.candidates) == 5 and all(math.isfinite(c.mean[0]) for c in batch.candidates)


def test_a_source_without_the_property_is_refused() -> None:
    with pytest.raises(InvdesignError, match="expected a property 'height'"):
        toy.engine(toy.campaign(transfer=Transfer(lambda: assay(5, seed=0))))
