"""Measures of sanity: what tells crystals from nonsense in samples of a latent space."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import spglib
from pymatgen.optimization.neighbors import find_points_in_spheres

from invdesign.core import Array
from invdesign.domains.crystals.chemistry import build_structure, covalent_radius, has_cell, is_neutral
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.model.graph import PERIODIC
from invdesign.domains.crystals.symmetry.canonical import expand
from invdesign.domains.crystals.symmetry.wyckoff import atoms_of_orbit, lattice_of

MIN_DISTANCE = 0.5
"""Smallest distance of two atoms of a structurally valid crystal [angstrom]."""
MIN_VOLUME = 0.1
"""Smallest volume of the cell of a structurally valid crystal [angstrom^3]."""
MIN_CLOSENESS = 0.7
"""Smallest distance of two atoms of a sane crystal in units of the sum of their covalent radii."""
SYMPREC = 0.1
"""Distance within which two atoms count as symmetry-equivalent in the share of P1 [angstrom]."""


def measure_sanity(designs: Sequence[Crystal]) -> dict[str, Array]:
    """Return measures of crystals by name, `n` values each.

    Structurally valid: no two atoms nearer than 0.5 A, and a cell of at least 0.1 A^3. Too near: two atoms nearer than
    0.7 of the sum of their covalent radii. Compositionally valid: SMACT finds a neutral choice of oxidation states
    (set `smact14`), or all elements are metals. P1: spglib finds no symmetry at 0.1 A. A crystal is nonsense that is
    not valid in structure and composition, or has atoms too near.

    References:
        Xie et al., CDVAE, arXiv:2110.06197; Davies et al., Chem 2016, doi:10.1016/j.chempr.2016.09.010; Cordero et al.,
        Dalton Trans. 2008, doi:10.1039/b801115j.

    Example:
        >>> from invdesign.domains.crystals.crystal import Orbit
        >>> copper = Crystal(225, (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> dense = Crystal(225, (2.0, 2.0, 2.0, 90.0, 90.0, 90.0), (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
        >>> {name: values.tolist() for name, values in measure_sanity([copper, dense]).items()}  # doctest: +ELLIPSIS
        {'structurally valid': [1.0, 1.0], 'too near': [0.0, 1.0], ..., 'P1': [0.0, 0.0], 'nonsense': [0.0, 1.0]}
    """
    structural = np.array([is_structural(design) for design in designs], dtype=float)
    near = np.array([is_too_near(design) for design in designs], dtype=float)
    compositional = np.array([is_compositional(design) for design in designs], dtype=float)
    return {
        "structurally valid": structural,
        "too near": near,
        "compositionally valid": compositional,
        "P1": np.array([has_no_symmetry(design) for design in designs], dtype=float),
        "nonsense": np.fmax(np.fmax(near, 1 - structural), 1 - compositional),
    }


def is_structural(crystal: Crystal) -> bool:
    """Return whether all distances are at least `MIN_DISTANCE` and the volume is at least `MIN_VOLUME`."""
    if not has_cell(crystal) or abs(np.linalg.det(lattice_of(crystal.cell))) < MIN_VOLUME:
        return False
    return nearest_contact(crystal)[0] >= MIN_DISTANCE


def is_whole(crystal: Crystal) -> bool:
    """Return whether no atom lies on a position of higher symmetry than its site, where images of it coincide."""
    return len(expand(crystal)[0]) == crystal.n_atoms


def is_too_near(crystal: Crystal) -> bool:
    """Return whether two atoms are nearer than `MIN_CLOSENESS` times the sum of their covalent radii."""
    return nearest_contact(crystal)[1] < MIN_CLOSENESS


def is_compositional(crystal: Crystal) -> bool:
    """Return whether SMACT finds a neutral choice of oxidation states (set `smact14`), or all elements are metals."""
    return is_neutral(crystal.formula)


def has_no_symmetry(crystal: Crystal) -> bool:
    """Return whether spglib finds space group 1, or none, at a distance of `SYMPREC`."""
    structure, _ = build_structure(crystal)
    if structure is None:
        return True
    cell: Any = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    dataset = None
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # spglib raises exception types of its own
        warnings.simplefilter("ignore")
        dataset = spglib.get_symmetry_dataset(cell, symprec=SYMPREC)
    return dataset is None or int(dataset.number) == 1


@lru_cache(maxsize=8192)
def nearest_contact(crystal: Crystal) -> tuple[float, float]:
    """Return the smallest distance of two atoms, as it is and in units of the sum of their covalent radii.

    Args:
        crystal: The crystal.

    Returns:
        Distance [angstrom] and ratio, periodic images included; infinite where no two atoms are near, 0 for two atoms
        on one place and for a crystal that cannot be built.
    """
    if not has_cell(crystal):
        return 0.0, 0.0
    blocks = [atoms_of_orbit(crystal.space_group, orbit.position) for orbit in crystal.orbits]
    sizes = [len(block) for block in blocks]
    if any(size != orbit.multiplicity for size, orbit in zip(sizes, crystal.orbits, strict=True)):
        return 0.0, 0.0  # images of an atom coincide
    orbit_radii = np.array([covalent_radius(orbit.element) for orbit in crystal.orbits])
    radii = np.repeat(orbit_radii, sizes)
    lattice = lattice_of(crystal.cell)
    # All images of an atom have the same neighbours, so that one atom of each orbit is a center.
    atoms = np.concatenate(blocks) @ lattice
    starts = np.cumsum([0, *sizes[:-1]])
    reach = max(MIN_DISTANCE, 2 * float(radii.max()) * MIN_CLOSENESS)
    first, second, shift, distance = find_points_in_spheres(
        atoms, atoms[starts], r=reach, pbc=PERIODIC, lattice=lattice, tol=1e-8
    )
    is_pair = (second != starts[first]) | shift.any(1)
    if not is_pair.any():
        return math.inf, math.inf
    ratios = distance / (orbit_radii[first] + radii[second])
    return float(distance[is_pair].min()), float(ratios[is_pair].min())
