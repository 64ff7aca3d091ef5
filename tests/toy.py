"""A toy domain for the tests of campaigns: designs are points of an integer grid, and the latent space is exact."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from toy_grid import Grid, Point

from invdesign.campaign import (
    Campaign,
    Engine,
    Filters,
    Finetuning,
    Limits,
    Output,
    Seeding,
    State,
    Surrogates,
    Task,
    initialize,
    make_engine,
    start,
)
from invdesign.core import Array, Call, Corpus, EncodingShape, MakeExecutor, Objective, OracleSetup, Outcome
from invdesign.latent.geometry import Euclidean
from invdesign.latent.training_keys import TrainingKeys
from invdesign.search import acquisition, sampling
from invdesign.search.search import Search
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import exact_gp

SCALE = 10.0


@dataclass(frozen=True)
class GridEncoding:
    """Points as rows of numbers."""

    shape: EncodingShape = field(default_factory=lambda: EncodingShape(2))

    def state(self) -> dict[str, Any]:
        return {}

    def encode(self, designs: Sequence[Point]) -> torch.Tensor:
        return torch.tensor(designs, dtype=torch.float32)

    def decode(self, batch: torch.Tensor) -> list[Point | None]:
        return [tuple(int(v) for v in row) for row in batch.round().tolist()]

    def errors(self, designs: Sequence[Point]) -> list[str]:
        return [""] * len(designs)


@dataclass(frozen=True)
class GridSpace:
    """The latent space of the grid: z is the point, scaled."""

    domain: Grid
    d: int = 2
    scale: float = SCALE
    encoding: GridEncoding = field(default_factory=GridEncoding)
    geometry: Euclidean = field(default_factory=Euclidean)
    training_keys: TrainingKeys = field(default_factory=TrainingKeys, compare=False)
    vae: Any = field(default_factory=lambda: SimpleNamespace(n_shared=2), compare=False)

    def encode(self, designs: Sequence[Point]) -> torch.Tensor:
        return torch.tensor(designs, dtype=torch.float64).reshape(-1, self.d) / self.scale

    def decode(self, Z: torch.Tensor) -> list[Point | None]:
        points = [tuple(int(v) for v in row) for row in (Z * self.scale).round().tolist()]
        return [p if max(map(abs, p)) <= 30 else None for p in points]

    def draw(self, n: int, source: str = "corpus") -> torch.Tensor:
        return torch.randn(n, self.d, dtype=torch.float64)

    def vae_posterior(self, designs: Sequence[Point]) -> tuple[torch.Tensor, torch.Tensor]:
        Z = self.encode(designs)
        return Z, torch.full_like(Z, 0.1)

    def vae_latents(self, Z: torch.Tensor) -> torch.Tensor:
        return Z

    def log_density(self, Z: torch.Tensor) -> torch.Tensor:
        return -Z.square().sum(-1) / 2

    def plausibility(self, designs: Sequence[Point], Z: torch.Tensor) -> torch.Tensor:
        return self.log_density(Z)

    def percentile(self, plausibility: torch.Tensor) -> torch.Tensor:
        return 100 * plausibility.exp()


@dataclass(frozen=True)
class RunSpace(GridSpace):
    """The latent space of the grid, with the sample that a run writes for its report."""

    sample: torch.Tensor = field(default_factory=lambda: torch.zeros(4, 2, dtype=torch.float64))
    card: dict[str, Any] = field(default_factory=lambda: {"d": 2})


def bump(designs: Sequence[Point]) -> Array:
    """Return a smooth hill whose top is at (13, -7); it fails right of 25."""
    P = np.array(designs, dtype=float).reshape(-1, 2)
    y = np.exp(-((P - np.array([13, -7])) ** 2).sum(1) / 200)
    y[P[:, 0] > 25] = np.nan
    return y


def corpus(n: int = 40) -> Corpus[Point]:
    draw = np.random.default_rng(0)
    points = sorted({tuple(int(v) for v in row) for row in draw.integers(-8, 9, size=(n, 2))})
    return Corpus(tuple(points), name="points", sha256="0")


def campaign(**changes: object) -> Campaign[Point, torch.Tensor]:
    """Return a small campaign on the grid; any field of the campaign or of one of its records may be changed."""
    search = Search(
        propose=(sampling.sobol_cloud, sampling.local_steps),
        weights=(1.0, 1.0),
        acquire=acquisition.log_ei,
        trust_region=TrustRegion(),
        oversample=10,
    )
    parts = Campaign(
        Grid(),
        Task([Objective("height")], bump),
        None,  # type: ignore[arg-type]
        corpus=corpus,
        search=search,
        seeding=Seeding(n_seeds=10),
        surrogates=Surrogates(surrogate=exact_gp),
        limits=Limits(batch=5, budget=50),
        filters=Filters(),
        finetuning=Finetuning(),
        output=Output(),
    )
    return changed(parts, **changes)


def changed(parts: Campaign[Any, Any], **changes: object) -> Campaign[Any, Any]:
    """Return a campaign with changed fields, whichever record they belong to."""
    for record in fields(parts):
        value = getattr(parts, record.name)
        if is_dataclass(value) and record.name not in ("domain", "search", "mutations", "vae"):
            own = {name: changes.pop(name) for name in [f.name for f in fields(value)] if name in changes}
            if own:
                parts = replace(parts, **{record.name: replace(value, **own)})  # type: ignore[type-var]
    return replace(parts, **changes)  # type: ignore[arg-type]


def engine(parts: Campaign[Any, Any], known: Corpus[Point] | None = None) -> Engine[Point, torch.Tensor]:
    """Return a campaign on the grid bound to its latent space."""
    space: Any = GridSpace(parts.domain)  # type: ignore[arg-type]
    return make_engine(parts, space, known)


def begun(bound: Engine[Point, torch.Tensor], recorder: Any = None) -> State[Point]:
    """Return the state after the seed designs were drawn."""
    return start(bound, initialize(bound, corpus()), recorder)


Evaluation = Callable[[Any, Sequence[Any]], Iterator[tuple[int, Outcome]]]


class Evaluator:
    """An executor that runs a generator of `(position, outcome)` over the submitted designs, one outcome a poll."""

    name, is_durable, capacity = "evaluator", False, None

    def __init__(self, setup: OracleSetup, *, evaluation: Evaluation) -> None:
        self.setup, self.evaluation = setup, evaluation
        self.finished: list[Iterator[tuple[str, Outcome]]] = []

    def submit(self, calls: Sequence[Call[Any]]) -> None:
        outcomes = self.evaluation(self.setup.oracle, [call.design for call in calls])
        self.finished.append((calls[i].id, outcome) for i, outcome in outcomes)

    def poll(self, seconds: float) -> list[tuple[str, Outcome]]:
        while self.finished:
            found = next(self.finished[0], None)
            if found is not None:
                return [found]
            self.finished.pop(0)
        return []

    def cancel(self, ids: Collection[str]) -> None:
        pass

    def close(self) -> None:
        pass


def executor(evaluation: Evaluation) -> MakeExecutor:
    """Return what opens an executor that runs a generator."""
    return partial(Evaluator, evaluation=evaluation)
