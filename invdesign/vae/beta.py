"""Weight of the KL divergence during a training: fixed, warmed up, or adapted to hold a rate or a distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invdesign.core import InvdesignError

BETA_RANGE = (1e-4, 20.0)
GAIN = 0.02
"""Change of log beta in a step for a relative error of 1."""
MIN_TOTAL_GAIN = 8.0
"""The same over a whole training: a short one adapts faster."""
SMOOTHING = 0.95
"""Weight of the past in the running means of rate and distortion."""


@dataclass
class BetaControl:
    """Weight of the KL divergence at every step.

    With a target, beta is the Lagrange multiplier of a constraint, found by dual ascent: it grows while the rate is
    above its target, or while the distortion is below its own.

    References:
        Rezende and Viola, Taming VAEs (GECO), arXiv:1810.00597; Alemi et al., Fixing a Broken ELBO, arXiv:1711.00464.
    """

    beta: float
    """Current weight; with a warm-up, the final one."""
    warmup_steps: float = 0.0
    """Steps over which a fixed beta rises from 0."""
    target_rate: float | None = None
    """KL divergence per design to hold [nats]."""
    target_distortion: float | None = None
    """-log p(x | z) per design to hold [nats]."""
    gain: float = GAIN
    """Change of log beta in a step for a relative error of 1."""
    error: float | None = None
    """Running mean of the relative error; None before the first update."""

    def __post_init__(self) -> None:
        targets = [t for t in (self.target_rate, self.target_distortion) if t is not None]
        if len(targets) > 1 or any(not t > 0 for t in targets):
            raise InvdesignError(
                "recipe: expected at most one of target_rate and target_distortion, positive [nats], got "
                f"{self.target_rate!r} and {self.target_distortion!r}. Remove one"
            )
        if targets and not self.beta > 0:
            raise InvdesignError(f"recipe: expected a positive beta to start from, got {self.beta!r}")

    @property
    def has_target(self) -> bool:
        """Whether beta adapts."""
        return self.target_rate is not None or self.target_distortion is not None

    def at(self, step: int) -> float:
        """Return the weight at a step."""
        if self.has_target or not self.warmup_steps:
            return self.beta
        return self.beta * min(1.0, step / self.warmup_steps)

    def update(self, rate: float, distortion: float) -> None:
        """Adapt beta to the mean rate and distortion of a training batch [nats]; a fixed beta is not changed."""
        if not (self.has_target and math.isfinite(rate) and math.isfinite(distortion)):
            return
        error = self._relative_error(rate, distortion)
        self.error = error if self.error is None else SMOOTHING * self.error + (1 - SMOOTHING) * error
        low, high = BETA_RANGE
        self.beta = min(high, max(low, self.beta * math.exp(self.gain * self.error)))

    def loss(self, rate: float, distortion: float) -> float:
        """Return the loss by which validations are compared [nats].

        It is `distortion + beta rate` of a fixed beta; with a target, the quantity that is not held, plus what the
        held one exceeds its target by.
        """
        if self.target_rate is not None:
            return distortion + max(0.0, rate - self.target_rate)
        if self.target_distortion is not None:
            return rate + max(0.0, distortion - self.target_distortion)
        return distortion + self.beta * rate

    def _relative_error(self, rate: float, distortion: float) -> float:
        """Return the error of what is held, clipped to [-1, 1]; positive where beta must grow."""
        if self.target_rate is not None:
            return max(-1.0, min(1.0, rate / self.target_rate - 1))
        assert self.target_distortion is not None
        return max(-1.0, min(1.0, 1 - distortion / self.target_distortion))
