"""Validators of crystals: which designs pass, which fail, and the details."""

import math
import re
from dataclasses import replace
from functools import partial

import pytest
from known_crystals import KNOWN, crystal, structure
from pymatgen.core import Lattice, Structure

from invdesign.core import Corpus, InvdesignError
from invdesign.domains.crystals import validators
from invdesign.domains.crystals.symmetry.canonical import crystal_of


def scale_cell(name, factor):
    a, b, c, *angles = crystal(name).cell
    return replace(crystal(name), cell=(a * factor, b * factor, c * factor, *angles))


def replace_symbols(name, **symbols):
    orbits = tuple(replace(o, element=symbols.get(o.element, o.element)) for o in crystal(name).orbits)
    return replace(crystal(name), orbits=orbits)


@pytest.mark.parametrize(
    ("check", "options", "valid", "invalid", "detail"),
    [
        (
            validators.distances,
            {},
            crystal("NaCl"),
            scale_cell("NaCl", 0.17),
            "shortest distance 0.48 Å, required at least 0.5",
        ),
        (validators.distances, {"min": 2.9}, crystal("CsCl"), crystal("NaCl"), "2.82 Å, required at least 2.9"),
        (validators.distances, {}, crystal("CsCl"), scale_cell("CsCl", 0.1), "0.0701 Å³"),
        (validators.volume_per_atom, {}, crystal("NaCl"), scale_cell("NaCl", 2), "179 Å³ per atom, allowed 4 to 100"),
        (validators.density, {"min": 2}, crystal("NaCl"), crystal("Ar"), "1.77 g/cm³, allowed 2 to 25"),
        (validators.neutrality, {}, crystal("NaCl"), replace_symbols("TiO2", Ti="Na"), "for NaO2 (set smact14)"),
        (
            validators.neutrality,
            {"allow_alloys": False},
            crystal("MgO"),
            replace_symbols("NaCl", Na="Mg", Cl="Ca"),
            "CaMg",
        ),
        (validators.electronegativity_balance, {}, crystal("Cu"), replace_symbols("NaCl", Na="He"), "no neutral"),
        (validators.electronegativity_balance, {"min": 2.2}, crystal("NaCl"), crystal("TiO2"), "1.90"),
        (validators.formal_charges, {}, crystal("TiO2"), replace_symbols("TiO2", Ti="W", O="N"), "W+6"),
        (validators.formal_charges, {}, crystal("SrTiO3"), replace_symbols("SrTiO3", O="N"), "N-1.67 is a mean"),
        (validators.formal_charges, {"allow_alloys": False}, crystal("NaCl"), crystal("Cu"), "no ions"),
        (validators.formal_charges, {"max": 1}, crystal("Cu"), crystal("TiO2"), "Ti+4, allowed at most 1"),
        (validators.bond_valence, {}, crystal("NaCl"), scale_cell("NaCl", 0.8), "instability"),
        (validators.coordination, {}, crystal("TiO2"), scale_cell("TiO2", 2), "O with 0 bonds, Ti with 0 bonds"),
        (validators.coordination, {"max": 6}, crystal("NaCl"), crystal("CsCl"), "Cl with 8 bonds"),
        (validators.dimensionality, {}, crystal("MgO"), crystal("MoS2"), "bonded in 2 directions, allowed 3"),
        (validators.dimensionality, {"allowed": [1, 2]}, crystal("MoS2"), crystal("Ar"), "in 0 directions"),
        (
            validators.space_group_found,
            {},
            crystal("TiO2"),
            replace_symbols("NaCl", Na="Cl"),
            "Pm-3m (221), expected 225",
        ),
        (validators.n_elements, {"min": 2}, crystal("NaCl"), crystal("Cu"), "1 elements"),
        (validators.forbidden, {}, crystal("NaCl"), replace_symbols("NaCl", Na="Tc"), "Tc (radioactive)"),
        (validators.forbidden, {"lists": ["toxic"], "others": ["Na"]}, crystal("Cu"), crystal("NaCl"), "Na (forb"),
    ],
)
def test_a_check_passes_the_valid_and_fails_the_invalid_crystal(check, options, valid, invalid, detail):
    first, second = check([valid, invalid], **options)
    assert first.passed and not second.passed
    assert first.name == second.name
    assert detail in second.detail


def test_a_crystal_that_cannot_be_built_fails_with_the_reason():
    flat = replace(crystal("NaCl"), cell=(5.0, 5.0, 5.0, 30.0, 30.0, 120.0))
    broken = replace(crystal("NaCl"), cell=(math.nan, 5.0, 5.0, 90.0, 90.0, 90.0))
    for check in (validators.distances, validators.neutrality, validators.dimensionality, validators.bond_valence):
        details = [c.detail for c in check([flat, broken]) if not c.passed]
        assert "no volume" in details[0] and "not finite" in details[1]
        assert check([]) == []


