"""Data of a report: the facts of a run, and the numbers that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np

from invdesign.atlas.linear_twin import Comparison
from invdesign.campaign import Funnel, State
from invdesign.core import (
    GIVEN,
    Array,
    Candidate,
    Combine,
    D,
    DesignSpace,
    Illustrate,
    Objective,
    OutcomeConstraint,
    ValueKind,
    ValueSource,
    admissible_utilities,
    capabilities,
    improved_columns,
    pareto_front,
)
from invdesign.latent.rate_sweep import RateCurve
from invdesign.report.latent_map import LatentMap

N_SOBOL_LOG2 = 15


@dataclass(frozen=True, eq=False)
class ReportData(Generic[D]):
    """Facts of a run that a report shows."""

    name: str
    """Name of the campaign."""
    domain: DesignSpace[D]
    """Labels and draws designs."""
    objectives: Sequence[Objective]
    """`m` objectives with units and goals."""
    state: State[D]
    """State of the campaign."""
    sources: Sequence[ValueSource] = ()
    """What the oracle's values are, for each objective; empty where they were measured."""
    shortlist: Sequence[Candidate[D]] = ()
    """Candidates with their checks, best first."""
    n_valid: int | None = None
    """Number of measured new designs that passed every validator; None where not counted."""
    failure_counts: Mapping[str, int] = field(default_factory=dict)
    """Number of measured new designs that failed each check."""
    constraints: Sequence[OutcomeConstraint] = ()
    """Limits of measured properties; designs beyond them count as not measured in scores."""
    combine: Combine = "pareto"
    """How several objectives became utilities."""
    baseline: Sequence[Candidate[D]] = ()
    """Designs that a random search measured, in its order; empty where none was run."""
    reference: Array | None = None
    """`k x m` properties of designs that existed before the campaign; None for those of its seed designs."""
    reference_name: str = "seed designs"
    """Name of the reference designs, for people."""
    corpus_latents: Array | None = None
    """`s x d` latents of a sample of the corpus."""
    corpus_log_density: Array | None = None
    """Log-densities of that sample, of length `s`."""
    rate_curve: RateCurve | None = None
    """Rate-distortion curve of the recipe of the model; None where it was not measured."""
    latent_map: LatentMap | None = None
    """Interactive map of the latent space; None where it was not drawn."""
    linear_twin: Sequence[Comparison] = ()
    """Figures of the latent space beside those of a linear model; empty where they were not measured."""
    illustrate: Mapping[str, Illustrate] = field(default_factory=dict)
    """Functions that draw figures of the domain, by name."""
    model_card: Mapping[str, Any] = field(default_factory=dict)
    """Diagnostics of the latent space, by name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Full configuration."""
    versions: Mapping[str, Any] = field(default_factory=dict)
    """Versions of packages, and checksums of data and model."""
    command: str = ""
    """Command line of the run."""
    notes: Sequence[str] = ()
    """Warnings of the run."""
    created: str = ""
    """Time of creation as shown; the present time where empty."""

    @property
    def evaluated(self) -> list[Candidate[D]]:
        """History and the evaluated designs of the open round, in the order of selection."""
        return [*self.state.history, *(c for c in self.state.pending if c.status != "pending")]

    @property
    def is_pareto(self) -> bool:
        """Whether the campaign searches a Pareto front of several objectives."""
        return len(self.improved) > 1 and self.combine == "pareto"

    @property
    def improved(self) -> list[Objective]:
        """The properties that are improved, without those that are only measured."""
        return [self.objectives[j] for j in improved_columns(self.objectives)]

    @property
    def has_baseline(self) -> bool:
        """Whether a random search was run for comparison: it made at least one oracle call of its own."""
        return any(c.round > 0 for c in self.baseline)

    @property
    def baseline_calls(self) -> list[Candidate[D]]:
        """Designs on which the random search spent an oracle call, in its order, those of the seed designs included.

        It starts from the seed designs of the campaign, which were measured once for both.
        """
        return [c for c in self.baseline if c.origin != GIVEN] if self.has_baseline else []

    @property
    def baseline_draws(self) -> list[Candidate[D]]:
        """Designs that the random search drew itself, after at most as many oracle calls as the campaign made."""
        return [c for c in self.baseline_calls[: self.state.n_calls] if c.round > 0]

    @property
    def value_kind(self) -> ValueKind:
        """What the oracle's values are; of several objectives the least certain kind."""
        kinds: set[ValueKind] = {source.kind for source in self.sources}
        return "predicted" if "predicted" in kinds else "computed" if "computed" in kinds else "measured"

    @property
    def best_reference_name(self) -> str:
        """Name of what the score of the reference designs belongs to: the best of them, or all in a Pareto search."""
        return self.reference_name if self.is_pareto else f"best of the {self.reference_name}"

    @property
    def reference_properties(self) -> Array:
        """`k x m` properties of the reference designs: `reference`, or the measured seed designs."""
        if self.reference is not None:
            return np.asarray(self.reference, dtype=np.float64).reshape(-1, len(self.objectives))
        return self.properties([c for c in self.evaluated if c.round == 0])

    def properties(self, candidates: Sequence[Candidate[D]]) -> Array:
        """Return the `n x m` measured properties of candidates, NaN where not measured."""
        m = len(self.objectives)
        rows = [c.y if c.status == "measured" and len(c.y) == m else (math.nan,) * m for c in candidates]
        return np.array(rows, dtype=np.float64).reshape(-1, m)

    def utilities(self, Y: Array) -> Array:
        """Return the utilities of `n x m` properties, `n x 1` where combined; NaN where a constraint is violated."""
        return admissible_utilities(self.objectives, self.constraints, Y, combine=self.combine)

    def label(self, design: D) -> str:
        """Return the name of a design for people, on one line."""
        return capabilities.label(self.domain, design)

    def draw(self, design: D) -> str:
        """Return a design as an SVG picture."""
        return capabilities.draw(self.domain, design)


