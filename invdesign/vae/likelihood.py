"""Importance-sampled likelihood of designs under a trained VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Array, B, D, Encoding, InvdesignError
from invdesign.vae.base import VAE
from invdesign.vae.priors import LOG_2PI
from invdesign.vae.spherical import PowerSpherical


def log_probability(
    designs: Sequence[D],
    *,
    encoding: Encoding[D, B],
    vae: VAE,
    samples: int = 64,
    seed: int = 0,
    batch: int = 512,
) -> Array:
    """Return an importance-sampled log p(x) of designs under a trained VAE (`n`, nats).

    The proposal distribution is the posterior. The difference of two designs is their log-ratio; with the wild type as
    one of them, a zero-shot prediction of the effect of mutations. All designs share one set of random numbers, so a
    value does not depend on the other designs, and much of the noise of a log-ratio cancels.

    Args:
        designs: `n` designs that can be encoded without error.
        encoding: The encoding that the model was trained with.
        vae: The trained model.
        samples: Latents drawn for each design. The expected estimate lies between the evidence lower bound (one
            sample) and log p(x), and grows with their number.
        seed: Seed of the draws.
        batch: Designs evaluated together.

    Raises:
        InvdesignError: Fewer than one sample, or a design that cannot be encoded.

    References:
        Burda, Grosse and Salakhutdinov, arXiv:1509.00519 (the estimate);
        Riesselman, Ingraham and Marks, Nat. Methods 2018, doi:10.1038/s41592-018-0138-4 (DeepSequence);
        Frazer et al., Nature 2021, doi:10.1038/s41586-021-04043-8 (EVE).
    """
    for design, error in zip(designs, encoding.errors(designs), strict=True):
        if error:
            raise InvdesignError(
                f"likelihood: {str(design)[:60]} cannot be encoded for the model: {error}. Leave it out, or train on a "
                "corpus that has such designs"
            )
    values = [
        log_evidence(vae, encoding.encode(designs[start : start + batch]), samples=samples, seed=seed)
        for start in range(0, len(designs), batch)
    ]
    return torch.cat([torch.empty(0, dtype=torch.float64), *values]).numpy()


@torch.no_grad()
def log_evidence(
    vae: VAE, x: Any, *, samples: int = 64, seed: int = 0, condition: Tensor | None = None
) -> Float64[Tensor, " n"]:
    """Return the importance-sampled log p(x) of a batch: the log-mean-exp of `log_weights`.

    Args:
        vae: The model.
        x: `n` encoded designs.
        samples: Latents drawn for each.
        seed: Seed of the draws.
        condition: Their conditions, for a conditional model.

    Raises:
        InvdesignError: Fewer than one sample.
    """
    if samples < 1:
        raise InvdesignError(f"likelihood: samples must be at least 1, got {samples}")
    was_training = vae.training
    vae.eval()
    try:
        posterior = vae.posterior(x, condition)
        noise = torch.randn(samples, vae.d, generator=torch.Generator().manual_seed(seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weights = [log_weights(vae, x, posterior, step.to(posterior.loc), condition) for step in noise]
    finally:
        vae.train(was_training)
    return torch.stack(weights).logsumexp(0).cpu() - math.log(samples)


def log_weights(
    vae: VAE, x: Any, posterior: Normal, step: Float[Tensor, " d"], condition: Tensor | None = None
) -> Float64[Tensor, " n"]:
    """Return log p(x | z) + log p(z) - log q(z | x) of one latent for each design.

    Args:
        vae: The model.
        x: `n` encoded designs.
        posterior: Their posteriors q.
        step: Offset of each latent from the posterior mean in standard deviations; on a sphere latents are drawn
            instead, with torch's random numbers.
        condition: Conditions of the designs, for a conditional model.
    """
    if isinstance(posterior, PowerSpherical):
        z = posterior.sample()
        rated = posterior.log_prob(z).double()
        return vae.log_likelihood(x, z, condition).double() + vae.prior.log_prob(z).double() - rated
    z = posterior.loc + posterior.scale * step
    prior = vae.prior.log_prob(z).double()
    proposal = -0.5 * (step.double().square() + LOG_2PI).sum() - posterior.scale.double().log().sum(1)
    return vae.log_likelihood(x, z, condition).double() + prior - proposal
