"""Choice among candidates of the decoder: the most likely crystal that is not nonsense."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.sanity import is_compositional, is_structural, is_whole, nearest_contact

MAX_ATOMS = 400
"""A crystal with more atoms in its conventional cell is no design (the default of `Crystals.max_atoms`)."""
STRUCTURE_PENALTY = 1000.0
"""Log-odds against a crystal that cannot exist [nats]."""
CONTACT_PENALTY = 300.0
"""Log-odds against a crystal with atoms nearer than usual, but not nearer than in the corpus [nats]."""
COMPOSITION_PENALTY = 6.0
"""Log-odds against a crystal without neutral oxidation states [nats]: one in ten real crystals has none, so that a
decoder that is sure of such a crystal still generates it."""

TEMPERATURES = (1.0, 2.0)
"""Temperatures of the first and the last candidate: a decoder that is sure of nonsense needs more than one."""

EXPANSIONS = (1.03, 1.06, 1.1)
"""Factors by which the cells of the likeliest candidates are enlarged, against atoms that are a little too near."""

# Logits of one decision of the decoder -> disturbed logits.
Disturb = Callable[[Tensor], Tensor]


def gumbel_noise(n_rows: int, n_candidates: int) -> Disturb:
    """Return a function that adds fixed Gumbel noise to logits, so that their maximum is a sample of the decoder.

    The temperature of the samples rises from the first candidate to the last, see `TEMPERATURES`.

    All latents share the noise of a candidate, and it is the same in every call: decoding stays deterministic, and does
    not depend on the other rows of a batch.

    Args:
        n_rows: Number of latents.
        n_candidates: Number of candidates for each of them; row `c * n_rows + i` is candidate `c` of latent `i`.

    Returns:
        The function, to be called once for every decision, in order.
    """
    generator = torch.Generator().manual_seed(0)
    temperatures = torch.linspace(*TEMPERATURES, n_candidates)

    def disturb(logits: Tensor) -> Tensor:
        uniform = torch.rand(n_candidates, *logits.shape[1:], generator=generator).to(logits)
        noise = -torch.log(-torch.log(uniform.clamp(1e-6, 1 - 1e-6)))
        scaled = noise * temperatures.to(logits).view(-1, *(1 for _ in noise.shape[1:]))
        return logits + scaled.repeat_interleave(n_rows, 0)

    return disturb


def penalty(crystal: Crystal | None, *, min_closeness: float, usual_closeness: float) -> float:
    """Return the log-odds against a decoded crystal [nats].

    Args:
        crystal: The crystal; None for a row without atoms.
        min_closeness: Smallest distance of two atoms in the corpus in units of the sum of their covalent radii.
        usual_closeness: The same for nearly all of the corpus.

    Returns:
        The sum of the penalties of its defects; 0 for a crystal that is not nonsense.
    """
    if crystal is None or crystal.n_atoms > MAX_ATOMS or not is_whole(crystal) or not is_structural(crystal):
        return STRUCTURE_PENALTY
    closeness = nearest_contact(crystal)[1]
    if closeness < min_closeness:
        return STRUCTURE_PENALTY
    return CONTACT_PENALTY * (closeness < usual_closeness) + COMPOSITION_PENALTY * (not is_compositional(crystal))


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
