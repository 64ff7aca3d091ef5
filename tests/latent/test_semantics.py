"""Measures of the semantics of a latent space, on spaces in which they are known."""

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.latent.semantics import (
    auroc,
    neighbour_correlation,
    neighbour_r2,
    principal_components,
    structure_distances,
)

rng = np.random.default_rng(0)


def test_counts_give_the_tanimoto_distance_and_other_features_the_euclidean_one() -> None:
    F = np.array([[1.0, 2.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    distances = structure_distances(F)
    assert distances[0, 1] == pytest.approx(1 - 1 / 4)
    assert distances[0, 2] == 1.0 and distances[2, 2] == pytest.approx(0.0)
    assert structure_distances(F - 1)[0, 1] > 0


def test_a_space_that_is_the_structure_correlates_and_a_shuffled_one_does_not() -> None:
    F = rng.normal(size=(200, 4))
    distances = structure_distances(F)
    assert neighbour_correlation((F - F.mean(0)) / F.std(0), distances) > 0.99
    assert abs(neighbour_correlation(rng.permutation(F), distances)) < 0.1
    with pytest.raises(InvdesignError, match="three designs"):
        neighbour_correlation(F[:2], distances[:2, :2])


def test_a_smooth_property_is_explained_by_neighbours_and_noise_is_not() -> None:
    Z = rng.normal(size=(800, 2))
    y = Z[:, 0] + 0.1 * rng.normal(size=800)
    y[::50] = np.nan
    assert neighbour_r2(Z, y) > 0.9
    assert neighbour_r2(Z, rng.normal(size=800)) < 0.1


def test_principal_components_keep_the_distances_of_what_they_span() -> None:
    F = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 10))
    P = principal_components(F, 3)
    assert np.allclose(np.linalg.norm(F[0] - F[1]), np.linalg.norm(P[0] - P[1]))


def test_auroc_counts_ties_half() -> None:
    assert auroc([0, 0], [1, 2]) == 1.0
    assert auroc([1, 2], [0, 0]) == 0.0
    assert auroc([1.0], [1.0]) == 0.5
