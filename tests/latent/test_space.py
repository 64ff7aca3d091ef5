"""Decoding at points where the decoder writes no valid design."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from invdesign.latent.space import LatentSpace
from invdesign.vae.priors import StandardNormal

D = 4


class Itself(torch.nn.Module):
    """A decoder that returns the latent itself."""

    d = D
    prior = StandardNormal()

    def generate_ranked(self, z: Tensor) -> list[Tensor]:
        return [z]


@dataclass(frozen=True)
class Where:
    """An encoding of points; those for which `can_be` does not hold are no designs."""

    can_be: Callable[[Tensor], bool]

    def decode(self, rows: Tensor) -> list[Any]:
        return [tuple(row.tolist()) if self.can_be(row) else None for row in rows]


def space(can_be: Callable[[Tensor], bool]) -> LatentSpace[Any, Any]:
    nothing = torch.zeros(0, D, dtype=torch.float64)
    return LatentSpace(
        None,  # type: ignore[arg-type]
        Where(can_be),  # type: ignore[arg-type]
        Itself(),  # type: ignore[arg-type]
        torch.zeros(D, dtype=torch.float64),
        torch.ones(D, dtype=torch.float64),
        density=lambda Z: Z.sum(-1),
        sample=nothing,
        sample_sd=nothing,
        reference_plausibilities=torch.zeros(1, dtype=torch.float64),
    )


@pytest.mark.usefixtures("without_type_checks")
def test_a_point_that_decodes_to_nothing_gets_a_design_from_nearby_and_always_the_same_one() -> None:
    found = space(lambda row: bool(row.abs().sum() > 1e-6))
    Z = torch.zeros(2, D, dtype=torch.float64)
    Z[1] = 3.0
    near, itself = found.decode(Z)
    assert itself == (3.0,) * D
    assert 0 < torch.tensor(near).norm() < 0.5
    assert found.decode(Z[:1]) == [near]
    assert replace(found, retries=0).decode(Z) == [None, itself]


@pytest.mark.usefixtures("without_type_checks")
def test_a_point_in_a_void_stays_without_a_design() -> None:
    assert space(lambda row: False).decode(torch.zeros(3, D, dtype=torch.float64)) == [None] * 3
