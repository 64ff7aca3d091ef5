"""Geometry of a latent space: projection, distance, neighbourhoods and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class LatentGeometry(Protocol):
    """What a search asks of the shape of a latent space."""

    def project(self, Z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the nearest points that belong to the space."""
        ...

    def distance(self, A: Float[Tensor, "n d"], B: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the distances between two sets of points."""
        ...

    def neighbourhood(self, center: Float[Tensor, " d"], half_length: Float[Tensor, " d"]) -> Float[Tensor, "2 d"]:
        """Return the box around a center, lower and upper corner: a trust region."""
        ...

    def path(self, start: Float[Tensor, " d"], end: Float[Tensor, " d"], n: int) -> Float[Tensor, "n d"]:
        """Return `n` points at even distances on the geodesic between two points, ends included."""
        ...


@dataclass(frozen=True)
class Euclidean:
    """The Euclidean space R^d of standardized latents."""

    def project(self, Z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the points themselves: every point belongs to the space."""
        return Z

    def distance(self, A: Float[Tensor, "n d"], B: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the Euclidean distances between two sets of points."""
        return torch.cdist(A, B)

    def neighbourhood(self, center: Float[Tensor, " d"], half_length: Float[Tensor, " d"]) -> Float[Tensor, "2 d"]:
        """Return the corners `center - half_length` and `center + half_length`."""
        return torch.stack([center - half_length, center + half_length])

    def path(self, start: Float[Tensor, " d"], end: Float[Tensor, " d"], n: int) -> Float[Tensor, "n d"]:
        """Return `n` points at even distances on the straight line between two points, ends included."""
        t = torch.linspace(0, 1, n, dtype=start.dtype)[:, None]
        return start + t * (end - start)
