"""Projections of latents to the plane."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

from invdesign.atlas import project, projection, thin


def latents(n: int = 30, d: int = 4) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, d))


def test_pca_preserves_the_distances_of_points_in_a_plane() -> None:
    Z = latents(20, 2) @ np.array([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]])
    projection = project(Z, "pca")
    assert projection.name == "PCA (100 % of the variance)"
    XY = projection.points
    np.testing.assert_allclose(np.linalg.norm(XY[3] - XY[7]), np.linalg.norm(Z[3] - Z[7]))


def test_the_sign_of_a_pca_axis_does_not_depend_on_the_sign_of_the_decomposition() -> None:
    Z = np.array([[-3.0, 0.1], [-1.0, -0.1], [0.0, 0.2], [4.0, 0.0], [1.0, -0.2], [2.0, 0.1], [-2.0, 0.0], [0.5, 0.0]])
    assert project(Z, "pca").points[3, 0] > 0
    np.testing.assert_allclose(project(-Z, "pca").points[3, 0], -project(Z, "pca").points[3, 0])


def test_tsne_is_reproducible_and_has_one_point_per_latent() -> None:
    first, second = project(latents(), "tsne", seed=3), project(latents(), "tsne", seed=3)
    assert first.name == "t-SNE" and first.points.shape == (30, 2)
    np.testing.assert_array_equal(first.points, second.points)


def test_tsne_replaces_umap_where_umap_fails(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with caplog.at_level(logging.INFO):
        assert project(latents(), "umap").name == "t-SNE"
    assert "UMAP failed" in caplog.text


def test_tsne_of_many_designs_refines_another_layout_and_does_not_begin_anew(monkeypatch) -> None:
    draw = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0], [30.0, 30.0]])
    plane = np.repeat(centers, 260, axis=0) + draw.normal(size=(1040, 2))
    Z = plane @ draw.normal(size=(2, 5))
    monkeypatch.setattr(projection, "_umap", lambda Z, seed, **settings: plane[thin(1040, projection.N_LANDMARKS)])
    found = project(Z, "tsne").points
    middles, wanted = (points.reshape(4, 260, 2).mean(1) for points in (found, plane))
    gaps, wanted_gaps = (np.linalg.norm(m[:, None] - m, axis=2)[np.triu_indices(4, 1)] for m in (middles, wanted))
    assert np.corrcoef(gaps, wanted_gaps)[0, 1] > 0.9


def test_tsne_of_many_designs_begins_with_principal_components_where_umap_fails(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    monkeypatch.setattr(projection, "MIN_STARTED", 30)
    with caplog.at_level(logging.INFO):
        found = project(latents(), "tsne")
    np.testing.assert_array_equal(found.points, projection._tsne(latents(), 0))
    assert "t-SNE from principal components replaces it" in caplog.text


def test_lle_unrolls_a_curve_and_pacmap_is_optional(monkeypatch) -> None:
    t = np.linspace(0, 3, 60)
    curve = project(np.column_stack([np.cos(t), np.sin(t), 0 * t]), "lle").points
    assert abs(np.corrcoef(curve[:, 0], t)[0, 1]) > 0.95
    monkeypatch.setitem(sys.modules, "pacmap", None)
    assert project(latents(), "pacmap").name == "t-SNE"


@pytest.mark.parametrize("shape", [(7, 3), (20, 1), (0, 0)])
def test_too_few_points_or_dimensions_are_an_error(shape) -> None:
    with pytest.raises(ValueError, match="at least 8 designs of two latent dimensions"):
        project(np.zeros(shape), "pca")


def test_thinning_keeps_both_ends_and_at_most_the_given_number() -> None:
    assert thin(5, 8).tolist() == [0, 1, 2, 3, 4]
    positions = thin(1000, 50)
    assert len(positions) == 50 and positions[0] == 0 and positions[-1] == 999