@dataclass(frozen=True)
class Score:
    """The number that measures how good a set of designs is."""

    label: str
    """Name of the number."""
    more_is_better: bool
    """Whether a larger number is better."""
    unit: str = ""
    """Unit; empty for a plain number."""


@dataclass(frozen=True)
class FunnelStage:
    """A stage between proposals and the shortlist."""

    name: str
    """Name of the stage."""
    count: int
    """Number of designs left after it, all rounds together."""
    meaning: str
    """What these designs are."""


@dataclass(frozen=True)
class FailureGroup:
    """Measurements that failed for one reason."""

    status: str
    """Status of the measurements."""
    reason: str
    """Reason as the oracle gave it."""
    count: int
    """Number of designs."""
    example: str
    """Label of the first of these designs."""


def score(data: ReportData[D]) -> Score:
    """Return the score of a campaign.

    It is the property itself for a maximum or minimum, the distance from a target or window, the combined utility of
    several objectives, or the dominated hypervolume of a Pareto search.
    """
    if data.is_pareto:
        return Score("dominated share of the hypervolume", True)
    if len(data.improved) > 1:
        return Score("combined utility", True)
    objective = data.improved[0]
    if isinstance(objective.goal, str):
        return Score(objective.name, objective.goal == "maximize", objective.unit)
    return Score(f"distance of {objective.name} from its goal", False, objective.unit)


def n_digits(data: ReportData[D]) -> int:
    """Return the significant digits of a score: a hypervolume is estimated to about a thousandth."""
    return 3 if data.is_pareto else 4


def best_so_far(data: ReportData[D], Y: Array) -> Array:
    """Return the best score after each measurement; NaN until the first value.

    Args:
        data: Objectives and, for a hypervolume, all measurements that span the box.
        Y: `n x m` properties in the order of measurement, NaN where not measured.
    """
    U = data.utilities(Y)
    if data.is_pareto:
        return _hypervolumes(data, U)
    if not len(U):
        return np.zeros(0)
    best = np.fmax.accumulate(U[:, 0])
    return best if score(data).more_is_better else -best


def best_score(data: ReportData[D], Y: Array) -> float:
    """Return the score of a set of designs with `n x m` properties; NaN where none is measured."""
    curve = best_so_far(data, Y)
    return float(curve[-1]) if len(curve) else math.nan


