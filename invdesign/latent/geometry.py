"""Geometry of a latent space: projection, distance, neighbourhoods and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.vae.base import VAE
from invdesign.vae.spherical import SphericalPrior, project_to_sphere


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


@dataclass(frozen=True)
class Sphere:
    """The sphere of radius sqrt(d), where a standard normal of d dimensions has its mass."""

    def project(self, Z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Return the nearest points of the sphere."""
        return project_to_sphere(Z)

    def distance(self, A: Float[Tensor, "n d"], B: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
        """Return the great-circle distances between two sets of points, as lengths on the sphere."""
        radius = A.shape[-1] ** 0.5
        chords = torch.cdist(self.project(A), self.project(B))
        angles: Tensor = 2 * torch.asin((chords / (2 * radius)).clamp(max=1.0))
        lengths: Tensor = radius * angles
        return lengths

    def neighbourhood(self, center: Float[Tensor, " d"], half_length: Float[Tensor, " d"]) -> Float[Tensor, "2 d"]:
        """Return the corners of the box around a center: a trust region is the part of the sphere inside it."""
        return Euclidean().neighbourhood(self.project(center), half_length)

    def path(self, start: Float[Tensor, " d"], end: Float[Tensor, " d"], n: int) -> Float[Tensor, "n d"]:
        """Return `n` points at even distances on the great circle between two points, ends included.

        Between opposite points one of the many great circles is taken.
        """
        radius = len(start) ** 0.5
        a, b = self.project(start) / radius, self.project(end) / radius
        across = b - (a @ b) * a
        if float(across.norm()) < 1e-9:
            axis = torch.eye(len(a), dtype=a.dtype, device=a.device)[int(a.abs().argmin())]
            across = axis - (a @ axis) * a
        angle = torch.atan2((b - (a @ b) * a).norm(), a @ b)
        t = torch.linspace(0, 1, n, dtype=a.dtype, device=a.device)[:, None] * angle
        points: Tensor = radius * (t.cos() * a + t.sin() * across / across.norm())
        return points


def geometry_of(vae: VAE) -> Euclidean | Sphere:
    """Return the geometry of the latent space of a model, which its prior decides."""
    return Sphere() if isinstance(vae.prior, SphericalPrior) else Euclidean()
