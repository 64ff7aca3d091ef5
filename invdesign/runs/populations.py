"""Interpolation between two populations of designs: matched pairs, what they decode to, and how it changes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch

from invdesign.atlas.transport import PairShape, PopulationPath, distance, match
from invdesign.campaign import Engine
from invdesign.campaign.oracle_calls import measure
from invdesign.core import Array, D, InvdesignError, MakeExecutor, OracleSetup, Progress, silent
from invdesign.core.capabilities import describe, traits
from invdesign.io.design_files import formats, write_designs
from invdesign.io.tables import write_table
from invdesign.report.population_page import PopulationStep, write_population_page

MAX_TRAITS = 12
"""Traits whose shares are shown: those that change most between the ends."""


@dataclass(frozen=True, eq=False)
class PopulationInterpolation(Generic[D]):
    """A population on its way to another."""

    path: PopulationPath
    """Matched pairs in latent space."""
    steps: tuple[PopulationStep, ...]
    """Populations along the path, both ends included."""
    designs: tuple[tuple[D | None, ...], ...]
    """What each pair decodes to at each step; None where that is no design. The ends are the given designs."""


def interpolate_populations(
    engine: Engine[D, Any],
    first: Sequence[D],
    last: Sequence[D],
    *,
    n: int = 11,
    shape: PairShape = "straight",
    outliers: float = 0.05,
    executor: MakeExecutor | None = None,
    progress: Progress = silent,
) -> PopulationInterpolation[D]:
    """Return the populations between two, decoded.

    Args:
        engine: The campaign bound to its latent space; its oracle is used.
        first: Population at the start.
        last: Population at the end.
        n: Steps, both ends included.
        shape: Path of a pair.
        outliers: Part of both populations that stays unmatched.
        executor: Opens the place where the oracle runs; None to measure nothing.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The model cannot place any design of a population.
    """
    latent_space = engine.latent_space
    (first, A), (last, B) = placed(engine, first), placed(engine, last)
    path = match(A.numpy(), B.numpy(), outliers=outliers, shape=shape)
    decoded: list[tuple[D | None, ...]] = []
    steps: list[PopulationStep] = []
    for i in range(n):
        progress("decoding populations", i, n)
        t = i / (n - 1)
        if i in (0, n - 1):
            side, given = (0, first) if i == 0 else (1, last)
            designs: list[D | None] = [given[row] for row in path.rows[:, side]]
        else:
            designs = list(latent_space.decode(torch.from_numpy(path.evaluate(t))))
        decoded.append(tuple(designs))
        steps.append(_step(engine, t, designs, path, executor))
    return PopulationInterpolation(path, tuple(steps), tuple(decoded))


def placed(engine: Engine[D, Any], designs: Sequence[D]) -> tuple[list[D], torch.Tensor]:
    """Return the designs that the model can read, with their latents.

    Raises:
        InvdesignError: It can read none.
    """
    Z = engine.latent_space.encode(designs)
    rows = torch.nonzero(Z.isfinite().all(1))[:, 0].tolist()
    if not rows:
        raise InvdesignError("populations: expected designs that the model can read, got none. Give another file")
    return [designs[row] for row in rows], Z[rows]


def _step(
    engine: Engine[D, Any],
    t: float,
    designs: Sequence[D | None],
    path: PopulationPath,
    executor: MakeExecutor | None,
) -> PopulationStep:
    found = [design for design in designs if design is not None]
    domain, latent_space = engine.campaign.domain, engine.latent_space
    values: dict[str, Array] = {}
    for name, cells in describe(domain, found).items():
        if all(isinstance(cell, int | float) for cell in cells) and found:
            values[name] = np.array(cells, dtype=np.float64)
    values |= measured_properties(engine, found, executor)
    counts = Counter(trait for own in traits(domain, found) for trait in own)
    encoded = latent_space.encode(found)
    Z = encoded[encoded.isfinite().all(1)].numpy()
    return PopulationStep(
        t,
        len(designs),
        len(found),
        len({domain.key(design) for design in found}),
        values,
        {trait: count / max(1, len(found)) for trait, count in counts.items()},
        distance(Z, path.first) if len(Z) else math.nan,
        distance(Z, path.last) if len(Z) else math.nan,
    )


def measured_properties(
    engine: Engine[D, Any], designs: Sequence[D], executor: MakeExecutor | None
) -> dict[str, Array]:
    """Return the properties of the objectives, NaN where one could not be measured; none without an executor."""
    objectives, task = engine.campaign.objectives, engine.campaign.task
    if executor is None or not designs:
        return {}
    Y = np.full((len(designs), len(objectives)), np.nan)
    with closing(executor(OracleSetup(task.oracle, len(objectives), engine.campaign.domain))) as opened:
        for group in measure(opened, designs):
            for row, outcome in group:
                if outcome.status == "measured":
                    Y[row] = outcome.y
    return {objective.name: Y[:, j] for j, objective in enumerate(objectives)}


def write_populations(
    found: PopulationInterpolation[Any], engine: Engine[Any, Any], folder: Path, *, names: tuple[str, str], command: str
) -> dict[str, Any]:
    """Write a table of the pairs, the designs of each step in their own format, and the page.

    Args:
        found: The populations.
        engine: The campaign bound to its latent space.
        folder: Folder of the files.
        names: Names of the two populations.
        command: Command line, for the page.

    Returns:
        Steps and files, as JSON.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    domain = engine.campaign.domain
    files = [write_table(_columns(found, domain), folder / "pairs.csv")]
    for step, designs in zip(found.steps, found.designs, strict=True):
        known = {domain.key(design): design for design in designs if design is not None}
        if known:
            path = folder / f"designs-{step.t:.2f}{formats(domain)[0]}"
            write_designs(domain, list(known.values()), path)
            files.append(path)
    shown = _changing_traits(found.steps)
    page = write_population_page(found.steps, shown, folder / "populations.html", names=names, command=command)
    return {
        "pairs": len(found.path.rows),
        "steps": [_facts(step, shown) for step in found.steps],
        "files": [str(path) for path in (*files, page)],
    }


def _columns(found: PopulationInterpolation[Any], domain: Any) -> Mapping[str, Sequence[Any]]:
    columns: dict[str, list[Any]] = {"pair": [], "t": [], "design": []}
    for step, designs in zip(found.steps, found.designs, strict=True):
        columns["pair"] += range(1, len(designs) + 1)
        columns["t"] += [step.t] * len(designs)
        columns["design"] += ["" if design is None else domain.to_text(design) for design in designs]
    return columns


def _changing_traits(steps: Sequence[PopulationStep]) -> list[str]:
    first, last = steps[0].traits, steps[-1].traits
    changes = {trait: abs(last.get(trait, 0.0) - first.get(trait, 0.0)) for trait in {*first, *last}}
    return sorted(changes, key=lambda trait: (-changes[trait], trait))[:MAX_TRAITS]


def _facts(step: PopulationStep, shown: Sequence[str]) -> dict[str, Any]:
    medians = {name: step.median(name) for name in step.values}
    return {
        "t": round(step.t, 4),
        "valid": step.n_valid / step.n,
        "distinct": step.n_distinct,
        "distance to A": round(step.from_first, 4),
        "distance to B": round(step.to_last, 4),
        **{f"median {name}": None if math.isnan(value) else round(value, 4) for name, value in medians.items()},
        "traits": {trait: round(step.traits.get(trait, 0.0), 4) for trait in shown},
    }
