"""Silica frameworks by their T sites alone: full frameworks made of them, and validators of what is a framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from pymatgen.core import Structure

from invdesign.core import Check, Corpus, InvdesignError, first_occurrences
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of, expand, key, structure_of
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of, operators
from invdesign.domains.crystals.zeolites.geometry_optimization import decorate, pulled
from invdesign.domains.crystals.zeolites.nets import SI_O, Framework, connect, nearest
from invdesign.domains.crystals.zeolites.topology import topology_of

T_ELEMENTS = ("Si", "Al", "P", "Ge", "Ga", "B")
# Of pulling what a decoder wrote: of 196 decoded designs 63 settled, after 8 rounds as after 25.
MAX_ROUNDS = 12


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


@lru_cache(maxsize=1024)
def completed(crystal: Crystal) -> Crystal:
    """The full framework of T sites; any other crystal as it is."""
    try:
        return with_oxygen(crystal) if set(crystal.counts) == {"Si"} else crystal
    except InvdesignError:
        return crystal


def bared(corpus: Corpus[Crystal]) -> Corpus[Crystal]:
    """A corpus whose silica frameworks are told by their T sites alone; its other crystals as they are."""
    designs = [_bare(design) for design in corpus.designs]
    rows = first_occurrences(key(design) for design in designs)
    properties = {name: values[rows] for name, values in corpus.properties.items()}
    weights = None if corpus.weights is None else corpus.weights[rows]
    return replace(corpus, designs=tuple(designs[i] for i in rows), properties=properties, weights=weights)


def without_oxygen(structure: Structure) -> Structure:
    """The T sites of a framework, all as silicon."""
    T = structure.frac_coords[[site.specie.symbol != "O" for site in structure]]
    return Structure(structure.lattice, ["Si"] * len(T), T)


def settled(crystal: Crystal) -> Crystal | None:
    """T sites pulled to the distances of silica within their space group; None where that makes no 4-connected net.

    Sites that a decoder wrote lie some tenths of an angstrom off. They are pulled until each has four neighbours at
    3.07 angstrom, then oxygens are put between and all distances settle. What is not silicon alone stays as it is.
    """
    if set(crystal.counts) != {"Si"}:
        return crystal
    try:
        sites, group = expand(crystal)[1], operators(crystal.space_group)
        cell, T, _ = pulled(lattice_of(crystal.cell), sites, *group, max_rounds=MAX_ROUNDS)
        return crystal_of(without_oxygen(decorate(cell, T, max_seconds=2.0).structure))
    except (InvdesignError, np.linalg.LinAlgError):
        return None


def _bare(crystal: Crystal) -> Crystal:
    counts = crystal.counts
    n_oxygen = counts.pop("O", 0)
    is_framework = counts and set(counts) <= set(T_ELEMENTS) and n_oxygen == 2 * sum(counts.values())
    return crystal_of(without_oxygen(structure_of(crystal))) if is_framework else crystal


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


def framework_residual(designs: Sequence[Crystal], *, max: float = 0.04, clearance: float = 2.0) -> list[Check]:
    """The distances of silica can be met and no two oxygens clash.

    Known zeolites stay below 0.025 A, but for a sulfide with 0.035.

    Args:
        designs: crystals of T sites, or of full frameworks.
        max: weighted root mean square of missed distances (angstrom).
        clearance: least distance between oxygens (angstrom).
    """
    checks = []
    for found in map(_framework_of, designs):
        if isinstance(found, str):
            checks.append(Check("framework_residual", False, found))
            continue
        detail = (
            f"residual {found.residual:.3f} A, at most {max:g}; oxygens {found.clearance:.2f} A apart, "
            f"at least {clearance:g}"
        )
        checks.append(Check("framework_residual", found.residual <= max and found.clearance >= clearance, detail))
    return checks


def one_net(designs: Sequence[Crystal]) -> list[Check]:
    """All T sites belong to one net that goes on in three directions: no layers, no nets within nets."""
    checks = []
    for design in designs:
        try:
            found = topology_of(design)
        except InvdesignError as error:
            checks.append(Check("one_net", False, str(error)))
            continue
        detail = "" if found.is_framework else f"{found.n_nets} nets, bonded in {found.dimensions} directions"
        checks.append(Check("one_net", found.is_framework, detail))
    return checks
