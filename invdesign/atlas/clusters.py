"""Clusters of designs on a map, named by the traits that are enriched in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from invdesign.core import Array

Labels = npt.NDArray[np.intp]

MIN_SHARE = 0.01
"""Smallest part of the designs that is a cluster."""
MIN_SIZE = 8
"""Smallest cluster."""
N_NEIGHBORS = 15
"""Neighbours on the map from which the density at a design is taken."""
PROMINENCE = 1.5
"""Smallest ratio of the density at the peak of a cluster to that at the pass to the next one."""
MAX_Q = 0.05
"""Largest q-value of an enriched trait."""
MIN_ODDS = 2.0
"""Smallest odds ratio of a trait that names a cluster."""
MIN_SHARE_INSIDE = 0.25
"""Smallest part of a cluster that has a trait which names it."""
MAX_TRAITS = 2_000
"""Traits that are tested: the most frequent ones."""


@dataclass(frozen=True)
class Enrichment:
    """A trait that is more frequent in a cluster than outside it."""

    trait: str
    """Name of the trait."""
    inside: float
    """Part of the cluster that has it."""
    outside: float
    """Part of the other designs that has it."""
    odds_ratio: float
    """Odds of the trait inside over those outside, with half a design added to each count."""
    q: float
    """Expected part of false discoveries among traits that are at least as significant."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of designs on a map."""

    members: tuple[int, ...]
    """Positions of its designs."""
    center: tuple[float, float]
    """Position of its middle on the map."""
    enriched: tuple[Enrichment, ...]
    """Traits that are enriched in it, the most telling first."""

    @property
    def name(self) -> str:
        """The two most telling traits; a cluster without any has none."""
        return ", ".join(found.trait for found in self.enriched[:2]) or "no common trait"


def find_clusters(points: Array, *, min_share: float = MIN_SHARE, prominence: float = PROMINENCE) -> Labels:
    """Return the cluster of each design: the hill of the density on the map that it lies on, -1 on small hills.

    Each design belongs to the peak that is reached by stepping to the densest neighbour. A hill is joined to the
    neighbouring one where its peak is less than `prominence` times as dense as the pass between them.

    Args:
        points: `n x 2` coordinates.
        min_share: Smallest part of the designs that is a cluster.
        prominence: Smallest ratio of the density at a peak to that at the pass to a higher one.

    References:
        Chazal et al., Persistence-Based Clustering in Riemannian Manifolds (2013), doi:10.1145/2535927.

    Example:
        >>> import numpy as np
        >>> draw = np.random.default_rng(0).normal(size=(60, 2))
        >>> labels = find_clusters(np.concatenate([draw, draw + 20]))
        >>> len(set(labels[:60])) == len(set(labels[60:])) == 1, int(labels[0]) != int(labels[60])
        (True, True)
    """
    n = len(points)
    k = min(N_NEIGHBORS, n - 1)
    distance, neighbors = cKDTree(points).query(points, k=k + 1)
    spread = np.sqrt((distance**2).mean(1)).clip(1e-12)
    height = -2 * np.log(spread)
    # A density that is the mean over neighbours has no peak that is one design.
    height = height[neighbors].mean(1)
    order = np.argsort(-height, kind="stable")
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(n)
    root = np.arange(n)
    for i in order:
        higher = [int(j) for j in neighbors[i] if rank[j] < rank[i]]
        if not higher:
            continue
        peaks = sorted({_find(root, j) for j in higher}, key=lambda j: rank[j])
        root[i] = _find(root, min(higher, key=lambda j: rank[j]))
        for peak in peaks[1:]:
            if height[peak] - height[i] < np.log(prominence):
                root[peak] = peaks[0]
    peaks_of = np.array([_find(root, i) for i in range(n)])
    size = max(MIN_SIZE, round(min_share * n))
    labels = np.full(n, -1, dtype=np.intp)
    peaks_found, counts = np.unique(peaks_of, return_counts=True)
    for label, peak in enumerate(peaks_found[counts >= size]):
        labels[peaks_of == peak] = label
    return labels


def _find(root: Labels, i: int) -> int:
    """Return the peak that a design belongs to so far."""
    while root[i] != i:
        root[i] = root[root[i]]
        i = int(root[i])
    return i


def name_clusters(points: Array, labels: Labels, traits: Sequence[frozenset[str]]) -> list[Cluster]:
    """Return the clusters with the traits that are enriched in them, largest cluster first.

    Each trait is tested in each cluster against all other designs by the hypergeometric distribution (one-sided Fisher
    test); q-values are those of Benjamini and Hochberg over all tests.

    Args:
        points: `n x 2` coordinates.
        labels: Cluster of each design, -1 for none.
        traits: Names of the traits of each design.

    References:
        Benjamini and Hochberg, Controlling the False Discovery Rate (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    groups = [np.flatnonzero(labels == label) for label in sorted(set(labels.tolist()) - {-1})]
    groups.sort(key=len, reverse=True)
    enriched = _enriched(groups, traits)
    return [
        Cluster(tuple(rows.tolist()), tuple(np.median(points[rows], axis=0).tolist()), found)
        for rows, found in zip(groups, enriched, strict=True)
    ]


def _enriched(groups: Sequence[Labels], traits: Sequence[frozenset[str]]) -> list[tuple[Enrichment, ...]]:
    from scipy.stats import false_discovery_control, hypergeom

    n = len(traits)
    total = Counter(trait for own in traits for trait in own)
    tested = [trait for trait, count in total.most_common(MAX_TRAITS) if MIN_SIZE // 2 <= count < n]
    if not tested or not groups:
        return [() for _ in groups]
    counts = [Counter(trait for row in rows for trait in traits[row]) for rows in groups]
    a = np.array([[count[trait] for trait in tested] for count in counts], dtype=np.float64)
    size = np.array([[len(rows)] for rows in groups], dtype=np.float64)
    having = np.array([total[trait] for trait in tested], dtype=np.float64)
    p = hypergeom.sf(a - 1, n, having, size)
    q = false_discovery_control(p.ravel().clip(0, 1)).reshape(p.shape)
    rest = having - a
    odds = (a + 0.5) * (n - size - rest + 0.5) / ((size - a + 0.5) * (rest + 0.5))
    inside, outside = a / size, rest / np.maximum(n - size, 1)
    is_telling = (q <= MAX_Q) & (odds >= MIN_ODDS) & (inside >= MIN_SHARE_INSIDE)
    found = []
    for i in range(len(groups)):
        # What most of a cluster and little else has tells most: the difference of the shares.
        order = np.argsort(outside[i] - inside[i], kind="stable")
        found.append(
            tuple(
                Enrichment(tested[j], *(float(v[i, j]) for v in (inside, outside, odds, q)))
                for j in order
                if is_telling[i, j]
            )
        )
    return found
