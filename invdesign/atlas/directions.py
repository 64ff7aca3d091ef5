"""Directions of a latent space: which way a property rises, straight on or along its own gradient."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from invdesign.atlas.gradient_field import GradientField, fit_gradient_field
from invdesign.core import Array, InvdesignError

StraightMethod = Literal["ridge", "means"]
DirectionMethod = Literal["ridge", "means", "bent"]
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
STRIDE = 0.25
"""Length after which a way is turned to the gradients at the point it has reached [sd of the designs along it]."""
MIN_REST = 0.05
"""Length of a direction, of 1, that the nuisances must leave."""

Measure = Callable[[Sequence[Any]], Array]
"""Returns the property of `n` designs, NaN where there is none."""


@dataclass(frozen=True, eq=False)
class Direction:
    """A way through the latent space along which a property rises and its nuisances stay, straight or bent."""

    name: str
    """Name of the property or label."""
    step: Float[np.ndarray, " d"]
    """Latent step of one unit, as a linear model predicts it."""
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
    """How it was fitted: `"bent"` follows the gradients of `field`."""
    nuisances: tuple[str, ...] = ()
    """Properties that stay along it."""
    field: GradientField | None = None
    """Gradients of the property and of its nuisances at every point; None for a straight way."""

    @property
    def is_found(self) -> bool:
        """Whether the designs show a direction at all; one of permuted values does not."""
        return self.confidence >= MIN_CONFIDENCE and self.p_value <= MAX_P_VALUE

    def steps(self, Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Return the latent step of one unit at each of `n` points: the same at all of them on a straight way."""
        if self.field is None:
            return np.broadcast_to(self.step, Z.shape)
        gradients = self.field.white_gradients(Z)
        ways = [_orthogonalize(at[:, 0], at[:, 1:]) for at in gradients]
        rests = np.stack([way / max(float(np.linalg.norm(way)), 1e-12) for way in ways])
        steps: Array = self.length * rests @ self.field.root.T
        return steps


def points_along(
    Z: Float[np.ndarray, "n d"],
    directions: Sequence[Direction],
    amounts: Sequence[float] | Array,
    lengths: Sequence[float],
) -> Float[np.ndarray, "k n d"]:
    """Return points on the way along the sum of directions.

    Args:
        Z: `n` points where the way starts.
        directions: The directions.
        amounts: Share of each direction [units], negative for less. They give the way, not its length.
        lengths: `k` lengths in ascending order [sd of the designs along the way].
    """
    parts = [amount * direction.length for direction, amount in zip(directions, amounts, strict=True)]
    whole = float(np.linalg.norm(parts)) or 1.0
    is_straight = all(direction.field is None for direction in directions)
    here, travelled, points = np.array(Z, dtype=np.float64), 0.0, []
    for length in lengths:
        n_strides = 1 if is_straight else max(1, math.ceil((length - travelled) / STRIDE - 1e-9))
        for _ in range(n_strides):
            velocity = sum(a * d.steps(here) for a, d in zip(amounts, directions, strict=True)) / whole
            here = here + (length - travelled) / n_strides * velocity
        travelled = length
        points.append(here)
    return np.stack(points)


def fit_direction(
    name: str,
    Z: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    nuisances: Mapping[str, Float[np.ndarray, " n"]] | None = None,
    method: StraightMethod = "ridge",
    seed: int = 0,
) -> Direction:
    """Fit the straight direction of a property, with the confidence that there is one.

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
    Z, Y = _known(Z, y, held)
    _check(name, Y[:, 0])
    W, root = whiten(Z)
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


def bend(
    direction: Direction,
    Z: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    nuisances: Mapping[str, Float[np.ndarray, " n"]] | None = None,
) -> Direction:
    """Return a direction that follows the gradient of its property, instead of going straight on.

    A property may have its maximum inside the space, so that no straight way leads up from most designs. Confidence
    and p-value remain those of the straight direction.

    Args:
        direction: The straight direction.
        Z: Latents of the designs that it was fitted to.
        y: The property; NaN where unknown.
        nuisances: The properties that are to stay, as they were given to `fit_direction`.
    """
    Z, Y = _known(Z, y, dict(nuisances or {}))
    W, root = whiten(Z)
    gradients = _ridge(W, Y, _choose_penalty(W, Y[:, 0]))
    return replace(direction, method="bent", field=fit_gradient_field(Z, Y, root=root, linear=gradients))


def ridge_gradient(Z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " d"]:
    """Return the gradient of ridge regression on white latents, in the latents themselves.

    Args:
        Z: Latents.
        y: The property; NaN where unknown.
    """
    Z, Y = _known(Z, y, {})
    W, root = whiten(Z)
    gradient: Array = np.linalg.solve(root.T, _ridge(W, Y, _choose_penalty(W, Y[:, 0]))[:, 0])
    return gradient


def _known(Z: Array, y: Array, held: Mapping[str, Array]) -> tuple[Array, Float[np.ndarray, "n m"]]:
    """Return latents and properties of the designs all of whose values are known."""
    Y = np.stack([y, *held.values()], 1)
    is_known = np.isfinite(Y).all(1) & np.isfinite(Z).all(1)
    return Z[is_known], Y[is_known]


def _check(name: str, y: Array) -> None:
    if len(y) < MIN_DESIGNS:
        raise InvdesignError(
            f"direction {name!r}: expected at least {MIN_DESIGNS} designs with a value, got {len(y)}. Give more"
        )
    if not y.std() > 0:
        raise InvdesignError(f"direction {name!r}: expected a property that differs between designs, got one value")


def _fit_step(Z: Array, Y: Float[np.ndarray, "n m"], method: StraightMethod, penalty: float) -> Array | None:
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
    Z: Array, Y: Float[np.ndarray, "n m"], method: StraightMethod, penalty: float, rng: np.random.Generator
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


def whiten(Z: Array) -> tuple[Array, Float[np.ndarray, "d d"]]:
    """Return white latents, and the matrix by which a white step becomes a latent one."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(Z, rowvar=False)))
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
