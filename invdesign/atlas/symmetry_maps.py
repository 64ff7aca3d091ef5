"""A symmetry as a linear map of the latent space, fitted to designs before and after a change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from invdesign.core import Array, InvdesignError

MIN_PAIRS = 20
"""Pairs below which no map is fitted."""
HELD_OUT = 0.25
"""Share of the pairs on which the map is measured."""
N_FOLDS = 4
PENALTIES = 10.0 ** np.arange(-6.0, 7.0)
"""Penalties among which cross-validation chooses."""
MAX_RATIO = 0.5
"""Residual of a map, of that of the better of no change and the mean, above which no symmetry is found."""
N_PERMUTATIONS = 19
MAX_P_VALUE = 0.05
"""Share of permutations of the pairs that may be fitted as well."""


@dataclass(frozen=True, eq=False)
class SymmetryMap:
    """An affine map z' = M z + b from the latents of designs to those of the changed designs.

    Residuals are |z' - predicted| / |z'|, each the root of the mean square over the held-out pairs.
    """

    name: str
    """Name of the change."""
    matrix: Float[np.ndarray, "d d"]
    """M."""
    offset: Float[np.ndarray, " d"]
    """b."""
    residual: float
    """Residual of the map."""
    residual_unchanged: float
    """Residual of z itself as the prediction: how far the change moves designs at all."""
    residual_mean: float
    """Residual of the mean of z' as the prediction: 1 where z' has the spread of all designs."""
    p_value: float
    """Share of permutations of the pairs that a map predicts as well."""
    order: int | None
    """Number of changes that return the design, where there is one."""
    order_error: float
    """|M^n z - z| / |z| for that number n, over the held-out designs; NaN where there is none."""
    n: int
    """Pairs that were fitted."""
    held_out: npt.NDArray[np.int64]
    """Rows of the pairs on which residuals were measured."""

    @property
    def is_found(self) -> bool:
        """Whether the latents follow the change: well below both simple predictions, and not by chance."""
        simple = min(self.residual_unchanged, self.residual_mean)
        return self.residual <= MAX_RATIO * simple and self.p_value <= MAX_P_VALUE

    def __call__(self, Z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Return the latents of the changed designs."""
        mapped: Array = Z @ self.matrix.T + self.offset
        return mapped


def fit_symmetry_map(
    name: str,
    before: Float[np.ndarray, "n d"],
    after: Float[np.ndarray, "n d"],
    *,
    order: int | None = None,
    seed: int = 0,
) -> SymmetryMap:
    """Fit the linear map of a change by ridge regression, and measure it on pairs that were left out.

    The penalty pulls M to the identity or to zero; which one, and how strongly, is chosen by cross-validation. Few
    pairs then give a translation, as for word analogies, and many a full matrix.

    Args:
        name: Name of the change.
        before: Latents of designs.
        after: Latents of the changed designs, in the same order.
        order: Number of changes that return the design.
        seed: Seed of the split and of the permutations.

    Raises:
        InvdesignError: There are too few pairs.

    References:
        Mikolov et al., Linguistic Regularities in Continuous Space Word Representations (2013), NAACL (translations);
        Worrall et al., Interpretable Transformations with Encoder-Decoder Networks (2017), arXiv:1710.07307.

    Example:
        >>> Z = np.random.default_rng(0).normal(size=(80, 2))
        >>> turned = fit_symmetry_map("quarter turn", Z, Z @ np.array([[0.0, 1.0], [-1.0, 0.0]]), order=4)
        >>> turned.is_found, bool(turned.residual < 0.01), bool(turned.order_error < 0.01)
        (True, True, True)
    """
    if len(before) < MIN_PAIRS:
        raise InvdesignError(
            f"symmetry {name!r}: expected at least {MIN_PAIRS} pairs of designs, got {len(before)}. Give more pairs"
        )
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(before))
    n_held_out = max(1, round(HELD_OUT * len(rows)))
    held_out, fitted = np.sort(rows[:n_held_out]), rows[n_held_out:]
    X, Y = before[fitted], after[fitted]
    matrix, offset = _fit(X, Y, *_choose(X, Y))
    to_predict = after[held_out]
    residual = _relative(before[held_out] @ matrix.T + offset, to_predict)
    by_chance = [_residual_of_permuted(X, Y, before[held_out], to_predict, rng) for _ in range(N_PERMUTATIONS)]
    found = SymmetryMap(
        name=name,
        matrix=matrix,
        offset=offset,
        residual=residual,
        residual_unchanged=_relative(before[held_out], to_predict),
        residual_mean=_relative(np.broadcast_to(Y.mean(0), to_predict.shape), to_predict),
        p_value=(1 + sum(other <= residual for other in by_chance)) / (1 + N_PERMUTATIONS),
        order=order,
        order_error=float("nan"),
        n=len(fitted),
        held_out=held_out,
    )
    return found if order is None else _with_order_error(found, before[held_out], order)


def _with_order_error(found: SymmetryMap, Z: Array, order: int) -> SymmetryMap:
    again = Z
    for _ in range(order):
        again = found(again)
    return replace(found, order_error=_relative(again, Z))


def _residual_of_permuted(X: Array, Y: Array, to_map: Array, to_predict: Array, rng: np.random.Generator) -> float:
    """Return the residual of a map that was fitted to pairs of designs that have nothing to do with each other."""
    permuted = Y[rng.permutation(len(Y))]
    matrix, offset = _fit(X, permuted, *_choose(X, permuted))
    return _relative(to_map @ matrix.T + offset, to_predict)


def _choose(X: Array, Y: Array) -> tuple[float, float]:
    """Return the penalty, and the multiple of the identity to which it pulls, of the smallest error in folds."""
    folds = np.arange(len(X)) % N_FOLDS
    errors = np.zeros((2, len(PENALTIES)))
    for fold in range(N_FOLDS):
        left = folds == fold
        solve = _Ridge(X[~left])
        for i, pull in enumerate((0.0, 1.0)):
            target = Y[~left] - pull * X[~left]
            for j, penalty in enumerate(PENALTIES):
                slope, offset = solve(target, float(penalty))
                errors[i, j] += np.square(X[left] @ slope + offset + pull * X[left] - Y[left]).sum()
    best = int(errors.argmin())
    return float(PENALTIES[best % len(PENALTIES)]), float(best // len(PENALTIES))


def _fit(X: Array, Y: Array, penalty: float, pull: float) -> tuple[Array, Array]:
    slope, offset = _Ridge(X)(Y - pull * X, penalty)
    return slope.T + pull * np.eye(X.shape[1]), offset


class _Ridge:
    """Ridge regression on the same inputs with several targets and penalties."""

    def __init__(self, X: Array) -> None:
        self.mean = X.mean(0)
        self.U, self.S, self.Vt = np.linalg.svd(X - self.mean, full_matrices=False)

    def __call__(self, Y: Array, penalty: float) -> tuple[Array, Array]:
        """Return slope (`d x m`) and offset."""
        shrinkage = self.S / (self.S**2 + penalty)
        slope = self.Vt.T @ (shrinkage[:, None] * (self.U.T @ (Y - Y.mean(0))))
        return slope, Y.mean(0) - self.mean @ slope


def _relative(predicted: Array, true: Array) -> float:
    return float(np.sqrt(np.square(predicted - true).sum() / max(float(np.square(true).sum()), 1e-300)))
