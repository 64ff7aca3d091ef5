"""Validators and screens of crystals: each answers one named Check per design, with the detail that explains it."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import spglib
from pymatgen.core import Composition, Element, Structure

from invdesign.core import Check, InvdesignError, Oracle
from invdesign.domains.crystals.chemistry import (
    ELECTRONEGATIVITY,
    STRETCH,
    bond_valence_sums,
    built,
    coordination_numbers,
    neighbours_in,
    oxidation_states,
)
from invdesign.domains.crystals.chemistry import dimensionality as bonded_directions
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.oracles.computed import energy_above_hull

# Elements that one may want to do without. Radioactive: no stable nuclide (bismuth, nearly stable, is left in); costly:
# above roughly 1,000 US dollars a kilogram as the metal.
FORBIDDEN = {
    "toxic": ["Be", "As", "Cd", "Os", "Hg", "Tl", "Pb"],
    "radioactive": ["Tc", "Pm", *(Element.from_Z(z).symbol for z in range(84, 119))],
    "costly": ["Sc", "Ru", "Rh", "Pd", "Tm", "Re", "Os", "Ir", "Pt", "Au"],
    "rare_earth": ["Sc", "Y", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu"],
}
# Distances are looked up no farther than this; a detail says "> 3 A" beyond.
LOOK = 3.0

CheckOne = Callable[[Crystal, Structure], tuple[bool, str]]


def distances(designs: Sequence[Crystal], *, min: float = 0.5, volume: float = 0.1) -> list[Check]:
    """Structural validity: no two atoms (or images of one) nearer than `min` angstrom, and a cell with a volume.

    Args:
        designs: `n` crystals.
        min: the least distance that passes, angstrom.
        volume: the least volume of the cell, cubic angstrom.

    References:
        Court et al., J. Chem. Inf. Model. 2020, doi:10.1021/acs.jcim.0c00464; Xie et al., ICLR 2022, arXiv:2110.06197.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        if structure.volume < volume:
            return False, f"the cell has {structure.volume:.3g} Å³, at least {volume:g}"
        reach = LOOK if structure.volume > 2 * len(structure) and min < LOOK else min
        near = neighbours_in(structure, reach).length
        least = float(near.min()) if len(near) else math.inf
        shown = f"{least:.2f}" if len(near) else f"> {reach:g}"
        return least >= min, f"least distance {shown} Å, at least {min:g}"

    return _each(designs, "distances", check_one)


def volume_per_atom(designs: Sequence[Crystal], *, min: float = 4.0, max: float = 100.0) -> list[Check]:
    """Volume per atom in cubic angstrom: diamond has 5.7, caesium 110."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        value = structure.volume / len(structure)
        return min <= value <= max, f"{value:.3g} Å³ per atom, allowed {min:g} to {max:g}"

    return _each(designs, "volume_per_atom", check_one)


def density(designs: Sequence[Crystal], *, min: float = 0.3, max: float = 25.0) -> list[Check]:
    """Density in g/cm³: lithium has 0.53, osmium 22.6."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        value = float(structure.density)
        return min <= value <= max, f"{value:.3g} g/cm³, allowed {min:g} to {max:g}"

    return _each(designs, "density", check_one)


def neutrality(
    designs: Sequence[Crystal], *, oxidation_states_set: str = "smact14", alloys: bool = True
) -> list[Check]:
    """Compositional validity: some choice of oxidation states is neutral, its anions the more electronegative.

    Args:
        designs: `n` crystals.
        oxidation_states_set: one of SMACT's sets, or the path of a file of your own; newer sets allow more.
        alloys: whether metals among themselves pass.

    Raises:
        InvdesignError: there is no such set.

    References:
        Davies et al., Chem 2016, doi:10.1016/j.chempr.2016.09.010.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        is_valid = _is_neutral(crystal.formula, oxidation_states_set, alloys)
        return is_valid, "" if is_valid else f"no neutral choice of oxidation states for {crystal.formula}"

    return [
        Check(check.name, check.passed, f"{check.detail} (set {oxidation_states_set})".strip())
        for check in _each(designs, "neutrality", check_one)
    ]


def electronegativity_balance(designs: Sequence[Crystal], *, min: float = 0.0) -> list[Check]:
    """In the likeliest oxidation states every anion is more electronegative (Pauling) than every cation."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        states = oxidation_states(crystal.formula)
        if not states:
            return _without_charges(crystal)
        cations = {e: ELECTRONEGATIVITY[e] for e, q in states.items() if q > 0}
        anions = {e: ELECTRONEGATIVITY[e] for e, q in states.items() if q < 0}
        c = sorted(cations, key=lambda e: -cations[e])[0]
        a = sorted(anions, key=lambda e: anions[e])[0]
        margin = anions[a] - cations[c]
        said = f"{a} {anions[a]:.2f} less {c} {cations[c]:.2f} is {margin:.2f}, at least {min:g}"
        return margin >= min, said

    return _each(designs, "electronegativity_balance", check_one)


