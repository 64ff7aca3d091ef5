"""Mutation of profiles: features taken from other profiles, and disturbed features."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

from invdesign.core import Array
from invdesign.domains.profiles.domain import Profile, Profiles

SPREAD = 0.5
"""Standard deviation of the logarithm of a disturbed count, and of a disturbed value in those of the parents."""


def mutate(
    parents: Sequence[Profile], n: int, *, radius: int, domain: Profiles, crossover_rate: float = 0.5
) -> list[Profile]:
    """Return mutated copies of parents.

    The parent of rank r (from 0) is drawn with a weight of 1 / sqrt(1 + r). The number of changed features is
    geometrically distributed (probability 1/2) and at most `radius`. At the given rate all of them are taken from
    another parent, of counts at the depth of the first; else each is disturbed: a count by a log-normal factor, a value
    by normal noise in proportion to the spread of the feature among the parents.

    Args:
        parents: Profiles of the same features, best first.
        n: Number of profiles to return.
        radius: Largest number of changed features.
        domain: Kind of the profiles.
        crossover_rate: Share of the copies whose features come from another parent.

    Returns:
        `n` profiles, not necessarily distinct.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> parents = [Profile(("A", "B", "C"), (30.0, 5.0, 9.0)), Profile(("A", "B", "C"), (2.0, 40.0, 7.0))]
        >>> made = mutate(parents, 3, radius=1, domain=Profiles())
        >>> [min(distance(child, parent) for parent in parents) <= 1 for child in made]
        [True, True, True]
    """
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    choose = random.Random(int(rng.integers(2**62)))
    X = np.array([parent.values for parent in parents], dtype=np.float64)
    spread = np.maximum(X.std(0), 1e-3 * np.abs(X).mean(0))
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(parents))]
    children = []
    for row in choose.choices(range(len(parents)), weights, k=n):
        n_changed = min(int(rng.geometric(0.5)), radius, X.shape[1])
        features = rng.choice(X.shape[1], n_changed, replace=False)
        child = X[row].copy()
        if len(parents) > 1 and rng.random() < crossover_rate:
            other = X[choose.choice([i for i in range(len(parents)) if i != row])]
            child[features] = _at_depth(other, child.sum(), domain)[features]
        elif domain.kind == "counts":
            child[features] = (child[features] + 1) * np.exp(SPREAD * rng.normal(size=n_changed)) - 1
        else:
            child[features] += SPREAD * spread[features] * rng.normal(size=n_changed)
        if domain.kind == "counts":
            child = np.maximum(np.round(child), 0)
        children.append(parents[row] if domain.kind == "counts" and not child.any() else child)
    names = parents[0].names
    return [child if isinstance(child, Profile) else domain.make(names, child.tolist()) for child in children]


def distance(first: Profile, second: Profile) -> float:
    """Return the number of features in which two profiles differ."""
    return float(sum(a != b for a, b in zip(first.values, second.values, strict=True)))


def _at_depth(values: Array, depth: float, domain: Profiles) -> Array:
    """Return counts scaled to a sum; values as they are."""
    return values if domain.kind == "values" else values * (depth / max(float(values.sum()), 1.0))
