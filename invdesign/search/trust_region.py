"""The trust region of a search: a value that says how far from the incumbent to look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from invdesign.core import InvdesignError


@dataclass(frozen=True)
class TrustRegion:
    """A box around the incumbent that doubles after successes and halves after failures (TuRBO).

    Lengths are half-lengths in standardized latents: the box of length 0.8 reaches 0.8 standard deviations of the
    corpus from its center to either side. (TuRBO's own unit is the full side of a box in the unit cube.)

    Args:
        length: half-length of the box, in standard deviations of the corpus.
        min_length: below it the region is exhausted, and a search starts anew elsewhere.
        max_length: it does not grow beyond.
        successes: rounds in a row that improved on the incumbent.
        failures: rounds in a row that did not.
        streak: successes in a row that double the length.
        patience: failures in a row that halve it.

    References:
        Eriksson et al., Scalable Global Optimization via Local Bayesian Optimization (2019), arXiv:1910.01739.
    """

    length: float = 0.8
    min_length: float = 0.5**7
    max_length: float = 1.6
    successes: int = 0
    failures: int = 0
    streak: int = 3
    patience: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.min_length <= self.max_length:
            raise InvdesignError(
                f"trust region: expected 0 < min_length <= max_length, got {self.min_length!r} and {self.max_length!r}"
            )
        if not 0 < self.length <= self.max_length:
            raise InvdesignError(
                f"trust region: length must lie in (0, max_length = {self.max_length!r}], got {self.length!r}"
            )
        if self.streak < 1 or self.patience < 1 or self.successes < 0 or self.failures < 0:
            raise InvdesignError(
                "trust region: streak and patience count rounds and are at least 1, successes and failures at least 0; "
                f"got streak {self.streak!r}, patience {self.patience!r}, {self.successes!r}, {self.failures!r}"
            )

    @property
    def exhausted(self) -> bool:
        """Whether the region has shrunk below its min_length length."""
        return self.length < self.min_length

    def after(self, *, improved: bool) -> TrustRegion:
        """The region after a round that improved on its incumbent, or did not (a barren round did not)."""
        if improved:
            successes = self.successes + 1
            if successes < self.streak:
                return replace(self, successes=successes, failures=0)
            return replace(self, length=min(2 * self.length, self.max_length), successes=0, failures=0)
        failures = self.failures + 1
        if failures < self.patience:
            return replace(self, successes=0, failures=failures)
        return replace(self, length=self.length / 2, successes=0, failures=0)

    def bounds(self, center: Tensor, weights: Tensor | None = None) -> Tensor:
        """The box, `2 x d`: lower corner, upper corner.

        Args:
            center: `d`, the incumbent's latent.
            weights: `d` positive numbers, e.g. the lengthscales of a surrogate: the box is longer where utility changes
                slowly. They are divided by their geometric mean, which keeps the volume, and clipped to [1/4, 4].
        """
        half = torch.full_like(center, self.length)
        if weights is not None:
            half = half * (weights / weights.log().mean().exp()).clamp(0.25, 4.0)
        return torch.stack([center - half, center + half])
