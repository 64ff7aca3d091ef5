"""A trust region's second space: designs themselves, and how many edits lie between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.search.trust_region import TrustRegion

Distance = Callable[[Any, Any], float]


class Mutate(Protocol):
    """`n` designs, each at most `radius` edits from one of the parents (best first), by torch's random numbers."""

    def __call__(self, parents: Sequence[Any], n: int, *, radius: int) -> Sequence[Any]: ...


class ProjectToRadius(Protocol):
    """What is kept of decoded designs that lie more than `radius` edits from a center.

    `space` is the latent space and `Z` (`n x d`) where each was decoded; a None stays one.
    """

    def __call__(self, space: Any, Z: Tensor, designs: Sequence[Any], center: Any, radius: int) -> list[Any]: ...


@dataclass(frozen=True)
class MutationPolicy:
    """Proposals made of designs, beside those made of latents; both go through the same aligned step.

    The trust region then lives in two spaces: what is decoded in its box is projected to a radius of edits around the
    incumbent, and the radius grows and shrinks with the box.

    Args:
        mutate: makes designs of designs.
        distance: edits between two designs.
        project: brings decoded designs into the radius; None lets them be.
        share: of the proposals that are made of designs, 0 to 1.
        min_radius: edits in the smallest region.
        max_radius: edits in the largest.
        n_parents: designs that are varied: the best measured ones, then the ones of the highest acquisition.
        min_distance: least edits between two designs of a batch, 0 for any; relaxed where nothing else is left.
    """

    mutate: Mutate
    distance: Distance
    project: ProjectToRadius | None = None
    share: float = 0.5
    min_radius: int = 1
    max_radius: int = 8
    n_parents: int = 20
    min_distance: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvdesignError(f"mutations: share must lie between 0 and 1, got {self.share!r}")
        if not 1 <= self.min_radius <= self.max_radius or self.n_parents < 1 or self.min_distance < 0:
            raise InvdesignError(
                f"mutations: expected 1 <= min_radius <= max_radius, n_parents >= 1 and min_distance >= 0, got "
                f"min_radius={self.min_radius}, "
                f"max_radius={self.max_radius}, n_parents={self.n_parents}, min_distance={self.min_distance}"
            )

    def radius(self, trust: TrustRegion | None) -> int:
        """Return the radius in edits for a trust region: between the limits on a logarithmic scale of its length."""
        if trust is None:
            return self.max_radius
        span = math.log(trust.max_length / trust.min_length) or 1.0
        share = math.log(max(trust.length, trust.min_length) / trust.min_length) / span
        return round(self.min_radius + min(1.0, share) * (self.max_radius - self.min_radius))
