"""The power spherical distribution against its own draws, and VAEs on a sphere."""

import math

import pytest
import torch

from invdesign.core import InvdesignError
from invdesign.testing import check_vae
from invdesign.vae.losses import elbo
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import make_prior
from invdesign.vae.spherical import PowerSpherical, SphericalPrior, log_area


def some_posterior(n: int = 1, sd: float = 0.5, d: int = 6) -> PowerSpherical:
    mean = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
    return PowerSpherical(mean, torch.full((n, d), sd))


def test_draws_lie_on_the_sphere_around_the_mean_with_the_stated_spread() -> None:
    torch.manual_seed(0)
    posterior = some_posterior()
    z = posterior.sample((4000,))[:, 0]
    torch.testing.assert_close(z.norm(dim=1), torch.full((4000,), math.sqrt(6)), atol=1e-3, rtol=0)
    direction = z.mean(0) / z.mean(0).norm()
    torch.testing.assert_close(direction, posterior.direction[0], atol=0.03, rtol=0)
    off = (z - posterior.loc).square().sum(1).mean() / 5
    assert float(off.sqrt()) == pytest.approx(float(posterior.scale[0, 0]), rel=0.05)


def test_the_divergence_from_the_uniform_prior_is_that_of_its_draws() -> None:
    torch.manual_seed(0)
    posterior = some_posterior(sd=0.8)
    z = posterior.sample((20_000,))
    estimate = (posterior.log_prob(z) + log_area(6)).mean()
    exact = SphericalPrior(6).kl_divergence(posterior)
    assert float(exact) == pytest.approx(float(estimate), abs=0.02)
    assert float(some_posterior(sd=0.2).divergence_from_uniform()) > float(exact)


@pytest.mark.parametrize(
    ("vae", "x"),
    [
        (SequenceVAE(8, 6, d=5, embedding=8, width=8, prior="sphere"), torch.randint(3, 8, (6, 6))),
        (AlignedVAE(7, 5, d=6, width=8, n_filters=2, prior="sphere"), torch.randint(3, 7, (6, 5))),
    ],
    ids=["sequence", "aligned"],
)
def test_a_vae_on_a_sphere_honours_the_contract_and_can_be_trained(vae: SequenceVAE | AlignedVAE, x) -> None:
    check_vae(vae, x)
    vae.train()
    elbo(vae, x).loss.mean().backward()
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in vae.parameters())
    assert vae.architecture()["prior"] == "sphere"


def test_a_sphere_of_two_dimensions_is_refused() -> None:
    with pytest.raises(InvdesignError, match="at least three latent dimensions"):
        make_prior("sphere", 2)
