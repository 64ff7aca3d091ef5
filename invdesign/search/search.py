"""Configuration of a search: proposers, acquisition function and trust region.

Bayesian optimization and gradient ascent are two settings of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float64
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape, Propose
from invdesign.search.acquisition import ucb
from invdesign.search.ascent import maximize_acquisition
from invdesign.search.sampling import elite_paths, local_steps, prior_draws, sobol_cloud, sphere_cloud
from invdesign.search.sharing import Sharing
from invdesign.search.trust_region import TrustRegion

PROPOSERS = (
    sobol_cloud,
    partial(local_steps, is_boxed=False),
    partial(elite_paths, is_boxed=False),
    maximize_acquisition,
)
"""Default proposers. The box bounds Sobol points and maximizers only; steps and paths start from every good design."""
PROPOSAL_WEIGHTS = (2.0, 4.0, 2.0, 1.0)
"""Weights of the default proposers."""
GRADIENT_FREE = frozenset((sobol_cloud, sphere_cloud, local_steps, elite_paths, prior_draws))
"""Proposers that do not read the surrogate of the latents alone."""
ACQUIRE = partial(ucb, beta=(0.25, 9.0))
"""Default acquisition function."""
MINIMA = {"n_regions": 1, "oversample": 1, "generations": 1, "shortlist": 1, "min_distance": 0}
"""Smallest valid value of each number."""


@dataclass(frozen=True)
class Search:
    """How a round proposes, scores and selects candidates.

    Example:
        >>> Search(propose=(sobol_cloud, local_steps), weights=(3.0, 1.0)).counts(8)
        (6, 2)
    """

    propose: tuple[Propose, ...] = PROPOSERS
    """Proposers: functions `(Landscape, n) -> n x d`."""
    weights: tuple[float, ...] = ()
    """Relative number of proposals of each proposer; empty for equal weights (2:4:2:1 for the default proposers)."""
    acquire: Acquire | None = ACQUIRE
    """Function from the Landscape to the acquisition function. None uses neither proposers nor surrogate, and draws the
    batch from the density of real designs."""
    trust_region: TrustRegion | None = field(default_factory=TrustRegion)
    """Trust region that each search starts with, or None for the whole space."""
    n_regions: int = 1
    """Number of separate trust regions, each with its own incumbent."""
    oversample: int = 40
    """Latent points proposed (and decoded) for each design of the batch, over all generations."""
    generations: int = 4
    """Number of proposal steps within a round. From the second one on, proposals start from the decoded designs with
    the highest acquisition values."""
    latent_generations: int | None = None
    """Number of these steps, from the first one on, that decode latent points, where designs are mutated too; None for
    all. To decode a few points takes as long as to decode many."""
    shortlist: int = 500
    """Points of the pool that are considered jointly when the batch is selected."""
    min_distance: float = 0.0
    """Smallest distance between the latents of two designs of a batch [standard deviations of the corpus]."""
    min_rank_correlation: float = -1.0
    """Rank correlation of the surrogate on held-out designs below which it is not used: the density of real designs
    decides alone."""
    sharing: Sharing | None = None
    """How the shares of the pool, that of mutations included, follow from what proposers found in earlier rounds; None
    for the configured shares in every round."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "propose", tuple(self.propose))
        weights = tuple(float(weight) for weight in self.weights) or _default_weights(self.propose)
        object.__setattr__(self, "weights", weights)
        self._check_functions()
        if len(weights) != len(self.propose) or min(weights) < 0 or sum(weights) <= 0:
            raise InvdesignError(
                f"search: expected weights as one number >= 0 for each of the {len(self.propose)} proposers, not all "
                f"0, got {list(weights)}"
            )
        for name, minimum in MINIMA.items():
            if not getattr(self, name) >= minimum:
                raise InvdesignError(f"search: expected {name} of at least {minimum}, got {getattr(self, name)!r}")
        if self.latent_generations is not None and not 1 <= self.latent_generations <= self.generations:
            raise InvdesignError(
                f"search: expected latent_generations from 1 to generations={self.generations}, or null, got "
                f"{self.latent_generations!r}"
            )
        if self.n_regions > 1 and self.trust_region is None:
            raise InvdesignError(
                f"search: {self.n_regions} regions expected a trust_region, got none. Set trust_region, or n_regions: 1"
            )

    @property
    def follows_gradients(self) -> bool:
        """Whether a proposer may read the surrogate of the latents alone: each but those known not to."""
        used = [function for function, weight in zip(self.propose, self.weights, strict=True) if weight > 0]
        return any(getattr(function, "func", function) not in GRADIENT_FREE for function in used)

    def counts(self, n: int) -> tuple[int, ...]:
        """Return how many of `n` proposals each proposer makes: by weight, rounded so that they add up to `n`.

        Args:
            n: Number of proposals.
        """
        exact = [n * weight / sum(self.weights) for weight in self.weights]
        whole = [int(value) for value in exact]
        by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
        for i in by_remainder[: n - sum(whole)]:
            whole[i] += 1
        return tuple(whole)

    def _check_functions(self) -> None:
        if not self.propose:
            raise InvdesignError("search: expected at least one proposer in propose, got none")
        for proposer in self.propose:
            if not callable(proposer):
                raise InvdesignError(
                    f"search: expected a proposer as a function (Landscape, n) -> n x d, got {proposer!r}. In YAML it "
                    "needs _partial_: true"
                )
        if self.acquire is not None and not callable(self.acquire):
            raise InvdesignError(
                f"search: expected acquire as a function of the Landscape or null, got {self.acquire!r}. In YAML it "
                "needs _partial_: true"
            )


def proposals(search: Search, landscape: Landscape, n: int) -> tuple[Float64[Tensor, "n d"], list[str]]:
    """Return latent points to decode, from all proposers of a search, and the name of the proposer of each.

    Args:
        search: Proposers and their weights.
        landscape: Surrogate, density, box and measured designs.
        n: Number of latent points.

    Returns:
        `n x d` float64 latents, `n` names.

    Raises:
        InvdesignError: A proposer returns another shape than `n x d`.

    Example:
        >>> from invdesign.testing import landscape
        >>> Z, names = proposals(Search(propose=(sobol_cloud,)), landscape(d=2), 4)
        >>> tuple(Z.shape), set(names)
        ((4, 2), {'sobol_cloud'})
    """
    parts = [torch.zeros(0, landscape.d, dtype=torch.float64, device=landscape.bounds.device)]
    names: list[str] = []
    for proposer, count in zip(search.propose, search.counts(n), strict=True):
        if not count:
            continue
        Z = proposer(landscape, count)
        name = name_of(proposer)
        if Z.shape != (count, landscape.d):
            raise InvdesignError(f"proposer {name}: expected {count} x {landscape.d} latents, got {tuple(Z.shape)}")
        parts.append(torch.nan_to_num(Z.detach().to(torch.float64)))
        names += [name] * count
    return torch.cat(parts), names


def name_of(function: object) -> str:
    """Return the name of a function, also of a partial one.

    Args:
        function: A function, a partial function or another callable.

    Example:
        >>> name_of(partial(local_steps, n_elites=3))
        'local_steps'
    """
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _default_weights(propose: tuple[Propose, ...]) -> tuple[float, ...]:
    return PROPOSAL_WEIGHTS if propose == PROPOSERS else (1.0,) * len(propose)
