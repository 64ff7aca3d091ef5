"""Retrospective search: what a Bayesian optimization on given coordinates finds among designs that are measured."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from invdesign.core import Array
from invdesign.search.acquisition import log_expected_improvement, marginals
from invdesign.surrogate import exact_gp

N_START = 10
"""Random designs from which each search starts."""
BATCH = 5
N_BATCHES = 4
N_REPEATS = 3
"""Searches, each from other random designs."""
MAX_STEPS = 10
"""Largest number of steps of a fit, fewer than in a campaign."""
N_SELECTED = N_START + BATCH * N_BATCHES
"""Designs whose values a search uses."""


def best_after_budget(X: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], *, seed: int = 0) -> float:
    """Return the best value after a budget, as a share of the way from the median to the best of all values.

    A search starts from 10 random designs and selects 4 batches of 5 among the others, each by the expected improvement
    of a GP that is fitted on the values selected so far. The figure is the mean over 3 searches; the same seed starts
    from the same designs with any coordinates.

    Args:
        X: Coordinates of the designs.
        y: Their utilities; more is better.
        seed: Seed of the random starts.

    Raises:
        ValueError: There are no more designs than a search selects.

    Example:
        >>> X = np.linspace(-1, 1, 100)[:, None]
        >>> best_after_budget(X, -(X[:, 0] ** 2)) > 0.99
        True
    """
    if len(y) <= N_SELECTED:
        raise ValueError(f"best_after_budget: expected more than {N_SELECTED} designs, got {len(y)}")
    best = [y[_search(X, y, np.random.default_rng([seed, i]))].max() for i in range(N_REPEATS)]
    return share_of_way(float(np.mean(best)), y)


def share_of_way(value: float, y: Float[np.ndarray, " n"]) -> float:
    """Return `max(0, (value - median) / (best - median))`; 1 where all are equal."""
    median, best = float(np.median(y)), float(y.max())
    return max(0.0, (value - median) / (best - median)) if best > median else 1.0


def _search(X: Array, y: Array, draw: np.random.Generator) -> list[int]:
    """Return the rows that one search selects."""
    inputs, utilities = torch.from_numpy(X), torch.from_numpy(y)[:, None]
    selected: list[int] = draw.choice(len(y), N_START, replace=False).tolist()
    for _ in range(N_BATCHES):
        left = np.setdiff1d(np.arange(len(y)), selected)
        model = exact_gp(inputs[selected], utilities[selected], d=X.shape[1], max_steps=MAX_STEPS)
        with torch.no_grad():
            mean, variance = marginals(model, inputs[left])
        gain = log_expected_improvement(mean[:, 0], variance[:, 0].sqrt(), utilities[selected].max())
        selected += left[gain.argsort(descending=True)[:BATCH].numpy()].tolist()
    return selected
