"""Decoding at points where the decoder writes no valid design."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from invdesign.latent.space import LatentSpace
from invdesign.vae.base import Ranked
from invdesign.vae.priors import StandardNormal

D = 4


class Itself(torch.nn.Module):
    """A decoder that returns the latent itself."""

    d = D
    prior = StandardNormal()

    def generate_ranked(self, z: Tensor) -> list[Ranked]:
        return [Ranked(z, torch.zeros(len(z)))]


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
def test_later_points_around_one_without_a_design_lie_nearer_to_the_center() -> None:
    (design,) = space(lambda row: float(row.norm()) < 6.0).decode(torch.full((1, D), 5.0, dtype=torch.float64))
    assert design is not None and torch.tensor(design).norm() < 6.0


@pytest.mark.usefixtures("without_type_checks")
def test_a_point_in_a_void_stays_without_a_design() -> None:
    assert space(lambda row: False).decode(torch.zeros(3, D, dtype=torch.float64)) == [None] * 3


@pytest.mark.usefixtures("without_type_checks")
def test_a_design_does_not_depend_on_how_many_points_are_decoded_at_once() -> None:
    found = space(lambda row: int(1000 * float(row.abs().sum())) % 3 == 0)
    Z = torch.randn(60, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = found.decode(Z)
    assert together.count(None) < 10
    assert together == [found.decode(z[None])[0] for z in Z]


class Two(Itself):
    """A decoder that offers the latent itself, and its negative with a score that is 2 nats lower."""

    def generate_ranked(self, z: Tensor) -> list[Ranked]:
        return [Ranked(z, torch.zeros(len(z))), Ranked(-z, torch.full((len(z),), -2.0))]


@dataclass(frozen=True)
class Penalized(Where):
    """An encoding with a penalty for points whose first coordinate is positive."""

    penalty: float = 0.0

    def penalties(self, designs: Sequence[Any]) -> Any:
        return np.array([self.penalty * (design[0] > 0) for design in designs])


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(("penalty", "expected"), [(1.0, 1.0), (3.0, -1.0)])
def test_a_less_likely_output_is_taken_where_the_penalty_of_the_first_exceeds_their_difference(
    penalty: float, expected: float
) -> None:
    found = replace(space(lambda row: True), vae=Two(), encoding=Penalized(lambda row: True, penalty))
    Z = torch.ones(3, D, dtype=torch.float64)
    Z[2] = -1
    assert found.decode(Z) == [(expected,) * D] * 2 + [(-1.0,) * D]
