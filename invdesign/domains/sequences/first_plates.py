"""First plates of sequences: variants near the wild type, and clusters by residue descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import GAP
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.domain import Sequences


def near_wild_type(
    pool: Any, n: int, generator: np.random.Generator, *, domain: Sequences, fraction: float = 0.5
) -> list[str]:
    """Return variants of the wild type in which every allowed mutation occurs before one occurs twice.

    A model of single mutations can be fitted to them. Variants have one mutation, or as many as are needed for all
    mutations to occur; where no further such variant is possible, the next ones have one mutation more.

    Args:
        pool: Not used, because no variant is taken from the corpus.
        n: Number of designs of the plate.
        generator: Random numbers.
        domain: The sequences, with a wild type.
        fraction: Fraction of the plate that is returned, above 0 and at most 1. The campaign draws the other designs
            from the corpus at random; these have combinations of mutations.

    Raises:
        InvdesignError: The domain has no wild type, or allows none of its mutations.

    Example:
        >>> from invdesign.domains.sequences.wild_type.wild_type import WildType
        >>> domain = Sequences(wild_type=WildType("VDGV"))
        >>> plate = near_wild_type(None, 96, np.random.default_rng(0), domain=domain, fraction=1.0)
        >>> [sum(a != b for a, b in zip(v, "VDGV")) for v in (plate[0], plate[75], plate[76])]
        [1, 1, 2]
    """
    if domain.wild_type is None:
        raise InvdesignError(
            "first_plate: near_wild_type expected a domain with a wild type, got one without. Set domain.wild_type, or "
            "choose first_plate=diverse"
        )
    if not 0 < fraction <= 1:
        raise InvdesignError(f"first_plate: expected fraction above 0 and at most 1, got {fraction!r}")
    n = max(1, round(fraction * n))
    own = domain.wild_type.sequence
    letters = domain.letters.replace(GAP, "")
    pairs = [(i, letter) for i, letter in product(range(len(own)), letters) if letter != own[i]]
    single = [pair for pair in pairs if _is_allowed(domain, _mutate(own, [pair]))]
    if not single:
        raise InvdesignError("first_plate: expected a mutation that the domain allows, got none. Loosen domain")
    size = min(-(-len(single) // n), domain.max_mutations or len(own))
    found: dict[str, None] = {}
    for n_mutations in range(size, len(own) + 1):
        for _ in range(2 * n if n_mutations > 1 else 1):
            for variant in _partition(own, single, n_mutations, generator):
                if _is_allowed(domain, variant):
                    found.setdefault(variant)
                if len(found) == n:
                    return list(found)
    return list(found)


def describe_residues(designs: Sequence[str], *, domain: Sequences) -> Float[np.ndarray, "n f"]:
    """Return the physicochemical descriptors of sequences: of each site, or their mean and spread where lengths differ.

    Args:
        designs: `n` sequences.
        domain: Their alphabet; without descriptors of its letters, which letter it is describes a site.
    """
    letters = domain.letters
    table = descriptors(letters)
    if not table.shape[1]:
        table = np.eye(len(letters))
    rows = [table[[letters.index(letter) for letter in design]] for design in designs]
    if len({len(row) for row in rows}) == 1:
        return np.stack([row.ravel() for row in rows])
    return np.stack([np.concatenate([row.mean(axis=0), row.std(axis=0)]) for row in rows])


def _partition(
    own: str, single: Sequence[tuple[int, str]], n_mutations: int, generator: np.random.Generator
) -> list[str]:
    """Return variants with `n_mutations` mutations at different sites, in which each mutation occurs about once."""
    order = [single[i] for i in generator.permutation(len(single))]
    groups: list[dict[int, str]] = []
    for site, letter in order:
        group = next((g for g in groups if len(g) < n_mutations and site not in g), None)
        if group is None:
            group = {}
            groups.append(group)
        group[site] = letter
    return [_mutate(own, list(group.items())) for group in groups if len(group) == n_mutations]


def _mutate(own: str, mutations: Sequence[tuple[int, str]]) -> str:
    letters = list(own)
    for site, letter in mutations:
        letters[site] = letter
    return "".join(letters)


def _is_allowed(domain: Sequences, variant: str) -> bool:
    return domain.adapt(variant) == variant
