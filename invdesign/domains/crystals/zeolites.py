"""Silica frameworks by their T sites alone: full frameworks made of them, and validators of what is a framework."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from pymatgen.core import Structure

from invdesign.core import Check, InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.nets import SI_O, Framework, connect, decorate, nearest
from invdesign.domains.crystals.symmetry import crystal_of, structure_of

T_ELEMENTS = ("Si", "Al", "P", "Ge", "Ga", "B")


def framework_of(crystal: Crystal) -> Framework:
    """The framework of a crystal, in its primitive cell: T sites get oxygens, oxygens that are there are kept.

    Raises:
        InvdesignError: it is no 4-connected framework, and why.
    """
    found = _framework_of(crystal)
    if isinstance(found, str):
        raise InvdesignError(found)
    return found


def with_oxygen(crystal: Crystal) -> Crystal:
    """The full framework SiO2 of a crystal of T sites.

    Raises:
        InvdesignError: as `framework_of`.
    """
    return crystal if "O" in crystal.counts else crystal_of(framework_of(crystal).structure)


def without_oxygen(structure: Structure) -> Structure:
    """The T sites of a framework, all as silicon."""
    T = structure.frac_coords[[site.specie.symbol != "O" for site in structure]]
    return Structure(structure.lattice, ["Si"] * len(T), T)


@lru_cache(maxsize=4096)
def _framework_of(crystal: Crystal) -> Framework | str:
    strange = sorted(set(crystal.counts) - {*T_ELEMENTS, "O"})
    if strange:
        return f"holds {', '.join(strange)}; a framework has oxygen and {', '.join(T_ELEMENTS)} only"
    structure = structure_of(crystal, primitive=True)
    lattice, positions = structure.lattice.matrix, structure.frac_coords
    species = np.array([site.specie.symbol for site in structure])
    T, O = positions[species != "O"], positions[species == "O"]
    try:
        if not len(O):
            if set(species) != {"Si"}:
                return "T sites without oxygen are silicon; give other elements with their oxygens"
            return decorate(lattice, T)
        connect(lattice, T)
        if len(O) != 2 * len(T):
            return f"{len(O)} oxygens on {len(T)} T sites: an interrupted framework, expected {2 * len(T)}"
        misses = nearest(lattice, O, T, 4) - SI_O
        order = np.argsort(species == "O", kind="stable")
        return Framework(
            lattice,
            tuple(species[order].tolist()),
            positions[order],
            float(np.sqrt((misses**2).mean())),
            float(nearest(lattice, O, O, 2)[:, 1].min()),
        )
    except (InvdesignError, np.linalg.LinAlgError) as error:
        return str(error)


def four_connected(designs: Sequence[Crystal]) -> list[Check]:
    """Every T site is bonded to four others, and stays so when oxygens settle."""
    found = [_framework_of(design) for design in designs]
    return [Check("four_connected", not isinstance(f, str), f if isinstance(f, str) else "") for f in found]


def framework_residual(designs: Sequence[Crystal], *, at_most: float = 0.04, clearance: float = 2.0) -> list[Check]:
    """The distances of silica can be met and no two oxygens clash.

    Known zeolites stay below 0.025 A, but for a sulfide with 0.035.

    Args:
        designs: crystals of T sites, or of full frameworks.
        at_most: weighted root mean square of missed distances (angstrom).
        clearance: least distance between oxygens (angstrom).
    """
    checks = []
    for found in map(_framework_of, designs):
        if isinstance(found, str):
            checks.append(Check("framework_residual", False, found))
            continue
        detail = (
            f"residual {found.residual:.3f} A, at most {at_most:g}; oxygens {found.clearance:.2f} A apart, "
            f"at least {clearance:g}"
        )
        checks.append(Check("framework_residual", found.residual <= at_most and found.clearance >= clearance, detail))
    return checks
