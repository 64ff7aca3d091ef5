"""Mutations of crystals: other elements on the same sites, with cell lengths scaled to their covalent radii."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from pymatgen.core.periodic_table import Element

from invdesign.domains.crystals.chemistry import covalent_radius
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.features import N_NEAR, SHELL
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.symmetry.canonical import canonical, make

# The weight of a replacement falls by a factor e within `SCALE_LENGTH` places of Pettifor's scale; `MIN_WEIGHT` is
# added for every element.
SCALE_LENGTH, MIN_WEIGHT = 10.0, 0.02
# Probability of each further substitution, up to the radius.
CONTINUE_PROBABILITY = 0.5


def mutate(
    parents: Sequence[Crystal],
    n: int,
    *,
    radius: int,
    elements: Sequence[str] = (),
    crossover_rate: float = 0.3,
    swap_rate: float = 0.1,
    strain: float = 0.01,
) -> list[Crystal]:
    """Return crystals with the structure of a parent and other elements on its sites.

    A substitution replaces an element on all of its sites: by one that is near on Pettifor's scale, or by one of
    another parent. A swap exchanges two elements. The number of substitutions is often one. Cell lengths follow the
    sums of covalent radii over the bonds. Earlier parents are chosen more often.

    Args:
        parents: Parents, the best first.
        n: Number of crystals to return.
        radius: Largest number of substitutions; a swap counts as two.
        elements: Elements to choose from; default: those up to bismuth without noble gases, thorium and uranium.
            Crystals with elements that the latent space cannot encode are dropped later.
        crossover_rate: Probability that the new element comes from another parent.
        swap_rate: Probability of a swap.
        strain: Standard deviation of the logarithm of the lengths around the value from the radii.

    References:
        Pettifor, Solid State Commun. 51, 31 (1984), doi:10.1016/0038-1098(84)90765-8.
    """
    rng = random.Random(int(torch.randint(2**62, ())))
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(parents))]
    choices = tuple(elements) or _default_elements()
    children = []
    for parent in rng.choices(parents, weights, k=n):
        substitution = {element: element for element in parent.counts}
        n_left = 1
        while n_left < radius and rng.random() < CONTINUE_PROBABILITY:
            n_left += 1
        while n_left > 0:
            draw = rng.random()
            if draw < swap_rate and n_left > 1 and len(substitution) > 1:
                a, b = rng.sample(sorted(substitution), 2)
                substitution[a], substitution[b] = substitution[b], substitution[a]
                n_left -= 2
                continue
            original = rng.choice(sorted(substitution))
            is_crossover = draw < swap_rate + crossover_rate
            candidates = tuple(rng.choice(parents).counts) if is_crossover else choices
            substitution[original] = _choose_replacement(
                substitution[original], candidates, set(substitution.values()), rng
            )
            n_left -= 1
        children.append(replace_elements(parent, substitution, strain=rng.gauss(0.0, strain)))
    return children


def distance(first: Crystal, second: Crystal) -> float:
    """Return the number of elements of one crystal that do not occupy the same sites in the other.

    It is the larger one of the numbers in both directions, and 0 for crystals that differ only in cell lengths, angles
    and free coordinates.
    """
    a, b = _occupied_sites(first), _occupied_sites(second)
    return float(max(len(a - b), len(b - a)))


def replace_elements(crystal: Crystal, elements: Mapping[str, str], *, strain: float = 0.0) -> Crystal:
    """Return a crystal with other elements, its lengths scaled by the mean relative change of its bonds.

    The bonds are the neighbours of each atom that are less than `SHELL` times as far as the nearest one. The mean is
    that of the logarithms of the ratios of the sums of covalent radii.

    Args:
        crystal: The parent.
        elements: New element for each element of the parent. Two elements may be swapped, but the new elements must be
            distinct.
        strain: Change to add to the logarithm of the lengths.
    """
    distances, owner = orbit_graph(crystal, N_NEAR)
    old = np.array([covalent_radius(orbit.element) for orbit in crystal.orbits])
    new = np.array([covalent_radius(elements[orbit.element]) for orbit in crystal.orbits])
    is_bond = distances < SHELL * distances[:, :1]
    multiplicity = np.array([orbit.multiplicity for orbit in crystal.orbits])
    weight = multiplicity[:, None] * is_bond / is_bond.sum(1)[:, None]
    log_growth = np.log((new[:, None] + new[owner]) / (old[:, None] + old[owner]))
    factor = math.exp(float((weight * log_growth).sum() / weight.sum()) + strain)
    a, b, c, *angles = crystal.cell
    atoms = [(elements[orbit.element], np.array(orbit.position)) for orbit in crystal.orbits]
    return canonical(make(crystal.space_group, (a * factor, b * factor, c * factor, *angles), atoms))


def near_elements(element: str) -> list[str]:
    """Return the other elements, the nearest one on Pettifor's scale first.

    Example:
        >>> near_elements("Na")[:3]
        ['Li', 'K', 'Rb']
    """
    number = mendeleev_number(element)
    others = [other for other in _default_elements() if other != element]
    return sorted(others, key=lambda other: abs(mendeleev_number(other) - number))


def _occupied_sites(crystal: Crystal) -> set[tuple[int, str, tuple[str, ...]]]:
    """Return space group, element and Wyckoff letters for each element."""
    letters_of: dict[str, list[str]] = {}
    for orbit in crystal.orbits:
        letters_of.setdefault(orbit.element, []).append(orbit.letter)
    return {(crystal.space_group, element, tuple(sorted(letters))) for element, letters in letters_of.items()}


def _choose_replacement(element: str, candidates: Sequence[str], excluded: set[str], rng: random.Random) -> str:
    """Return another element, preferably one near on Pettifor's scale; the same one if all are excluded."""
    allowed = [candidate for candidate in candidates if candidate not in excluded]
    if not allowed:
        return element
    number = mendeleev_number(element)
    weights = [math.exp(-abs(mendeleev_number(other) - number) / SCALE_LENGTH) + MIN_WEIGHT for other in allowed]
    return rng.choices(allowed, weights)[0]


@cache
def mendeleev_number(element: str) -> float:
    """Return the place of an element on Pettifor's scale, which puts similar elements side by side.

    The scale ends at lawrencium; a heavier element has the place of the one above it in its group.
    """
    entry = Element(element)
    if entry.Z > Element.Lr.Z:
        entry = Element.from_row_and_group(entry.row - 1, entry.group)
    return float(entry.mendeleev_no)


@cache
def _default_elements() -> tuple[str, ...]:
    return tuple(e.symbol for e in Element if (e.Z <= 83 or e.Z in (90, 92)) and not e.is_noble_gas)
