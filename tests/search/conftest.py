"""A small landscape with a known maximum."""

from collections.abc import Callable

import pytest
import torch

from invdesign.core import Landscape
from invdesign.search import TrustRegion
from invdesign.surrogate import exact_gp

PEAK = 0.5


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def build() -> Callable[..., Landscape]:
    """A landscape of `m` objectives on R^d: minus the squared distances from maxima at 0.5, -0.5, ..."""

    def landscape(*, d: int = 3, n: int = 60, m: int = 1, length: float = 0.8, **changes: object) -> Landscape:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            Z = torch.randn(n, d, dtype=torch.float64)
        U = torch.stack([-(Z - PEAK * (-1) ** j).square().sum(1) for j in range(m)], 1)
        model = exact_gp(Z, U, d=d, ard=False)
        center = Z[U.sum(1).argmax()]
        fields = {
            "model": model,
            "latent_model": model,
            "density": lambda z: -z.square().sum(-1) / 2,
            "bounds": TrustRegion(length=length).bounds(center),
            "center": center,
            "X": Z,
            "U": U,
            "d": d,
        }
        return Landscape(**{**fields, **changes})

    return landscape
