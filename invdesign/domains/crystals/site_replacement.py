"""Crystals with a replaced element, and numbers of their sites in which it does not fit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from jaxtyping import Bool
from pymatgen.core.periodic_table import Element

from invdesign.core import Array
from invdesign.domains.crystals.chemistry import covalent_radius
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import Indices, orbit_graph
from invdesign.domains.crystals.symmetry.canonical import canonical
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of

N_NEIGHBOURS = 12
RANKS = (0, 1, 2, 3, 5, 7, 11)
"""Ranks of the neighbours whose distances are used."""
SHELL_WIDTH = 0.15
"""Width of the weights of neighbours, in sums of covalent radii beyond the nearest one."""
MAX_ON_SCALE = 103
"""Atomic number of the last element (lawrencium) that has a place on Pettifor's scale."""
GROUP, ROW, ELECTRONEGATIVITY, RADIUS, SCALE = range(5)
"""Columns of `_element_numbers`."""


def replace_elements_at_random(
    crystals: Sequence[Crystal], *, seed: int
) -> list[tuple[Crystal, Bool[np.ndarray, " k"]]]:
    """Return crystals with another element on a random site, in the same cell, and which of their `k` orbits have it.

    The element is replaced on all of its sites or on that site alone, with equal probability. The new element is drawn
    uniformly from the elements of all crystals that this one does not contain.

    Args:
        crystals: Real crystals.
        seed: Seed of the choices.

    Returns:
        One pair for each crystal, without those that have no atoms or already contain every element.
    """
    draw = random.Random(seed)
    elements = sorted({element for crystal in crystals for element in crystal.counts})
    changed = []
    for crystal in crystals:
        others = [element for element in elements if element not in crystal.counts]
        if not crystal.orbits or not others:
            continue
        chosen = draw.randrange(len(crystal.orbits))
        old = crystal.orbits[chosen].element
        new = draw.choice(others)
        is_everywhere = draw.random() < 0.5
        is_new = [k == chosen or (is_everywhere and orbit.element == old) for k, orbit in enumerate(crystal.orbits)]
        orbits = [replace(o, element=new) if own else o for o, own in zip(crystal.orbits, is_new, strict=True)]
        result = canonical(replace(crystal, orbits=tuple(orbits)))
        changed.append((result, np.array([orbit.element == new for orbit in result.orbits])))
    return changed


def measure_sites(crystal: Crystal) -> Array:
    """Return numbers that describe each of the `k` orbits of a crystal and what lies around it, `k x 42`.

    They are properties of the element; distances of its neighbours in sums of covalent radii, and means of their
    elements' properties; the share of the element; the volume, in angstrom^3 an atom and in cubed covalent radii; and
    means over the crystal and over its other elements. Numbers that are not known are NaN.

    Args:
        crystal: A crystal with a cell.
    """
    distances, owners = orbit_graph(crystal, N_NEIGHBOURS)
    elements = [orbit.element for orbit in crystal.orbits]
    own = np.array([_element_numbers(element) for element in elements])
    radii = own[:, RADIUS]
    relative = distances / (radii[:, None] + radii[owners])
    whole = _crystal_numbers(crystal, own)
    return np.hstack(
        [
            own,
            relative[:, RANKS],
            distances[:, [0, 3, 11]],
            _neighbour_means(relative, owners, own, elements),
            _among_others(crystal, elements),
            np.broadcast_to(whole, (len(elements), len(whole))),
        ]
    )


def _neighbour_means(relative: Array, owners: Indices, own: Array, elements: Sequence[str]) -> Array:
    """Return weighted means over the neighbours of each orbit, and the share of neighbours with the same element."""
    weights = np.exp(-(((relative - relative[:, :1]) / SHELL_WIDTH) ** 2))
    weights /= weights.sum(1, keepdims=True)
    is_same = np.array([[elements[j] == element for j in row] for row, element in zip(owners, elements, strict=True)])
    means = np.einsum("kn,knf->kf", weights, np.nan_to_num(own[:, : SCALE + 1])[owners])
    return np.column_stack([(weights * relative).sum(1), means, (weights * is_same).sum(1), is_same.mean(1)])


def _among_others(crystal: Crystal, elements: Sequence[str]) -> Array:
    """Return how the element of each orbit relates to the other elements of the crystal."""
    n_atoms = sum(crystal.counts.values())
    rows = []
    for element in elements:
        others = np.array([_element_numbers(other) for other in crystal.counts if other != element]).reshape(-1, 8)
        group, scale = _element_numbers(element)[GROUP], _element_numbers(element)[SCALE]
        means = others[:, [RADIUS, ELECTRONEGATIVITY]]
        known = np.where(np.isnan(means).all(0), np.nan, np.nansum(means, 0) / np.maximum(1, (~np.isnan(means)).sum(0)))
        rows.append(
            [
                crystal.counts[element] / n_atoms,
                float((others[:, GROUP] == group).any()),
                float(np.abs(others[:, SCALE] - scale).min()) if len(others) else np.nan,
                *known,
            ]
        )
    return np.array(rows, dtype=np.float64)


def _crystal_numbers(crystal: Crystal, own: Array) -> Array:
    """Return numbers of the whole crystal."""
    multiplicities = np.array([orbit.multiplicity for orbit in crystal.orbits], dtype=np.float64)
    n_atoms = multiplicities.sum()
    volume = abs(float(np.linalg.det(lattice_of(crystal.cell))))
    means = multiplicities @ np.nan_to_num(own[:, : SCALE + 1]) / n_atoms
    most_negative = own[np.argmax(np.nan_to_num(own[:, ELECTRONEGATIVITY]))]
    filled = volume / float(multiplicities @ own[:, RADIUS] ** 3)
    return np.array([len(crystal.counts), volume / n_atoms, filled, *means, *most_negative[:3]])


@cache
def _element_numbers(name: str) -> tuple[float, ...]:
    """Return group, row, electronegativity, radius, place on Pettifor's scale, kind, and extreme oxidation states."""
    element = Element(name)
    states = element.common_oxidation_states or (np.nan,)
    return (
        float(element.group),
        float(element.row),
        float(element.X),
        covalent_radius(name),
        float(element.mendeleev_no) if element.Z <= MAX_ON_SCALE else np.nan,
        float(element.is_metal),
        float(max(states)),
        float(min(states)),
    )
