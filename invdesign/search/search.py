"""A search: where to look, and what is good. Bayesian optimization and gradient ascent are two settings of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from invdesign.core import Acquire, InvdesignError, Landscape, Propose
from invdesign.search.acquisition import ucb
from invdesign.search.ascent import maximize_acquisition
from invdesign.search.cloud import elite_paths, local_steps, sobol_cloud
from invdesign.search.trust_region import TrustRegion

# The box bounds the cloud and the climbers; breeding goes on around every design that promises much, wherever it lies.
PROPOSERS = (
    sobol_cloud,
    partial(local_steps, is_boxed=False),
    partial(elite_paths, is_boxed=False),
    maximize_acquisition,
)
PROPOSAL_WEIGHTS = (2.0, 4.0, 2.0, 1.0)
ACQUIRE = partial(ucb, beta=(0.25, 9.0))


@dataclass(frozen=True)
class Search:
    """How a round looks for designs.

    Args:
        propose: proposers, functions `(Landscape, n) -> n x d`.
        shares: of each proposer in the pool, relative to each other; empty for equal shares (2:4:2:1 for the default).
        acquire: what is good, a function of the Landscape; None asks neither proposer nor surrogate, and draws the
            batch from where real designs lie.
        trust_region: the region that each search starts with, or None for the whole space.
        n_regions: regions kept apart, each with its own incumbent.
        oversample: latent points proposed (and decoded) for each design of the batch, over all generations.
        generations: rounds of proposing within a round of the campaign: from the second one on, the elites around which
            is searched are the decoded designs of the highest acquisition.
        shortlist: points of the pool that are considered jointly when the batch is chosen.
        min_distance: between the latents of two designs of a batch, in standard deviations of the corpus.
        min_rank_correlation: rank correlation of the surrogate, on designs that it had not seen, below which it is not
            used: the density of real designs decides alone.
    """

    propose: tuple[Propose, ...] = PROPOSERS
    shares: tuple[float, ...] = ()
    acquire: Acquire | None = ACQUIRE
    trust_region: TrustRegion | None = field(default_factory=TrustRegion)
    n_regions: int = 1
    oversample: int = 40
    generations: int = 4
    shortlist: int = 500
    min_distance: float = 0.0
    min_rank_correlation: float = -1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "propose", tuple(self.propose))
        object.__setattr__(self, "shares", tuple(float(s) for s in self.shares) or _shares(self.propose))
        if not self.propose:
            raise InvdesignError("search: at least one proposer is needed in propose, got none")
        for proposer in self.propose:
            if not callable(proposer):
                raise InvdesignError(
                    f"search: a proposer is a function (Landscape, n) -> n x d, got {proposer!r}; in YAML it needs "
                    "_partial_: true"
                )
        if self.acquire is not None and not callable(self.acquire):
            raise InvdesignError(
                f"search: acquire is a function of the Landscape or null, got {self.acquire!r}; in YAML it needs "
                "_partial_: true"
            )
        if len(self.shares) != len(self.propose) or min(self.shares) < 0 or sum(self.shares) <= 0:
            raise InvdesignError(
                f"search: shares are one number >= 0 for each of the {len(self.propose)} proposers, not all 0, "
                f"got {list(self.shares)}"
            )
        least_of = {"n_regions": 1, "oversample": 1, "generations": 1, "shortlist": 1, "min_distance": 0}
        for name, least in least_of.items():
            if not getattr(self, name) >= least:
                raise InvdesignError(f"search: {name} must be at least {least}, got {getattr(self, name)!r}")
        if self.n_regions > 1 and self.trust_region is None:
            raise InvdesignError(
                f"search: {self.n_regions} regions need a trust_region to be kept apart; set one, or n_regions: 1"
            )

    def counts(self, n: int) -> tuple[int, ...]:
        """How many of `n` proposals each proposer makes: by its share, rounded so that they add up to `n`."""
        exact = [n * share / sum(self.shares) for share in self.shares]
        whole = [int(e) for e in exact]
        late = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
        for i in late[: n - sum(whole)]:
            whole[i] += 1
        return tuple(whole)


def proposals(search: Search, landscape: Landscape, n: int) -> tuple[Tensor, list[str]]:
    """Latent points worth decoding, of all proposers of a search, and the name of the proposer of each.

    Args:
        search: how to look.
        landscape: what the search sees.
        n: latent points.

    Returns:
        `n x d` float64 latents, `n` names.

    Raises:
        InvdesignError: where a proposer does not answer what it was asked for.
    """
    clouds, names = [], []
    for proposer, count in zip(search.propose, search.counts(n), strict=True):
        if not count:
            continue
        Z = proposer(landscape, count)
        name = name_of(proposer)
        if Z.shape != (count, landscape.d):
            raise InvdesignError(f"proposer {name}: expected {count} x {landscape.d} latents, got {tuple(Z.shape)}")
        clouds.append(torch.nan_to_num(Z.detach().to(torch.float64)))
        names += [name] * count
    return torch.cat([torch.zeros(0, landscape.d, dtype=torch.float64), *clouds]), names


def _shares(propose: tuple[Propose, ...]) -> tuple[float, ...]:
    return PROPOSAL_WEIGHTS if propose == PROPOSERS else (1.0,) * len(propose)


def name_of(function: object) -> str:
    """The name of a function, also of a partial one."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))
