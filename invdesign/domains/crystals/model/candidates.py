"""Choice among candidates of the decoder: the most likely crystal that is not nonsense."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.sanity import is_compositional, is_structural, is_too_near, is_whole, nearest_contact

STRUCTURE_PENALTY = 1000.0
"""Log-odds against a crystal that cannot exist [nats]."""
CONTACT_PENALTY = 12.0
"""Log-odds against a crystal with atoms nearer than in a sane crystal, but not nearer than in the corpus [nats]."""
COMPOSITION_PENALTY = 6.0
"""Log-odds against a crystal without neutral oxidation states [nats]: one in ten real crystals has none, so that a
decoder that is sure of such a crystal still generates it."""

# Logits of one decision of the decoder -> disturbed logits.
Disturb = Callable[[Tensor], Tensor]


def gumbel_noise(n_rows: int, n_candidates: int) -> Disturb:
    """Return a function that adds fixed Gumbel noise to logits, so that their maximum is a sample of the decoder.

    All latents share the noise of a candidate, and it is the same in every call: decoding stays deterministic, and does
    not depend on the other rows of a batch.

    Args:
        n_rows: Number of latents.
        n_candidates: Number of candidates for each of them; row `c * n_rows + i` is candidate `c` of latent `i`.

    Returns:
        The function, to be called once for every decision, in order.
    """
    generator = torch.Generator().manual_seed(0)

    def disturb(logits: Tensor) -> Tensor:
        uniform = torch.rand(n_candidates, *logits.shape[1:], generator=generator).to(logits)
        noise = -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6)))
        return logits + noise.repeat_interleave(n_rows, 0)

    return disturb


def penalty(crystal: Crystal | None, min_closeness: float) -> float:
    """Return the log-odds against a decoded crystal [nats].

    Args:
        crystal: The crystal; None for a row without atoms.
        min_closeness: Smallest distance of two atoms in the corpus in units of the sum of their covalent radii.

    Returns:
        The sum of the penalties of its defects; 0 for a crystal that is not nonsense.
    """
    if crystal is None or not is_whole(crystal) or not is_structural(crystal):
        return STRUCTURE_PENALTY
    if nearest_contact(crystal)[1] < min_closeness:
        return STRUCTURE_PENALTY
    return CONTACT_PENALTY * is_too_near(crystal) + COMPOSITION_PENALTY * (not is_compositional(crystal))


def choose(log_likelihood: Tensor, penalty_of: Callable[[int, int], float]) -> Sequence[int]:
    """Return the best candidate of each latent: that of the largest log-likelihood minus penalty.

    Args:
        log_likelihood: log p(x | z) of the candidates [nats], `c x n`.
        penalty_of: Returns the penalty of a candidate, given its number and that of the latent. It is called for as few
            candidates as the choice needs.

    Returns:
        Numbers of the candidates, `n`.
    """
    chosen = []
    for i, column in enumerate(log_likelihood.T):
        best, best_score = 0, -torch.inf
        for candidate in column.argsort(descending=True, stable=True).tolist():
            value = float(column[candidate])
            if value <= best_score:
                break
            score = value - penalty_of(candidate, i)
            if score > best_score:
                best, best_score = candidate, score
        chosen.append(best)
    return chosen
