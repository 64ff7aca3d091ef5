"""The definition of a campaign, as values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

import numpy as np
from torch import Tensor

from invdesign.campaign.diversity import Diversity, check_similarity
from invdesign.campaign.first_plate import ChooseSeeds
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
    OutcomeConstraint,
    Validator,
    admissible_utilities,
    improved_columns,
    parse_constraints,
    total_excess,
    utilities,
    with_constrained,
)
from invdesign.core.capabilities import default_screens
from invdesign.latent.density import mixture
from invdesign.latent.prepare import Pretrained
from invdesign.latent.space import LatentSpace
from invdesign.search.mutations import MutationPolicy
from invdesign.search.search import Search
from invdesign.surrogate import TransformedUtility, auto, feasibility_surrogate, no_transform
from invdesign.vae.training import Recipe


@dataclass(frozen=True, eq=False)
class Task:
    """What is designed for: properties, where they should go, and how they are measured."""

    objectives: Sequence[Objective]
    """`m` properties; those of the constraints that are none of them are added as properties that are measured."""
    oracle: Oracle
    """Measures them, `(designs) -> n x m`."""
    combine: Combine = "pareto"
    """How several objectives become utilities; see `core.objectives.utilities`."""
    constraints: Mapping[str, str] = field(default_factory=dict)
    """Limits of measured properties by name, e.g. `{"toxicity": "<= 0.2"}`. The search prefers designs that probably
    keep them, and the shortlist has no others. A property that is no objective is the oracle's next one; one that an
    oracle's choice makes an objective is only measured with `objectives.NAME.goal=measure`."""
    reference_point: Mapping[str, float] = field(default_factory=dict)
    """Worst acceptable value of each objective by name, in its unit: the reference point of the hypervolume. By default
    it is a tenth of the front's range below its worst values."""

    def __post_init__(self) -> None:
        names = [limits.name for limits in self.limits]
        object.__setattr__(self, "objectives", with_constrained(tuple(self.objectives), names))
        names = [objective.name for objective in self.objectives]
        if not improved_columns(self.objectives) or len(set(names)) < len(names):
            raise InvdesignError(
                f"objectives: expected at least one to improve, of distinct names, got {names}. Rename or add one"
            )

        improved = {self.objectives[j].name for j in improved_columns(self.objectives)}
        if self.reference_point and (set(self.reference_point) != improved or self.combine != "pareto"):
            raise InvdesignError(
                f"reference_point: expected a value for each of {', '.join(sorted(improved))} and combine=pareto, got "
                f"{dict(self.reference_point)!r}. Complete it, or leave it out"
            )

    @property
    def reference_utilities(self) -> Array | None:
        """Utilities of the reference point; None where it is not stated."""
        if not self.reference_point:
            return None
        row = [self.reference_point.get(objective.name, math.nan) for objective in self.objectives]
        point: Array = utilities(self.objectives, np.array([row]), combine=self.combine)[0]
        return point

    @property
    def limits(self) -> tuple[OutcomeConstraint, ...]:
        """The constraints as numbers."""
        return parse_constraints(self.constraints)


@dataclass(frozen=True, eq=False)
class Seeding(Generic[D]):
    """Designs that a campaign starts from."""

    seeds: Callable[[], Corpus[D]] | None = None
    """Loads the seed designs; by default designs of the corpus. Those with measured objectives are used as they are;
    without any, `n_seeds` are drawn at random and measured."""
    n_seeds: int = 100
    """Number of designs drawn from the corpus."""
    first_plate: ChooseSeeds | None = None
    """Function that selects these designs, see `campaign.first_plate`; by default they are drawn at random."""
    screen_seeds: bool = True
    """Whether designs drawn from the corpus must pass the screens: no oracle call is spent on a design that cannot be a
    candidate, and the trust region starts where designs can be proposed. The surrogate learns from the others too."""

    def __post_init__(self) -> None:
        check_at_least_one(self, "n_seeds")


@dataclass(frozen=True, eq=False)
class Transfer:
    """Measurements of another assay, or of an earlier campaign for another target."""

    source: Callable[[], Corpus[Any]]
    """Loads the designs with their values."""
    property: str = ""
    """Name of the property in the source; by default that of the objective."""


