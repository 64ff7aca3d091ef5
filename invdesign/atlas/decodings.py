"""Designs decoded around a path, and the choice among them by their own latents: nothing is measured for it.

The design that a point decodes to often lies far from that point: of a molecule moved by 4 standard deviations, the
decoded one lies 8 to 14 away. There the part of a property that the latents do not explain is independent of that of
the design at the start; nearby it is nearly the same. Several points are therefore decoded, the designs are encoded
again, and the one with the smallest expected squared miss is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from jaxtyping import Bool, Float

from invdesign.atlas.directions import Direction, points_along
from invdesign.core import Array, D
from invdesign.latent.space import LatentSpace

LENGTHS = (1.5, 2.5, 3.5, 4.5, 6.0)
"""Lengths of the paths whose ends are decoded [sd of the designs along them]: below the first most designs decode to
themselves. The points that are asked for are added to them."""
JITTERS = (0.0, 0.15, 0.3, 0.3)
"""Standard deviations of the noise added to each of these points [sd of each latent]."""
REACHES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Distances, of the root of the summed variances of the latents, among which `fit_change_model` chooses."""
MIN_VARIANCE = 0.02
"""Variance of the change of a decoded design close to the start, as a share of that of one far away."""


@dataclass(frozen=True, eq=False)
class Decodings(Generic[D]):
    """Designs decoded from `k` points around a path from each of `n` designs."""

    starts: Float[np.ndarray, "n d"]
    """Latents of the designs that are moved."""
    designs: Sequence[Sequence[D | None]]
    """The decoded designs, `k` rows of `n`; None where a point decodes to none."""
    latents: Float[np.ndarray, "k n d"]
    """Their own latents; NaN where there is no design."""
    is_other: Bool[np.ndarray, "k n"]
    """Whether a design was decoded, other than the one that is moved."""

    def designs_of(self, rows: Float[np.ndarray, " n"]) -> list[D | None]:
        """Return for each design what it decoded to in its own row."""
        return [self.designs[int(row)][j] for j, row in enumerate(rows)]


@dataclass(frozen=True, eq=False)
class ChangeModel:
    """Predicts the change of a property between a design and one that was decoded near its path, from both latents.

    With the change g of a linear model, the residual e of the design that is moved, and the correlation
    rho = exp(-D^2 / 2 reach^2) of residuals at a distance D, the change is `a (1 - rho) + b g - c (1 - rho) e`, and its
    variance `s^2 (1 - rho^2)`.
    """

    unit: float
    """Unit of all changes: that of the direction."""
    gradient: Float[np.ndarray, " d"]
    """Gradient of the linear model [units]."""
    level: float
    """Value of the linear model at the origin [units]."""
    reach: float
    """Distance within which residuals are alike."""
    coefficients: Float[np.ndarray, " 3"]
    """The coefficients a, b and c."""
    sd: float
    """Standard deviation s of the change of a decoded design far away [units]."""
    gain: float = 1.0
    """Predicted change that is asked for in order to change by one unit on average (see `calibrate`)."""

    def predict(
        self, before: Float[np.ndarray, " n"], starts: Float[np.ndarray, "n d"], latents: Float[np.ndarray, "k n d"]
    ) -> tuple[Float[np.ndarray, "k n"], Float[np.ndarray, "k n"]]:
        """Return mean and variance of the changes [units].

        Args:
            before: The property of the designs that are moved.
            starts: Their latents.
            latents: Latents of the decoded designs.
        """
        terms, freedom = self._terms(before, starts, latents)
        return terms @ self.coefficients, self.sd**2 * np.maximum(freedom, MIN_VARIANCE)

    def _terms(self, before: Array, starts: Array, latents: Array) -> tuple[Float[np.ndarray, "k n 3"], Array]:
        return _terms(self.gradient, self.level, self.reach, before / self.unit, starts, latents)


