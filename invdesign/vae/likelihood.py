"""Room of VAEs: how likely a trained model holds a design, whatever its latent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from invdesign.core import Array, B, D, Domain, InvdesignError
from invdesign.vae.base import VAE


def log_probability(
    designs: Sequence[D],
    *,
    domain: Domain[D, B],
    vae: VAE,
    samples: int = 64,
    seed: int = 0,
    at_once: int = 512,
) -> Array:
    """Importance-sampled log p(x) of designs under a trained VAE (`n`, nats), with the posterior as proposal.

    The difference of two designs is their log-ratio; with the wild type as one of them, a zero-shot prediction of what
    mutations do. All designs share one set of random numbers, so a value does not depend on the company of its design,
    and much of the noise of a log-ratio cancels.

    Args:
        designs: `n` designs that the domain can write in its tokens.
        domain: fitted, as the model was trained for it.
        vae: the trained model.
        samples: latents drawn for each design. On average the estimate lies between the evidence lower bound (one
            sample) and log p(x), and grows with them.
        seed: of the draws.
        at_once: designs in a batch.

    Raises:
        InvdesignError: fewer than one sample, or a design that cannot be written.

    References:
        Burda, Grosse and Salakhutdinov, arXiv:1509.00519 (the estimate);
        Riesselman, Ingraham and Marks, Nat. Methods 2018, doi:10.1038/s41592-018-0138-4 (DeepSequence);
        Frazer et al., Nature 2021, doi:10.1038/s41586-021-04043-8 (EVE).
    """
    for design, why in zip(designs, domain.encoding_errors(designs), strict=True):
        if why:
            raise InvdesignError(
                f"naturalness: {domain.label(design)} cannot be written in the model's tokens: {why}; leave it out, or "
                "train on a corpus that has such designs"
            )
    found = [
        log_evidence(vae, domain.to_batch(designs[start : start + at_once]), samples=samples, seed=seed)
        for start in range(0, len(designs), at_once)
    ]
    return torch.cat([torch.empty(0, dtype=torch.float64), *found]).numpy()


@torch.no_grad()
def log_evidence(vae: VAE, x: Any, *, samples: int = 64, seed: int = 0) -> Tensor:
    """Importance-sampled log p(x) of a batch (`n`, float64): the log-mean-exp of `log_weights`."""
    if samples < 1:
        raise InvdesignError(f"naturalness: samples must be at least 1, got {samples}")
    was_training = vae.training
    vae.eval()
    try:
        posterior = vae.posterior(x)
        noise = torch.randn(samples, vae.d, generator=torch.Generator().manual_seed(seed))
        weights = [log_weights(vae, x, posterior, step.to(posterior.loc)) for step in noise]
    finally:
        vae.train(was_training)
    return torch.stack(weights).logsumexp(0).cpu() - math.log(samples)


def log_weights(vae: VAE, x: Any, posterior: Normal, step: Tensor) -> Tensor:
    """log p(x | z) + log p(z) - log q(z | x) of one latent for each design (`n`, float64).

    Args:
        vae: the model.
        x: `n` designs.
        posterior: theirs, q.
        step: `d`, how many standard deviations from the posterior's mean each latent lies.
    """
    z = posterior.loc + posterior.scale * step
    # Both normals have the same constant, which cancels.
    prior = -0.5 * z.double().square().sum(1)
    proposal = -0.5 * step.double().square().sum() - posterior.scale.double().log().sum(1)
    return vae.log_likelihood(x, z).double() + prior - proposal
