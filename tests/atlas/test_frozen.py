from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from invdesign.atlas import fit_projection
from invdesign.atlas.frozen import kept_neighbors


def test_trustworthiness_and_continuity_agree_with_scikit_learn() -> None:
    Z = np.random.default_rng(0).normal(size=(200, 6))
    frozen = fit_projection(Z, "pca")
    assert frozen.trustworthiness == pytest.approx(trustworthiness(Z, frozen.points, n_neighbors=12), abs=1e-9)
    assert frozen.continuity == pytest.approx(trustworthiness(frozen.points, Z, n_neighbors=12), abs=1e-9)
    assert kept_neighbors(Z, Z).min() == 1


def test_new_designs_are_placed_beside_their_neighbours_and_move_nothing() -> None:
    draw = np.random.default_rng(1)
    centers = 20 * draw.normal(size=(3, 5))
    Z = np.concatenate([center + draw.normal(size=(40, 5)) for center in centers])
    frozen = fit_projection(Z, "tsne")
    before = frozen.points.copy()
    new = centers + draw.normal(size=(3, 5))
    placed = frozen.place(new)
    nearest = [int(((frozen.points - point) ** 2).sum(1).argmin()) // 40 for point in placed]
    assert nearest == [0, 1, 2]
    assert np.array_equal(frozen.points, before)
    assert np.allclose(frozen.place(Z[:5]), frozen.points[:5])
    assert frozen.place(Z[:0]).shape == (0, 2)
