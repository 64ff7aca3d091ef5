"""Descriptors of designs in a campaign: which surrogates read them, and that nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import toy
from botorch.models.model import Model
from torch import Tensor
from toy import Grid, GridEncoding, GridSpace, Point

from invdesign.campaign import ask, make_engine, run
from invdesign.core import Array, InvdesignError
from invdesign.execution.in_process import InProcess
from invdesign.surrogate import auto, descriptor_gp, exact_gp, feasibility_surrogate
from invdesign.surrogate.descriptors import DescriptorKernel


@dataclass(frozen=True)
class DescribedEncoding(GridEncoding):
    """Points with two counts and three descriptors."""

    def features(self, designs: Sequence[Point]) -> Array:
        return np.abs(np.array(designs, dtype=float).reshape(-1, 2))

    def descriptors(self, designs: Sequence[Point]) -> Array:
        P = np.array(designs, dtype=float).reshape(-1, 2)
        return np.column_stack([P / 7, P.sum(1) + 0.5])


class Recorded:
    """A function of surrogate inputs, with the number of columns of each call."""

    def __init__(self, fit: Any) -> None:
        self.fit, self.widths = fit, set[int]()

    def __call__(self, X: Tensor, *others: Any, **settings: Any) -> Any:
        self.widths.add(X.shape[1])
        return self.fit(X, *others, **settings)


def engine_of(surrogate: Any, **changes: Any) -> Any:
    parts = toy.campaign(surrogate=surrogate, **changes)
    return make_engine(parts, GridSpace(Grid(), encoding=DescribedEncoding()), toy.corpus())


def finished(engine: Any) -> Any:
    return run(engine, toy.begun(engine), executor=InProcess)


def test_a_surrogate_with_the_parameter_reads_descriptors_in_every_round() -> None:
    engine = engine_of(auto, budget=30)
    state = finished(engine)
    assert len(state.history) >= 30 and engine.n_descriptors == 3
    model = engine.reuse.model
    assert isinstance(model.kernel, DescriptorKernel) and model.X.shape[1] == 2 + 2 + 3
    shown = engine.inputs(state.history[:4])
    expected = DescribedEncoding().descriptors([c.design for c in state.history[:4]])
    assert torch.equal(shown[:, -3:], torch.from_numpy(expected))
    assert torch.equal(engine.features.compute([c.design for c in state.history[:4]]), shown[:, 2:])


def test_another_surrogate_reads_latents_and_features_alone() -> None:
    def plain(X: Tensor, U: Tensor, *, d: int, noise_floor: float = 1e-4) -> Model:
        assert X.shape[1] == 4
        return exact_gp(X, U, d=d, noise_floor=noise_floor)

    engine = engine_of(plain, budget=20)
    assert engine.n_descriptors == 0 and len(finished(engine).history) >= 20


def test_without_features_there_are_no_descriptors() -> None:
    engine = engine_of(auto, budget=20, use_features=False)
    assert engine.n_descriptors == 0 and len(finished(engine).history) >= 20


def test_the_model_of_feasibility_reads_no_descriptors() -> None:
    feasibility = Recorded(feasibility_surrogate)

    def fails_on_the_left(designs: Sequence[Point]) -> Array:
        y = toy.bump(designs)
        y[np.array(designs, dtype=float).reshape(-1, 2)[:, 0] < 0] = np.nan
        return y

    finished(engine_of(auto, budget=40, oracle=fails_on_the_left, feasibility=feasibility))
    assert feasibility.widths == {4}


@pytest.mark.parametrize("surrogate", [auto, descriptor_gp])
def test_a_resumed_campaign_proposes_what_an_uninterrupted_one_does(surrogate: Any) -> None:
    engine = engine_of(surrogate, budget=60)
    state = finished(engine)
    resumed = engine_of(surrogate, budget=60)
    proposed = [[c.key for c in ask(e, state).candidates] for e in (engine, resumed)]
    assert proposed[0] == proposed[1]


def test_a_number_of_descriptors_that_the_encoding_does_not_have_is_not_read() -> None:
    engine = make_engine(toy.campaign(surrogate=partial(auto, n_descriptors=1)), GridSpace(Grid()), toy.corpus())
    assert engine.n_descriptors == 0 and engine.surrogate.keywords == {"n_descriptors": 0}


def test_an_encoding_whose_descriptors_have_another_shape_is_refused() -> None:
    class Flat(DescribedEncoding):
        def descriptors(self, designs: Sequence[Point]) -> Array:
            return np.array([sum(design) for design in designs], dtype=float)

    with pytest.raises(InvdesignError, match="descriptors of Flat: expected 0 x p numbers"):
        _ = make_engine(toy.campaign(surrogate=auto), GridSpace(Grid(), encoding=Flat()), toy.corpus()).n_descriptors