@dataclass(frozen=True, eq=False)
class Surrogates:
    """Models of utility and feasibility."""

    surrogate: FitSurrogate = auto
    """Fits the utilities on `[z | features]`."""
    latent_surrogate: FitSurrogate | None = auto
    """Fits the utilities on the latents alone, for proposers that follow a gradient in z; not used where none does."""
    outcome_transform: Callable[[Tensor], TransformedUtility] = no_transform
    """Transforms the utilities of each objective before surrogates are fitted."""
    feasibility: Callable[..., Callable[[Tensor], Tensor]] = feasibility_surrogate
    """Fits the log-probability that a design can be measured, `(X, is_feasible, *, d) -> function`."""
    transfer: Transfer | None = None
    """Measurements of another assay, which the surrogate reads as a second task while they help; None for none."""
    use_features: bool = True
    """Whether surrogates read the encoding's features beside the latent."""


@dataclass(frozen=True, eq=False)
class Filters:
    """Conditions on designs before they are measured, and before they are shortlisted."""

    screens: Sequence[Validator] | None = None
    """Cheap checks before the oracle; a design that fails one is never measured. None for those of the domain
    (`default_screens`), an empty list for no screens."""
    validators: Sequence[Validator] = ()
    """Checks before export; a design that fails one is never shortlisted."""
    min_plausibility: float = 0.0
    """Plausibility percentile (0 to 100) below which a proposal is dropped."""
    min_feasibility: float = 0.9
    """Predicted probability (0 to 1) that a design keeps the outcome constraints below which it is not selected; where
    fewer designs than a batch have it, the most probable ones are left. Without such a limit, a search whose optimum
    lies on a constraint proposes up to half of its designs beyond it: probability is but one factor of an acquisition
    value."""
    allow_corpus_designs: bool = False
    """Whether designs of the corpus may be proposed."""
    batch_diversity: Diversity | None = None
    """Conditions on the designs of a batch, e.g. at most three of one scaffold; it is smaller where they leave no other
    design."""
    shared_factor: Literal["parent"] | Callable[[Sequence[Any]], Sequence[str]] | None = None
    """What all designs of a batch have in common: `"parent"` for the nearest measured design, or a function that names
    the factor of each design, e.g. its scaffold or the plate that it is made on. The factor with the most promising
    designs is chosen in each round."""


@dataclass(frozen=True)
class Limits:
    """Size of a campaign, and when it stops early."""

    budget: int = 1000
    """Oracle calls in all, those on seed designs included."""
    batch: int = 50
    """Designs per round."""
    n_in_flight: int = 0
    """Designs that are measured at the same time in an asynchronous search, which proposes a new one as each finishes;
    a round then ends with every `batch`-th outcome. 0 for rounds whose designs are all measured before the next."""
    max_failure_rate: float = 0.5
    """Fraction of failed oracle calls above which the campaign stops."""
    max_empty_rounds: int = 10
    """Consecutive rounds without a new candidate after which it stops."""

    def __post_init__(self) -> None:
        check_at_least_one(self, "budget", "batch", "max_empty_rounds")


@dataclass(frozen=True, eq=False)
class Finetuning:
    """Fine-tuning of the VAE during the campaign."""

    finetune: Callable[..., LatentSpace[Any, Any]] | None = None
    """Fine-tunes on the history, `(latent_space, designs, utilities, *, seed) -> latent_space`; None for never."""
    finetune_every: int = 0
    """Rounds between fine-tunings; 0 for never."""


@dataclass(frozen=True, eq=False)
class Output:
    """What is written at the end."""

    n_shortlist: int = 20
    """Largest number of candidates to hand over."""
    shortlist_diversity: Diversity | None = None
    """Conditions on the candidates to hand over, e.g. at most three of one scaffold."""
    baseline: bool = False
    """Whether a random search is measured at the same budget and shown in the report; it doubles the oracle calls."""
    deliverables: Mapping[str, Deliver] = field(default_factory=dict)
    """Write further files of every export, each into a folder of its name."""
    figures: Mapping[str, Illustrate] = field(default_factory=dict)
    """Draw further figures of the report."""

    def __post_init__(self) -> None:
        check_at_least_one(self, "n_shortlist")
        for name in self.deliverables:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise InvdesignError(
                    f"deliverables: expected names of letters, digits, _ and -, for each is a folder, got {name!r}. "
                    "Rename it"
                )


