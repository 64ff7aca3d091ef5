"""Silica frameworks described by their T sites: oxygens added and removed, geometry, validators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from pymatgen.core.structure import Structure

from invdesign.core import Array, Check, Corpus, InvdesignError, first_occurrences
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of, expand, key, structure_of
from invdesign.domains.crystals.symmetry.wyckoff import lattice_of, operators
from invdesign.domains.crystals.zeolites.geometry_optimization import decorate, optimize_sites
from invdesign.domains.crystals.zeolites.nets import SI_O, Framework, connect, find_nearest_distances
from invdesign.domains.crystals.zeolites.topology import topology_of

T_ELEMENTS = ("Si", "Al", "P", "Ge", "Ga", "B")
# Rounds of site optimization for decoded designs: 63 of 196 converge to a net, after 8 rounds as after 25.
MAX_ROUNDS = 12
# Limits of the cell of an optimized framework [angstrom]; those of 203 known ones are 4.9 and 110.
MIN_HEIGHT, MAX_LENGTH = 2.5, 150.0


def framework_of(crystal: Crystal) -> Framework:
    """Return the framework of a crystal in its primitive cell.

    Oxygens are added to a crystal of T sites; oxygens that are present are kept.

    Args:
        crystal: T sites of silicon, or a complete framework.

    Returns:
        All atoms, T sites first.

    Raises:
        InvdesignError: The crystal is not a 4-connected framework; the message gives the reason.
    """
    framework = _build_framework(crystal)
    if isinstance(framework, str):
        raise InvdesignError(framework)
    return framework


def add_oxygens(crystal: Crystal) -> Crystal:
    """Return the complete SiO2 framework of a crystal of T sites.

    Args:
        crystal: T sites of silicon; a crystal with oxygens is returned unchanged.

    Returns:
        T sites and oxygens.

    Raises:
        InvdesignError: The crystal is not a 4-connected framework; the message gives the reason.
    """
    return crystal if "O" in crystal.counts else crystal_of(framework_of(crystal).structure)


@lru_cache(maxsize=1024)
def complete_framework(crystal: Crystal) -> Crystal:
    """Return the complete framework of a crystal of T sites, or any other crystal unchanged.

    Unlike `add_oxygens`, the function also returns T sites unchanged if they do not form a 4-connected net.

    Args:
        crystal: Any crystal.

    Returns:
        The crystal with oxygens where they can be added.
    """
    try:
        return add_oxygens(crystal) if set(crystal.counts) == {"Si"} else crystal
    except InvdesignError:
        return crystal


def remove_corpus_oxygens(corpus: Corpus[Crystal]) -> Corpus[Crystal]:
    """Return a corpus in which silica frameworks are described by their T sites alone.

    Args:
        corpus: Crystals; those that are not silica frameworks stay unchanged.

    Returns:
        The corpus without the oxygens of its frameworks and without duplicates that arise.
    """
    designs = [_remove_framework_oxygens(design) for design in corpus.designs]
    rows = first_occurrences(key(design) for design in designs)
    return replace(
        corpus,
        designs=tuple(designs[i] for i in rows),
        properties={name: values[rows] for name, values in corpus.properties.items()},
        weights=None if corpus.weights is None else corpus.weights[rows],
        errors={name: values[rows] for name, values in corpus.errors.items()},
        bounds={name: values[rows] for name, values in corpus.bounds.items()},
        names=tuple(corpus.names[i] for i in rows) if corpus.names else (),
    )


def remove_oxygens(structure: Structure) -> Structure:
    """Return the T sites of a framework, all of them silicon.

    Args:
        structure: A framework.

    Returns:
        The structure without its oxygens.
    """
    T = structure.frac_coords[[site.specie.symbol != "O" for site in structure]]
    return Structure(structure.lattice, ["Si"] * len(T), T)


def optimize_geometry(crystal: Crystal) -> Crystal | None:
    """Move T sites to the distances of silica within their space group.

    Decoded sites are some tenths of an angstrom off. They are moved until each has four neighbours at 3.07 angstrom;
    then oxygens are added between neighbours and all distances are optimized by least squares.

    Args:
        crystal: T sites of silicon; a crystal with other elements is returned unchanged.

    Returns:
        The optimized T sites, or None if they do not form a 4-connected net.
    """
    if set(crystal.counts) != {"Si"}:
        return crystal
    try:
        sites = expand(crystal)[1]
        R, t = operators(crystal.space_group)
        cell, T, _ = optimize_sites(lattice_of(crystal.cell), sites, R, t, max_rounds=MAX_ROUNDS)
        structure = remove_oxygens(decorate(cell, T, max_seconds=2.0).structure)
        # The search for the symmetry of a degenerate cell takes minutes and gigabytes.
        return crystal_of(structure) if _is_cell_whole(structure.lattice.matrix) else None
    except (InvdesignError, np.linalg.LinAlgError):
        return None


def _is_cell_whole(lattice: Array) -> bool:
    """Return whether a cell is neither flatter nor longer than that of any framework."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    return bool(heights.min() >= MIN_HEIGHT and np.linalg.norm(lattice, axis=1).max() <= MAX_LENGTH)