def test_the_distance_between_an_atom_and_its_periodic_image_counts():
    thin = crystal_of(Structure(Lattice.orthorhombic(0.45, 9, 9), ["H"], [[0, 0, 0]]))
    assert "shortest distance 0.45" in validators.distances([thin])[0].detail


def test_neutrality_accepts_mixed_valence_where_it_is_allowed():
    atoms = {"Li": (0, 0, 0), "Mn": (0.625, 0.625, 0.625), "O": (0.3882, 0.3882, 0.3882)}
    spinel = crystal_of(Structure.from_spacegroup("Fd-3m", Lattice.cubic(8.245), list(atoms), list(atoms.values())))
    assert not validators.neutrality([spinel])[0].passed
    assert validators.neutrality([spinel], allow_mixed_valence=True)[0].passed
    assert not validators.neutrality([replace_symbols("TiO2", Ti="Na")], allow_mixed_valence=True)[0].passed


def test_neutrality_gives_the_set_in_its_detail_and_rejects_an_unknown_set():
    unusual = replace_symbols("NaCl", Na="Au", Cl="Cl")
    for name in ("smact14", "icsd24"):
        assert f"(set {name})" in validators.neutrality([unusual], oxidation_states_set=name)[0].detail
    with pytest.raises(InvdesignError, match="got 'smact99'"):
        validators.neutrality([replace_symbols("NaCl", Na="Rb")], oxidation_states_set="smact99")


def test_forbidden_lists_have_names_and_exceptions():
    lead = replace_symbols("NaCl", Na="Pb", Cl="S")
    assert validators.forbidden([lead], lists=["toxic"])[0].detail == "Pb (toxic)"
    assert validators.forbidden([lead], lists=["toxic"], allowed=["Pb"])[0].passed
    with pytest.raises(InvdesignError, match=r"lists among toxic, .*, got 'poison'"):
        validators.forbidden([lead], lists=["poison"])
    with pytest.raises(InvdesignError, match="got 'Qq'"):
        validators.forbidden([lead], others=["Qq"])


def test_near_hull_checks_the_energy_above_the_hull(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nNa,-1\nCl,-1\nNaCl,-2\n")
    near, far = (
        validators.near_hull([crystal("NaCl")], references=path, energy=lambda designs, e=e: [e] * len(designs))[0]
        for e in (-1.95, -1.5)
    )
    assert near.passed and not far.passed
    assert far.detail == "0.500 eV/atom above the hull, allowed at most 0.1"


def test_near_hull_refuses_an_energy_far_below_the_hull_where_a_minimum_is_stated(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nNa,-1\nCl,-1\n")
    check = partial(validators.near_hull, [crystal("NaCl")], references=path, energy=lambda designs: [-1.5])
    assert check()[0].passed and check(min=-0.6)[0].passed
    (far,) = check(min=-0.1, max=0.2)
    assert not far.passed and far.detail == "-0.500 eV/atom above the hull, allowed -0.1 to 0.2"
    for low in (0.3, math.nan):
        with pytest.raises(InvdesignError, match="expected min <= max"):
            check(min=low, max=0.2)


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "TiSrO3"])
def test_real_crystals_pass_the_screens(name):
    for check in (validators.distances, validators.volume_per_atom, validators.density, validators.space_group_found):
        (found,) = check([crystal(name)])
        assert found.passed, found
    assert structure(name).is_ordered


def test_a_volume_far_from_that_of_the_composition_in_the_corpus_is_refused():
    known = Corpus(tuple(crystal(name) for name in ("NaCl", "MgO", "Cu")), name="known")

    def load():
        return known

    larger = scale_cell("NaCl", 1.4)
    passed = validators.typical_volume([crystal("NaCl"), larger, crystal("CsCl")], corpus=load)
    assert [check.passed for check in passed] == [True, False, True]
    assert re.search(r"volume \+\d\d\d% from .* of its composition, allowed 50%", passed[1].detail)
    assert passed[2].detail == "not checked: an element that the corpus lacks"
    assert validators.typical_volume([larger], corpus=load, max_deviation=3.0)[0].passed
    assert validators.typical_volume([larger], corpus=None)[0].passed
    with pytest.raises(InvdesignError, match="expected max_deviation above 0"):
        validators.typical_volume([larger], corpus=load, max_deviation=0)
