"""Interpolation: designs on a path through latent space between two designs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.campaign.engine import Engine
from invdesign.campaign.oracle_calls import measure
from invdesign.campaign.pool import run_checks
from invdesign.campaign.round_model import predict
from invdesign.core import (
    B,
    Candidate,
    D,
    Executor,
    InvdesignError,
    MakeExecutor,
    OracleSetup,
    first_occurrences,
    round_seed,
)
from invdesign.search.paths import Shape, path
from invdesign.surrogate import fit_robustly

N_TYPICAL = 500
"""Draws from the aggregate posterior whose log-densities set the scale of a density-weighted path."""


@dataclass(frozen=True, eq=False)
class Step(Generic[D]):
    """A point on a path, with the design that it decodes to."""

    number: int
    """0 at the first design."""
    t: float
    """Fraction of the path, 0 to 1."""
    proposal: Tensor
    """`d`, the point itself."""
    log_density: float
    """log p(z) of real designs at the point."""
    percentile: float
    """Percentage (0 to 100) of held-out designs less plausible than what the point decodes to; 0 without a design."""
    found: Candidate[D] | None = None
    """The design that the point decodes to (the given designs at the ends), with latent, density, prediction and checks
    of the design itself; None where the point decodes to no design."""
    distance: float = math.nan
    """Distance from the point to the latent of the design; NaN without a design."""
    is_repeated: bool = False
    """Whether an earlier step found the same design."""


@dataclass(frozen=True, eq=False)
class Interpolation(Generic[D]):
    """A path between two designs."""

    steps: tuple[Step[D], ...]
    """Steps from the first design to the last one, or to where the target value was reached."""
    shape: Shape
    """Shape of the path."""
    until: float | None = None
    """Target value of the first objective, if any."""
    met: int | None = None
    """Number of the step that reached or crossed it; None where none did."""
    notes: tuple[str, ...] = ()
    """Remarks for people."""

    @property
    def designs(self) -> tuple[Candidate[D], ...]:
        """The distinct designs, in the order of the path."""
        return tuple(s.found for s in self.steps if s.found is not None and not s.is_repeated)


def interpolate(
    engine: Engine[D, B],
    first: D,
    last: D,
    *,
    shape: Shape = "density",
    n: int = 11,
    history: Sequence[Candidate[D]] = (),
    executor: MakeExecutor | None = None,
    until: float | None = None,
) -> Interpolation[D]:
    """Return the designs on a path through latent space from one design to another.

    Each point is decoded and the design encoded again, so density and prediction are those of the design itself.

    Args:
        engine: The campaign bound to its latent space; its validators, surrogate and oracle are used.
        first: Design at the start of the path.
        last: Design at its end.
        shape: Shape of the path, see `search.paths.path`.
        n: Points on it, both ends included.
        history: Measured designs, with their latents in this latent space; the surrogate is fitted on them. What was
            measured of a design on the path is used and costs no call.
        executor: Opens the place where the oracle runs; None to measure nothing.
        until: A value of the first objective: the path ends at the first step whose property reaches it or lies on the
            other side of it than the start. Designs are then measured one after another, and later ones are not.
            Without an oracle the prediction counts.

    Raises:
        InvdesignError: Both ends are the same design, or `until` is given where no property is known.
    """
    latent_space = engine.latent_space
    domain = latent_space.domain
    if domain.key(first) == domain.key(last):
        raise InvdesignError(
            f"interpolate: expected two different designs, got {domain.key(first)} twice. Give another one"
        )
    ends = latent_space.encode([first, last])
    points = path(ends[0], ends[1], n, shape=shape, density=latent_space.log_density, typical=_typical(engine))
    decoded = latent_space.decode(points)
    designs = [first, *decoded[1:-1], last]
    keys = ["" if design is None else domain.key(design) for design in designs]
    rows = [i for i in first_occurrences(keys) if keys[i]]
    candidates = _candidates(engine, [designs[i] for i in rows])
    candidates, fit_notes = _predict(engine, candidates, history)
    measured = {c.key: c for c in history if c.status == "measured"}
    found = {c.key: replace(c, y=measured[c.key].y, status="measured") if c.key in measured else c for c in candidates}
    if until is not None and executor is None and not any(math.isfinite(_value(c)) for c in found.values()):
        raise InvdesignError(
            "interpolate: expected a property along the path for the target value, got none. Measure with the oracle "
            "(--measure), or give measured designs (--run, or seeds=<domain>/table with the objectives' columns)"
        )
    if executor is None:
        met = _measure(keys, found, None, until)
    else:
        task = engine.campaign.task
        with closing(executor(OracleSetup(task.oracle, len(task.objectives), domain))) as opened:
            met = _measure(keys, found, opened, until)
    notes = _end_notes(engine, designs, decoded)
    if until is not None and met is None:
        notes.append(f"no step of the path reaches {engine.campaign.objectives[0].name} {until:g}")
    n_steps = n if met is None else met + 1
    steps = _steps(engine, points, decoded, keys[:n_steps], found)
    return Interpolation(steps, shape, until, met, (*notes, *fit_notes))


def _steps(
    engine: Engine[D, B],
    points: Tensor,
    decoded: Sequence[D | None],
    keys: Sequence[str],
    found: dict[str, Candidate[D]],
) -> tuple[Step[D], ...]:
    latent_space = engine.latent_space
    log_density = latent_space.log_density(points).detach()
    rows = [i for i, design in enumerate(decoded) if design is not None]
    percentile = torch.zeros(len(points), dtype=torch.float64)
    designs = [design for design in decoded if design is not None]
    percentile[rows] = latent_space.percentile(latent_space.plausibility(designs, points[rows]))
    return tuple(
        Step(
            i,
            i / (len(points) - 1),
            points[i],
            float(log_density[i]),
            float(percentile[i]),
            found.get(key),
            float((found[key].z - points[i]).norm()) if key else math.nan,
            bool(key) and key in keys[:i],
        )
        for i, key in enumerate(keys)
    )


def _typical(engine: Engine[D, B]) -> Tensor:
    """Return log-densities at draws from the aggregate posterior."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(round_seed(engine.campaign.seed, 0, "path"))
        return engine.latent_space.log_density(engine.latent_space.draw(N_TYPICAL))