@dataclass(frozen=True, eq=False)
class Campaign(Generic[D, B]):
    """Definition of a campaign: the task, and the settings that decide how it is solved.

    Example:
        >>> from invdesign.domains.molecules import Molecules
        >>> from invdesign.domains.molecules.oracles import qed
        >>> campaign = Campaign(Molecules(), Task([Objective("qed")], qed), Pretrained("zinc250k"))
        >>> campaign.limits.budget
        1000
    """

    domain: Domain[D, B]
    """Kind of the designs."""
    task: Task
    """Objectives and oracle."""
    vae: Recipe | Pretrained
    """How the latent space is made: a recipe to train a VAE, or a trained model."""
    corpus: Callable[[], Corpus[D]] | None = None
    """Loads the designs that exist; None where a trained model is enough."""
    density: FitDensity = mixture
    """Fits log p(z) of real designs."""
    seeding: Seeding[D] = field(default_factory=Seeding)
    """Designs to start from."""
    surrogates: Surrogates = field(default_factory=Surrogates)
    """Models of utility and feasibility."""
    search: Search = field(default_factory=Search)
    """Proposals, acquisition and trust regions."""
    mutations: MutationPolicy | None = None
    """Proposals made by mutation of designs, beside those decoded from latents."""
    filters: Filters = field(default_factory=Filters)
    """Screens, validators and limits on proposals."""
    limits: Limits = field(default_factory=Limits)
    """Budget, batch size, and when to stop early."""
    finetuning: Finetuning = field(default_factory=Finetuning)
    """Fine-tuning of the VAE."""
    output: Output = field(default_factory=Output)
    """Shortlist, deliverables, figures, baseline."""
    seed: int = 0
    """Seed of the search. All its random numbers are derived from it by round and use (`core.round_seed`). Corpus, VAE,
    density and oracle have seeds of their own, since they decide what is cached between campaigns."""
    name: str = "campaign"
    """Name of the campaign, in reports and in the path of its runs."""

    def __post_init__(self) -> None:
        for conditions in (self.filters.batch_diversity, self.output.shortlist_diversity):
            check_similarity(conditions, self.domain)
        if self.surrogates.transfer is not None and len(improved_columns(self.task.objectives)) > 1:
            raise InvdesignError(
                "transfer: expected one objective, got several. Leave transfer out, or split the campaign"
            )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The `m` objectives of the task."""
        return tuple(self.task.objectives)

    @property
    def screens(self) -> tuple[Validator, ...]:
        """Checks before the oracle: those of the filters, else those of the domain."""
        stated = self.filters.screens
        return default_screens(self.domain) if stated is None else tuple(stated)

    def properties(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return `n x m` measured properties of candidates; NaN where not measured."""
        m = len(self.task.objectives)
        Y = [c.y if c.status == "measured" else (math.nan,) * m for c in candidates]
        return np.array(Y, dtype=np.float64).reshape(-1, m)

    def utilities(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return the utilities of candidates, `n x k` of `k` objectives (`n x 1` when combined); NaN where unknown."""
        return utilities(self.task.objectives, self.properties(candidates), combine=self.task.combine)

    def admissible_utilities(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return the utilities of candidates that meet all outcome constraints, NaN for the others."""
        return admissible_utilities(
            self.task.objectives, self.task.limits, self.properties(candidates), combine=self.task.combine
        )

    def constrained_utilities(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return the utilities of candidates, those that violate an outcome constraint below all others.

        The more a candidate violates the constraints, the lower; one whose violation is not known is between.

        References:
            Eriksson and Poloczek, Scalable Constrained Bayesian Optimization, AISTATS 2021, arXiv:2002.08526.
        """
        U = self.utilities(candidates)
        if not self.task.limits or not np.isfinite(U).any(axis=0).all():
            return U
        excess = total_excess(self.task.objectives, self.task.limits, self.properties(candidates))
        known = excess[excess > 0]
        excess = np.where(np.isfinite(excess), excess, np.median(known) if len(known) else 1.0)
        low, high = np.nanmin(U, axis=0), np.nanmax(U, axis=0)
        lowered = low - (high - low + 1.0) * excess[:, None] - 1.0
        return np.where((excess > 0)[:, None] & np.isfinite(U), lowered, U)

    def ranking_utilities(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return utilities by which candidates are ranked, `n x k` of `k` objectives.

        They are the constrained utilities, but where no candidate is measured for all objectives, the median of the
        known values stands for an unknown one: such designs can still be compared by what is known.
        """
        U = self.constrained_utilities(candidates)
        is_known = np.isfinite(U)
        if is_known.all(axis=1).any() or not is_known.any(axis=0).all():
            return U
        return np.where(is_known, U, np.nanmedian(U, axis=0))


def check_at_least_one(record: object, *names: str) -> None:
    """Check that counts of a record are at least 1.

    Raises:
        InvdesignError: One is not.
    """
    for name in names:
        if getattr(record, name) < 1:
            raise InvdesignError(f"{name}: expected at least 1, got {getattr(record, name)}. Set {name}=1 or more")
