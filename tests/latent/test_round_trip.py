"""Of several decoded designs the one that is encoded nearest to the point is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from invdesign.latent.round_trip import decode_nearest

pytestmark = pytest.mark.usefixtures("without_type_checks")


@dataclass(frozen=True)
class MissesCenter:
    """A space of points on a line: what is decoded within .1 of a whole number lies 5 away from it."""

    is_writable: bool = True

    @property
    def encoding(self) -> MissesCenter:
        return self

    def decode(self, Z: Tensor) -> list[float | None]:
        values = Z[:, 0].tolist()
        return [None if v < 0 else v + 5 if abs(v - round(v)) < 0.1 else v for v in values]

    def encode(self, designs: Sequence[float]) -> Tensor:
        return torch.tensor(designs, dtype=torch.float64)[:, None]

    def errors(self, designs: Sequence[float]) -> list[str]:
        return ["" if self.is_writable else "unknown" for _ in designs]


def test_the_design_whose_own_latent_is_nearest_is_returned() -> None:
    Z = torch.tensor([[3.0], [7.0], [-90.0]], dtype=torch.float64)
    near, other, nothing = decode_nearest(MissesCenter(), Z)  # type: ignore[arg-type]
    assert near is not None and other is not None
    assert abs(near - 3) < 0.2 and abs(other - 7) < 0.2 and nothing is None
    assert decode_nearest(MissesCenter(), Z) == [near, other, nothing], "the points are fixed"  # type: ignore[arg-type]


def test_one_point_is_plain_decoding_and_designs_that_cannot_be_written_are_not_compared() -> None:
    Z = torch.tensor([[3.0]], dtype=torch.float64)
    assert decode_nearest(MissesCenter(), Z, n_points=1) == [8.0]  # type: ignore[arg-type]
    assert decode_nearest(MissesCenter(is_writable=False), Z) == [8.0]  # type: ignore[arg-type]
