"""A bandit over proposers: the share of each in the pool follows what its proposals found in earlier rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from invdesign.core import InvdesignError


@dataclass(frozen=True)
class Sharing:
    """Rule by which the share of a proposer in the pool follows its share of the finds.

    With configured shares `p_i` and the number `f_i` of finds, those of a round weighted by `memory` for each round
    since, the share is

        q_i = min_share p_i + (1 - min_share) (prior p_i + f_i) / (prior + sum_j f_j),

    the posterior mean of a Dirichlet distribution with a lower limit. A proposer that finds more per proposal than the
    others gets a larger share in every round; one that finds as much keeps its share.

    Example:
        >>> Sharing(prior=10, min_share=0.0).shares({"steps": 0.5, "paths": 0.5}, [{"steps": 10}])
        {'steps': 0.75, 'paths': 0.25}
    """

    n_best: int = 10
    """Number of best designs so far that a new design must be among to count as a find."""
    memory: float = 0.9
    """Weight of the finds of a round relative to those of the next one, above 0 and at most 1."""
    prior: float = 20.0
    """Number of finds that the configured shares count as."""
    min_share: float = 0.2
    """Fraction of its configured share that a proposer keeps whatever it finds."""

    def __post_init__(self) -> None:
        if self.n_best < 1 or not 0 < self.memory <= 1 or self.prior <= 0 or not 0 <= self.min_share <= 1:
            raise InvdesignError(
                "sharing: expected n_best >= 1, 0 < memory <= 1, prior > 0 and 0 <= min_share <= 1, got "
                f"n_best={self.n_best}, memory={self.memory}, prior={self.prior}, min_share={self.min_share}"
            )

    def shares(self, configured: Mapping[str, float], finds: Sequence[Mapping[str, int]]) -> dict[str, float]:
        """Return the share of the next pool of each proposer.

        Args:
            configured: Configured share of each proposer; they add up to 1.
            finds: Number of finds of each proposer in each round, oldest round first. Others than the configured
                proposers do not count.
        """
        weighted = dict.fromkeys(configured, 0.0)
        for counts in finds:
            weighted = {name: self.memory * value + counts.get(name, 0) for name, value in weighted.items()}
        total = self.prior + sum(weighted.values())
        return {
            name: self.min_share * share + (1 - self.min_share) * (self.prior * share + weighted[name]) / total
            for name, share in configured.items()
        }
