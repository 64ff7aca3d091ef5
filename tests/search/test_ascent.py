"""Gradient-based proposers increase the acquisition value and stay in the box."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.search.acquisition import posterior_mean, ucb
from invdesign.search.ascent import climb, density_ascent, maximize_acquisition, restrict_to_latents
from invdesign.search.sampling import sobol_cloud

CENTER = torch.tensor([0.5, 0.5, 0.5]).double()


@pytest.mark.slow
@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("proposer", [maximize_acquisition, density_ascent])
def test_every_proposer_returns_n_points_inside_the_box(build, proposer, n, m):
    landscape = build(m=m)
    Z = proposer(landscape, n)
    assert Z.shape == (n, 3) and Z.dtype == torch.float64
    assert bool((landscape.bounds[0] - 1e-9 <= Z).all()) and bool((landscape.bounds[1] + 1e-9 >= Z).all())


def test_acquisition_maxima_are_better_than_every_point_of_a_cloud(build):
    landscape = build()
    mean = posterior_mean(landscape)
    best = maximize_acquisition(landscape, 4, acquire=posterior_mean)
    assert float(mean(best[:, None]).max()) > float(mean(sobol_cloud(landscape, 300)[:, None]).max())


def test_ascent_increases_the_value_and_every_step_stays_in_the_box(build):
    landscape = build(length=0.3)
    low, high = landscape.bounds
    acquisition = ucb(restrict_to_latents(landscape), beta=1.0, density_weight=0.5)
    starts = low + (high - low) * torch.rand(16, 3, dtype=torch.float64)
    path = climb(acquisition, starts, landscape.bounds, n_steps=20, step_size=0.1)
    assert path.shape == (21, 16, 3)
    assert bool((path >= low).all()) and bool((path <= high).all())
    gain = acquisition(path[-1][:, None]) - acquisition(path[0][:, None])
    assert float(gain.min()) > -0.02 and float(gain.mean()) > 0.05


def test_ascent_of_a_linear_function_reaches_the_corner_of_the_box():
    bounds = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).double()
    slope = torch.tensor([1.0, -1.0]).double()

    def linear(Z):
        return (Z.squeeze(1) * slope).sum(-1)

    path = climb(linear, torch.zeros(1, 2).double(), bounds, n_steps=30, step_size=0.1)
    assert path[-1, 0].tolist() == [1.0, -1.0]


def test_proposals_are_created_on_the_device_of_the_landscape(build):
    landscape = build()
    with torch.device("meta"):
        assert density_ascent(landscape, 5, n_steps=2).device == landscape.bounds.device


def test_density_attracts_the_ascent_to_real_designs(build):
    landscape = build(density=lambda z: -50 * (z - CENTER).square().sum(-1), length=0.8)
    without = density_ascent(landscape, 30, acquire=partial(ucb, density_weight=0.0))
    with_density = density_ascent(landscape, 30, acquire=partial(ucb, density_weight=20.0))
    middle = landscape.center
    assert float((with_density - middle).norm(dim=1).mean()) < float((without - middle).norm(dim=1).mean())


def test_ascent_without_a_surrogate_of_the_latents_raises_an_error_with_the_remedy(build):
    landscape = build(d=3)
    wide = torch.cat([landscape.X, landscape.X], 1)
    with pytest.raises(InvdesignError, match="Set latent_surrogate"):
        restrict_to_latents(replace(landscape, X=wide))
    assert restrict_to_latents(landscape).X.shape[1] == 3
