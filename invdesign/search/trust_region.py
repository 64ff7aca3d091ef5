"""Trust region in latent space."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import InvdesignError


@dataclass(frozen=True)
class TrustRegion:
    """Box around the incumbent that doubles after successes and halves after failures (TuRBO).

    Lengths are half-lengths in standardized latents: a box of length 0.8 extends 0.8 standard deviations of the corpus
    from its center to either side. (TuRBO measures the full side of a box in the unit cube.)

    References:
        Eriksson et al., Scalable Global Optimization via Local Bayesian Optimization (2019), arXiv:1910.01739.

    All fields are settings; `length` is that of a new region, and `grow` and `shrink` return regions of other lengths.
    The successes and failures of a run are counted in `campaign.state.Region`.

    Example:
        >>> region = TrustRegion(length=0.8)
        >>> region.grow().length, region.shrink().length
        (1.6, 0.4)
    """

    length: float = 0.8
    """Half-length of the box [standard deviations of the corpus]."""
    min_length: float = 0.5**7
    """Length below which the region is exhausted and the search restarts elsewhere."""
    max_length: float = 1.6
    """Length beyond which the region does not grow."""
    success_tolerance: int = 3
    """Consecutive successes that double the length."""
    failure_tolerance: int = 3
    """Consecutive failures that halve the length."""

    def __post_init__(self) -> None:
        if not 0 < self.min_length <= self.max_length:
            raise InvdesignError(
                f"trust region: expected 0 < min_length <= max_length, got {self.min_length!r} and {self.max_length!r}"
            )
        if not 0 < self.length <= self.max_length:
            raise InvdesignError(
                f"trust region: expected length in (0, max_length = {self.max_length!r}], got {self.length!r}"
            )
        if min(self.success_tolerance, self.failure_tolerance) < 1:
            raise InvdesignError(
                "trust region: expected success_tolerance and failure_tolerance >= 1, got "
                f"success_tolerance={self.success_tolerance!r}, failure_tolerance={self.failure_tolerance!r}"
            )

    @property
    def is_exhausted(self) -> bool:
        """Whether the length has fallen below `min_length`."""
        return self.length < self.min_length

    def grow(self) -> TrustRegion:
        """Return the region of twice the length, or of the largest one."""
        return replace(self, length=min(2 * self.length, self.max_length))

    def shrink(self) -> TrustRegion:
        """Return the region of half the length."""
        return replace(self, length=self.length / 2)

    def bounds(self, center: Float[Tensor, " d"], weights: Float[Tensor, " d"] | None = None) -> Float[Tensor, "2 d"]:
        """Return the lower and the upper corner of the box (`2 x d`).

        Args:
            center: Latent of the incumbent (`d`).
            weights: `d` positive numbers, for example the lengthscales of a surrogate: the box is longer where the
                utility changes slowly. They are divided by their geometric mean, which preserves the volume, and
                clipped to [1/4, 4].
        """
        half = torch.full_like(center, self.length)
        if weights is not None:
            half = half * (weights / weights.log().mean().exp()).clamp(0.25, 4.0)
        return torch.stack([center - half, center + half])