def formal_charges(designs: Sequence[Crystal], *, max: float = 4.0, alloys: bool = True) -> list[Check]:
    """No ion has a likeliest oxidation state beyond this, either way, and every anion a whole one.

    Highly charged cations share their electrons, and where anions of one element differ in charge, some of them do.

    Args:
        designs: `n` crystals.
        max: largest oxidation state.
        alloys: whether crystals without ions pass.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        states = oxidation_states(crystal.formula)
        if not states:
            passed, why = _without_charges(crystal)
            return passed and alloys, why
        element, charge = sorted(states.items(), key=lambda item: -abs(item[1]))[0]
        for other, q in states.items():
            if q < 0 and abs(q - round(q)) > 1e-6:
                return False, f"{other}{q:+.3g} is a mean of different charges"
        return abs(charge) <= max, f"{element}{charge:+g}, at most {max:g}"

    return _each(designs, "formal_charges", check_one)


def bond_valence(designs: Sequence[Crystal], *, max: float = 1.0) -> list[Check]:
    """The global instability index: root mean square gap (valence units) of bond-valence sums from what is usual.

    Of 57 ionic crystals of the Materials Project half have less than 0.7, nine in ten less than 1.2. See
    `chemistry.bond_valence_sums`.

    References:
        Salinas-Sanchez et al., J. Solid State Chem. 1992, doi:10.1016/0022-4596(92)90094-C.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        if not oxidation_states(crystal.formula):
            return _without_charges(crystal)
        found = bond_valence_sums(crystal)
        if found is None:
            return False, "an element has no bond-valence parameters"
        species, sums, expected = found
        gap = sums - expected
        index, worst = float(np.sqrt((gap**2).mean())), int(np.abs(gap).argmax())
        said = f"{species[worst]} has {sums[worst]:.2f}, usual {expected[worst]:.2f}"
        return index <= max, f"instability {index:.2f}, at most {max:g}; {said}"

    return _each(designs, "bond_valence", check_one)


def coordination(designs: Sequence[Crystal], *, min: int = 1, max: int = 24, stretch: float = STRETCH) -> list[Check]:
    """Bonds of every atom: at most `stretch` times the sum of covalent radii, cations not bonded to each other."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        numbers = coordination_numbers(crystal, stretch=stretch)
        strange = np.flatnonzero((numbers < min) | (numbers > max))
        found = Counter((structure[int(i)].specie.symbol, int(numbers[i])) for i in strange)
        said = ", ".join(f"{e} with {n} bonds" for e, n in sorted(found))
        return not found, f"{said}, allowed {min} to {max}" if found else ""

    return _each(designs, "coordination", check_one)


def dimensionality(
    designs: Sequence[Crystal], *, allowed: Sequence[int] = (3,), stretch: float = STRETCH
) -> list[Check]:
    """How far bonds go on: 3 a net, 2 layers, 1 chains, 0 molecules; see `chemistry.dimensionality`."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        found = bonded_directions(crystal, stretch=stretch)
        return found in allowed, f"bonded in {found} directions, allowed {', '.join(map(str, allowed))}"

    return _each(designs, "dimensionality", check_one)


def space_group_found(designs: Sequence[Crystal], *, symprec: float = 0.1) -> list[Check]:
    """Spglib finds the space group that the design claims, at a distance of `symprec` angstrom."""

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        cell: Any = (structure.lattice.matrix, structure.frac_coords, [site.specie.Z for site in structure])
        found = None
        with warnings.catch_warnings(), contextlib.suppress(Exception):  # spglib raises its own kinds
            warnings.simplefilter("ignore")
            found = spglib.get_symmetry_dataset(cell, symprec=symprec)
        if found is None:
            return False, f"spglib finds no symmetry at {symprec:g} Å"
        said = f"found {found.international} ({found.number}), claimed {crystal.space_group}, at {symprec:g} Å"
        return int(found.number) == crystal.space_group, said

    return _each(designs, "space_group_found", check_one)


def n_elements(designs: Sequence[Crystal], *, min: int = 1, max: int = 6) -> list[Check]:
    """How many elements there are."""
    counts = [len(design.counts) for design in designs]
    return [Check("n_elements", min <= n <= max, f"{n} elements, allowed {min} to {max}") for n in counts]


