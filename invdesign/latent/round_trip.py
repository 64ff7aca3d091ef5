"""Decoding by the round trip: of several designs decoded around a point, the one whose own latent is nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float64
from torch import Tensor

from invdesign.core import D

N_POINTS = 24
SD = 0.2


@runtime_checkable
class RoundTrip(Protocol[D]):
    """What the round trip needs of a latent space."""

    @property
    def encoding(self) -> Any:
        """The fitted encoding, whose `errors` state which designs cannot be placed."""

    def encode(self, designs: Sequence[D]) -> Tensor:
        """Return the latents of designs."""

    def decode(self, Z: Tensor) -> list[D | None]:
        """Return a design for each latent."""


def decode_nearest(
    latent_space: RoundTrip[D],
    Z: Float64[Tensor, "n d"],
    *,
    n_points: int = N_POINTS,
    sd: float = SD,
    seed: int = 0,
) -> list[D | None]:
    """Return the design near each point whose own latent is nearest to the point; None where no design is decoded.

    A decoder that writes numbers, or whose output is changed afterwards (geometry optimization), often misses a design
    by little: it writes another one, whose own latent is far from `z`. Points around `z` are therefore decoded too, and
    their designs are encoded again. It takes `n_points` times as long as `decode`.

    Args:
        latent_space: The latent space.
        Z: Standardized latents.
        n_points: Decoded points for each latent, the latent itself among them.
        sd: Standard deviation of the points around a latent, in each dimension.
        seed: Seed of the points.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = sd * torch.randn(len(Z), n_points, Z.shape[1], generator=generator, dtype=Z.dtype)
    noise[:, 0] = 0
    around = Z[:, None] + noise
    return [_nearest(latent_space, z, latent_space.decode(points)) for z, points in zip(Z, around, strict=True)]


def _nearest(latent_space: RoundTrip[D], z: Tensor, decoded: Sequence[D | None]) -> D | None:
    """Return the design whose latent is nearest to `z`; the first where none can be encoded."""
    designs = [design for design in decoded if design is not None]
    problems = latent_space.encoding.errors(designs) if designs else []
    placed = [design for design, problem in zip(designs, problems, strict=True) if not problem]
    if not placed:
        return designs[0] if designs else None
    distances = (latent_space.encode(placed) - z).norm(dim=1)
    return placed[int(distances.argmin())]
