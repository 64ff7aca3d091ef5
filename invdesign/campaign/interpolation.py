"""Interpolation: designs on a path through latent space between two designs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Generic

import torch
from torch import Tensor

from invdesign.campaign.engine import Engine
from invdesign.campaign.oracle_calls import measure
from invdesign.campaign.pool import run_checks
from invdesign.campaign.property_fit import fit_properties
from invdesign.core import (
    B,
    Candidate,
    D,
    Executor,
    InvdesignError,
    MakeExecutor,
    OracleSetup,
    round_seed,
)
from invdesign.latent.round_trip import decode_nearest
from invdesign.search.paths import Shape, find_path

PARTS = 32
"""Points between two steps that a bisection may look at."""
TOLERANCE = 0.01
"""Share of a target value within which a property has it."""
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


@dataclass(frozen=True)
class Crossing:
    """Where a property passes a value between two neighbouring steps, without a design that has it."""

    before: int
    """Number of the last step on the side of the start."""
    after: int
    """Number of the first step on the other side."""
    nearest: int
    """Number of the step whose property is nearest to the value."""
    difference: float
    """Its property minus the value."""


@dataclass(frozen=True, eq=False)
class Interpolation(Generic[D]):
    """A path between two designs."""

    steps: tuple[Step[D], ...]
    """Steps from the first design to the last one, or to where the target value was reached or passed. Steps of a
    bisection lie closer together."""
    shape: Shape
    """Shape of the path."""
    until: float | None = None
    """Target value of the first objective, if any."""
    met: int | None = None
    """Number of the step that has it, within `TOLERANCE`; None where none does."""
    crossing: Crossing | None = None
    """Where the property passes the target value, if no step has it."""
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
    n_around: int = 1,
) -> Interpolation[D]:
    """Return the designs on a path through latent space from one design to another.

    Each point is decoded and the design encoded again, so density and prediction are those of the design itself.

    Args:
        engine: The campaign bound to its latent space; its validators, surrogate and oracle are used.
        first: Design at the start of the path.
        last: Design at its end.
        shape: Shape of the path, see `search.paths.LatentPath`.
        n: Points on it, both ends included.
        history: Measured designs, with their latents in this latent space; the surrogate is fitted on them. What was
            measured of a design on the path is used and costs no call.
        executor: Opens the place where the oracle runs; None to measure nothing.
        until: A value of the first objective: the path ends at the first step whose property has it. Where the property
            passes it between two steps, the path between them is bisected, down to a 32nd of a step. Designs are then
            measured one after another, and later ones are not. Without an oracle the prediction counts.
        n_around: Points decoded around each step, itself among them; the design whose own latent is nearest to the step
            is taken (`latent.round_trip.decode_nearest`). For decoders that often miss, such as those of frameworks.

    Raises:
        InvdesignError: Both ends are the same design, `until` is given where no property is known, or `n_around` is
            below 1.
    """
    if n_around < 1:
        raise InvdesignError(f"interpolate: expected n_around of at least 1, got {n_around}. Give 1")
    latent_space = engine.latent_space
    domain = latent_space.domain
    if domain.key(first) == domain.key(last):
        raise InvdesignError(
            f"interpolate: expected two different designs, got {domain.key(first)} twice. Give another one"
        )
    ends = latent_space.encode([first, last])
    n_points = (n - 1) * PARTS + 1 if until is not None else n
    density, typical = latent_space.log_density, _typical(engine)
    points = find_path(ends[0], ends[1], shape=shape, density=density, typical=typical).points(n_points)
    predict_all, fit_notes = _fit(engine, history)
    line = _Line(engine, points, predict_all, {c.key: c for c in history if c.status == "measured"}, n_around)
    rows = list(range(0, n_points, PARTS if until is not None else 1))
    line.decode(rows, first=first, last=last)
    if until is not None and executor is None and not any(math.isfinite(line.value(row)) for row in rows):
        raise InvdesignError(
            "interpolate: expected a property along the path for the target value, got none. Measure with the oracle "
            "(--measure), or give measured designs (--run, or seeds=<domain>/table with the objectives' columns)"
        )
    task = engine.campaign.task
    setup = OracleSetup(task.oracle, len(task.objectives), domain)
    with nullcontext() if executor is None else closing(executor(setup)) as opened:
        line.executor = opened
        if until is None:
            line.measure(rows)
            return Interpolation(line.steps(rows), shape, notes=(*line.end_notes, *fit_notes))
        goal = _Goal(until)
        rows, met, crossed = _follow(line, rows, goal)
    crossing = None if crossed is None else _crossing(line, rows, crossed, until)
    number = None if met is None else rows.index(met)
    notes = list(line.end_notes)
    if met is None and crossing is None:
        notes.append(f"no step of the path reaches {engine.campaign.objectives[0].name} {until:g}")
    return Interpolation(line.steps(rows), shape, until, number, crossing, (*notes, *fit_notes))


@dataclass
class _Goal:
    """A value of a property, and on which side of it the path starts."""

    value: float
    start: float = math.nan

    def is_met(self, y: float) -> bool:
        """Return whether a property has the value; for a value of 0, the property at the start is the scale."""
        return abs(y - self.value) <= TOLERANCE * abs(self.value or self.start)

    def is_passed(self, y: float) -> bool:
        """Return whether a property lies on the other side than the start."""
        return (y - self.value) * (self.start - self.value) < 0


def _follow(
    line: _Line[D, Any], rows: Sequence[int], goal: _Goal
) -> tuple[list[int], int | None, tuple[int, int] | None]:
    """Measure points one after another until one has the value of the goal; bisect where they pass it.

    Returns:
        The points that were measured, the one that has the value, and the two between which it is passed.
    """
    before = rows[0]
    for number, row in enumerate(rows):
        line.measure([row])
        y = line.value(row)
        if math.isnan(y):
            continue
        goal.start = y if math.isnan(goal.start) else goal.start
        if goal.is_met(y):
            return list(rows[: number + 1]), row, None
        if goal.is_passed(y):
            between, met, crossed = _bisect(line, before, row, goal)
            return sorted({*rows[: number + 1], *between}), met, crossed if met is None else None
        before = row
    return list(rows), None, None


def _bisect(line: _Line[D, Any], low: int, high: int, goal: _Goal) -> tuple[list[int], int | None, tuple[int, int]]:
    """Return the points measured between two, the one that has the value of the goal, and the narrowest pair around it.

    Points without a value are passed over.
    """
    tried: list[int] = []
    while True:
        left = [row for row in range(low + 1, high) if row not in tried]
        if not left:
            return tried, None, (low, high)
        row = min(left, key=lambda r: abs(r - (low + high) / 2))
        tried.append(row)
        line.decode([row])
        line.measure([row])
        y = line.value(row)
        if math.isnan(y):
            continue
        if goal.is_met(y):
            return tried, row, (low, high)
        low, high = (low, row) if goal.is_passed(y) else (row, high)


def _crossing(line: _Line[D, Any], rows: Sequence[int], crossed: tuple[int, int], until: float) -> Crossing:
    low, high = (rows.index(row) for row in crossed)
    known = [i for i, row in enumerate(rows) if math.isfinite(line.value(row))]
    nearest = min(known, key=lambda i: abs(line.value(rows[i]) - until))
    return Crossing(low, high, nearest, line.value(rows[nearest]) - until)


class _Line(Generic[D, B]):
    """Points of a path with the designs that they decode to, as far as they were looked at."""

    def __init__(
        self,
        engine: Engine[D, B],
        points: Tensor,
        predict_all: Callable[[list[Candidate[D]]], list[Candidate[D]]],
        measured: Mapping[str, Candidate[D]],
        n_around: int,
    ) -> None:
        self.engine = engine
        self.points = points
        self.n_around = n_around
        self.executor: Executor | None = None
        self.end_notes: list[str] = []
        self._predict_all = predict_all
        self._measured = measured
        self._decoded: dict[int, D | None] = {}
        self._keys: dict[int, str] = {}
        self._found: dict[str, Candidate[D]] = {}

    def decode(self, rows: Sequence[int], *, first: D | None = None, last: D | None = None) -> None:
        """Decode points; the given designs stand at the ends of the path."""
        domain = self.engine.latent_space.domain
        latent_space, points = self.engine.latent_space, self.points[list(rows)]
        if self.n_around == 1:
            decoded = latent_space.decode(points)
        else:
            decoded = decode_nearest(latent_space, points, n_points=self.n_around)
        self._decoded |= dict(zip(rows, decoded, strict=True))
        designs: list[D | None] = list(decoded)
        if first is not None and last is not None:
            designs = [first, *decoded[1:-1], last]
            self.end_notes = _end_notes(self.engine, designs, decoded)
        self._keys |= {
            row: "" if design is None else domain.key(design) for row, design in zip(rows, designs, strict=True)
        }
        new = {key: design for row, design in zip(rows, designs, strict=True) if (key := self._keys[row])}
        candidates = _candidates(self.engine, [d for key, d in new.items() if key not in self._found])
        for c in self._predict_all(candidates):
            known = self._measured.get(c.key)
            self._found[c.key] = c if known is None else replace(c, y=known.y, status="measured")

    def measure(self, rows: Sequence[int]) -> None:
        """Measure the designs of points that were not measured."""
        keys = dict.fromkeys(self._keys[row] for row in rows)
        waiting = [self._found[key] for key in keys if key and self._found[key].status == "pending"]
        if self.executor is None or not waiting:
            return
        for group in measure(self.executor, [c.design for c in waiting]):
            for index, outcome in group:
                self._found[waiting[index].key] = waiting[index].with_outcome(outcome)

    def value(self, row: int) -> float:
        """Return the first objective of a point as measured, or as predicted; NaN without a design."""
        key = self._keys[row]
        if not key:
            return math.nan
        c = self._found[key]
        known = c.mean if c.status == "pending" else c.y
        return known[0] if known else math.nan

    def steps(self, rows: Sequence[int]) -> tuple[Step[D], ...]:
        """Return points as steps."""
        latent_space = self.engine.latent_space
        points = self.points[list(rows)]
        log_density = latent_space.log_density(points).detach()
        decoded = [self._decoded[row] for row in rows]
        placed = [i for i, design in enumerate(decoded) if design is not None]
        percentile = torch.zeros(len(points), dtype=torch.float64)
        designs = [design for design in decoded if design is not None]
        percentile[placed] = latent_space.percentile(latent_space.plausibility(designs, points[placed]))
        keys = [self._keys[row] for row in rows]
        return tuple(
            Step(
                i,
                rows[i] / (len(self.points) - 1),
                points[i],
                float(log_density[i]),
                float(percentile[i]),
                self._found.get(key),
                float((self._found[key].z - points[i]).norm()) if key else math.nan,
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


def _fit(
    engine: Engine[D, B], history: Sequence[Candidate[D]]
) -> tuple[Callable[[list[Candidate[D]]], list[Candidate[D]]], tuple[str, ...]]:
    """Return what adds predicted mean and standard deviation of all properties to candidates, and notes of the fit.

    The surrogate is fitted on the properties themselves: the utility of a target value does not say on which side of it
    a design lies.
    """
    measured = engine.informative([c for c in history if c.status == "measured"])
    if not measured:
        return list, ()
    Y = torch.tensor([c.y for c in measured], dtype=torch.float64)
    fitted = fit_properties(engine.surrogate, engine.inputs(measured), Y, d=engine.latent_space.d)
    if fitted.model is None:
        return list, (f"no predictions: {'; '.join(fitted.notes)}",)

    def predict_all(candidates: list[Candidate[D]]) -> list[Candidate[D]]:
        if not candidates:
            return []
        mean, sd = fitted.predict(engine.inputs(candidates))
        pairs = zip(candidates, mean.tolist(), sd.tolist(), strict=True)
        return [replace(c, mean=tuple(m), sd=tuple(s)) for c, m, s in pairs]

    return predict_all, fitted.notes
