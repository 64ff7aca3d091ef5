"""A toy domain for the hall's tests: designs are points of an integer grid, and the map is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from invdesign.campaign import Campaign
from invdesign.core import Array, Corpus, Objective
from invdesign.search import acquisition, sampling
from invdesign.search.search import Search
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import exact_gp

Point = tuple[int, ...]
SCALE = 10.0


@dataclass(frozen=True)
class Grid:
    """Points of Z^d; everything beyond 30 steps from the origin is no design."""

    name: str = "grid"

    def key(self, design: Point) -> str:
        return ",".join(map(str, design))

    def features(self, designs: Sequence[Point]) -> Array:
        return np.zeros((len(designs), 0))

    def encoding_errors(self, designs: Sequence[Point]) -> list[str]:
        return [""] * len(designs)


@dataclass(frozen=True)
class GridSpace:
    """The latent space of the grid: z is the point, scaled."""

    domain: Grid
    d: int = 2
    scale: float = SCALE

    def encode(self, designs: Sequence[Point]) -> torch.Tensor:
        return torch.tensor(designs, dtype=torch.float64).reshape(-1, self.d) / self.scale

    def decode(self, Z: torch.Tensor) -> list[Point | None]:
        points = [tuple(int(v) for v in row) for row in (Z * self.scale).round().tolist()]
        return [p if max(map(abs, p)) <= 30 else None for p in points]

    def draw(self, n: int) -> torch.Tensor:
        return torch.randn(n, self.d, dtype=torch.float64)

    def log_density(self, Z: torch.Tensor) -> torch.Tensor:
        return -Z.square().sum(-1) / 2

    def percentile(self, log_density: torch.Tensor) -> torch.Tensor:
        return 100 * log_density.exp()


def bump(designs: Sequence[Point]) -> Array:
    """A smooth hill whose top is at (13, -7); it fails right of 25."""
    P = np.array(designs, dtype=float).reshape(-1, 2)
    y = np.exp(-((P - np.array([13, -7])) ** 2).sum(1) / 200)
    y[P[:, 0] > 25] = np.nan
    return y


def corpus(n: int = 40) -> Corpus[Point]:
    draw = np.random.default_rng(0)
    points = sorted({tuple(int(v) for v in row) for row in draw.integers(-8, 9, size=(n, 2))})
    return Corpus(tuple(points), name="points", sha256="0")


def campaign(**changes: object) -> Campaign[Point, torch.Tensor]:
    """A small campaign on the grid; every argument may be replaced."""
    search = Search(
        propose=(sampling.sobol_cloud, sampling.local_steps),
        weights=(1.0, 1.0),
        acquire=acquisition.log_ei,
        trust_region=TrustRegion(),
        oversample=10,
    )
    parts: dict[str, object] = {
        "domain": Grid(),
        "objectives": [Objective("height")],
        "oracle": bump,
        "vae": None,
        "corpus": corpus,
        "search": search,
        "surrogate": exact_gp,
        "n_seeds": 10,
        "batch": 5,
        "budget": 50,
    }
    return Campaign(**{**parts, **changes})  # type: ignore[arg-type]
