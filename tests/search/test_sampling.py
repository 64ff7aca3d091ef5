"""Gradient-free proposers propose where they should."""

from dataclasses import replace

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search.sampling import (
    draw_sobol,
    elite_paths,
    local_steps,
    prior_draws,
    select_elites,
    sobol_cloud,
    sphere_cloud,
)


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("proposer", [sobol_cloud, elite_paths, local_steps])
def test_every_proposer_returns_n_points_inside_the_box(build, proposer, n, m):
    landscape = build(m=m)
    Z = proposer(landscape, n)
    assert Z.shape == (n, 3) and Z.dtype == torch.float64
    assert bool((landscape.bounds[0] - 1e-9 <= Z).all()) and bool((landscape.bounds[1] + 1e-9 >= Z).all())


@pytest.mark.parametrize("proposer", [sobol_cloud, elite_paths, local_steps, prior_draws])
def test_proposals_are_created_on_the_device_of_the_landscape(build, proposer):
    landscape = build(m=2)
    with torch.device("meta"):
        assert proposer(landscape, 7).device == landscape.bounds.device


def test_the_cloud_moves_twenty_coordinates_on_average_and_at_least_one(build):
    d = 100
    landscape = build(d=d, n=10)
    n_moved = (sobol_cloud(landscape, 500) != landscape.center).sum(1).double()
    assert float(n_moved.mean()) == pytest.approx(20, abs=1)
    assert int((sobol_cloud(landscape, 200, n_perturbed=0.01) != landscape.center).sum(1).min()) == 1


def test_too_many_dimensions_for_sobol_points_raise_an_error():
    with pytest.raises(InvdesignError, match="Use local_steps"):
        draw_sobol(2, 50_000, like=torch.zeros(1))
    assert draw_sobol(0, 3, like=torch.zeros(1).double()).shape == (0, 3)


def test_paths_and_steps_may_leave_the_box_if_allowed(build):
    landscape = build(length=0.05)
    for proposer in (elite_paths, local_steps):
        Z = proposer(landscape, 50, is_boxed=False)
        assert bool(((landscape.bounds[0] > Z) | (landscape.bounds[1] < Z)).any())


def test_prior_draws_ignore_the_box(build):
    Z = prior_draws(build(length=0.05), 2000)
    assert float(Z.std()) == pytest.approx(1.0, abs=0.05)


def test_paths_need_no_second_elite(build):
    assert elite_paths(build(n=2), 5, n_elites=1).shape == (5, 3)


def test_the_elites_of_the_landscape_come_before_the_measured_designs(build):
    best = build().Z[build().U[:, 0].argsort(descending=True)[:4]]
    assert torch.equal(select_elites(build(), 4, is_boxed=False), best)
    given = torch.randn(6, 3).double()
    assert torch.equal(select_elites(build(elites=given), 4, is_boxed=False), given[:4])


def test_a_cloud_on_the_sphere_keeps_the_distance_to_the_origin_and_stays_near_the_center(build):
    landscape = build(d=30, n=10)
    landscape = replace(landscape, center=torch.randn(30, dtype=torch.float64))
    Z = sphere_cloud(landscape, 200)
    torch.testing.assert_close(Z.norm(dim=1), landscape.center.norm().expand(200))
    half = (landscape.bounds[1] - landscape.bounds[0]) / 2
    assert float((Z - landscape.center).norm(dim=1).max()) <= float(half.square().mean().sqrt()) * 20**0.5 + 1e-9
