"""The parts of a campaign and its memory, as values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

import numpy as np
from torch import Tensor

from invdesign.campaign.pool import Funnel
from invdesign.core import (
    Array,
    B,
    Candidate,
    Combine,
    Corpus,
    D,
    Deliver,
    Domain,
    FitDensity,
    FitSurrogate,
    Illustrate,
    InvdesignError,
    Objective,
    Oracle,
    Validator,
    utilities,
)
from invdesign.latent.density import mixture
from invdesign.latent.prepare import Pretrained
from invdesign.latent.space import LatentSpace
from invdesign.search.mutations import MutationPolicy
from invdesign.search.search import Search
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import SurrogateReport, TransformedUtility, auto, feasibility_surrogate, no_transform
from invdesign.vae.training import Recipe


@dataclass(frozen=True, eq=False)
class Campaign(Generic[D, B]):
    """The parts of a campaign; a value, nothing in it runs until it is asked to.

    Args:
        domain: what the designs are.
        objectives: `m` properties and where they should go.
        oracle: measures them, `(designs) -> n x m`.
        vae: how the map is made: a recipe to train, or a shipped model.
        corpus: loads the designs that exist; None where a shipped model brings all that is needed.
        seeds: loads what the campaign starts from; by default designs of the corpus, those with measured objectives
            as they are, else `n_seeds` drawn at random and measured.
        density: fits log p(z) of real designs.
        surrogate: fits the utilities on `[z | features]`.
        latent_surrogate: fits the utilities on the latents alone, for proposers that climb a gradient in z; None where
            none of them does and the surrogate reads features: it is half the time of a round.
        outcome_transform: transforms the utilities of each objective before surrogates are fitted.
        feasibility: fits, to designs that could and could not be measured, the log-probability that another one can,
            `(X, is_feasible, *, d) -> function`.
        search: where to look, and what is good.
        mutations: proposals made of designs beside those made of latents, and the trust region's radius in edits.
        screens: cheap checks before the oracle; a design that fails one is never measured.
        validators: checks before export; a design that fails one is never shortlisted.
        combine: how several objectives become utilities (see `core.utilities`).
        n_seeds: designs drawn from the corpus to start from.
        screen_seeds: whether those drawn must pass the screens. Those that do not teach the surrogate too, but where
            the best of them fail, the trust region starts where nothing can be asked.
        batch: designs per round.
        budget: oracle calls in all, those on seeds too.
        n_shortlist: candidates to hand over.
        min_density_percentile: density percentile below which a proposal counts as a void's and is dropped.
        use_features: whether surrogates read the domain's features beside the latent.
        allow_corpus_designs: whether designs of the corpus may be proposed.
        baseline: whether the report measures a random search at the same budget.
        finetune: fine-tunes the latent space on the history, `(space, designs, utilities, *, seed) -> space`.
        finetune_every: rounds between tunings; 0 for never.
        max_failure_rate: share of failed oracle calls at which the campaign stops.
        max_empty_rounds: consecutive rounds without a new design at which it stops.
        deliverables: write further files of every export, each into a folder of its name.
        figures: draw what the report shows beside its own figures.
        seed: of every random number.
        name: shown to people.
    """

    domain: Domain[D, B]
    objectives: Sequence[Objective]
    oracle: Oracle
    vae: Recipe | Pretrained
    corpus: Callable[[], Corpus[D]] | None = None
    seeds: Callable[[], Corpus[D]] | None = None
    density: FitDensity = mixture
    surrogate: FitSurrogate = auto
    latent_surrogate: FitSurrogate | None = auto
    outcome_transform: Callable[[Tensor], TransformedUtility] = no_transform
    feasibility: Callable[..., Callable[[Tensor], Tensor]] = feasibility_surrogate
    search: Search = field(default_factory=Search)
    mutations: MutationPolicy | None = None
    screens: Sequence[Validator] = ()
    validators: Sequence[Validator] = ()
    combine: Combine = "pareto"
    n_seeds: int = 100
    screen_seeds: bool = False
    batch: int = 50
    budget: int = 1000
    n_shortlist: int = 20
    min_density_percentile: float = 0.0
    use_features: bool = True
    allow_corpus_designs: bool = False
    baseline: bool = True
    finetune: Callable[..., LatentSpace[D, B]] | None = None
    finetune_every: int = 0
    max_failure_rate: float = 0.5
    max_empty_rounds: int = 10
    deliverables: Mapping[str, Deliver] = field(default_factory=dict)
    figures: Mapping[str, Illustrate] = field(default_factory=dict)
    seed: int = 0
    name: str = "campaign"

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        names = [objective.name for objective in self.objectives]
        if not names or len(set(names)) < len(names):
            raise InvdesignError(f"campaign {self.name!r}: objectives need distinct names, at least one; got {names}")
        for count in ("batch", "budget", "n_seeds", "n_shortlist", "max_empty_rounds"):
            if getattr(self, count) < 1:
                raise InvdesignError(
                    f"campaign {self.name!r}: {count} must be at least 1, got {getattr(self, count)}; "
                    f"set {count}=1 or more"
                )
        for deliverable in self.deliverables:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", deliverable):
                raise InvdesignError(
                    f"campaign {self.name!r}: the deliverable {deliverable!r} names a folder; use letters, digits, "
                    "_ and - only"
                )

    def utilities(self, candidates: Sequence[Candidate[D]]) -> Array:
        """`n x m` (or `n x 1` when combined) utilities; NaN where unmeasured."""
        m = len(self.objectives)
        Y = [c.y if c.status == "measured" else (math.nan,) * m for c in candidates]
        return utilities(self.objectives, np.array(Y, dtype=np.float64).reshape(-1, m), combine=self.combine)


@dataclass(frozen=True)
class Region:
    """A trust region, the key of the design that it grew from, and the round in which it did."""

    trust: TrustRegion
    root: str
    born: int = 0


@dataclass(frozen=True)
class RoundRecord:
    """What happened in a round, as numbers and words that survive in JSON."""

    round: int
    funnel: Funnel = field(default_factory=Funnel)
    n_measured: int = 0
    n_failed: int = 0
    best: float = math.nan
    lengths: tuple[float, ...] = ()
    is_improved: tuple[bool, ...] = ()
    fallback_level: str = ""
    surrogate: SurrogateReport | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_finetuned: bool = False


@dataclass(frozen=True, eq=False)
class State(Generic[D]):
    """The memory of a campaign: saving it is saving the campaign.

    `pending` holds the open round in the order in which it was asked; those measured already carry their outcome and
    enter `history` together when the round closes, so that the order of arrival changes nothing.
    """

    history: tuple[Candidate[D], ...] = ()
    pending: tuple[Candidate[D], ...] = ()
    regions: tuple[Region, ...] = ()
    round: int = 0
    records: tuple[RoundRecord, ...] = ()

    @property
    def n_calls(self) -> int:
        """Oracle calls spent: every distinct design sent, failures too; what came measured is free."""
        return sum(c.origin != "given" for c in (*self.history, *self.pending))


class Recorder(Protocol):
    """Where a running campaign is written down; each call returns when what it was told is durable."""

    def asked(self, state: State[Any]) -> None: ...
    def told(self, candidate: Candidate[Any]) -> None: ...
    def closed(self, state: State[Any]) -> None: ...
    def tuned(self, space: LatentSpace[Any, Any], state: State[Any]) -> None: ...
