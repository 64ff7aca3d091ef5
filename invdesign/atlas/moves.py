"""Moves of designs along directions: more of this, less of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.atlas.decodings import JITTERS, ChangeModel, Decodings, choose_decodings, decode_around
from invdesign.atlas.directions import Direction, Measure, points_along
from invdesign.core import Array, B, D
from invdesign.core.capabilities import scaffold_of
from invdesign.latent.space import LatentSpace

REACH = 2.0
"""Largest change that a single move asks for, in units of what is asked: some designs respond less."""
HOP_LENGTHS = (1.5, 2.5, 3.5, 5.0)
"""Lengths that a hop tries [sd of the designs along its direction]: below the first most designs decode to
themselves."""


@dataclass(frozen=True, eq=False)
class Goal:
    """A change that is asked for: of one property, along its direction."""

    direction: Direction
    """The direction."""
    amount: float
    """Change of the property, in its own unit; negative for less."""
    measure: Measure
    """Measures or predicts the property."""
    model: ChangeModel
    """Predicts the change of a decoded design from its latent, for a single move."""

    @property
    def name(self) -> str:
        """Name of the property."""
        return self.direction.name


@dataclass(frozen=True, eq=False)
class MovedDesign(Generic[D]):
    """A design on the way of a move."""

    fraction: float
    """Change that was asked for, in units of what the goals ask for; the number of hops in a chain."""
    design: D | None
    """The decoded design; None where there is none."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Its properties by name."""
    miss: float = np.inf
    """Distance from what was asked for [units]: the root of the summed squares over the goals."""
    percentile: float = np.nan
    """Plausibility percentile."""
    keeps_scaffold: bool | None = None
    """Whether it has the scaffold of the design that was moved; None where that has none."""
    is_repeated: bool = False
    """Whether an earlier step is the same design."""


def move(
    latent_space: LatentSpace[D, B],
    design: D,
    goals: Sequence[Goal],
    *,
    n_steps: int = 9,
    others: Mapping[str, Measure] | None = None,
) -> list[MovedDesign[D]]:
    """Return the designs that single moves along the sum of the directions of all goals lead to.

    Nothing is measured to choose them. Each step chooses among the designs decoded around the path
    (`decodings.choose_decodings`), as in the curve of a direction, so that the stated interval is that of these moves.

    Args:
        latent_space: The latent space.
        design: The design, which is the first step.
        goals: What is asked for. A direction does not change the properties of the other goals where these are among
            its nuisances.
        n_steps: Steps, evenly spaced from no change to `REACH` times the one that is asked for.
        others: Further properties that are stated of each step.
    """
    fractions = np.linspace(0.0, REACH, n_steps)
    decodings, before = decode_towards([design], latent_space, goals, shares=fractions[1:])
    found = [choose(decodings, goals, before, share=float(fraction))[0] for fraction in fractions[1:]]
    return _describe(latent_space, design, goals, fractions.tolist(), [design, *found], others or {})


def decode_towards(
    designs: Sequence[D],
    latent_space: LatentSpace[D, B],
    goals: Sequence[Goal],
    *,
    shares: Sequence[float] | Array = (1.0,),
) -> tuple[Decodings[D], Float[np.ndarray, "n m"]]:
    """Return what is decoded around the paths of goals from each of `n` designs, and the properties of these designs.

    Args:
        designs: The designs.
        latent_space: The latent space.
        goals: What is asked for.
        shares: Shares of the goals whose predicted points are decoded too.
    """
    amounts = [goal.amount / goal.direction.unit for goal in goals]
    directions = [goal.direction for goal in goals]
    Z = latent_space.encode(designs).numpy()
    return decode_around(latent_space, Z, designs, directions, amounts, asked=list(shares)), _values(goals, designs)


def choose(
    decodings: Decodings[D], goals: Sequence[Goal], before: Float[np.ndarray, "n m"], *, share: float = 1.0
) -> list[D | None]:
    """Return for each design the decoded one with the smallest expected squared miss of a share of the goals.

    Args:
        decodings: What `decode_towards` has decoded.
        goals: What is asked for.
        before: The properties of the designs that are moved.
        share: The share.
    """
    amounts = [share * goal.amount / goal.direction.unit for goal in goals]
    return decodings.designs_of(choose_decodings(decodings, [goal.model for goal in goals], list(before.T), amounts))


