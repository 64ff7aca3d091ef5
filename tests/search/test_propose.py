"""Proposers look where they should."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search import Search, TrustRegion, proposals
from invdesign.search.acquisition import posterior_mean, ucb
from invdesign.search.ascent import climb, of_latents
from invdesign.search.propose import (
    density_ascent,
    elite_paths,
    local_steps,
    maximize_acquisition,
    prior_draws,
    sobol_cloud,
)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("proposer", [sobol_cloud, elite_paths, local_steps, maximize_acquisition, density_ascent])
def test_every_proposer_answers_n_points_inside_the_box(build, proposer, n, m):
    landscape = build(m=m)
    Z = proposer(landscape, n)
    assert Z.shape == (n, 3) and Z.dtype == torch.float64
    assert bool((landscape.bounds[0] - 1e-9 <= Z).all()) and bool((landscape.bounds[1] + 1e-9 >= Z).all())


def test_equal_seeds_propose_equal_points(build):
    landscape, answers = build(), []
    for _ in range(2):
        torch.manual_seed(7)
        answers.append(proposals(Search(), landscape, 40)[0])
    assert torch.equal(*answers)


def test_the_cloud_moves_twenty_coordinates_on_average_and_one_at_least(build):
    d = 100
    wide = build(d=d, n=10)
    n_moved = (sobol_cloud(wide, 500) != wide.center).sum(1).double()
    assert float(n_moved.mean()) == pytest.approx(20, abs=1)
    assert int((sobol_cloud(wide, 200, perturbed=0.01) != wide.center).sum(1).min()) == 1


def test_acquisition_maximizers_beat_every_point_of_a_cloud(build):
    landscape = build()
    mean = posterior_mean(landscape)
    best = maximize_acquisition(landscape, 4, acquire=posterior_mean)
    assert float(mean(best[:, None]).max()) > float(mean(sobol_cloud(landscape, 300)[:, None]).max())


def test_ascent_climbs_and_every_step_of_it_stays_in_the_box(build):
    landscape = build(length=0.3)
    low, high = landscape.bounds
    acquisition = ucb(of_latents(landscape), beta=1.0, density_weight=0.5)
    starts = low + (high - low) * torch.rand(16, 3, dtype=torch.float64)
    path = climb(acquisition, starts, landscape.bounds, n_steps=20, step=0.1)
    assert path.shape == (21, 16, 3)
    assert bool((path >= low).all()) and bool((path <= high).all())
    gained = acquisition(path[-1][:, None]) - acquisition(path[0][:, None])
    assert float(gained.min()) > -0.02 and float(gained.mean()) > 0.05


def test_ascent_finds_the_corner_of_a_box_that_a_slope_leads_to():
    bounds = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double()
    slope = torch.tensor([1.0, -1.0]).double()
    path = climb(lambda Z: (Z.squeeze(1) * slope).sum(-1), torch.zeros(1, 2).double(), bounds, n_steps=30, step=0.1)
    assert path[-1, 0].tolist() == [1.0, -1.0]


def test_density_pulls_the_ascent_towards_real_designs(build):
    landscape = build(density=lambda z: -50 * (z - landscape_center).square().sum(-1), length=0.8)
    free = density_ascent(landscape, 30, acquire=partial(ucb, density_weight=0.0))
    held = density_ascent(landscape, 30, acquire=partial(ucb, density_weight=20.0))
    middle = landscape.center
    assert float((held - middle).norm(dim=1).mean()) < float((free - middle).norm(dim=1).mean())


landscape_center = torch.tensor([0.5, 0.5, 0.5]).double()


def test_paths_and_steps_may_leave_the_box_when_asked(build):
    landscape = build(length=0.05)
    for proposer in (elite_paths, local_steps):
        Z = proposer(landscape, 50, is_boxed=False)
        assert bool(((landscape.bounds[0] > Z) | (landscape.bounds[1] < Z)).any())


def test_prior_draws_ignore_the_box(build):
    Z = prior_draws(build(length=0.05), 2000)
    assert float(Z.std()) == pytest.approx(1.0, abs=0.05)


def test_paths_need_no_second_elite(build):
    assert elite_paths(build(n=2), 5, n_elites=1).shape == (5, 3)


def test_shares_are_rounded_so_that_they_add_up():
    search = Search(propose=(sobol_cloud, elite_paths, local_steps), shares=(0.5, 0.3, 0.2))
    assert search.counts(10) == (5, 3, 2)
    assert search.counts(1) == (1, 0, 0)
    assert all(sum(search.counts(n)) == n for n in range(50))


def test_each_proposal_knows_its_proposer(build):
    search = Search(propose=(sobol_cloud, partial(local_steps, n_elites=3)), shares=(3, 1))
    Z, names = proposals(search, build(), 8)
    assert Z.shape == (8, 3) and names == ["sobol_cloud"] * 6 + ["local_steps"] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"propose": ()},
        {"propose": ("sobol_cloud",)},
        {"shares": (1.0,)},
        {"shares": (0, 0, 0, 0)},
        {"acquire": "log_ei"},
        {"oversample": 0},
        {"n_regions": 2, "trust_region": None},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(InvdesignError, match="search"):
        Search(**wrong)


def test_a_proposer_with_the_wrong_shape_is_named(build):
    def broken(landscape, n):
        return torch.zeros(n + 1, landscape.d)

    with pytest.raises(InvdesignError, match="broken"):
        proposals(Search(propose=(broken,)), build(), 3)


def test_the_trust_region_is_a_value_of_the_search():
    assert Search().trust_region == TrustRegion()


def test_climbing_without_a_surrogate_of_the_latents_is_an_error_with_the_remedy(build):
    landscape = build(d=3)
    wide = torch.cat([landscape.X, landscape.X], 1)
    with pytest.raises(InvdesignError, match="set latent_surrogate"):
        of_latents(replace(landscape, X=wide))
    assert of_latents(landscape).X.shape[1] == 3
