"""First plates: functions that select the designs to measure while nothing is known of the property.

Without one, seed designs are drawn from the corpus at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, get_args

import numpy as np
from jaxtyping import Float

from invdesign.core import Array, B, D, InvdesignError, first_occurrences
from invdesign.core.capabilities import features
from invdesign.latent.space import LatentSpace

POOL_PER_DESIGN = 20
"""Designs of the corpus that are considered for each design of the plate."""
N_COMPONENTS = 32
"""Principal components of the features in which clusters are formed."""

By = Literal["features", "latents", "predicted"]


@dataclass(frozen=True, eq=False)
class SeedPool(Generic[D]):
    """Designs of the corpus from which a first plate is selected."""

    designs: tuple[D, ...]
    """`n` distinct designs that pass the screens, in random order."""
    latent_space: LatentSpace[D, Any]
    """The latent space of the campaign."""


ChooseSeeds = Callable[[SeedPool[Any], int, np.random.Generator], Sequence[Any]]
"""Function from a pool, a number of designs and random numbers to designs, of the pool or new ones."""


def clusters(
    pool: SeedPool[D],
    n: int,
    generator: np.random.Generator,
    *,
    by: By = "features",
    prefer_dense: bool = False,
    describe: Callable[[Sequence[D]], Array] | None = None,
) -> list[D]:
    """Return one design of each of `n` clusters: diverse designs.

    Args:
        pool: Designs to select from.
        n: Number of designs.
        generator: Random numbers.
        by: Coordinates in which clusters are formed: structure features (latents where the domain has none), latents,
            or the properties that the VAE's property head predicts.
        prefer_dense: Whether the most plausible design of a cluster is selected, by the density of real designs,
            instead of the one nearest to the center.
        describe: Function to `n x f` descriptors, in the place of `by`.

    Raises:
        InvdesignError: `by` is unknown, or the latent space has no property head.

    References:
        Lloyd, IEEE Trans. Inf. Theory 1982, doi:10.1109/TIT.1982.1056489 (k-means).
    """
    from sklearn.cluster import KMeans

    designs = list(pool.designs)
    if len(designs) <= n:
        return designs
    X = describe(designs) if describe is not None else _describe(pool, by)
    scores = _principal_components(X)
    found = KMeans(n, n_init=1, random_state=int(generator.integers(2**31))).fit(scores)
    distance = np.linalg.norm(scores - found.cluster_centers_[found.labels_], axis=1)
    rating = -pool.latent_space.log_density(pool.latent_space.encode(designs)).numpy() if prefer_dense else distance
    order = np.argsort(rating, kind="stable")
    first = {int(found.labels_[i]): int(i) for i in order[::-1]}
    # Equal designs leave clusters empty: the next best ones of the pool take their places.
    rows = list(dict.fromkeys([*first.values(), *order.tolist()]))[:n]
    return [designs[i] for i in rows]


def _describe(pool: SeedPool[Any], by: By) -> Array:
    """Return descriptors of the pool, `n x f`."""
    space, designs = pool.latent_space, pool.designs
    if by not in get_args(By):
        raise InvdesignError(f"first_plate: expected by as one of {', '.join(get_args(By))}, got {by!r}")
    if by == "features":
        X = features(space.encoding, designs)
        if X.shape[1]:
            return X
    if by != "predicted":
        latents: Array = space.encode(designs).numpy()
        return latents
    predicted = space.predict(space.encode(designs))
    if predicted is None:
        raise InvdesignError(
            "first_plate: expected a VAE with a property head, got one without. Set vae.build.n_properties=16, or "
            "choose first_plate=diverse"
        )
    return np.asarray(predicted, dtype=float)


def _principal_components(X: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n k"]:
    """Return the leading principal components."""
    centred: Array = X - X.mean(axis=0)
    if X.shape[1] <= N_COMPONENTS:
        return centred
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    scores: Array = left[:, :N_COMPONENTS] * values[:N_COMPONENTS]
    return scores


def pool_of(
    latent_space: LatentSpace[D, B], designs: Sequence[D], is_open: Callable[[list[D]], list[bool]]
) -> SeedPool[D]:
    """Return the designs that are open, each key once.

    Args:
        latent_space: The latent space of the campaign.
        designs: Designs in random order.
        is_open: Whether designs may be measured: they pass the screens and are not known.
    """
    rows = first_occurrences(latent_space.domain.key(design) for design in designs)
    given = [designs[i] for i in rows]
    return SeedPool(tuple(d for d, ok in zip(given, is_open(given), strict=True) if ok), latent_space)
