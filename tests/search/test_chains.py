"""Chains in latent space keep the prior, and sample the density of improvements under the surrogate."""

import math

import pytest
import torch
from botorch.models.deterministic import GenericDeterministicModel
from torch import Tensor

from invdesign.search.chains import latent_chains

N_CHAINS = 4000


class Line(GenericDeterministicModel):
    """Independent normal utilities of mean `x_0` and standard deviation 0.5."""

    def __init__(self) -> None:
        super().__init__(lambda X: X[..., :1])

    def posterior(self, X: Tensor, *args: object, **options: object) -> torch.distributions.Normal:
        return torch.distributions.Normal(X[..., :1], torch.full_like(X[..., :1], 0.5))


def prior_landscape(build, **changes):
    return build(d=2, elites=torch.randn(N_CHAINS, 2, dtype=torch.float64), **changes)


def test_without_a_score_chains_keep_the_normal_prior(build):
    Z = latent_chains(prior_landscape(build), 5 * N_CHAINS, n_steps=5)
    assert Z.shape == (5 * N_CHAINS, 2)
    assert Z.mean(0).tolist() == pytest.approx([0, 0], abs=0.05)
    assert torch.cov(Z.T).flatten().tolist() == pytest.approx([1, 0, 0, 1], abs=0.06)


def test_chains_sample_the_density_of_improvements(build):
    best, sd = 0.5, 0.5
    landscape = prior_landscape(build, model=Line(), U=torch.full((60, 1), best).double(), decode_inputs=lambda Z: Z)
    last = latent_chains(landscape, 60 * N_CHAINS, n_steps=60)[-N_CHAINS:]
    # E[z | z + sd e > best] of normal z and e: a truncated normal, projected on z.
    width = math.sqrt(1 + sd**2)
    normal = torch.distributions.Normal(0.0, 1.0)
    at = torch.tensor(best / width)
    expected = float(normal.log_prob(at).exp() / (1 - normal.cdf(at))) / width
    assert last.mean(0).tolist() == pytest.approx([expected, 0], abs=0.06)


def test_a_step_to_no_design_is_rejected(build):
    def decode(Z):
        return Z.where(Z[:, :1] > 0, math.nan)

    landscape = build(d=2, elites=torch.ones(3, 2, dtype=torch.float64), decode_inputs=decode)
    assert bool((latent_chains(landscape, 90, n_steps=30)[:, 0] > 0).all())


def test_chains_without_a_first_design_stay_where_they_start(build):
    elites = torch.randn(4, 3, dtype=torch.float64)
    landscape = build(elites=elites, decode_inputs=lambda Z: torch.full_like(Z, math.nan))
    assert torch.equal(latent_chains(landscape, 8, n_steps=2), elites.repeat(2, 1))


@pytest.mark.parametrize("n", [0, 1, 7, 45])
def test_chains_return_as_many_points_as_requested(build, n):
    assert latent_chains(build(), n).shape == (n, 3)


def test_chains_start_at_prior_draws_where_nothing_is_measured(build):
    empty = torch.zeros(0, 3, dtype=torch.float64)
    assert latent_chains(build(X=empty, U=empty[:, :1]), 6).shape == (6, 3)


def test_several_objectives_are_improved_together(build):
    landscape = build(m=2, decode_inputs=lambda Z: Z)
    assert bool(latent_chains(landscape, 20).isfinite().all())