def chain(
    latent_space: LatentSpace[D, B],
    design: D,
    goals: Sequence[Goal],
    *,
    n_hops: int = 4,
    others: Mapping[str, Measure] | None = None,
    seed: int = 0,
) -> list[MovedDesign[D]]:
    """Return the designs of a chain of moves: each starts from the design that the one before it has found.

    A hop tries points along the direction of what is still missing and around it, decodes and measures them, and keeps
    the design that comes nearest to what is asked for. A chain corrects what a single move misses, because properties
    are not linear in a latent space and decoding rounds. Its points lie at fixed distances (`HOP_LENGTHS`).

    Args:
        latent_space: The latent space.
        design: The design, which is the first step.
        goals: What is asked for.
        n_hops: Number of hops.
        others: Further properties that are stated of each step.
        seed: Seed of the jitter.
    """
    generator = torch.Generator().manual_seed(seed)
    units = np.array([goal.direction.unit for goal in goals])
    here, at = design, _values(goals, [design])[0]
    targets = at + np.array([goal.amount for goal in goals])
    way: list[D] = [design]
    for _ in range(n_hops):
        found = latent_space.decode(_hop_points(latent_space.encode([here])[0], goals, targets - at, generator))
        tried = [here, *(x for x in found if x is not None)]
        values = _values(goals, tried)
        best = int(np.nan_to_num(np.linalg.norm((values - targets) / units, axis=1), nan=np.inf).argmin())
        here, at = tried[best], values[best]
        way.append(here)
    return _describe(latent_space, design, goals, [float(i) for i in range(n_hops + 1)], way, others or {})


def nearest(steps: Sequence[MovedDesign[D]]) -> MovedDesign[D]:
    """Return the step that comes nearest to what was asked for."""
    return min(steps, key=lambda step: step.miss)


def _hop_points(z: Tensor, goals: Sequence[Goal], missing: Array, generator: torch.Generator) -> Float[Tensor, "k d"]:
    """Return points along the direction of what is missing, and others around them."""
    directions = [goal.direction for goal in goals]
    amounts = [amount / direction.unit for amount, direction in zip(missing, directions, strict=True)]
    way = torch.from_numpy(points_along(z[None].numpy(), directions, amounts, HOP_LENGTHS)[:, 0])
    spread = torch.from_numpy(directions[0].spread)
    noise = [torch.randn(way.shape, generator=generator, dtype=torch.float64) for _ in JITTERS]
    return torch.cat([way + jitter * spread * n for jitter, n in zip(JITTERS, noise, strict=True)])


def _values(goals: Sequence[Goal], designs: Sequence[D]) -> Float[np.ndarray, "n m"]:
    return np.stack([np.asarray(goal.measure(designs), dtype=np.float64) for goal in goals], 1)


def _describe(
    latent_space: LatentSpace[D, B],
    design: D,
    goals: Sequence[Goal],
    fractions: Sequence[float],
    found: Sequence[D | None],
    others: Mapping[str, Measure],
) -> list[MovedDesign[D]]:
    """Return the steps with their properties, all of them measured at once."""
    decoded = [x for x in found if x is not None]
    measures = {goal.name: goal.measure for goal in goals} | dict(others)
    columns = {name: np.asarray(measure(decoded), dtype=np.float64) for name, measure in measures.items()}
    miss = _misses(goals, columns)
    percentile = latent_space.percentile(latent_space.plausibility(decoded, latent_space.encode(decoded)))
    scaffold: Callable[[D], str | None] = scaffold_of(latent_space.domain) or (lambda _: None)
    own, seen, row = scaffold(design), set[str](), 0
    steps: list[MovedDesign[D]] = []
    for fraction, x in zip(fractions, found, strict=True):
        if x is None:
            steps.append(MovedDesign(fraction, None))
            continue
        key = latent_space.domain.key(x)
        step = MovedDesign(
            fraction,
            x,
            {name: float(column[row]) for name, column in columns.items()},
            float(miss[row]),
            float(percentile[row]),
            None if own is None else scaffold(x) == own,
        )
        steps.append(replace(step, is_repeated=key in seen))
        seen.add(key)
        row += 1
    return steps


def _misses(goals: Sequence[Goal], columns: Mapping[str, Array]) -> Float[np.ndarray, " n"]:
    """Return the distance of each step from what was asked for; infinite where a property has no value."""
    parts = [(columns[g.name] - columns[g.name][0] - g.amount) / g.direction.unit for g in goals]
    distance: Array = np.nan_to_num(np.linalg.norm(np.stack(parts, 1), axis=1), nan=np.inf)
    return distance
