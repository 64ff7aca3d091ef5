from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from invdesign.atlas import find_clusters, name_clusters


def test_hills_of_the_density_are_clusters_and_bumps_on_them_are_not() -> None:
    draw = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    family = np.repeat([0, 1, 2], 200)
    labels = find_clusters(centers[family] + draw.normal(size=(600, 2)))
    assert len(set(labels)) == 3
    assert all(len(set(labels[family == i])) == 1 for i in range(3))


def test_few_designs_beside_a_large_cluster_are_no_cluster() -> None:
    draw = np.random.default_rng(1)
    points = np.concatenate([draw.normal(size=(400, 2)), 30 + draw.normal(size=(18, 2))])
    assert set(find_clusters(points, min_share=0.1)[400:]) == {-1}


def test_a_cluster_is_named_by_what_it_has_and_others_lack() -> None:
    labels = np.repeat([0, 1], [40, 60])
    traits = [{"ring"} if i < 40 else set() for i in range(100)]
    traits = [own | ({"amide"} if i % 2 else {"acid"}) | {"carbon"} for i, own in enumerate(traits)]
    clusters = name_clusters(np.zeros((100, 2)), labels, [frozenset(own) for own in traits])
    assert [len(cluster.members) for cluster in clusters] == [60, 40]
    assert [cluster.name for cluster in clusters] == ["no common trait", "ring"]
    (ring,) = clusters[1].enriched
    assert (ring.inside, ring.outside) == (1, 0) and ring.odds_ratio == pytest.approx(40.5 * 60.5 / 0.25)
    assert ring.q == pytest.approx(fisher_exact([[40, 0], [0, 60]], "greater").pvalue * 6, rel=1e-6)


def test_traits_without_a_difference_name_nothing() -> None:
    draw = np.random.default_rng(2)
    traits = [frozenset(f"t{j}" for j in range(40) if draw.random() < 0.5) for _ in range(300)]
    clusters = name_clusters(np.zeros((300, 2)), np.repeat([0, 1, -1], 100), traits)
    assert [cluster.enriched for cluster in clusters] == [(), ()]
