"""Directions of a latent space: which way a property rises, and what designs do when they are moved along it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from invdesign.core import Array, D, DesignSpace, InvdesignError
from invdesign.latent.space import LatentSpace

DirectionMethod = Literal["ridge", "means"]
MIN_DESIGNS = 20
"""Designs with a value below which no direction is fitted."""
MIN_CONFIDENCE = 0.95
"""Share of bootstrap samples that must order the designs left out of them rightly."""
MAX_P_VALUE = 0.03
"""Share of permutations that may be predicted as well."""
N_BOOTSTRAP = 50
N_PERMUTATIONS = 199
GROUP = 1 / 3
"""Share of the designs with the highest values, and of those with the lowest, whose means are compared."""
PENALTIES = 10.0 ** np.arange(-1.0, 5.0)
"""Penalties among which ridge regression chooses by leave-one-out errors."""
MIN_VARIANCE = 1e-6
"""Variance of a latent axis, of the largest one, below which it counts as that."""
LENGTHENING = (1.2, 1.44, 1.73)
"""Factors by which a move is lengthened one after the other as long as the decoder returns the design itself."""
MIN_REST = 0.05
"""Length of a direction, of 1, that the nuisances must leave."""

Measure = Callable[[Sequence[Any]], Array]
"""Returns the property of `n` designs, NaN where there is none."""


@dataclass(frozen=True, eq=False)
class Direction:
    """A straight way through the latent space along which a property rises and its nuisances stay."""

    name: str
    """Name of the property or label."""
    step: Float[np.ndarray, " d"]
    """Latent step of one unit: as a linear model predicts it, or as decoded designs show it (see `calibrate`)."""
    length: float
    """Length of the step [sd of the designs along it]."""
    spread: Float[np.ndarray, " d"]
    """Standard deviation of each latent over the designs."""
    unit: float
    """One unit: the standard deviation of the property over the designs that were fitted."""
    confidence: float
    """Share of bootstrap samples whose direction orders the designs left out of them rightly."""
    p_value: float
    """Share of permutations of the property that the latents predict as well."""
    correlation: float
    """Correlation of positions along the direction with the property, over designs left out, on average."""
    n: int
    """Designs that were fitted."""
    method: DirectionMethod = "ridge"
    """How it was fitted."""
    nuisances: tuple[str, ...] = ()
    """Properties that stay along it."""

    @property
    def is_found(self) -> bool:
        """Whether the designs show a direction at all; one of permuted values does not."""
        return self.confidence >= MIN_CONFIDENCE and self.p_value <= MAX_P_VALUE

    def __mul__(self, amount: float) -> Array:
        """Return the latent step for an amount [units]."""
        step: Array = amount * self.step
        return step


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """What became of designs that were moved, decoded and measured."""

    doses: Float[np.ndarray, " k"]
    """Lengths of the moves [units]."""
    change: Float[np.ndarray, "k n"]
    """Change of the property of each design; NaN where nothing was decoded, or it has no value."""
    is_valid: Float[np.ndarray, "k n"]
    """1 where a design was decoded, else 0."""
    keeps: Float[np.ndarray, "k n"]
    """1 where the decoded design has the scaffold of the one that was moved, else 0; NaN where there is no scaffold."""
    travelled: Float[np.ndarray, "k n"]
    """Share of the move, as it was lengthened, that the latent of the decoded design has made along the direction."""
    factors: Float[np.ndarray, "k n"]
    """Factor by which each move was lengthened, because the decoder returned the design itself; 1 where it was not."""

    @property
    def is_lengthened(self) -> Bool[np.ndarray, "k n"]:
        """Whether each move was lengthened."""
        return self.factors > 1

    @property
    def mean(self) -> Float[np.ndarray, " k"]:
        """Mean change at each dose."""
        return _nan_mean(self.change)

    def interval(self, coverage: float = 0.9) -> Float[np.ndarray, "k 2"]:
        """Return the interval that holds the change of a further design with a probability, at each dose.

        The bounds are order statistics of the `n` changes, corrected for a finite `n` as in conformal prediction.

        Args:
            coverage: The probability.

        References:
            Vovk et al., Algorithmic Learning in a Random World (2005), doi:10.1007/b106715.
        """
        return np.array([_conformal_interval(row[np.isfinite(row)], coverage) for row in self.change])

    def right_sign(self) -> Float[np.ndarray, " k"]:
        """Return the share of designs that changed in the sense of each dose; NaN at a dose of 0."""
        agrees = np.where(np.isfinite(self.change), np.sign(self.change) == np.sign(self.doses)[:, None], np.nan)
        return np.where(self.doses == 0, np.nan, _nan_mean(agrees))

    def rows(self) -> list[dict[str, float]]:
        """Return the curve as rows of a table."""
        low, high = self.interval().T
        columns = {
            "dose": self.doses,
            "change": self.mean,
            "low": low,
            "high": high,
            "right sign": self.right_sign(),
            "valid": self.is_valid.mean(1),
            "keeps scaffold": _nan_mean(self.keeps),
            "travelled": _nan_mean(self.travelled),
            "lengthened": self.is_lengthened.mean(1),
        }
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(len(self.doses))]


def fit_direction(
    name: str,
    Z: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    nuisances: Mapping[str, Float[np.ndarray, " n"]] | None = None,
    method: DirectionMethod = "ridge",
    seed: int = 0,
) -> Direction:
    """Fit the direction of a property, with the confidence that there is one.

    Latents are made white first: a design moves most readily the way designs differ, and a decoder ignores dimensions
    in which they do not. With white latents ridge regression and partial least squares find the same direction.

    Args:
        name: Name of the property or label.
        Z: Standardized latents.
        y: The property, or a label as 0 and 1; NaN where unknown.
        nuisances: Properties by name that are to stay. The direction is made orthogonal to the gradients that ridge
            regression finds for them.
        method: `"ridge"`: gradient of ridge regression; `"means"`: difference of the means of the designs with high and
            with low values.
        seed: Seed of bootstrap samples and permutations.

    Raises:
        InvdesignError: Too few designs, a property without spread, or nuisances that leave no direction.

    References:
        Kim et al., Interpretability Beyond Feature Attribution (2018), arXiv:1711.11279 (concept vectors);
        Haufe et al., On the Interpretation of Weight Vectors (2014), doi:10.1016/j.neuroimage.2013.10.067 (why the
        covariance of the latents belongs into a direction).

    Example:
        >>> Z = np.random.default_rng(0).normal(size=(200, 3))
        >>> rise = fit_direction("height", Z, 2 * Z[:, 0])
        >>> int(rise.step.argmax()), round(rise.unit), rise.is_found
        (0, 2, True)
    """
    held = dict(nuisances or {})
    Y = np.stack([y, *held.values()], 1)
    is_known = np.isfinite(Y).all(1) & np.isfinite(Z).all(1)
    Z, Y = Z[is_known], Y[is_known]
    _check(name, Y[:, 0])
    W, root = _whiten(Z)
    rng = np.random.default_rng(seed)
    penalty = _choose_penalty(W, Y[:, 0])
    step = _fit_step(W, Y, method, penalty)
    if step is None:
        raise InvdesignError(
            f"direction {name!r}: {', '.join(held)} are to stay, which leaves no direction. Let some of them change"
        )
    agreements = _bootstrap(W, Y, method, penalty, rng)
    return Direction(
        name,
        root @ step,
        float(np.linalg.norm(step)),
        Z.std(0),
        float(Y[:, 0].std()),
        float(np.mean(agreements > 0)),
        _permutation_test(W, Y, rng),
        float(np.mean(agreements)),
        len(Y),
        method,
        tuple(held),
    )


def measure_response(
    latent_space: LatentSpace[D, Any],
    designs: Sequence[D],
    direction: Direction,
    doses: Sequence[float],
    measure: Measure,
    *,
    scaffold: Callable[[D], str | None] | None = None,
) -> DoseResponse:
    """Move designs along a direction, decode them, and measure what came out.

    The decoder returns a design itself for some distance, which differs between designs: such a move is lengthened, by
    73 % at most. With log P of ZINC a tenth of the moves of one unit had no effect without it.

    Args:
        latent_space: The latent space.
        designs: `n` designs, other ones than those that the direction was fitted to.
        direction: The direction.
        doses: Lengths of the moves [units].
        measure: Measures the property.
        scaffold: Returns the scaffold of a design, None where it has none.
    """
    Z = latent_space.encode(designs)
    before = np.asarray(measure(designs), dtype=np.float64)
    size = float(direction.step @ direction.step) or 1.0
    shape = (len(doses), len(designs))
    change, keeps, travelled = (np.full(shape, np.nan) for _ in range(3))
    is_valid, factors = np.zeros(shape), np.ones(shape)
    own = [scaffold(design) if scaffold else None for design in designs]
    for i, dose in enumerate(doses):
        decoded, factors[i] = decode_moved(latent_space, designs, Z, direction * dose)
        rows = [j for j, design in enumerate(decoded) if design is not None]
        found = [design for design in decoded if design is not None]
        if not found:
            continue
        is_valid[i, rows] = 1.0
        change[i, rows] = np.asarray(measure(found), dtype=np.float64) - before[rows]
        made = (latent_space.encode(found) - Z[rows]).numpy() @ direction.step / size
        travelled[i, rows] = made / (dose * factors[i, rows]) if dose else np.nan
        if scaffold:
            kept = [None if own[j] is None else scaffold(x) == own[j] for j, x in zip(rows, found, strict=True)]
            keeps[i, rows] = [np.nan if k is None else float(k) for k in kept]
    return DoseResponse(np.asarray(doses, dtype=np.float64), change, is_valid, keeps, travelled, factors)


def decode_moved(
    latent_space: LatentSpace[D, Any], designs: Sequence[D], Z: Float[Tensor, "n d"], steps: Float[np.ndarray, "*n d"]
) -> tuple[list[D | None], Float[np.ndarray, " n"]]:
    """Return what designs decode to after a step, and the factor by which each step was lengthened.

    A step is lengthened, by 73 % at most, as long as the decoder returns the design itself.

    Args:
        latent_space: The latent space.
        designs: `n` designs.
        Z: Their latents.
        steps: Step of each design (`n x d`), or one step of all (`d`).
    """
    domain, moves = latent_space.domain, torch.from_numpy(steps).expand_as(Z)
    keys = [domain.key(design) for design in designs]
    decoded, factors = latent_space.decode(Z + moves), np.ones(len(designs))
    left = [j for j, is_moved in enumerate(moves.any(1).tolist()) if is_moved]
    for factor in LENGTHENING:
        left = [j for j in left if _is_design(domain, decoded[j], keys[j])]
        if not left:
            break
        factors[left] = factor
        for j, found in zip(left, latent_space.decode(Z[left] + factor * moves[left]), strict=True):
            decoded[j] = found
    return decoded, factors


def calibrate(direction: Direction, response: DoseResponse) -> Direction:
    """Return the direction with a step of such a length that decoded designs change by one unit on average.

    A decoder returns the same design for some distance, so the curve is not a line: the length is interpolated where
    the mean change first reaches one unit. Where it does not, it is the length of the largest change.

    Args:
        direction: The direction.
        response: Its curve on one side, from small to large doses.
    """
    sign = float(np.sign(response.doses[-1]))
    doses = np.concatenate([[0.0], np.abs(response.doses)])
    rise = np.concatenate([[0.0], sign * np.nan_to_num(response.mean) / direction.unit])
    above = np.flatnonzero(rise >= 1)
    if len(above):
        i = int(above[0])
        factor = float(doses[i - 1] + (1 - rise[i - 1]) / (rise[i] - rise[i - 1]) * (doses[i] - doses[i - 1]))
    else:
        factor = float(doses[int(rise.argmax())]) or float(doses[1])
    return replace(direction, step=factor * direction.step, length=factor * direction.length)


def _check(name: str, y: Array) -> None:
    if len(y) < MIN_DESIGNS:
        raise InvdesignError(
            f"direction {name!r}: expected at least {MIN_DESIGNS} designs with a value, got {len(y)}. Give more"
        )
    if not y.std() > 0:
        raise InvdesignError(f"direction {name!r}: expected a property that differs between designs, got one value")


def _fit_step(Z: Array, Y: Float[np.ndarray, "n m"], method: DirectionMethod, penalty: float) -> Array | None:
    """Return the latent step of one unit of the first property; None where the other ones leave no direction."""
    gradients = _ridge(Z, Y, penalty)
    y, gradient = Y[:, 0], gradients[:, 0]
    vector = gradient if method == "ridge" else _means(Z, y)
    rest = _orthogonalize(vector, gradients[:, 1:])
    rise = float(gradient @ rest)
    if not (np.linalg.norm(rest) > MIN_REST * np.linalg.norm(vector) and rise > 0):
        return None
    step: Array = rest * float(y.std()) / rise
    return step


def _bootstrap(
    Z: Array, Y: Float[np.ndarray, "n m"], method: DirectionMethod, penalty: float, rng: np.random.Generator
) -> Float[np.ndarray, " b"]:
    """Return for each bootstrap sample the correlation of positions with the property over the designs left out.

    What the nuisances explain linearly is taken out of the property first.
    """
    agreements = []
    for _ in range(N_BOOTSTRAP):
        drawn = rng.integers(len(Z), size=len(Z))
        left = np.setdiff1d(np.arange(len(Z)), drawn)
        step = _fit_step(Z[drawn], Y[drawn], method, penalty)
        agreements.append(0.0 if step is None else _correlation(Z[left] @ step, _residual(Y[left])))
    return np.array(agreements)


def _permutation_test(Z: Array, Y: Float[np.ndarray, "n m"], rng: np.random.Generator) -> float:
    """Return the share of permutations of the property that the latents predict at least as well as the property.

    Predictions are those of ridge regression with the best of its penalties, of designs left out one by one; what the
    nuisances explain linearly is taken out of the property first.
    """
    rest = _residual(Y)
    targets = np.stack([rest, *(rng.permutation(rest) for _ in range(N_PERMUTATIONS))], 1)
    errors = _leave_one_out_errors(Z, targets).min(0)
    return float(np.mean(errors <= errors[0]))


def _choose_penalty(Z: Array, y: Array) -> float:
    return float(PENALTIES[_leave_one_out_errors(Z, y[:, None])[:, 0].argmin()])


def _leave_one_out_errors(Z: Array, targets: Float[np.ndarray, "n t"]) -> Float[np.ndarray, "p t"]:
    """Return the mean squared error of ridge regression with each penalty, for each target."""
    U, S, _ = np.linalg.svd(Z - Z.mean(0), full_matrices=False)
    centered = targets - targets.mean(0)
    projected = U.T @ centered
    errors = []
    for penalty in PENALTIES:
        shrinkage = S**2 / (S**2 + penalty)
        residual = centered - U @ (shrinkage[:, None] * projected)
        leverage = U**2 @ shrinkage + 1 / len(Z)
        errors.append(((residual / np.maximum(1 - leverage, 1e-3)[:, None]) ** 2).mean(0))
    return np.array(errors)


def _ridge(Z: Array, Y: Float[np.ndarray, "n m"], penalty: float) -> Float[np.ndarray, "d m"]:
    """Return the gradients of ridge regression of each property."""
    centered = Z - Z.mean(0)
    scatter = centered.T @ centered + penalty * np.eye(Z.shape[1])
    gradients: Array = np.linalg.solve(scatter, centered.T @ (Y - Y.mean(0)))
    return gradients


def _whiten(Z: Array) -> tuple[Array, Float[np.ndarray, "d d"]]:
    """Return white latents, and the matrix by which a white step becomes a latent one."""
    variances, axes = np.linalg.eigh(np.cov(Z, rowvar=False))
    root = axes * np.sqrt(np.maximum(variances, MIN_VARIANCE * variances[-1]))
    return (Z - Z.mean(0)) @ np.linalg.inv(root).T, root


def _means(Z: Array, y: Array) -> Array:
    """Return the difference of the means of the designs with high and with low values."""
    low, high = np.quantile(y, [GROUP, 1 - GROUP])
    if low == high:  # a label
        low = high = float(y.mean())
    difference: Array = Z[y >= high].mean(0) - Z[y <= low].mean(0)
    return difference


def _orthogonalize(vector: Array, held: Float[np.ndarray, "d k"]) -> Array:
    """Return the part of a vector that is orthogonal to all of `k` others."""
    if not held.shape[1]:
        return vector
    coefficients, *_ = np.linalg.lstsq(held, vector, rcond=None)
    rest: Array = vector - held @ coefficients
    return rest


def _residual(Y: Float[np.ndarray, "n m"]) -> Float[np.ndarray, " n"]:
    """Return the first property without what the other ones explain linearly."""
    A = np.concatenate([np.ones((len(Y), 1)), Y[:, 1:]], 1)
    coefficients, *_ = np.linalg.lstsq(A, Y[:, 0], rcond=None)
    rest: Array = Y[:, 0] - A @ coefficients
    return rest


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0


def _conformal_interval(values: Array, coverage: float) -> tuple[float, float]:
    n = len(values)
    tail = (1 - coverage) / 2
    rank = math.floor(tail * (n + 1))
    if rank < 1:
        return (-math.inf, math.inf)
    ordered = np.sort(values)
    return float(ordered[rank - 1]), float(ordered[n - rank])


def _nan_mean(values: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
    """Return the mean of the known values of each row; NaN where none is known."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(1)
    count = known.sum(1)
    mean: Array = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean


def _is_design(domain: DesignSpace[D], decoded: D | None, key: str) -> bool:
    return decoded is not None and domain.key(decoded) == key
