"""Proposals in design space: mutations of designs within a radius of edits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.search.trust_region import TrustRegion

Distance = Callable[[Any, Any], float]
"""Number of edits between two designs."""


@runtime_checkable
class Mutate(Protocol):
    """Function that creates designs from designs."""

    def __call__(self, parents: Sequence[Any], n: int, /, *, radius: int) -> Sequence[Any]:
        """Return `n` designs, each at most `radius` edits from one of the parents.

        Args:
            parents: Designs to mutate, best first.
            n: Number of designs to return.
            radius: Largest distance from a parent [edits].

        Returns:
            `n` designs that depend on torch's global random number generator alone.
        """
        ...


@runtime_checkable
class ProjectToRadius(Protocol):
    """Function that moves decoded designs to within a radius of a center."""

    def __call__(
        self, latent_space: Any, Z: Float[Tensor, "n d"], designs: Sequence[Any], center: Any, radius: int, /
    ) -> list[Any]:
        """Return the designs, those more than `radius` edits from the center replaced by nearer ones.

        Args:
            latent_space: Latent space that decoded the designs.
            Z: `n x d` latent points that the designs were decoded from.
            designs: `n` decoded designs; None where decoding failed.
            center: Design at the center of the trust region.
            radius: Largest distance from the center [edits].

        Returns:
            `n` designs; None stays None.
        """
        ...


@dataclass(frozen=True)
class MutationPolicy:
    """Proposals created by mutating designs, in addition to those decoded from latent points.

    Both kinds are screened, encoded and scored in the same way. With a policy the trust region also applies in design
    space: designs decoded inside its box are projected to a radius of edits around the incumbent, and the radius grows
    and shrinks with the box.
    """

    mutate: Mutate
    """Function that creates designs from designs."""
    distance: Distance
    """Number of edits between two designs."""
    project: ProjectToRadius | None = None
    """Function that moves decoded designs to within the radius; None leaves them unchanged."""
    fraction: float = 0.5
    """Fraction of the proposals that are mutated designs, 0 to 1."""
    min_radius: int = 1
    """Radius in the smallest trust region [edits]."""
    max_radius: int = 8
    """Radius in the largest trust region, and without one [edits]."""
    n_parents: int = 20
    """Number of designs that are mutated: first the best measured ones, then those of the highest acquisition value."""
    min_distance: int = 1
    """Smallest distance between two designs of a batch [edits], 0 for no limit; relaxed where no other design is
    left."""

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise InvdesignError(f"mutations: expected fraction between 0 and 1, got {self.fraction!r}")
        if not 1 <= self.min_radius <= self.max_radius or self.n_parents < 1 or self.min_distance < 0:
            raise InvdesignError(
                "mutations: expected 1 <= min_radius <= max_radius, n_parents >= 1 and min_distance >= 0, got "
                f"min_radius={self.min_radius}, max_radius={self.max_radius}, n_parents={self.n_parents}, "
                f"min_distance={self.min_distance}"
            )

    def radius(self, trust: TrustRegion | None) -> int:
        """Return the radius of a trust region [edits].

        The radius is interpolated between `min_radius` and `max_radius` on a logarithmic scale of the length.

        Args:
            trust: Trust region, or None for the whole space, which has `max_radius`.
        """
        if trust is None:
            return self.max_radius
        span = math.log(trust.max_length / trust.min_length) or 1.0
        position = math.log(max(trust.length, trust.min_length) / trust.min_length) / span
        return round(self.min_radius + min(1.0, position) * (self.max_radius - self.min_radius))
