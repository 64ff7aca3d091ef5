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


class Vary(Protocol):
    """`n` designs, each at most `radius` edits from one of the parents (best first), by torch's random numbers."""

    def __call__(self, parents: Sequence[Any], n: int, *, radius: int) -> Sequence[Any]: ...


class Project(Protocol):
    """What is kept of decoded designs that lie more than `radius` edits from a center.

    `space` is the latent space and `Z` (`n x d`) where each was decoded; a None stays one.
    """

    def __call__(self, space: Any, Z: Tensor, designs: Sequence[Any], center: Any, radius: int) -> list[Any]: ...


@dataclass(frozen=True)
class Edits:
    """Proposals made of designs, beside those made of latents; both go through the same aligned step.

    The trust region then lives in two spaces: what is decoded in its box is projected to a radius of edits around the
    incumbent, and the radius grows and shrinks with the box.

    Args:
        vary: makes designs of designs.
        distance: edits between two designs.
        project: brings decoded designs into the radius; None lets them be.
        share: of the proposals that are made of designs, 0 to 1.
        least: edits in the smallest region.
        most: edits in the largest.
        n_parents: designs that are varied: the best measured ones, then the ones of the highest acquisition.
        apart: least edits between two designs of a batch, 0 for any; relaxed where nothing else is left.
    """

    vary: Vary
    distance: Distance
    project: Project | None = None
    share: float = 0.5
    least: int = 1
    most: int = 8
    n_parents: int = 20
    apart: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InvdesignError(f"edits: share must lie between 0 and 1, got {self.share!r}")
        if not 1 <= self.least <= self.most or self.n_parents < 1 or self.apart < 0:
            raise InvdesignError(
                f"edits: expected 1 <= least <= most, a parent, and apart of 0 or more, got least={self.least}, "
                f"most={self.most}, n_parents={self.n_parents}, apart={self.apart}"
            )

    def radius(self, trust: TrustRegion | None) -> int:
        """Edits that a trust region of this length allows: on a logarithmic scale between the least and the most."""
        if trust is None:
            return self.most
        span = math.log(trust.longest / trust.shortest) or 1.0
        share = math.log(max(trust.length, trust.shortest) / trust.shortest) / span
        return round(self.least + min(1.0, share) * (self.most - self.least))