def forbidden(
    designs: Sequence[Crystal],
    *,
    lists: Sequence[str] = ("radioactive",),
    others: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> list[Check]:
    """No element of the named lists (toxic, radioactive, costly, rare_earth) or of a list of your own.

    Args:
        designs: `n` crystals.
        lists: names of `FORBIDDEN`.
        others: symbols of your own.
        allowed: symbols that pass although a list has them.

    Raises:
        InvdesignError: an unknown list or symbol.
    """
    unknown = [name for name in lists if name not in FORBIDDEN]
    if unknown:
        raise InvdesignError(f"forbidden: no list {unknown[0]!r}; there are {', '.join(FORBIDDEN)}")
    wrong = [e for e in (*others, *allowed) if not Element.is_valid_symbol(e)]
    if wrong:
        raise InvdesignError(f"forbidden: {wrong[0]!r} is no element; write symbols, e.g. Pb")
    reasons = dict.fromkeys(others, "forbidden") | {e: name for name in lists for e in FORBIDDEN[name]}
    found = [sorted(e for e in design.counts if e in reasons and e not in allowed) for design in designs]
    return [Check("forbidden", not bad, ", ".join(f"{e} ({reasons[e]})" for e in bad)) for bad in found]


def relaxation(
    designs: Sequence[Crystal],
    *,
    displacement: float = 0.3,
    energy_change: float = 0.1,
    volume_change: float = 0.2,
    model: mlip.Model = "0.3.0",
    device: str = "cpu",
    force: float = 0.05,
    steps: int = 200,
) -> list[Check]:
    """Relaxed with CHGNet (extra `mlip`), the design stays near where it was.

    Args:
        designs: `n` crystals.
        displacement: largest root mean square way of the atoms, angstrom.
        energy_change: largest gain of energy, eV/atom.
        volume_change: largest change of the volume, as a share of it.
        model: which of CHGNet's weights.
        device: `"cpu"` or `"cuda"`.
        force: largest force (eV/angstrom) at which a relaxation ends.
        steps: at most so many; a relaxation that needs more fails.
    """

    def check_one(crystal: Crystal, structure: Structure) -> tuple[bool, str]:
        found = mlip.relaxed(crystal, model=model, device=device, force=force, steps=steps)
        if found is None:
            return False, "the potential has no answer: an atom without neighbours, or an element it does not know"
        said = (
            f"moved {found.displacement:.3f} Å (at most {displacement:g}), gained {-found.energy_change:.3f} eV/atom "
            f"(at most {energy_change:g}), volume {found.volume_change:+.1%} (at most {volume_change:.0%})"
        )
        is_near = found.displacement <= displacement and -found.energy_change <= energy_change
        if not found.is_converged:
            return False, f"not relaxed in {steps} steps: {said}"
        return is_near and abs(found.volume_change) <= volume_change, said

    return _each(designs, "relaxation", check_one)


def near_hull(designs: Sequence[Crystal], *, references: str | Path, energy: Oracle, max: float = 0.1) -> list[Check]:
    """At most so far (eV/atom) above the convex hull of a user's phases; see `oracles.energy_above_hull`."""
    values = energy_above_hull(designs, references=references, energy=energy)
    return [
        Check("near_hull", bool(value <= max), f"{value:.3f} eV/atom above the hull, at most {max:g}")
        for value in values
    ]


def _each(designs: Sequence[Crystal], name: str, check_one: CheckOne) -> list[Check]:
    """One check per design; what cannot be built fails with the reason."""
    checks = []
    for design in designs:
        structure, reason = built(design)
        passed, detail = (False, reason) if structure is None else check_one(design, structure)
        checks.append(Check(name, bool(passed), detail))
    return checks


def _without_charges(crystal: Crystal) -> tuple[bool, str]:
    """Elements and alloys have no ions to be judged; any other crystal without oxidation states fails."""
    is_metallic = all(Element(e).is_metal for e in crystal.counts)
    if is_metallic or len(crystal.counts) == 1:
        return True, "no ions"
    return False, f"no neutral choice of oxidation states is known for {crystal.formula}"


@lru_cache(maxsize=65536)
def _is_neutral(formula: str, oxidation_states_set: str, alloys: bool) -> bool:
    from smact.screening import smact_validity

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(
                smact_validity(Composition(formula), include_alloys=alloys, oxidation_states_set=oxidation_states_set)
            )
        except ValueError as error:
            raise InvdesignError(
                f"neutrality: oxidation_states_set {oxidation_states_set!r}: {error}; smact14 is the usual one"
            ) from error
