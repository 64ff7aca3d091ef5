"""Interpolation: the designs on a path through latent space between two that are known, each at its own place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.campaign.definition import Campaign
from invdesign.campaign.pool import run_checks
from invdesign.campaign.round_model import surrogate_inputs
from invdesign.core import (
    B,
    Candidate,
    D,
    Domain,
    Evaluate,
    InvdesignError,
    Objective,
    first_occurrences,
    round_seed,
)
from invdesign.latent.space import LatentSpace
from invdesign.search.acquisition import marginals
from invdesign.search.paths import Shape, path
from invdesign.surrogate import fit_robustly

N_TYPICAL = 500


@dataclass(frozen=True, eq=False)
class Step(Generic[D]):
    """A place on a path, and what was found there.

    Args:
        number: 0 at the first design.
        t: share of the way, 0 to 1.
        proposal: `d`, the place itself.
        log_density: log p(z) of real designs there.
        percentile: share (0 to 100) of the corpus with a lower log-density.
        found: the design that the place decodes to (at the ends the given one), all that is known of it told of where
            it lives itself; None where the decoder names nothing.
        distance: from the proposal to where the design lives; NaN without one.
        is_repeated: whether an earlier step found the same design.
    """

    number: int
    t: float
    proposal: Tensor
    log_density: float
    percentile: float
    found: Candidate[D] | None = None
    distance: float = math.nan
    is_repeated: bool = False


@dataclass(frozen=True, eq=False)
class Interpolation(Generic[D]):
    """A path between two designs.

    Args:
        steps: from the first design to the last one, or to where the target value was met.
        shape: of the path.
        until: the value of the first objective that was looked for.
        met: the number of the step that reached or crossed it, None where none did.
        notes: what a reader should know.
    """

    steps: tuple[Step[D], ...]
    shape: Shape
    until: float | None = None
    met: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def designs(self) -> tuple[Candidate[D], ...]:
        """The distinct designs, in the order of the path."""
        return tuple(s.found for s in self.steps if s.found is not None and not s.is_repeated)


def interpolate(
    campaign: Campaign[D, B],
    space: LatentSpace[D, B],
    first: D,
    last: D,
    *,
    shape: Shape = "density",
    n: int = 11,
    history: Sequence[Candidate[D]] = (),
    evaluate: Evaluate | None = None,
    until: float | None = None,
) -> Interpolation[D]:
    """Walk through latent space from one design to another, and tell of every design on the way.

    Each place is decoded and what it decodes to encoded again, so that density and prediction are told of where the
    design lives (the aligned step).

    Args:
        campaign: its validators check, its surrogate predicts, its oracle measures.
        space: the map.
        first: where to start.
        last: where to go.
        shape: of the path, see `search.paths.path`.
        n: places on it, the two ends included.
        history: measured designs, at their places on this map: what the surrogate learns from. What it holds of a
            design on the path is taken over and costs no call.
        evaluate: where the oracle runs; None to measure nothing.
        until: a value of the first objective: the path ends at the first step whose property reaches it or lies on
            the other side of it than the path's start. Designs are then measured one after another, and those
            behind are not. Without an oracle the prediction counts.

    Raises:
        InvdesignError: both ends are the same design, or `until` is asked for where no property is known.
    """
    domain = space.domain
    if domain.key(first) == domain.key(last):
        raise InvdesignError(f"interpolate: both ends are the same design ({domain.key(first)}); give two different")
    ends = space.encode([first, last])
    places = path(ends[0], ends[1], n, shape=shape, density=space.log_density, typical=_typical(campaign, space))
    decoded = space.decode(places)
    designs = [first, *decoded[1:-1], last]
    keys = ["" if design is None else domain.key(design) for design in designs]
    notes = _lost_ends(space, designs, decoded)
    rows = [i for i in first_occurrences(keys) if keys[i]]
    candidates = _candidates(campaign, space, [designs[i] for i in rows])
    candidates, more = _predicted(campaign, candidates, history)
    known = {c.key: c for c in history if c.status == "measured"}
    found = {c.key: replace(c, y=known[c.key].y, status="measured") if c.key in known else c for c in candidates}
    if until is not None and evaluate is None and not any(math.isfinite(_value(c)) for c in found.values()):
        raise InvdesignError(
            "interpolate: no property is known along the path, so no value of it can be met; let the oracle measure "
            "(--measure), or give measured designs (--run, or seeds=molecules/table with the objectives' columns)"
        )
    met = _measure(campaign, keys, found, evaluate, until)
    if until is not None and met is None:
        notes.append(f"no step of the path reaches {campaign.objectives[0].name} {until:g}")
    log_density = space.log_density(places).detach()
    percentile = space.percentile(log_density)
    steps = tuple(
        Step(
            i,
            i / (n - 1),
            places[i],
            float(log_density[i]),
            float(percentile[i]),
            found.get(key),
            float((found[key].z - places[i]).norm()) if key else math.nan,
            bool(key) and key in keys[:i],
        )
        for i, key in enumerate(keys[: n if met is None else met + 1])
    )
    return Interpolation(steps, shape, until, met, (*notes, *more))


def table(walk: Interpolation[D], domain: Domain[D, B], objectives: Sequence[Objective]) -> dict[str, list[Any]]:
    """The columns of a path, one row per step, by heading; units stand in the headings, None is unknown."""
    found = [step.found for step in walk.steps]
    designs = [c.design for c in found if c is not None]
    columns: dict[str, list[Any]] = {
        "step": [step.number for step in walk.steps],
        "t": [round(step.t, 6) for step in walk.steps],
        "design": [None if c is None else domain.to_text(c.design) for c in found],
        "label": [None if c is None else domain.label(c.design) for c in found],
        "key": [None if c is None else c.key for c in found],
        "repeated": ["yes" if step.is_repeated else "no" for step in walk.steps],
        "distance to proposal": [step.distance for step in walk.steps],
        "log density": [None if c is None else c.log_density for c in found],
        "density percentile [%]": [None if c is None else c.percentile for c in found],
        "log density of proposal": [step.log_density for step in walk.steps],
        "density percentile of proposal [%]": [step.percentile for step in walk.steps],
    }
    for j, objective in enumerate(objectives):
        unit = f" [{objective.unit}]" if objective.unit else ""
        columns[f"predicted {objective.name}{unit}"] = [None if c is None else _at(c.mean, j) for c in found]
        columns[f"sd of predicted {objective.name}{unit}"] = [None if c is None else _at(c.sd, j) for c in found]
        columns[f"measured {objective.name}{unit}"] = [None if c is None else _at(c.y, j) for c in found]
    columns["status"] = ["nothing decoded" if c is None else _status(c) for c in found]
    columns["reason"] = [None if c is None else c.reason for c in found]
    columns["all checks passed"] = [None if c is None else "yes" if c.is_valid else "no" for c in found]
    for name in dict.fromkeys(check.name for c in found if c is not None for check in c.checks):
        checks = [None if c is None else {k.name: k for k in c.checks}.get(name) for c in found]
        columns[f"check {name}"] = [None if k is None else "passed" if k.passed else "failed" for k in checks]
        columns[f"detail of {name}"] = [None if k is None else k.detail for k in checks]
    for heading, cells in (domain.describe(designs) if designs else {}).items():
        described = iter(cells)
        columns.setdefault(heading, [None if c is None else next(described) for c in found])
    return columns


def _typical(campaign: Campaign[D, B], space: LatentSpace[D, B]) -> Tensor:
    """Log-densities of real designs: what counts as dense."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(round_seed(campaign.seed, 0, "path"))
        return space.log_density(space.draw(N_TYPICAL))


