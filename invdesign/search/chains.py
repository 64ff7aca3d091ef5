"""Latents sampled under the surrogate of the decoded designs, by Markov chains of Crank-Nicolson steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from invdesign.core import Landscape
from invdesign.search.acquisition import log_pi
from invdesign.search.sampling import prior_draws, select_elites
from invdesign.search.select import merit


def latent_chains(
    landscape: Landscape, n: int, *, n_steps: int = 20, sizes: Sequence[float] = (0.1, 0.2, 0.4, 0.7)
) -> Float[Tensor, "n d"]:
    """Return samples of `p(z | the design decoded at z is better than the best measured one)`.

    The density is `N(z; 0, I) P(f(decode(z)) > best)`, where `f` is the surrogate of the decoded designs. A step of
    size `b` proposes `z' = sqrt(1 - b^2) z + b e` with normal `e`, which leaves `N(0, I)` unchanged, and is accepted
    with the probability `min(1, P(z') / P(z))`. Chains start at the elites; there the probability counts as 0, since
    a measured design is no improvement, so that the first step that finds a new design is accepted. A landscape
    without `decode_inputs` has no score: every step is accepted.

    Args:
        landscape: Surrogate, density, box and measured designs.
        n: Number of proposals.
        n_steps: Steps of each of the `n / n_steps` chains (rounded up). All chains are decoded together at each step.
        sizes: Sizes `b` of the steps, above 0 and at most 1; one is drawn for each step.

    Returns:
        `n x d` latent points, the newest states of all chains; a rejected step repeats the state before it.

    References:
        Moss, Ober and Diethe, Return of the Latent Space COWBOYS (2025), arXiv:2507.03910.
        Cotter et al., MCMC Methods for Functions (2013), doi:10.1214/13-STS421.

    Example:
        >>> from invdesign.testing import landscape
        >>> latent_chains(landscape(d=3), 50).shape
        torch.Size([50, 3])
    """
    n_steps = min(n_steps, n)
    states: list[Tensor] = []
    score = _log_improvement(landscape)
    Z = _starts(landscape, math.ceil(n / max(1, n_steps)))
    log_probability = torch.full_like(Z[:, 0], -math.inf if landscape.decode_inputs is not None else 0.0)
    choices = torch.tensor(sizes, dtype=Z.dtype, device=Z.device)
    for _ in range(n_steps):
        size = choices[torch.randint(len(sizes), (len(Z), 1), device=Z.device)]
        proposed = (1 - size.square()).sqrt() * Z + size * torch.randn_like(Z)
        proposed_log_probability = score(proposed)
        # The difference is NaN where both probabilities are 0: such a step is rejected.
        threshold = torch.rand_like(log_probability).log()
        is_accepted = proposed_log_probability - log_probability > threshold
        Z = torch.where(is_accepted[:, None], proposed, Z)
        log_probability = torch.where(is_accepted, proposed_log_probability, log_probability)
        states.append(Z)
    return torch.cat(states)[-n:] if states else Z


def _starts(landscape: Landscape, n: int) -> Tensor:
    """Return `n` elites, the first ones repeated where there are fewer; draws from the prior without any."""
    Z = select_elites(landscape, n, is_boxed=False)
    if not len(Z):
        return prior_draws(landscape, n)
    return Z[torch.arange(n, device=Z.device) % len(Z)]


def _log_improvement(landscape: Landscape) -> Callable[[Tensor], Tensor]:
    """Return the log-probability that the design decoded at a point is better than the best one, as a function."""
    decode_inputs = landscape.decode_inputs
    if decode_inputs is None:
        return lambda Z: Z.new_zeros(len(Z))
    improvement = log_pi(landscape, density_weight=0.0, margin=0.0)

    def score(Z: Tensor) -> Tensor:
        X = decode_inputs(Z)
        is_design = X.isfinite().all(1)
        values = Z.new_full((len(Z),), -math.inf)
        if bool(is_design.any()):
            values[is_design] = merit(improvement, X[is_design])
        return values

    return score
