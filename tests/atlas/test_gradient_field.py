"""Gradients of properties by kernel ridge regression."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.gradient_field import fit_gradient_field

Z = np.random.default_rng(0).normal(size=(500, 2))


def test_the_gradients_of_a_curved_and_of_a_linear_property_are_found() -> None:
    Y = np.stack([np.sin(Z[:, 0]), 2 * Z[:, 1]], 1)
    linear = np.array([[0.5, 0.0], [0.0, 2.0]])
    field = fit_gradient_field(Z, Y, root=np.eye(2), linear=linear)
    points = np.array([[0.0, 0.0], [1.0, 0.5], [-1.2, 0.3]])
    gradients = field.white_gradients(points)
    assert gradients.shape == (3, 2, 2)
    assert gradients[:, 0, 0] == pytest.approx(np.cos(points[:, 0]), abs=0.15)
    assert gradients[:, :, 1] == pytest.approx(np.array([[0.0, 2.0]] * 3), abs=0.05)


def test_gradients_are_those_of_white_latents() -> None:
    root = np.diag([2.0, 0.5])
    plain = fit_gradient_field(Z, np.sin(Z), root=np.eye(2), linear=np.zeros((2, 2)))
    white = fit_gradient_field(Z, np.sin(Z), root=root, linear=np.zeros((2, 2)))
    assert white.white_gradients(Z[:4]) == pytest.approx(np.einsum("de,nem->ndm", root, plain.white_gradients(Z[:4])))


def test_noise_has_hardly_any_gradient() -> None:
    noise = np.random.default_rng(1).normal(size=(500, 1))
    field = fit_gradient_field(Z, noise, root=np.eye(2), linear=np.zeros((2, 1)))
    assert np.abs(field.white_gradients(Z[:50])).mean() < 0.3


def test_many_designs_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("invdesign.atlas.gradient_field.MAX_DESIGNS", 100)
    assert len(fit_gradient_field(Z, Z, root=np.eye(2), linear=np.eye(2)).designs) == 100