def _lost_ends(space: LatentSpace[D, B], designs: Sequence[D | None], decoded: Sequence[D | None]) -> list[str]:
    """Whether the ends come back from their own latents; where they do not, the path begins beside them."""
    notes = []
    for which, given, back in (("first", designs[0], decoded[0]), ("last", designs[-1], decoded[-1])):
        assert given is not None
        key = "nothing" if back is None else space.domain.key(back)
        if key != space.domain.key(given):
            notes.append(f"the {which} design does not come back from its own latent, which decodes to {key}")
    return notes


def _candidates(campaign: Campaign[D, B], space: LatentSpace[D, B], designs: Sequence[Any]) -> list[Candidate[D]]:
    """Distinct designs at their own places, with the findings of the validators."""
    Z = space.encode(designs)
    log_density = space.log_density(Z).detach()
    percentile = space.percentile(log_density)
    findings = run_checks(campaign.validators, designs)
    return [
        Candidate(
            design,
            space.domain.key(design),
            Z[i],
            origin="path",
            log_density=float(log_density[i]),
            percentile=float(percentile[i]),
            checks=findings[i],
        )
        for i, design in enumerate(designs)
    ]


def _predicted(
    campaign: Campaign[D, B], candidates: list[Candidate[D]], history: Sequence[Candidate[D]]
) -> tuple[list[Candidate[D]], tuple[str, ...]]:
    """The candidates with mean and standard deviation of all properties, in their units, where history tells of them.

    The surrogate learns the properties themselves: a utility that turns around at a target could not tell on which
    side of it a design lies.
    """
    told = [c for c in history if c.status == "measured"]
    if not told:
        return candidates, ()
    Y = torch.tensor([c.y for c in told], dtype=torch.float64)
    fitted = fit_robustly(campaign.surrogate, surrogate_inputs(campaign, told, {}), Y, d=len(told[0].z))
    if fitted.model is None:
        return candidates, (f"nothing is predicted: {'; '.join(fitted.notes)}",)
    with torch.no_grad():
        mean, variance = marginals(fitted.model, surrogate_inputs(campaign, candidates, {}))
    mean, sd = mean.reshape(len(candidates), -1), variance.reshape(len(candidates), -1).clamp_min(0).sqrt()
    return [
        replace(c, mean=tuple(m), sd=tuple(s)) for c, m, s in zip(candidates, mean.tolist(), sd.tolist(), strict=True)
    ], fitted.notes


def _measure(
    campaign: Campaign[D, B],
    keys: Sequence[str],
    found: dict[str, Candidate[D]],
    evaluate: Evaluate | None,
    until: float | None,
) -> int | None:
    """Write measurements into `found`; the number of the step that meets the target, where one does."""
    turns = [list(range(len(keys)))] if until is None else [[i] for i in range(len(keys))]
    start = math.nan
    for turn in turns:
        waiting = [found[key] for key in dict.fromkeys(keys[i] for i in turn) if key and found[key].status == "pending"]
        if evaluate is not None and waiting:
            for index, outcome in evaluate(campaign.oracle, [c.design for c in waiting]):
                found[waiting[index].key] = waiting[index].with_outcome(outcome)
        if until is None or not keys[turn[0]]:
            continue
        value = _value(found[keys[turn[0]]])
        start = value if math.isnan(start) else start
        if (value - until) * (start - until) <= 0:
            return turn[0]
    return None


def _value(candidate: Candidate[Any]) -> float:
    """The first objective: as measured; as predicted, where nobody tried to measure it."""
    if candidate.status == "pending":
        return candidate.mean[0] if candidate.mean else math.nan
    return candidate.y[0] if candidate.y else math.nan


def _status(candidate: Candidate[Any]) -> str:
    return "not measured" if candidate.status == "pending" else candidate.status


def _at(values: Sequence[float], j: int) -> float | None:
    return float(values[j]) if j < len(values) else None
