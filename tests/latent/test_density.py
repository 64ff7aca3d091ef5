"""Densities against closed forms, and their gradients."""

import math

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.latent.density import mixture, nearest_posteriors, prior


def cloud(n: int = 400, d: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator, dtype=torch.float64), torch.full((n, d), 0.3, dtype=torch.float64)


def test_the_prior_is_the_standard_normal() -> None:
    density = prior(*cloud())
    assert float(density(torch.zeros(3, dtype=torch.float64))) == pytest.approx(-1.5 * math.log(2 * math.pi))


def test_a_mixture_of_one_has_the_widened_moments_of_the_cloud() -> None:
    mean, sd = cloud()
    density = mixture(mean, sd, n_components=1, floor=0.0)
    covariance = torch.cov(mean.T, correction=0) + 0.09 * torch.eye(3, dtype=torch.float64)
    expected = torch.distributions.MultivariateNormal(mean.mean(0), covariance).log_prob(mean[:5])
    torch.testing.assert_close(density(mean[:5]), expected)


def test_two_clouds_are_dense_and_the_void_between_them_is_not() -> None:
    mean, sd = cloud()
    both = torch.cat([mean - 6, mean + 6])
    density = mixture(both, torch.cat([sd, sd]), n_components=2)
    void, inside = torch.zeros(3, dtype=torch.float64), torch.full((3,), 6.0, dtype=torch.float64)
    assert float(density(inside)) > float(density(void)) + 10


def test_all_the_nearest_posteriors_are_the_aggregate_posterior() -> None:
    mean, sd = cloud(n=30)
    density = nearest_posteriors(mean, sd, k=30, bandwidth=0.0)
    z = torch.ones(2, 3, dtype=torch.float64)
    each = torch.distributions.Normal(mean, sd).log_prob(z[:, None]).sum(-1)
    torch.testing.assert_close(density(z), torch.logsumexp(each, 1) - math.log(30))


@pytest.mark.parametrize("fit", [prior, mixture, nearest_posteriors])
def test_every_density_keeps_batch_shapes_and_has_its_gradient(fit) -> None:
    mean, sd = cloud(n=100, d=2)
    density = fit(mean, sd)
    z = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    assert density(z).shape == (4, 3) and density(z).dtype == torch.float64
    assert torch.autograd.gradcheck(density, (z,))


def test_a_mixture_of_one_design_is_refused() -> None:
    with pytest.raises(InvdesignError, match="at least 2"):
        mixture(*cloud(n=1))
