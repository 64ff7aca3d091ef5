"""Moves of a design along directions of a campaign's or a run's latent space, with the files that describe them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.atlas.decodings import ChangeModel, Decodings, decode_around, fit_change_model, join_decodings
from invdesign.atlas.directions import Direction, bend, fit_direction, ridge_gradient
from invdesign.atlas.dose_response import DoseResponse, calibrate, measure_decodings, measure_response
from invdesign.atlas.moves import Goal, MovedDesign, chain, move, nearest
from invdesign.atlas.projection import thin
from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.core.capabilities import computed_properties, label, placement_errors, scaffold_of
from invdesign.io.tables import write_table
from invdesign.latent.space import LatentSpace
from invdesign.runs.properties import LabelledSpace, Property, measure_computed

DOSES = (-1.0, -0.5, 0.5, 1.0)
N_RESPONSE = 100
"""Designs that are moved to measure the curve of a direction."""
N_TRIED = 40
"""Designs that are moved to choose the method of a direction."""
REQUEST = re.compile(r"([+-])([A-Za-z_][\w.]*)(?:=(.+))?")


@dataclass(frozen=True)
class Request:
    """A change of a property, as it is written: `+qed=.1`, `-logp`."""

    name: str
    """Name of the property."""
    sign: int
    """1 for more, -1 for less."""
    amount: float | None = None
    """Size of the change in the unit of the property; None for one standard deviation."""


@dataclass(frozen=True, eq=False)
class TriedDirection:
    """A direction of a property with its dose-response curve."""

    property: Property
    """The property."""
    direction: Direction
    """The direction."""
    model: ChangeModel
    """Predicts the change of a decoded design from its latent; calibrated to one unit after decoding."""
    response: DoseResponse
    """What became of real designs along it."""

    def facts(self) -> dict[str, Any]:
        """Return the direction and its curve, as JSON."""
        d, p = self.direction, self.property
        return {
            "name": p.name,
            "unit": d.unit,
            "of": p.unit,
            "kind": p.kind,
            "designs": d.n,
            "method": d.method,
            "confidence": d.confidence,
            "p_value": d.p_value,
            "correlation": d.correlation,
            "stay": list(d.nuisances),
            "curve": self.response.rows(),
        }


@dataclass(frozen=True, eq=False)
class Moves:
    """What came of moving a design."""

    design: Any
    """The design."""
    directions: tuple[TriedDirection, ...]
    """The directions, in the order of the requests."""
    targets: Mapping[str, float]
    """Value of each property that is asked for."""
    steps: tuple[MovedDesign[Any], ...]
    """The way; its first step is the design itself."""

    @property
    def nearest(self) -> MovedDesign[Any]:
        """The step that comes nearest to what is asked for."""
        return nearest(self.steps)


def parse_request(text: str) -> Request:
    """Return the change that a text asks for.

    Raises:
        InvdesignError: The text is none.

    Example:
        >>> parse_request("+qed=.1"), parse_request("-logp").sign
        (Request(name='qed', sign=1, amount=0.1), -1)
    """
    match = REQUEST.fullmatch(text)
    try:
        amount = None if match is None or match[3] is None else float(match[3])
    except ValueError:
        match = None
    if match is None or (amount is not None and not (math.isfinite(amount) and amount > 0)):
        raise InvdesignError(f"move: expected +NAME, -NAME, +NAME=AMOUNT or -NAME=AMOUNT, got {text!r}")
    return Request(match[2], 1 if match[1] == "+" else -1, amount)


def move_design(
    labelled: LabelledSpace,
    design: Any,
    requests: Sequence[Request],
    *,
    stay: Sequence[str] = (),
    n_steps: int = 9,
    n_hops: int = 4,
    seed: int = 0,
    progress: Progress = silent,
) -> Moves:
    """Move a design as it is asked for.

    The direction of each property is orthogonal to those of the other ones and of what is to stay.

    Args:
        labelled: The latent space and its properties.
        design: The design.
        requests: What is asked for.
        stay: Names of properties that are to stay.
        n_steps: Single moves, of growing size.
        n_hops: Hops of a chain of moves; 0 for single moves.
        seed: Seed.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: A property is unknown or has no direction, or the model cannot write the design.
    """
    (error,) = placement_errors(labelled.latent_space.encoding, [design])
    if error:
        raise InvdesignError(f"move: the model cannot write this design: {error}. Choose another one")
    names = [request.name for request in requests]
    if not names or len(set(names) | set(stay)) < len(names) + len(stay):
        raise InvdesignError("move: expected at least one change and each property once, got " + ", ".join(names))
    properties = [labelled.property(name) for name in (*names, *stay)]
    tried = []
    for i, request in enumerate(requests):
        progress("measuring directions", i, len(requests))
        others = [p for j, p in enumerate(properties) if j != i]
        tried.append(try_direction(labelled, properties[i], others, sign=request.sign, seed=seed))
    progress("measuring directions", len(requests), len(requests))
    goals = [
        Goal(t.direction, r.sign * (t.direction.unit if r.amount is None else r.amount), t.property.measure, t.model)
        for t, r in zip(tried, requests, strict=True)
    ]
    computed = computed_properties(labelled.latent_space.domain)
    others_shown = {p.name: p.measure for p in properties}
    if "size" in computed:
        others_shown.setdefault("size", measure_computed(computed["size"]))
    go = partial(chain, n_hops=n_hops, seed=seed) if n_hops else partial(move, n_steps=n_steps)
    steps = go(labelled.latent_space, design, goals, others=others_shown)
    targets = {goal.name: steps[0].values[goal.name] + goal.amount for goal in goals}
    return Moves(design, tuple(tried), targets, tuple(steps))


def try_direction(
    labelled: LabelledSpace, wanted: Property, others: Sequence[Property], *, sign: int = 1, seed: int = 0
) -> TriedDirection:
    """Return the direction of a property by the method that is best after decoding, with its curve.

    The best one has, where one unit is reached, the largest mean change in standard deviations of the changes.

    Args:
        labelled: The latent space.
        wanted: The property.
        others: Properties that are to stay.
        sign: Side on which one unit is measured: 1 for more, -1 for less.
        seed: Seed.

    Raises:
        InvdesignError: The designs show no direction.
    """
    space = labelled.latent_space
    Z = space.encode(wanted.designs).numpy()
    nuisances = {other.name: other.measure(wanted.designs) for other in others}
    fit = partial(fit_direction, wanted.name, Z, wanted.values, nuisances=nuisances, seed=seed)
    first = fit(method="ridge")
    if not first.is_found:
        raise InvdesignError(
            f"move: the latent space shows no direction of {wanted.name!r}: {first.confidence:.0%} of bootstrap "
            f"samples agree (95% are needed), and {first.p_value:.1%} of permutations do as well (at most 3%). Choose "
            "another property, or add designs with values"
        )
    gradient = ridge_gradient(Z, wanted.values)
    candidates = [first, fit(method="means"), bend(first, Z, wanted.values, nuisances=nuisances)]
    given = [labelled.designs[i] for i in thin(len(labelled.designs), N_RESPONSE)]
    tried = [given[i] for i in thin(len(given), N_TRIED)]
    trials = [_Trial.of(space, tried, candidate, gradient, wanted, [sign]) for candidate in candidates]
    direction = candidates[int(np.argmax([trial.signal for trial in trials]))]
    trial = _Trial.of(space, given, direction, gradient, wanted, [sign, -sign])
    response = measure_response(
        space,
        given,
        direction,
        trial.model,
        DOSES,
        wanted.measure,
        scaffold=scaffold_of(space.domain),
        sides=trial.sides,
    )
    return TriedDirection(wanted, direction, trial.model, response)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Designs that were moved along a direction, with the model of their changes."""

    sides: Mapping[int, Decodings[Any]]
    """What was decoded, by the sign of the change."""
    model: ChangeModel
    """The model, calibrated on the first side."""
    signal: float
    """Mean change in standard deviations of the change on that side, at one unit."""

    @classmethod
    def of(
        cls,
        space: LatentSpace[Any, Any],
        designs: Sequence[Any],
        direction: Direction,
        gradient: Array,
        wanted: Property,
        signs: Sequence[int],
    ) -> _Trial:
        """Decode and measure designs around the paths on some sides."""
        Z = space.encode(designs).numpy()
        before = np.asarray(wanted.measure(designs), dtype=np.float64)
        asked = sorted({abs(dose) for dose in DOSES})
        sides = {sign: decode_around(space, Z, designs, [direction], [sign], asked=asked) for sign in signs}
        changes = [measure_decodings(side, before, wanted.measure) for side in sides.values()]
        joined = join_decodings(list(sides.values()))
        model = fit_change_model(direction, gradient, before, joined, np.concatenate(changes))
        return cls(sides, *calibrate(model, sides[signs[0]], before, changes[0], signs[0]))


