"""Grammar of the crystals of one formula: sites and elements whose atoms add up to whole formula units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import torch
from torch import Tensor

from invdesign.domains.crystals.model.token_language import ELEMENTS, LETTERS, SHAPE, CrystalGrammar

N_BASE = 4
"""Columns of the state of `CrystalGrammar`; then come the sites and the elements of the orbits."""
MAX_UNITS = 64
"""Largest number of formula units in the conventional cell."""


@dataclass(frozen=True, eq=False)
class FormulaGrammar:
    """What a sequence obeys beside the grammar of crystals so that it has a given formula.

    Elements may begin once the multiplicities of the listed sites can be divided among the elements of the formula, and
    an element may follow if the rest still can. Which letters lead there is not known in advance: a sequence that can
    only end wrongly has no token that may follow, and is dropped by the beam.
    """

    base: CrystalGrammar
    """Grammar of all crystals."""
    needs: tuple[int, ...]
    """Atoms of each element in a formula unit."""
    elements: tuple[int, ...]
    """Numbers of these elements in the vocabulary, counted from 0."""

    def start(self, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the state of `n` empty sequences."""
        counts, phase = self.base.start(n, device)
        n_orbits = self.base.language.vocabulary.n_orbits
        return torch.cat([counts, counts.new_zeros(n, 2 * n_orbits)], 1), phase

    def forbidden(self, state: tuple[Tensor, Tensor]) -> Tensor:
        """Return which tokens may not follow: `n x n_tokens`, true where one may not."""
        counts, phase = state
        is_forbidden = self.base.forbidden((counts[:, :N_BASE], phase))
        first, end = self.base.language.starts[ELEMENTS : SHAPE + 1][:2]
        (rows,) = ((phase == LETTERS) | (phase == ELEMENTS)).nonzero(as_tuple=True)
        for row in rows.tolist():
            allowed = self._next_elements(counts[row].tolist())
            mask = torch.ones(end - first, dtype=torch.bool, device=counts.device)
            mask[[self.elements[i] for i in allowed]] = False
            is_forbidden[row, first:end] |= mask
        return is_forbidden

    def follow(self, state: tuple[Tensor, Tensor], tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the state after one more token of each of `n` sequences."""
        counts, phase = state
        language = self.base.language
        n_orbits, starts = language.vocabulary.n_orbits, language.starts
        base, new_phase = self.base.follow((counts[:, :N_BASE], phase), tokens)
        counts = torch.cat([base, counts[:, N_BASE:]], 1)
        sites, elements = counts[:, N_BASE : N_BASE + n_orbits], counts[:, N_BASE + n_orbits :]
        is_letter = (phase == LETTERS) & (tokens < starts[ELEMENTS])
        is_element = ((phase == LETTERS) | (phase == ELEMENTS)) & ~is_letter
        listed = base[:, 1] - len(language.sites)
        for written, added, values in (
            (sites, is_letter, listed),
            (elements, is_element, tokens - starts[ELEMENTS] + 1),
        ):
            (rows,) = (added & (written[:, -1] == 0)).nonzero(as_tuple=True)
            place = (written[rows] > 0).sum(1)
            written[rows, place] = values[rows]
        return counts, new_phase

    def _next_elements(self, counts: list[int]) -> list[int]:
        """Return which elements of the formula the next orbit may have."""
        vocabulary = self.base.language.vocabulary
        sites = [i for i in counts[N_BASE : N_BASE + vocabulary.n_orbits] if i > 0]
        written = [i for i in counts[N_BASE + vocabulary.n_orbits :] if i > 0]
        sizes = [vocabulary.sites[i - 1].multiplicity for i in sites]
        n_units, rest = divmod(sum(sizes), sum(self.needs))
        if rest or not 0 < n_units <= MAX_UNITS:
            return []
        left = [n * n_units for n in self.needs]
        for size, element in zip(sizes, written, strict=False):
            if element - 1 not in self.elements:
                return []
            left[self.elements.index(element - 1)] -= size
        size, *others = sizes[len(written) :]
        allowed = []
        for i in range(len(left)):
            after = [n - size * (i == j) for j, n in enumerate(left)]
            if after[i] >= 0 and can_divide(tuple(sorted(others, reverse=True)), tuple(sorted(after))):
                allowed.append(i)
        return allowed


@lru_cache(maxsize=100_000)
def can_divide(sizes: tuple[int, ...], needs: tuple[int, ...]) -> bool:
    """Return whether orbits of these sizes, the largest first, can be divided into groups of these sums.

    Example:
        >>> can_divide((4, 2, 2), (4, 4)), can_divide((4, 4), (2, 6))
        (True, False)
    """
    if min(needs) < 0 or sum(sizes) != sum(needs):
        return False
    if not sizes:
        return True
    size, *others = sizes
    for i, need in enumerate(needs):
        if need >= size and (i == 0 or need != needs[i - 1]):
            after = tuple(sorted((*needs[:i], need - size, *needs[i + 1 :])))
            if can_divide(tuple(others), after):
                return True
    return False


def formula_grammar(base: CrystalGrammar, counts: Mapping[str, int]) -> FormulaGrammar | None:
    """Return the grammar of the crystals of a formula; None where the vocabulary lacks one of its elements.

    Args:
        base: Grammar of all crystals.
        counts: Number of atoms of each element in the formula.
    """
    numbers = base.language.vocabulary.element_numbers
    if any(element not in numbers for element in counts):
        return None
    divisor = gcd(*counts.values())
    needs = tuple(n // divisor for n in counts.values())
    return FormulaGrammar(base, needs, tuple(numbers[element] - 1 for element in counts))