def gain(data: ReportData[D], value: float, other: float) -> float:
    """Return by how much one score is better than another; negative where it is worse."""
    return value - other if score(data).more_is_better else other - value


def funnel_stages(data: ReportData[D]) -> list[FunnelStage]:
    """Return the stages from proposals to the shortlist."""
    total = sum((record.funnel for record in data.state.records), Funnel())
    n_measured = sum(c.status == "measured" and c.round > 0 for c in data.evaluated)
    stages = [
        FunnelStage("proposed", total.proposed, "latent points and mutated designs"),
        FunnelStage("decoded", total.decoded, "decoded to a design"),
        FunnelStage("unique", total.unique, "distinct within their round"),
        FunnelStage("novel", total.novel, "neither measured, pending nor in the corpus"),
        FunnelStage("screened", total.screened, "passed every screen and the density limit"),
        FunnelStage("selected", total.selected, "selected for measurement"),
        FunnelStage(data.value_kind, n_measured, f"{data.value_kind} by the oracle"),
    ]
    if data.n_valid is not None:
        stages.append(FunnelStage("valid", data.n_valid, "passed every validator"))
    stages.append(FunnelStage("shortlisted", len(data.shortlist), "on the shortlist"))
    return stages


def incumbents(data: ReportData[D]) -> list[Candidate[D]]:
    """Return the designs that were the best when they were measured, from the best seed design on.

    A Pareto search has no incumbents.
    """
    evaluated = data.evaluated
    if data.is_pareto or not evaluated:
        return []
    U = data.utilities(data.properties(evaluated))
    best = -math.inf
    improvements = []
    for candidate, utility in zip(evaluated, U[:, 0], strict=True):
        if utility > best:
            best = utility
            improvements.append(candidate)
    seeds = [c for c in improvements if c.round == 0]
    return [*seeds[-1:], *(c for c in improvements if c.round > 0)]


def pareto_optimal(data: ReportData[D]) -> list[Candidate[D]]:
    """Return the measured designs that no other one dominates; the best one where there is one utility."""
    evaluated = data.evaluated
    return [evaluated[i] for i in pareto_front(data.utilities(data.properties(evaluated)))]


def group_failures(data: ReportData[D]) -> list[FailureGroup]:
    """Return the failed measurements by status and reason, the most frequent first."""
    groups: dict[tuple[str, str], list[Candidate[D]]] = {}
    for c in data.evaluated:
        if c.status != "measured":
            groups.setdefault((c.status, c.reason or "no reason given"), []).append(c)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        FailureGroup(status, reason, len(members), data.label(members[0].design))
        for (status, reason), members in ordered
    ]


def _hypervolumes(data: ReportData[D], U: Array) -> Array:
    """Return the dominated hypervolume after each row, as a share of the box that all measurements span.

    It is estimated on 2^15 points of a Sobol sequence, with an error of about a thousandth: exact algorithms take
    minutes for three objectives and fronts of some hundred designs.

    Args:
        data: All measurements: of the campaign, of the random search and of the reference designs.
        U: `n x m` utilities, NaN where not measured.
    """
    measurements = [data.properties(data.evaluated), data.properties(data.baseline), data.reference_properties]
    all_utilities = data.utilities(np.concatenate(measurements))
    all_utilities = all_utilities[np.isfinite(all_utilities).all(axis=1)]
    curve = np.full(len(U), np.nan)
    if not len(all_utilities):
        return curve
    low, high = all_utilities.min(axis=0), all_utilities.max(axis=0)
    from scipy.stats.qmc import Sobol  # takes a second, which most commands need not spend

    free = Sobol(U.shape[1], scramble=False).random_base2(N_SOBOL_LOG2)  # points that no design dominates yet
    n_points = len(free)
    for row, u in enumerate((U - low) / np.where(high > low, high - low, 1)):
        if np.isfinite(u).all():
            free = free[(free >= u).any(axis=1)]
            curve[row] = 1 - len(free) / n_points
        elif row:
            curve[row] = curve[row - 1]
    return curve
