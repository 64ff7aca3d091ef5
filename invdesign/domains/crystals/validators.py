"""Validators and screens of crystals: each returns one named Check per design, with a detail that explains it."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from pymatgen.core.periodic_table import Element
from pymatgen.core.structure import Structure

from invdesign.core import Check, Corpus, InvdesignError, Oracle
from invdesign.domains.crystals.chemistry import (
    ELECTRONEGATIVITY,
    STRETCH,
    bond_valence_sums,
    build_structure,
    coordination_numbers,
    is_neutral,
    neighbours_in,
    oxidation_states,
)
from invdesign.domains.crystals.chemistry import dimensionality as bond_dimensionality
from invdesign.domains.crystals.constraints import element_lists
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.model.atom_volumes import cell_volume, composition_volume, fit_atom_volumes
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.oracles.computed import energy_above_hull
from invdesign.domains.crystals.sanity import MIN_CLOSENESS, nearest_contact

# Longest distance [angstrom] that `distances` reports; above, the detail is "> 3 Å".
MAX_REPORTED_DISTANCE = 3.0
# Tolerance for a charge to be an integer.
CHARGE_TOLERANCE = 1e-6

CheckOne = Callable[[Crystal, Structure], tuple[bool, str]]


def distances(
    designs: Sequence[Crystal], *, min: float = 0.5, min_closeness: float = MIN_CLOSENESS, min_volume: float = 0.1
) -> list[Check]:
    """Check that no two atoms, periodic images included, are too close, and that the cell has a volume.

    Args:
        designs: `n` crystals.
        min: Smallest distance that passes [angstrom].
        min_closeness: Smallest distance that passes, as a share of the sum of the covalent radii. Of the crystals of
            mp_20 .1 % have less than the default; 0 leaves the absolute limit, which is that of CDVAE's benchmark.
        min_volume: Smallest volume of the cell that passes [angstrom^3].

    References:
        Court et al., J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00464; Xie et al., ICLR 2022, arXiv:2110.06197;
        Cordero et al., Dalton Trans. 2008, doi:10.1039/b801115j.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        if structure.volume < min_volume:
            return False, f"cell volume {structure.volume:.3g} Å³, required at least {min_volume:g}"
        is_dense = structure.volume <= 2 * len(structure)
        reach = min if is_dense or min >= MAX_REPORTED_DISTANCE else MAX_REPORTED_DISTANCE
        lengths = neighbours_in(structure, reach).length
        shortest = float(lengths.min()) if len(lengths) else math.inf
        shown = f"{shortest:.2f}" if len(lengths) else f"> {reach:g}"
        if shortest < min or not min_closeness:
            return shortest >= min, f"shortest distance {shown} Å, required at least {min:g}"
        closeness = nearest_contact(crystal)[1]
        limit = f"the closest pair has {closeness:.2f} of the sum of its covalent radii, required at least"
        if closeness < min_closeness:
            return False, f"shortest distance {shown} Å; {limit} {min_closeness:g}"
        return True, f"shortest distance {shown} Å, required at least {min:g}"

    return _check_each(designs, "distances", check_one)


def volume_per_atom(designs: Sequence[Crystal], *, min: float = 4.0, max: float = 100.0) -> list[Check]:
    """Check the volume per atom [angstrom^3]: that of diamond is 5.7, that of caesium 110.

    Args:
        designs: `n` crystals.
        min: Smallest value that passes [angstrom^3].
        max: Largest value that passes [angstrom^3].
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        value = structure.volume / len(structure)
        return min <= value <= max, f"{value:.3g} Å³ per atom, allowed {min:g} to {max:g}"

    return _check_each(designs, "volume_per_atom", check_one)


def typical_volume(
    designs: Sequence[Crystal], *, corpus: Callable[[], Corpus[Crystal]] | None, max_deviation: float = 0.5
) -> list[Check]:
    """Check that the volume of a cell is near that of its composition in a corpus.

    The volume of a composition is the sum of typical volumes of its elements, fitted to the corpus (see
    `model.atom_volumes`). A crystal with an element that the corpus lacks passes; so does any without a corpus.

    Args:
        designs: `n` crystals.
        corpus: Loads the corpus, e.g. `${corpus}`; it is loaded once.
        max_deviation: Largest deviation that passes, as a share of the volume of the composition.

    Raises:
        InvdesignError: `max_deviation` is not positive.
    """
    if not max_deviation > 0:
        raise InvdesignError(f"typical_volume: expected max_deviation above 0, got {max_deviation:g}. Use e.g. 0.5")
    volumes = _typical_volumes(corpus) if corpus is not None else {}
    checks = []
    for design in designs:
        usual = composition_volume(design, volumes)
        deviation = cell_volume(design.cell) / usual - 1
        detail = "not checked: an element that the corpus lacks"
        if math.isfinite(usual):
            detail = f"volume {deviation:+.0%} from {usual:.4g} Å³ of its composition, allowed {max_deviation:.0%}"
        checks.append(Check("typical_volume", not abs(deviation) > max_deviation, detail))
    return checks


def density(designs: Sequence[Crystal], *, min: float = 0.3, max: float = 25.0) -> list[Check]:
    """Check the mass density [g/cm3]: that of lithium is 0.53, that of osmium 22.6.

    Args:
        designs: `n` crystals.
        min: Smallest value that passes [g/cm3].
        max: Largest value that passes [g/cm3].
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        value = float(structure.density)
        return min <= value <= max, f"{value:.3g} g/cm³, allowed {min:g} to {max:g}"

    return _check_each(designs, "density", check_one)


