"""What a report tells: the plain facts of a run, and the figures that follow from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np
from scipy.stats.qmc import Sobol

from invdesign.campaign import Funnel, State, pareto_front
from invdesign.core import Array, Candidate, Combine, D, Domain, Illustrate, Objective, utilities

POINTS_LOG2 = 15


@dataclass(frozen=True, eq=False)
class ReportData(Generic[D]):
    """A run as a report needs it.

    Args:
        name: of the campaign.
        domain: draws designs and writes them as text.
        objectives: `m`, with units and goals.
        state: the campaign's memory.
        shortlist: the candidates to hand over, best first, with their checks.
        n_valid: how many measured designs passed every validator, where counted.
        refused: how many of them each check refused.
        combine: how several objectives became utilities.
        baseline: what a random search at the same budget measured, in its order; empty where none ran.
        reference: `k x m` properties of what existed before; the seeds of the state where None.
        reference_name: what those are, shown to people.
        corpus_latents: `s x d` latents of a sample of the corpus.
        corpus_log_density: their log-densities, `s`.
        illustrate: draw figures of the domain, by name.
        map_facts: figures of the trained map's diagnosis, by name.
        settings: the full configuration.
        versions: of packages, and checksums of data and model.
        command: what was typed.
        notes: warnings of the run that a reader should know.
        made: when, shown as it is.
    """

    name: str
    domain: Domain[D, Any]
    objectives: Sequence[Objective]
    state: State[D]
    shortlist: Sequence[Candidate[D]] = ()
    n_valid: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    combine: Combine = "pareto"
    baseline: Sequence[Candidate[D]] = ()
    reference: Array | None = None
    reference_name: str = "seeds"
    corpus_latents: Array | None = None
    corpus_log_density: Array | None = None
    illustrate: Mapping[str, Illustrate] = field(default_factory=dict)
    map_facts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    notes: Sequence[str] = ()
    made: str = ""

    @property
    def told(self) -> list[Candidate[D]]:
        """History and what is measured of the open round, in the order asked."""
        return [*self.state.history, *(c for c in self.state.pending if c.status != "pending")]

    def properties(self, candidates: Sequence[Candidate[D]]) -> Array:
        """`n x m` measured properties, NaN where unmeasured."""
        m = len(self.objectives)
        rows = [c.y if c.status == "measured" and len(c.y) == m else (math.nan,) * m for c in candidates]
        return np.array(rows, dtype=np.float64).reshape(-1, m)

    def utilities(self, Y: Array) -> Array:
        """`n x m`, or `n x 1` where combined; more is better."""
        return utilities(self.objectives, Y, combine=self.combine)

    @property
    def is_pareto(self) -> bool:
        return len(self.objectives) > 1 and self.combine == "pareto"

    @property
    def before(self) -> Array:
        """`k x m` properties of what existed before the campaign."""
        if self.reference is not None:
            return np.asarray(self.reference, dtype=np.float64).reshape(-1, len(self.objectives))
        return self.properties([c for c in self.told if c.round == 0])


@dataclass(frozen=True)
class Score:
    """The one figure that says how well a set of designs does, and how to speak of it."""

    label: str
    more_is_better: bool
    unit: str = ""


def score(story: ReportData[D]) -> Score:
    """What the curves show: the property itself, the distance from a goal, a combined score, or a hypervolume."""
    if story.is_pareto:
        return Score("share of the box dominated", True)
    if len(story.objectives) > 1:
        return Score("combined score", True)
    only = story.objectives[0]
    if isinstance(only.goal, str):
        return Score(only.name, only.goal == "maximize", only.unit)
    return Score(f"distance of {only.name} from its goal", False, only.unit)


def digits(story: ReportData[D]) -> int:
    """How many digits of a score mean something: hypervolumes are counted, properties are measured."""
    return 3 if story.is_pareto else 4


def best_so_far(story: ReportData[D], Y: Array) -> Array:
    """The score after each of `n` measurements; NaN until the first that counts."""
    U = story.utilities(Y)
    if story.is_pareto:
        return _hypervolumes(story, U)
    if not len(U):
        return np.zeros(0)
    best = np.fmax.accumulate(U[:, 0])
    return best if score(story).more_is_better else -best


def best_score(story: ReportData[D], Y: Array) -> float:
    """The score of a set of designs; NaN where none counts."""
    curve = best_so_far(story, Y)
    return float(curve[-1]) if len(curve) else math.nan


def gain(story: ReportData[D], found: float, other: float) -> float:
    """By how much one score is better than another, positive where it is."""
    return found - other if score(story).more_is_better else other - found


def funnel(story: ReportData[D]) -> list[tuple[str, int, str]]:
    """Stage, count and meaning, from proposals to the shortlist."""
    total = sum((record.funnel for record in story.state.records), Funnel())
    made = [c for c in story.told if c.round > 0]
    stages = [
        ("proposed", total.proposed, "latent points worth decoding"),
        ("decoded", total.decoded, "became a design"),
        ("unique", total.unique, "distinct within their round"),
        ("novel", total.novel, "neither measured, pending nor in the corpus"),
        ("screened", total.screened, "passed every screen and lie where real designs do"),
        ("asked", total.asked, "picked for measurement"),
        ("measured", sum(c.status == "measured" for c in made), "the oracle answered"),
    ]
    if story.n_valid is not None:
        stages.append(("valid", story.n_valid, "passed every validator"))
    return [*stages, ("shortlisted", len(story.shortlist), "handed over")]


def incumbents(story: ReportData[D]) -> list[Candidate[D]]:
    """The designs that were the best when they were measured, from the best seed on; none in a Pareto search."""
    told = story.told
    if story.is_pareto or not told:
        return []
    path, best = [], -math.inf
    for candidate, value in zip(told, story.utilities(story.properties(told))[:, 0], strict=True):
        if value > best:
            best = value
            path.append(candidate)
    seeds = [c for c in path if c.round == 0]
    return [*seeds[-1:], *(c for c in path if c.round > 0)]


def undominated(story: ReportData[D]) -> list[Candidate[D]]:
    """The measured designs that no other one beats in every objective."""
    return [story.told[i] for i in pareto_front(story.utilities(story.properties(story.told)))]


def failures(story: ReportData[D]) -> list[tuple[str, str, int, str]]:
    """Status, reason, how often, and an example, the most frequent first."""
    seen: dict[tuple[str, str], list[str]] = {}
    for c in story.told:
        if c.status != "measured":
            seen.setdefault((c.status, c.reason or "no reason given"), []).append(story.domain.label(c.design))
    ordered = sorted(seen.items(), key=lambda item: -len(item[1]))
    return [(status, reason, len(texts), texts[0]) for (status, reason), texts in ordered]


def _hypervolumes(story: ReportData[D], U: Array) -> Array:
    """Dominated hypervolume after each row, as a share of the box of all that anyone measured.

    Counted on a fixed low-discrepancy set of points, good to about a thousandth: exact algorithms take minutes for
    three objectives and fronts of some hundred designs.
    """
    everything = [story.properties(story.told), story.properties(story.baseline), story.before]
    known = story.utilities(np.concatenate(everything))
    known = known[np.isfinite(known).all(axis=1)]
    curve = np.full(len(U), np.nan)
    if not len(known):
        return curve
    low, high = known.min(axis=0), known.max(axis=0)
    free = Sobol(U.shape[1], scramble=False).random_base2(POINTS_LOG2)
    n_points = len(free)
    for row, u in enumerate((U - low) / np.where(high > low, high - low, 1)):
        if np.isfinite(u).all():
            free = free[(free >= u).any(axis=1)]
            curve[row] = 1 - len(free) / n_points
        elif row:
            curve[row] = curve[row - 1]
    return curve
