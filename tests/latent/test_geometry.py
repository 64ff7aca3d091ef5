"""Euclidean and spherical geometry, and data that wrap around a sphere."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from invdesign.latent.geometry import Euclidean, Sphere
from invdesign.latent.prepare import prepare
from invdesign.latent.wrapping import far_pair_ratio, warn_of_wrapping
from invdesign.vae.build import sequence_vae

EAST, NORTH = torch.eye(4, dtype=torch.float64)[:2] * 2


def test_distances_and_paths_on_the_sphere_follow_great_circles() -> None:
    sphere = Sphere()
    quarter = math.pi  # a quarter of a circle of radius 2
    assert float(sphere.distance(EAST[None], NORTH[None])) == pytest.approx(quarter)
    path = sphere.path(EAST, NORTH, 5)
    torch.testing.assert_close(path.norm(dim=1), torch.full((5,), 2.0, dtype=torch.float64))
    steps = sphere.distance(path[:-1], path[1:]).diagonal()
    torch.testing.assert_close(steps, torch.full((4,), quarter / 4, dtype=torch.float64))
    torch.testing.assert_close(path[[0, -1]], torch.stack([EAST, NORTH]))
    opposite = sphere.path(EAST, -EAST, 3)
    torch.testing.assert_close(opposite.norm(dim=1), torch.full((3,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(opposite[-1], -EAST, atol=1e-6, rtol=0)
    torch.testing.assert_close(sphere.project(3 * EAST), EAST)
    assert bool(sphere.project(torch.zeros(4)).isfinite().all())
    box = sphere.neighbourhood(3 * EAST, torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(box.mean(0), EAST)


def branch(n: int = 80) -> tuple[torch.Tensor, np.ndarray]:
    """Return a long branch that is laid around a great circle, and its positions along the branch."""
    t = np.linspace(0, 1, n)
    angle = 2 * np.pi * 0.95 * t
    circle = np.stack([np.cos(angle), np.sin(angle), 0 * t], 1) * math.sqrt(3)
    return torch.from_numpy(circle), t[:, None]


def test_a_branch_around_the_sphere_is_warned_of_and_half_a_circle_is_not() -> None:
    Z, F = branch()
    warnings = warn_of_wrapping(Z, F, Sphere())
    assert len(warnings) == 1 and "branches meet on its far side" in warnings[0]
    assert far_pair_ratio(Z[:40], F[:40], Sphere()) > 1.3
    assert not warn_of_wrapping(Z[:40], F[:40], Sphere())
    assert not warn_of_wrapping(Z, F, Euclidean())
    assert not warn_of_wrapping(Z, F[:, :0], Sphere())


def test_a_space_on_a_sphere_draws_encodes_and_decodes_on_it(words, corpus, recipe, cache) -> None:
    build = partial(sequence_vae, d=8, embedding=16, width=16, prior="sphere")
    space = prepare(words, corpus, replace(recipe, build=build, information_epochs=0), cache=cache)
    assert isinstance(space.geometry, Sphere)
    for Z in (space.encode(corpus.designs[:20]), space.draw(20, "prior"), space.draw(20, "corpus")):
        torch.testing.assert_close(
            Z.norm(dim=1), torch.full((20,), math.sqrt(8), dtype=torch.float64), atol=1e-3, rtol=0
        )
    Z = space.encode(corpus.designs[:100])
    assert space.decode(Z) == space.decode(2 * Z)
    assert sum(a == b for a, b in zip(space.decode(Z), corpus.designs, strict=False)) > 30
