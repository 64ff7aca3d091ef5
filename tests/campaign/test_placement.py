"""Designs that the latent space cannot write have no place in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import toy

from invdesign.campaign import Engine, State, ask, initialize, make_engine, start
from invdesign.campaign.engine import separate_unplaced
from invdesign.campaign.loop import close_round
from invdesign.campaign.placement import describe_errors
from invdesign.campaign.regions import choose_root, members
from invdesign.campaign.round_model import fit_surrogates, incumbent
from invdesign.core import Array, Corpus
from invdesign.surrogate import joint_gp


@dataclass(frozen=True)
class Even(toy.GridEncoding):
    """An encoding without points whose first coordinate is odd."""

    def errors(self, designs: Sequence[toy.Point]) -> list[str]:
        return ["an odd coordinate" if design[0] % 2 else "" for design in designs]


@dataclass(frozen=True)
class EvenWithFeatures(Even):
    """The same, with features."""

    def features(self, designs: Sequence[toy.Point]) -> Array:
        return np.abs(np.array(designs, dtype=float)).reshape(len(designs), -1)


def seeds() -> Corpus[toy.Point]:
    points = [*toy.corpus().designs[:20], (13, -7)]
    return Corpus(tuple(points), properties={"height": toy.bump(points)}, name="seeds", sha256="1")


def started(encoding: toy.GridEncoding, **changes: object) -> tuple[Engine[toy.Point, torch.Tensor], State[toy.Point]]:
    campaign = toy.campaign(**changes)
    space = replace(toy.GridSpace(campaign.domain), encoding=encoding)
    engine = make_engine(campaign, space)  # type: ignore[arg-type]
    state = start(engine, initialize(engine, seeds=seeds()))
    return engine, close_round(engine, state)


def test_the_best_design_is_no_root_where_it_cannot_be_written() -> None:
    engine, state = started(Even())
    best = max(state.history, key=lambda c: c.y)
    assert best.design == (13, -7) and not best.is_placed and math.isnan(best.percentile)
    root = next(c for c in state.history if c.key == choose_root(engine, state, []))
    assert root.is_placed and all(r.root != best.key for r in state.regions)
    center = incumbent(engine, state, 0)
    assert center is not None and bool(center.isfinite().all())
    assert all(c.is_placed for c in members(state, 0))


def test_the_round_says_how_many_designs_cannot_be_written_and_why() -> None:
    for encoding, use in ((Even(), "does not read them"), (EvenWithFeatures(), "reads their features alone")):
        _, state = started(encoding)
        (note,) = [note for note in state.records[0].notes if "cannot be written" in note]
        n_odd = sum(c.design[0] % 2 for c in state.history)
        assert f"{n_odd} of {len(state.history)} designs" in note and "an odd coordinate" in note and use in note


def test_a_surrogate_reads_designs_without_a_place_by_their_features_alone() -> None:
    engine, state = started(Even())
    n_placed = sum(c.is_placed for c in state.history)
    model = fit_surrogates(engine, state)
    assert len(model.X) == n_placed == len(model.fitted.X)
    engine, state = started(EvenWithFeatures(), surrogate=joint_gp)
    model = fit_surrogates(engine, state)
    assert len(model.X) == n_placed and len(model.fitted.X) == len(state.history)
    assert bool(model.X.isfinite().all()) and float(model.X[:, : model.d].abs().max()) < 10
    assert len(ask(engine, state).candidates) == 5


def test_points_of_designs_without_a_place_are_far_from_all_others() -> None:
    Z = torch.full((9, 2), math.nan, dtype=torch.float64)
    Z[0] = torch.tensor([0.5, -0.5])
    separated = separate_unplaced(Z)
    assert torch.equal(separated[0], Z[0])
    distances = torch.cdist(separated, separated) + 1e6 * torch.eye(9)
    assert float(distances.min()) > 500
    assert separate_unplaced(Z[:1]) is not None and torch.equal(separate_unplaced(Z[:1]), Z[:1])


def test_reasons_are_counted() -> None:
    text = describe_errors(["a", "", "b", "a", "c", "d"])
    assert text == "5 of 6 designs cannot be written by the model (2 x a; 1 x b; 1 x c; 1 other reasons)"
    assert describe_errors(["", ""]) == ""