def _end_notes(engine: Engine[D, B], designs: Sequence[D | None], decoded: Sequence[D | None]) -> list[str]:
    """Return a note for each end that is not reconstructed from its latent: the path starts beside it."""
    domain = engine.latent_space.domain
    notes = []
    for which, given, back in (("first", designs[0], decoded[0]), ("last", designs[-1], decoded[-1])):
        assert given is not None
        key = "no design" if back is None else domain.key(back)
        if key != domain.key(given):
            notes.append(f"the {which} design is not reconstructed from its latent, which decodes to {key}")
    return notes


def _candidates(engine: Engine[D, B], designs: Sequence[Any]) -> list[Candidate[D]]:
    """Return distinct designs as candidates with their latents, densities and the results of the validators."""
    latent_space = engine.latent_space
    Z = latent_space.encode(designs)
    log_density = latent_space.log_density(Z).detach()
    percentile = latent_space.percentile(latent_space.plausibility(designs, Z))
    checks = run_checks(engine.campaign.filters.validators, designs)
    return [
        Candidate(
            design,
            latent_space.domain.key(design),
            Z[i],
            origin="path",
            log_density=float(log_density[i]),
            percentile=float(percentile[i]),
            checks=checks[i],
        )
        for i, design in enumerate(designs)
    ]


def _predict(
    engine: Engine[D, B], candidates: list[Candidate[D]], history: Sequence[Candidate[D]]
) -> tuple[list[Candidate[D]], tuple[str, ...]]:
    """Return the candidates with predicted mean and standard deviation of all properties, and notes of the fit.

    The surrogate is fitted on the properties themselves: the utility of a target value does not say on which side of it
    a design lies.
    """
    measured = engine.informative([c for c in history if c.status == "measured"])
    if not measured:
        return candidates, ()
    Y = torch.tensor([c.y for c in measured], dtype=torch.float64)
    fitted = fit_robustly(engine.campaign.surrogates.surrogate, engine.inputs(measured), Y, d=engine.latent_space.d)
    if fitted.model is None:
        return candidates, (f"no predictions: {'; '.join(fitted.notes)}",)
    mean, sd = predict(fitted.model, engine.inputs(candidates))
    predicted = [
        replace(c, mean=tuple(m), sd=tuple(s)) for c, m, s in zip(candidates, mean.tolist(), sd.tolist(), strict=True)
    ]
    return predicted, fitted.notes


def _measure(
    keys: Sequence[str], found: dict[str, Candidate[D]], executor: Executor | None, until: float | None
) -> int | None:
    """Write measurements into `found`; return the number of the step that reaches the target, if one does."""
    turns = [list(range(len(keys)))] if until is None else [[i] for i in range(len(keys))]
    start = math.nan
    for turn in turns:
        distinct = dict.fromkeys(keys[i] for i in turn)
        waiting = [found[key] for key in distinct if key and found[key].status == "pending"]
        if executor is not None and waiting:
            for group in measure(executor, [c.design for c in waiting]):
                for index, outcome in group:
                    found[waiting[index].key] = waiting[index].with_outcome(outcome)
        if until is None or not keys[turn[0]]:
            continue
        value = _value(found[keys[turn[0]]])
        start = value if math.isnan(start) else start
        if (value - until) * (start - until) <= 0:
            return turn[0]
    return None


def _value(candidate: Candidate[Any]) -> float:
    """Return the first objective as measured; as predicted where it was not measured."""
    if candidate.status == "pending":
        return candidate.mean[0] if candidate.mean else math.nan
    return candidate.y[0] if candidate.y else math.nan