def decode_around(
    latent_space: LatentSpace[D, Any],
    starts: Float[np.ndarray, "n d"],
    designs: Sequence[D],
    directions: Sequence[Direction],
    amounts: Sequence[float] | Array,
    *,
    asked: Sequence[float] = (),
    seed: int = 0,
) -> Decodings[D]:
    """Decode points on and around the path along the sum of directions from each of `n` designs.

    Args:
        latent_space: The latent space.
        starts: Latents of the designs.
        designs: The designs.
        directions: The directions.
        amounts: Share of each [units], negative for less.
        asked: Further points on the path itself, by their lengths [of the one that a linear model predicts for the
            amounts].
        seed: Seed of the noise.
    """
    domain = latent_space.domain
    predicted = float(np.linalg.norm([a * d.length for a, d in zip(amounts, directions, strict=True)]))
    further = sorted(predicted * share for share in asked)
    exact = points_along(starts, directions, amounts, further) if further else np.zeros((0, *starts.shape))
    way = points_along(starts, directions, amounts, LENGTHS)
    rng = np.random.default_rng(seed)
    around = [way + jitter * directions[0].spread * rng.normal(size=way.shape) for jitter in JITTERS]
    points = np.concatenate([exact, *around])
    decoded = latent_space.decode(torch.from_numpy(points.reshape(-1, points.shape[-1])))
    keys = [None if design is None else domain.key(design) for design in decoded]
    own = [domain.key(design) for design in designs]
    distinct: dict[str, D] = {}
    for key, design in zip(keys, decoded, strict=True):
        if key is not None and design is not None:
            distinct[key] = design
    encoded = dict(zip(distinct, latent_space.encode(list(distinct.values())).numpy(), strict=True))
    unknown = np.full(points.shape[-1], np.nan)
    latents = np.array([unknown if key is None else encoded[key] for key in keys]).reshape(points.shape)
    n = len(designs)
    is_other = [key is not None and key != own[i % n] for i, key in enumerate(keys)]
    rows = [decoded[i : i + n] for i in range(0, len(decoded), n)]
    return Decodings(starts, rows, latents, np.array(is_other).reshape(points.shape[:2]))


def join_decodings(parts: Sequence[Decodings[D]]) -> Decodings[D]:
    """Return all decodings of the same designs."""
    rows = [row for part in parts for row in part.designs]
    latents = np.concatenate([part.latents for part in parts])
    return Decodings(parts[0].starts, rows, latents, np.concatenate([part.is_other for part in parts]))


def fit_change_model(
    direction: Direction,
    gradient: Float[np.ndarray, " d"],
    before: Float[np.ndarray, " n"],
    decodings: Decodings[Any],
    change: Float[np.ndarray, "k n"],
) -> ChangeModel:
    """Fit the model of changes to designs that were decoded and measured, by maximum likelihood over `REACHES`.

    Args:
        direction: The direction, whose unit counts.
        gradient: Gradient of a linear model of the property (`directions.ridge_gradient`).
        before: The property of the designs that were moved.
        decodings: What was decoded.
        change: Change of the property of each of these designs; NaN where it has no value.
    """
    unit = direction.unit
    slope = gradient / unit
    level = float(np.nanmean(before / unit - decodings.starts @ slope))
    is_known = decodings.is_other & np.isfinite(change)
    extent = float(np.sqrt((direction.spread**2).sum()))
    best, best_cost = ChangeModel(unit, slope, level, extent, np.array([0.0, 1.0, 1.0]), 1.0), np.inf
    if not is_known.any():
        return best
    for share in REACHES:
        terms, freedom = _terms(slope, level, share * extent, before / unit, decodings.starts, decodings.latents)
        freedom = np.maximum(freedom[is_known], MIN_VARIANCE)
        scale = 1 / np.sqrt(freedom)
        coefficients, *_ = np.linalg.lstsq(
            scale[:, None] * terms[is_known], scale * change[is_known] / unit, rcond=1e-8
        )
        errors = scale * (change[is_known] / unit - terms[is_known] @ coefficients)
        sd = float(np.sqrt(max((errors**2).mean(), 1e-8)))
        cost = 2 * np.log(sd) + float(np.log(freedom).mean())
        if cost < best_cost:
            best, best_cost = ChangeModel(unit, slope, level, share * extent, coefficients, sd), cost
    return best


def choose_decodings(
    decodings: Decodings[D],
    models: Sequence[ChangeModel],
    before: Sequence[Float[np.ndarray, " n"]],
    amounts: Sequence[float],
) -> Float[np.ndarray, " n"]:
    """Return for each design the row whose decoded design has the smallest expected squared miss.

    The square is summed over the properties. The design itself is chosen only where no other was decoded.

    Args:
        decodings: What was decoded.
        models: Model of the change of each property.
        before: Each property of the designs that are moved.
        amounts: Change of each property that is asked for [units].
    """
    cost = np.zeros(decodings.is_other.shape)
    for model, values, amount in zip(models, before, amounts, strict=True):
        mean, variance = model.predict(values, decodings.starts, decodings.latents)
        cost = cost + (mean - model.gain * amount) ** 2 + variance
    cost = np.where(decodings.is_other, np.nan_to_num(cost, nan=1e9), np.where(np.isfinite(cost), 1e10, np.inf))
    rows: Array = cost.argmin(0)
    return rows


def _terms(
    gradient: Array, level: float, reach: float, before: Array, starts: Array, latents: Array
) -> tuple[Float[np.ndarray, "k n 3"], Float[np.ndarray, "k n"]]:
    """Return the terms of a change, and the share 1 - rho^2 of its variance."""
    residual = before - starts @ gradient - level
    rho = np.exp(-((latents - starts) ** 2).sum(-1) / (2 * reach**2))
    terms = np.stack([1 - rho, (latents - starts) @ gradient, -(1 - rho) * residual], -1)
    return terms, 1 - rho**2
