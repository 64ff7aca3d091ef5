"""Non-negative structure features of crystals for surrogates: composition and local environments."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from pymatgen.core.periodic_table import Element

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import orbit_graph

N_ELEMENTS, N_PAIRS, N_SITES = 103, 256, 256
N_GROUPS, N_ROWS = 18, 7
# Total weight of the atoms of a crystal, so that the features of large and small cells are comparable.
TOTAL = 24.0
N_NEAR = 12
# Neighbours nearer than this multiple of the nearest distance count as bonded.
SHELL = 1.25


def features(crystals: Sequence[Crystal]) -> Array:
    """Return composition, neighbour pairs and coordination of crystals as non-negative features.

    The blocks are: elements, groups and rows of the periodic table, hashed pairs of bonded elements, and hashed
    environments (element with coordination number, group with rounded nearest distance). All entries are fractions of
    the atoms of a crystal times constants, so that a MinMax (Tanimoto) kernel applies.

    Args:
        crystals: `n` crystals.

    Returns:
        `n x 640` features.
    """
    return np.stack([_features_of(crystal) for crystal in crystals]) if len(crystals) else np.zeros((0, n_features()))


def n_features() -> int:
    """Return the number of features."""
    return N_ELEMENTS + N_GROUPS + N_ROWS + N_PAIRS + N_SITES


def _features_of(crystal: Crystal) -> Array:
    element_block, group_block, row_block = np.zeros(N_ELEMENTS), np.zeros(N_GROUPS), np.zeros(N_ROWS)
    pair_block, site_block = np.zeros(N_PAIRS), np.zeros(N_SITES)
    distances, owners = orbit_graph(crystal, N_NEAR)
    for orbit, near, owner in zip(crystal.orbits, distances, owners, strict=True):
        weight = TOTAL * orbit.multiplicity / crystal.n_atoms
        element = Element(orbit.element)
        element_block[min(element.Z, N_ELEMENTS) - 1] += weight
        group_block[element.group - 1] += weight / 2
        row_block[min(element.row, N_ROWS) - 1] += weight / 2
        bonded = owner[near < SHELL * near[0]]
        for other in bonded:
            pair = f"{orbit.element}-{crystal.orbits[other].element}"
            pair_block[_bucket(pair, N_PAIRS)] += weight / len(bonded)
        site_block[_bucket(f"{orbit.element}{len(bonded)}", N_SITES)] += weight / 2
        site_block[_bucket(f"{element.group}at{near[0]:.0f}", N_SITES)] += weight / 2
    return np.concatenate([element_block, group_block, row_block, pair_block, site_block])


def _bucket(text: str, n: int) -> int:
    """Return a reproducible hash of a text, 0 to n - 1."""
    return zlib.crc32(text.encode()) % n
