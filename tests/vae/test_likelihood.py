"""Importance-sampled log p(x): against a model whose evidence has a closed form, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences
from invdesign.vae.base import VAE
from invdesign.vae.likelihood import log_evidence, log_probability
from invdesign.vae.losses import elbo
from invdesign.vae.models.aligned import AlignedVAE
from invdesign.vae.priors import StandardNormal


class Linear(VAE):
    """x = z + noise of variance s^2 in one dimension: log p(x) is that of a normal of variance 1 + s^2."""

    d = 1

    def __init__(self, s: float, shift: float = 0.0) -> None:
        super().__init__()
        self.s, self.shift, self.prior = s, shift, StandardNormal()

    def posterior(self, x, condition=None):
        variance = 1 / (1 + self.s**-2)
        return Normal(x * variance / self.s**2 + self.shift, torch.full_like(x, variance**0.5))

    def log_likelihood(self, x, z, condition=None):
        return Normal(z, self.s).log_prob(x).sum(1)

    def generate(self, z, condition=None):
        return z

    def architecture(self):
        return {}


X = torch.tensor([[-2.0], [0.0], [1.5]])


def truth(s: float) -> torch.Tensor:
    return Normal(0.0, math.sqrt(1 + s**2)).log_prob(X)[:, 0].double()


def test_with_the_true_posterior_one_sample_is_exact() -> None:
    torch.testing.assert_close(log_evidence(Linear(0.5), X, samples=1), truth(0.5), rtol=0, atol=1e-5)


def test_with_another_posterior_samples_come_near_it_from_below() -> None:
    vae = Linear(0.5, shift=0.4)
    torch.testing.assert_close(log_evidence(vae, X, samples=4000), truth(0.5), rtol=0, atol=0.05)
    bounds = torch.stack([-elbo(vae, X).loss for _ in range(200)]).mean(0)
    assert bool((bounds < truth(0.5) - 0.2).all())


@pytest.fixture
def model():
    domain = Sequences(length=4).fit(["ACDE"])
    torch.manual_seed(0)
    return domain, AlignedVAE(len(domain.vocabulary), 4, d=5, width=8, input_dropout=0.5)


def test_it_is_the_same_again_whatever_the_company_and_leaves_the_model_training(model) -> None:
    domain, vae = model
    vae.train()
    designs = ["ACDE", "WWWW", "ACDF", "KLMN"]
    whole = log_probability(designs, encoding=domain, vae=vae, samples=5)
    assert vae.training and whole.shape == (4,) and np.isfinite(whole).all()
    np.testing.assert_allclose(log_probability(designs, encoding=domain, vae=vae, samples=5, batch=1), whole, rtol=1e-5)
    np.testing.assert_array_equal(log_probability(designs, encoding=domain, vae=vae, samples=5), whole)
    assert log_probability([], encoding=domain, vae=vae).shape == (0,)


def test_what_cannot_be_written_or_drawn_is_named(model) -> None:
    domain, vae = model
    with pytest.raises(InvdesignError, match="ACDEF cannot be encoded"):
        log_probability(["ACDE", "ACDEF"], encoding=domain, vae=vae)
    with pytest.raises(InvdesignError, match="at least 1"):
        log_evidence(vae, domain.encode(["ACDE"]), samples=0)
