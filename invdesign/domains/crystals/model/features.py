"""What a surrogate may read of a crystal beside its latent: composition and environments, none of it negative."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from pymatgen.core import Element

from invdesign.core import Array
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import orbit_graph

N_ELEMENTS, N_PAIRS, N_SITES = 103, 256, 256
# A crystal's atoms weigh this much together, so that features of large and small cells compare.
TOTAL = 24.0
N_NEAR = 12
# Atoms nearer than this times the nearest one are bonded neighbours.
SHELL = 1.25


def features(crystals: Sequence[Crystal]) -> Array:
    """Composition by element, group and row; pairs of neighbours; elements in their coordination: `n x 640`.

    All are shares of the crystal's atoms times a constant, never negative, so a MinMax (Tanimoto) kernel reads them.
    """
    return np.stack([_of(crystal) for crystal in crystals]) if len(crystals) else np.zeros((0, width()))


def width() -> int:
    """Number of features."""
    return N_ELEMENTS + 18 + 7 + N_PAIRS + N_SITES


def _of(crystal: Crystal) -> Array:
    element, group, row = np.zeros(N_ELEMENTS), np.zeros(18), np.zeros(7)
    pairs, sites = np.zeros(N_PAIRS), np.zeros(N_SITES)
    distances, owners = orbit_graph(crystal, N_NEAR)
    for orbit, near, owner in zip(crystal.orbits, distances, owners, strict=True):
        share = TOTAL * orbit.multiplicity / crystal.n_atoms
        e = Element(orbit.element)
        element[min(e.Z, N_ELEMENTS) - 1] += share
        group[e.group - 1] += share / 2
        row[min(e.row, 7) - 1] += share / 2
        bonded = owner[near < SHELL * near[0]]
        for other in bonded:
            pairs[_bucket(f"{orbit.element}-{crystal.orbits[other].element}", N_PAIRS)] += share / len(bonded)
        sites[_bucket(f"{orbit.element}{len(bonded)}", N_SITES)] += share / 2
        sites[_bucket(f"{e.group}at{near[0]:.0f}", N_SITES)] += share / 2
    return np.concatenate([element, group, row, pairs, sites])


def _bucket(word: str, n: int) -> int:
    return zlib.crc32(word.encode()) % n