def neutrality(
    designs: Sequence[Crystal],
    *,
    oxidation_states_set: str = "smact14",
    allow_alloys: bool = True,
    allow_mixed_valence: bool = False,
) -> list[Check]:
    """Check compositional validity: some choice of oxidation states is charge-neutral.

    The anions of that choice must be more electronegative than its cations.

    Args:
        designs: `n` crystals.
        oxidation_states_set: One of SMACT's sets, or the path of a file of your own; newer sets allow more.
        allow_alloys: Whether compounds of metals only pass.
        allow_mixed_valence: Whether atoms of one element may have different states, as in Fe3O4.

    Raises:
        InvdesignError: If there is no such set.

    References:
        Davies et al., Chem 2016, doi:10.1016/j.chempr.2016.09.010.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        is_valid = is_neutral(
            crystal.formula,
            oxidation_states_set=oxidation_states_set,
            allow_alloys=allow_alloys,
            allow_mixed_valence=allow_mixed_valence,
        )
        return is_valid, "" if is_valid else f"no neutral choice of oxidation states for {crystal.formula}"

    return [
        Check(check.name, check.passed, f"{check.detail} (set {oxidation_states_set})".strip())
        for check in _check_each(designs, "neutrality", check_one)
    ]


def electronegativity_balance(designs: Sequence[Crystal], *, min: float = 0.0) -> list[Check]:
    """Check that every anion is more electronegative (Pauling's scale) than every cation.

    Charges are the most likely oxidation states. Elements and alloys pass.

    Args:
        designs: `n` crystals.
        min: Smallest difference that passes.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        states = oxidation_states(crystal.formula)
        if not states:
            return _check_without_charges(crystal)
        cations = {element: ELECTRONEGATIVITY[element] for element, charge in states.items() if charge > 0}
        anions = {element: ELECTRONEGATIVITY[element] for element, charge in states.items() if charge < 0}
        c = sorted(cations, key=lambda element: -cations[element])[0]
        a = sorted(anions, key=lambda element: anions[element])[0]
        margin = anions[a] - cations[c]
        detail = f"{a} {anions[a]:.2f} minus {c} {cations[c]:.2f} is {margin:.2f}, required at least {min:g}"
        return margin >= min, detail

    return _check_each(designs, "electronegativity_balance", check_one)


def formal_charges(designs: Sequence[Crystal], *, max: float = 4.0, allow_alloys: bool = True) -> list[Check]:
    """Check that the most likely oxidation states are small, and integer for every anion.

    Bonds of highly charged cations are covalent. A fractional oxidation state of an anion is a mean over atoms of
    different charges.

    Args:
        designs: `n` crystals.
        max: Largest absolute oxidation state that passes.
        allow_alloys: Whether crystals without ions pass.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        states = oxidation_states(crystal.formula)
        if not states:
            is_valid, reason = _check_without_charges(crystal)
            return is_valid and allow_alloys, reason
        for anion, charge in states.items():
            if charge < 0 and abs(charge - round(charge)) > CHARGE_TOLERANCE:
                return False, f"{anion}{charge:+.3g} is a mean of different charges"
        element, largest = sorted(states.items(), key=lambda item: -abs(item[1]))[0]
        return abs(largest) <= max, f"{element}{largest:+g}, allowed at most {max:g}"

    return _check_each(designs, "formal_charges", check_one)


def bond_valence(designs: Sequence[Crystal], *, max: float = 1.0) -> list[Check]:
    """Check the global instability index [valence units].

    It is the root mean square difference of the bond-valence sums from their expected values, see
    `chemistry.bond_valence_sums`. Of 57 ionic crystals of the Materials Project, half have less than 0.7 and nine in
    ten less than 1.2.

    Args:
        designs: `n` crystals.
        max: Largest index that passes.

    References:
        Salinas-Sanchez et al., J. Solid State Chem. 1992, doi:10.1016/0022-4596(92)90094-C.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        if not oxidation_states(crystal.formula):
            return _check_without_charges(crystal)
        valences = bond_valence_sums(crystal)
        if valences is None:
            return False, "an element has no bond-valence parameters"
        species, sums, expected = valences
        difference = sums - expected
        index, worst = float(np.sqrt((difference**2).mean())), int(np.abs(difference).argmax())
        largest = f"{species[worst]} has {sums[worst]:.2f}, expected {expected[worst]:.2f}"
        return index <= max, f"instability {index:.2f}, allowed at most {max:g}; {largest}"

    return _check_each(designs, "bond_valence", check_one)


def coordination(designs: Sequence[Crystal], *, min: int = 1, max: int = 24, stretch: float = STRETCH) -> list[Check]:
    """Check the number of bonds of every atom, see `chemistry.bonds`.

    Args:
        designs: `n` crystals.
        min: Smallest number that passes.
        max: Largest number that passes.
        stretch: Largest ratio of a bond length to the sum of the covalent radii.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        numbers = coordination_numbers(crystal, stretch=stretch)
        outside = np.flatnonzero((numbers < min) | (numbers > max))
        pairs = {(structure[int(i)].specie.symbol, int(numbers[i])) for i in outside}
        listed = ", ".join(f"{element} with {n} bonds" for element, n in sorted(pairs))
        return not pairs, f"{listed}, allowed {min} to {max}" if pairs else ""

    return _check_each(designs, "coordination", check_one)


def dimensionality(
    designs: Sequence[Crystal], *, allowed: Sequence[int] = (3,), stretch: float = STRETCH
) -> list[Check]:
    """Check the dimensionality of the bonds, see `chemistry.dimensionality`.

    Args:
        designs: `n` crystals.
        allowed: Values that pass: 3 for a network, 2 for layers, 1 for chains, 0 for molecules.
        stretch: Largest ratio of a bond length to the sum of the covalent radii.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        n = bond_dimensionality(crystal, stretch=stretch)
        return n in allowed, f"bonded in {n} directions, allowed {', '.join(map(str, allowed))}"

    return _check_each(designs, "dimensionality", check_one)


def space_group_found(designs: Sequence[Crystal], *, symprec: float = 0.1) -> list[Check]:
    """Check that spglib finds the space group of the design.

    Args:
        designs: `n` crystals.
        symprec: Distance [angstrom] within which two atoms count as symmetry-equivalent.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        cell: Any = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
        dataset = None
        with warnings.catch_warnings(), contextlib.suppress(Exception):  # spglib raises exception types of its own
            warnings.simplefilter("ignore")
            dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
        if dataset is None:
            return False, f"spglib finds no symmetry at {symprec:g} Å"
        detail = f"found {dataset.international} ({dataset.number}), expected {crystal.space_group}, at {symprec:g} Å"
        return int(dataset.number) == crystal.space_group, detail

    return _check_each(designs, "space_group_found", check_one)


def n_elements(designs: Sequence[Crystal], *, min: int = 1, max: int = 6) -> list[Check]:
    """Check the number of elements.

    Args:
        designs: `n` crystals.
        min: Smallest number that passes.
        max: Largest number that passes.
    """
    counts = [len(design.counts) for design in designs]
    return [Check("n_elements", min <= n <= max, f"{n} elements, allowed {min} to {max}") for n in counts]


def constraints(designs: Sequence[Crystal], *, domain: Crystals) -> list[Check]:
    """Check the elements, formula types, space groups and sizes that the domain allows.

    Args:
        designs: `n` crystals.
        domain: The domain with its constraints.
    """
    found = [domain.constraints.violation(design) for design in designs]
    return [Check("constraints", not violation, violation) for violation in found]


def forbidden(
    designs: Sequence[Crystal],
    *,
    lists: Sequence[str] = ("radioactive",),
    others: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> list[Check]:
    """Check that no element is forbidden by a named list or by a list of your own.

    Args:
        designs: `n` crystals.
        lists: Names of lists of elements: toxic, radioactive, costly, rare_earth.
        others: Symbols of further elements that are forbidden.
        allowed: Symbols that pass although a list contains them.

    Raises:
        InvdesignError: If a list or symbol is unknown.
    """
    unknown_lists = [name for name in lists if name not in element_lists()]
    if unknown_lists:
        raise InvdesignError(
            f"forbidden: expected lists among {', '.join(element_lists())}, got {unknown_lists[0]!r}. Correct `lists`."
        )
    unknown_symbols = [symbol for symbol in (*others, *allowed) if not Element.is_valid_symbol(symbol)]
    if unknown_symbols:
        raise InvdesignError(
            f"forbidden: expected chemical symbols, got {unknown_symbols[0]!r}. Write symbols, e.g. Pb."
        )
    reason_of = dict.fromkeys(others, "forbidden")
    for name in lists:
        reason_of.update(dict.fromkeys(element_lists()[name], name))
    checks = []
    for design in designs:
        elements = sorted(e for e in design.counts if e in reason_of and e not in allowed)
        detail = ", ".join(f"{element} ({reason_of[element]})" for element in elements)
        checks.append(Check("forbidden", not elements, detail))
    return checks


def relaxation(
    designs: Sequence[Crystal],
    *,
    max_displacement: float = 0.3,
    max_energy_gain: float = 0.1,
    max_volume_change: float = 0.2,
    model: mlip.Model = "0.3.0",
    device: str = "cpu",
    max_force: float = 0.05,
    max_steps: int = 200,
) -> list[Check]:
    """Check that a design changes little when it is relaxed with CHGNet (extra `mlip`).

    Args:
        designs: `n` crystals.
        max_displacement: Largest root mean square displacement of the atoms [angstrom].
        max_energy_gain: Largest decrease of the energy [eV/atom].
        max_volume_change: Largest change of the volume, as a fraction.
        model: Version of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        max_force: Largest force at which a relaxation ends [eV/angstrom].
        max_steps: Largest number of steps; a relaxation that needs more fails.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        relaxed = mlip.relax_structure(crystal, model=model, device=device, force=max_force, steps=max_steps)
        if relaxed is None:
            return False, "the potential gives no energy: an atom without neighbours, or an unsupported element"
        detail = (
            f"displacement {relaxed.displacement:.3f} Å (at most {max_displacement:g}), "
            f"energy gain {-relaxed.energy_change:.3f} eV/atom (at most {max_energy_gain:g}), "
            f"volume {relaxed.volume_change:+.1%} (at most {max_volume_change:.0%})"
        )
        if not relaxed.is_converged:
            return False, f"not relaxed in {max_steps} steps: {detail}"
        is_near = relaxed.displacement <= max_displacement and -relaxed.energy_change <= max_energy_gain
        return is_near and abs(relaxed.volume_change) <= max_volume_change, detail

    return _check_each(designs, "relaxation", check_one)


def near_hull(
    designs: Sequence[Crystal],
    *,
    references: str | Path,
    energy: Oracle,
    min: float | None = None,
    max: float = 0.1,
) -> list[Check]:
    """Check the energy above the convex hull of a user's phases, see `oracles.computed.energy_above_hull`.

    With the energy of unrelaxed crystals it is a screen before relaxations: by CHGNet 67 ms a crystal, where a
    relaxation takes .3 to 1.7 s.

    Args:
        designs: `n` crystals.
        references: File of the phases and their energies.
        energy: Oracle of the energy per atom [eV/atom].
        min: Smallest energy above the hull that passes [eV/atom], for a hull that lacks phases: an energy far below it
            says that competing phases are missing. None for no limit.
        max: Largest energy above the hull that passes [eV/atom].

    Raises:
        InvdesignError: `min` exceeds `max`.
    """
    lowest = -math.inf if min is None else min
    if not lowest <= max:
        raise InvdesignError(f"near_hull: expected min <= max, got min={min} and max={max}. Correct them")
    allowed = f"at most {max:g}" if min is None else f"{min:g} to {max:g}"
    values = energy_above_hull(designs, references=references, energy=energy)
    return [
        Check("near_hull", bool(lowest <= value <= max), f"{value:.3f} eV/atom above the hull, allowed {allowed}")
        for value in values
    ]


@lru_cache(maxsize=4)
def _typical_volumes(corpus: Callable[[], Corpus[Crystal]]) -> dict[str, float]:
    """Return the typical volume of each element of a corpus [angstrom^3]."""
    designs = corpus().designs
    elements = sorted({element for design in designs for element in design.counts})
    return dict(zip(elements, fit_atom_volumes(designs, elements).tolist(), strict=True))


def _check_each(designs: Sequence[Crystal], name: str, check_one: CheckOne) -> list[Check]:
    """Return one check per design; a crystal that cannot be built fails with the reason."""
    checks = []
    for design in designs:
        structure, reason = build_structure(design)
        passed, detail = (False, reason) if structure is None else check_one(design, structure)
        checks.append(Check(name, bool(passed), detail))
    return checks


def _check_without_charges(crystal: Crystal) -> tuple[bool, str]:
    """Pass elements and alloys, which have no ions; fail any other crystal without oxidation states."""
    is_metallic = all(Element(element).is_metal for element in crystal.counts)
    if is_metallic or len(crystal.counts) == 1:
        return True, "no ions"
    return False, f"no neutral choice of oxidation states is known for {crystal.formula}"