def write_moves(moves: Moves, labelled: LabelledSpace, folder: Path) -> dict[str, Any]:
    """Write the tables of a move.

    Args:
        moves: What came of it.
        labelled: The latent space.
        folder: Folder of the files.

    Returns:
        Directions, steps and files, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = labelled.latent_space.domain
    steps = [_step_facts(step, domain) for step in moves.steps]
    curves = [{"property": t.property.name, **row} for t in moves.directions for row in t.response.rows()]
    files = [
        write_table({name: [row[name] for row in steps] for name in steps[0]}, folder / "moves.csv"),
        write_table({name: [row[name] for row in curves] for name in curves[0]}, folder / "directions.csv"),
    ]
    return {
        "design": domain.to_text(moves.design),
        "targets": dict(moves.targets),
        "directions": [tried.facts() for tried in moves.directions],
        "steps": steps,
        "nearest": moves.steps.index(moves.nearest),
        "files": [str(path) for path in files],
    }


def _step_facts(step: MovedDesign[Any], domain: Any) -> dict[str, Any]:
    values = {name: float(value) for name, value in step.values.items()}
    return {
        "length": step.fraction,
        "design": None if step.design is None else domain.to_text(step.design),
        "label": None if step.design is None else label(domain, step.design),
        **values,
        "miss": step.miss if math.isfinite(step.miss) else None,
        "plausibility percentile": step.percentile,
        "keeps scaffold": step.keeps_scaffold,
        "repeated": step.is_repeated,
    }
