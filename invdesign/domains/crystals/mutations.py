"""Crystals made of crystals: other elements on the same sites, in a cell that follows their size."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from pymatgen.core import Element

from invdesign.domains.crystals.chemistry import covalent_radius
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.features import N_NEAR, SHELL
from invdesign.domains.crystals.model.graph import orbit_graph
from invdesign.domains.crystals.symmetry.canonical import canonical, make

# Places of Pettifor's scale after which a replacement is chosen e times more seldom, and what is left for any other.
REACH, FLOOR = 10.0, 0.02


def mutate(
    parents: Sequence[Crystal],
    n: int,
    *,
    radius: int,
    elements: Sequence[str] = (),
    crossed: float = 0.3,
    exchanged: float = 0.1,
    strain: float = 0.01,
) -> list[Crystal]:
    """Crystals of the structure of a parent with other elements: of each some are replaced, often one.

    An element is replaced wherever it stands, by one that is near it on Pettifor's scale, by one that another parent
    has, or it changes places with another one. Lengths follow the sums of covalent radii over bonds. Earlier parents
    are chosen more often.

    Args:
        parents: best first.
        n: crystals.
        radius: most elements that are replaced.
        elements: those to choose from; by default those up to bismuth without noble gases, thorium and uranium. What
            the map does not know is dropped later.
        crossed: share of replacements that come from another parent.
        exchanged: share in which two elements change places, which counts as two.
        strain: standard deviation of the logarithm of the lengths, beyond what the radii ask for.

    References:
        Pettifor, Solid State Commun. 51, 31 (1984), doi:10.1016/0038-1098(84)90765-8.
    """
    draw = random.Random(int(torch.randint(2**62, ())))
    weights = [1 / (1 + rank) ** 0.5 for rank in range(len(parents))]
    choices = tuple(elements) or _ordinary()
    made = []
    for parent in draw.choices(parents, weights, k=n):
        said = {element: element for element in parent.counts}
        n_edits = 1
        while n_edits < radius and draw.random() < 0.5:
            n_edits += 1
        while n_edits > 0:
            chance = draw.random()
            if chance < exchanged and n_edits > 1 and len(said) > 1:
                a, b = draw.sample(sorted(said), 2)
                said[a], said[b] = said[b], said[a]
                n_edits -= 2
                continue
            place = draw.choice(sorted(said))
            is_crossed = chance < exchanged + crossed
            pool = tuple(draw.choice(parents).counts) if is_crossed else choices
            said[place] = _other(said[place], pool, set(said.values()), draw)
            n_edits -= 1
        made.append(replaced(parent, said, strain=draw.gauss(0.0, strain)))
    return made


def distance(first: Crystal, second: Crystal) -> float:
    """Elements of one crystal that stand on no such sites in the other; 0 for crystals that differ in numbers alone."""
    a, b = _occupied(first), _occupied(second)
    return float(max(len(a - b), len(b - a)))


def replaced(crystal: Crystal, elements: Mapping[str, str], *, strain: float = 0.0) -> Crystal:
    """The crystal with elements replaced by others, its lengths by the mean change of its bonds.

    Args:
        crystal: the parent.
        elements: what each of its elements becomes; two may change places, but none may become the same.
        strain: added to the logarithm of the lengths.
    """
    near, owner = orbit_graph(crystal, N_NEAR)
    old = np.array([covalent_radius(orbit.element) for orbit in crystal.orbits])
    new = np.array([covalent_radius(elements[orbit.element]) for orbit in crystal.orbits])
    is_bond = near < SHELL * near[:, :1]
    share = np.array([orbit.multiplicity for orbit in crystal.orbits])[:, None] * is_bond / is_bond.sum(1)[:, None]
    growth = np.log((new[:, None] + new[owner]) / (old[:, None] + old[owner]))
    factor = math.exp(float((share * growth).sum() / share.sum()) + strain)
    a, b, c, *angles = crystal.cell
    atoms = [(elements[orbit.element], np.array(orbit.position)) for orbit in crystal.orbits]
    return canonical(make(crystal.space_group, (a * factor, b * factor, c * factor, *angles), atoms))


def _occupied(crystal: Crystal) -> set[tuple[int, str, tuple[str, ...]]]:
    letters: dict[str, list[str]] = {}
    for orbit in crystal.orbits:
        letters.setdefault(orbit.element, []).append(orbit.letter)
    return {(crystal.space_group, element, tuple(sorted(found))) for element, found in letters.items()}


def _other(element: str, choices: Sequence[str], taken: set[str], draw: random.Random) -> str:
    """Another element, likelier one that is near on Pettifor's scale; the same where all are taken."""
    free = [other for other in choices if other not in taken]
    if not free:
        return element
    here = _place(element)
    return draw.choices(free, [math.exp(-abs(_place(other) - here) / REACH) + FLOOR for other in free])[0]


@cache
def _place(element: str) -> float:
    return float(Element(element).mendeleev_no)


@cache
def _ordinary() -> tuple[str, ...]:
    return tuple(e.symbol for e in Element if (e.Z <= 83 or e.Z in (90, 92)) and not e.is_noble_gas)
