"""Priors: a flow that starts as the standard normal, inverts exactly, and learns a density."""

import math

import pytest
import torch
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.vae.models.sequence import SequenceVAE
from invdesign.vae.priors import FlowPrior, StandardNormal, kl_divergence, make_prior


def flow(d: int = 5, *, scale: float = 0.3) -> FlowPrior:
    torch.manual_seed(0)
    prior = FlowPrior(d, n_layers=4, width=16)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return prior


def test_an_untrained_flow_is_the_standard_normal() -> None:
    z = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    prior = FlowPrior(6)
    torch.testing.assert_close(prior.log_prob(z), StandardNormal().log_prob(z))
    assert torch.equal(prior.to_base(z), z)


@pytest.mark.parametrize("d", [2, 5])
def test_from_base_inverts_to_base(d: int) -> None:
    prior, z = flow(d), torch.randn(30, d, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(prior.from_base(prior.to_base(z)), z, rtol=1e-4, atol=1e-4)


def test_the_log_density_is_that_of_the_change_of_variables() -> None:
    prior, z = flow(3), torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    for row in z:
        jacobian = torch.autograd.functional.jacobian(prior.to_base, row)
        expected = StandardNormal().log_prob(prior.to_base(row)) + torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(prior.log_prob(row), expected, rtol=1e-4, atol=1e-4)


def test_double_precision_latents_are_accepted() -> None:
    z = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(flow().log_prob(z), flow().log_prob(z.float()))


def test_the_sampled_divergence_of_an_untrained_flow_estimates_the_closed_form() -> None:
    torch.manual_seed(0)
    posterior = Normal(torch.tensor([0.5, -1.0]).expand(20_000, 2), torch.tensor([0.3, 0.8]).expand(20_000, 2))
    exact = kl_divergence(posterior, StandardNormal(), posterior.loc).sum(1).mean()
    with torch.no_grad():
        sampled = kl_divergence(posterior, FlowPrior(2), posterior.sample()).mean()
    assert float(sampled) == pytest.approx(float(exact), abs=0.03)


def test_a_flow_learns_a_density_that_a_normal_cannot_have() -> None:
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(0)
    first = torch.randn(500, 1, generator=generator)
    z = torch.cat([first, first.square() - 1 + 0.2 * torch.randn(500, 1, generator=generator)], 1)
    prior = FlowPrior(2, n_layers=4, width=16)
    optimizer = torch.optim.Adam(prior.parameters(), lr=2e-2)
    for _ in range(100):
        optimizer.zero_grad()
        loss = -prior.log_prob(z).mean()
        loss.backward()
        optimizer.step()
    normal = -torch.distributions.MultivariateNormal(z.mean(0), torch.cov(z.T)).log_prob(z).mean()
    exact = 0.5 * (math.log(2 * math.pi) + 1) * 2 + math.log(0.2)
    assert float(loss.detach()) < float(normal) - 0.8 and float(loss.detach()) < exact + 0.3


def test_a_model_keeps_its_learned_prior_in_its_parameters_and_architecture() -> None:
    vae = SequenceVAE(8, 6, d=4, embedding=8, width=8, prior="flow")
    assert any(name.startswith("prior.") for name in vae.state_dict())
    again = SequenceVAE(**vae.architecture())
    again.load_state_dict(vae.state_dict())
    assert isinstance(again.prior, FlowPrior)


def test_an_unknown_prior_and_a_flow_of_one_dimension_are_refused(without_type_checks) -> None:
    with pytest.raises(InvdesignError, match="'normal', 'flow'"):
        make_prior("uniform", 4)  # type: ignore[arg-type]
    with pytest.raises(InvdesignError, match="at least two"):
        make_prior("flow", 1)