def four_connected(designs: Sequence[Crystal]) -> list[Check]:
    """Check that every T site is bonded to four others, also after oxygens are added and optimized.

    Args:
        designs: `n` crystals of T sites or of complete frameworks.

    Returns:
        `n` checks.
    """
    checks = []
    for design in designs:
        framework = _build_framework(design)
        reason = framework if isinstance(framework, str) else ""
        checks.append(Check("four_connected", not isinstance(framework, str), reason))
    return checks


def framework_residual(designs: Sequence[Crystal], *, max: float = 0.04, clearance: float = 2.0) -> list[Check]:
    """Check that the distances of silica can be realized and that no two oxygens are too close.

    The residual of known zeolites is below 0.025 angstrom, except for a sulfide with 0.035.

    Args:
        designs: `n` crystals of T sites or of complete frameworks.
        max: Largest weighted root mean square deviation of distances [angstrom].
        clearance: Smallest O-O distance [angstrom].

    Returns:
        `n` checks.
    """
    checks = []
    for design in designs:
        framework = _build_framework(design)
        if isinstance(framework, str):
            checks.append(Check("framework_residual", False, framework))
            continue
        has_passed = framework.residual <= max and framework.clearance >= clearance
        detail = (
            f"residual {framework.residual:.3f} A, at most {max:g}; O-O distance {framework.clearance:.2f} A, "
            f"at least {clearance:g}"
        )
        checks.append(Check("framework_residual", has_passed, detail))
    return checks


def one_net(designs: Sequence[Crystal]) -> list[Check]:
    """Check that all T sites belong to one net that is periodic in three directions.

    Layers, chains and interpenetrating nets fail.

    Args:
        designs: `n` crystals of T sites or of complete frameworks.

    Returns:
        `n` checks.
    """
    checks = []
    for design in designs:
        try:
            topology = topology_of(design)
        except InvdesignError as error:
            checks.append(Check("one_net", False, str(error)))
            continue
        detail = (
            "" if topology.is_framework else f"{topology.n_nets} nets, periodic in {topology.dimensions} directions"
        )
        checks.append(Check("one_net", topology.is_framework, detail))
    return checks


def _remove_framework_oxygens(crystal: Crystal) -> Crystal:
    """Return the T sites of a framework with two oxygens per T site, or any other crystal unchanged."""
    counts = crystal.counts
    n_oxygens = counts.pop("O", 0)
    is_framework = counts and set(counts) <= set(T_ELEMENTS) and n_oxygens == 2 * sum(counts.values())
    return crystal_of(remove_oxygens(structure_of(crystal))) if is_framework else crystal


@lru_cache(maxsize=4096)
def _build_framework(crystal: Crystal) -> Framework | str:
    """Return the framework of a crystal, or the reason why it has none."""
    others = sorted(set(crystal.counts) - {*T_ELEMENTS, "O"})
    if others:
        return f"framework: expected only oxygen and {', '.join(T_ELEMENTS)}, got {', '.join(others)}"
    structure = structure_of(crystal, primitive=True)
    lattice, positions = structure.lattice.matrix, structure.frac_coords
    species = np.array([site.specie.symbol for site in structure])
    T, O = positions[species != "O"], positions[species == "O"]
    try:
        if len(O):
            return _check_framework(lattice, positions, species)
        if set(species) != {"Si"}:
            return "framework: expected silicon as the only element of T sites without oxygen; add the oxygens"
        return decorate(lattice, T)
    except (InvdesignError, np.linalg.LinAlgError) as error:
        return str(error)


def _check_framework(lattice: Array, positions: Array, species: np.ndarray) -> Framework | str:
    """Return the framework of given T sites and oxygens, or the reason why they are none.

    Raises:
        InvdesignError: The T sites do not form a 4-connected net.
    """
    T, O = positions[species != "O"], positions[species == "O"]
    connect(lattice, T)
    if len(O) != 2 * len(T):
        return (
            f"framework: expected {2 * len(T)} oxygens for {len(T)} T sites, got {len(O)}: the framework is interrupted"
        )
    deviations = find_nearest_distances(lattice, O, T, 4) - SI_O
    order = np.argsort(species == "O", kind="stable")
    return Framework(
        lattice,
        tuple(species[order].tolist()),
        positions[order],
        float(np.sqrt((deviations**2).mean())),
        float(find_nearest_distances(lattice, O, O, 2)[:, 1].min()),
    )
