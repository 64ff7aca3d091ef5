"""Validators of crystals: what passes, what fails, and what the detail says."""

import math
from dataclasses import replace

import numpy as np
import pytest
from known_crystals import KNOWN, crystal, structure
from pymatgen.analysis.dimensionality import get_dimensionality_larsen
from pymatgen.analysis.graphs import StructureGraph
from pymatgen.core import Lattice, Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals import chemistry, validators
from invdesign.domains.crystals.symmetry.canonical import crystal_of


def scaled(name, factor):
    a, b, c, *angles = crystal(name).cell
    return replace(crystal(name), cell=(a * factor, b * factor, c * factor, *angles))


def as_element(name, **renamed):
    orbits = tuple(replace(o, element=renamed.get(o.element, o.element)) for o in crystal(name).orbits)
    return replace(crystal(name), orbits=orbits)


@pytest.mark.parametrize(
    ("check", "options", "passes", "fails", "said"),
    [
        (validators.distances, {}, crystal("NaCl"), scaled("NaCl", 0.17), "least distance 0.48 Å, at least 0.5"),
        (validators.distances, {"min": 2.9}, crystal("CsCl"), crystal("NaCl"), "2.82 Å, at least 2.9"),
        (validators.distances, {}, crystal("CsCl"), scaled("CsCl", 0.1), "0.0701 Å³"),
        (validators.volume_per_atom, {}, crystal("NaCl"), scaled("NaCl", 2), "179 Å³ per atom, allowed 4 to 100"),
        (validators.density, {"min": 2}, crystal("NaCl"), crystal("Ar"), "1.77 g/cm³, allowed 2 to 25"),
        (validators.neutrality, {}, crystal("NaCl"), as_element("TiO2", Ti="Na"), "for NaO2 (set smact14)"),
        (validators.neutrality, {"alloys": False}, crystal("MgO"), as_element("NaCl", Na="Mg", Cl="Ca"), "CaMg"),
        (validators.electronegativity_balance, {}, crystal("Cu"), as_element("NaCl", Na="He"), "no neutral"),
        (validators.electronegativity_balance, {"min": 2.2}, crystal("NaCl"), crystal("TiO2"), "1.90"),
        (validators.formal_charges, {}, crystal("TiO2"), as_element("TiO2", Ti="W", O="N"), "W+6"),
        (validators.formal_charges, {}, crystal("SrTiO3"), as_element("SrTiO3", O="N"), "N-1.67 is a mean"),
        (validators.formal_charges, {"alloys": False}, crystal("NaCl"), crystal("Cu"), "no ions"),
        (validators.formal_charges, {"max": 1}, crystal("Cu"), crystal("TiO2"), "Ti+4, at most 1"),
        (validators.bond_valence, {}, crystal("NaCl"), scaled("NaCl", 0.8), "instability"),
        (validators.coordination, {}, crystal("TiO2"), scaled("TiO2", 2), "O with 0 bonds, Ti with 0 bonds"),
        (validators.coordination, {"max": 6}, crystal("NaCl"), crystal("CsCl"), "Cl with 8 bonds"),
        (validators.dimensionality, {}, crystal("MgO"), crystal("MoS2"), "bonded in 2 directions, allowed 3"),
        (validators.dimensionality, {"allowed": [1, 2]}, crystal("MoS2"), crystal("Ar"), "in 0 directions"),
        (validators.space_group_found, {}, crystal("TiO2"), as_element("NaCl", Na="Cl"), "Pm-3m (221), claimed 225"),
        (validators.n_elements, {"min": 2}, crystal("NaCl"), crystal("Cu"), "1 elements"),
        (validators.forbidden, {}, crystal("NaCl"), as_element("NaCl", Na="Tc"), "Tc (radioactive)"),
        (validators.forbidden, {"lists": ["toxic"], "others": ["Na"]}, crystal("Cu"), crystal("NaCl"), "Na (forb"),
    ],
)
def test_a_check_passes_and_fails_where_it_should(check, options, passes, fails, said):
    good, bad = check([passes, fails], **options)
    assert good.passed and not bad.passed
    assert good.name == bad.name
    assert said in bad.detail


def test_what_cannot_be_built_fails_with_the_reason():
    flat = replace(crystal("NaCl"), cell=(5.0, 5.0, 5.0, 30.0, 30.0, 120.0))
    broken = replace(crystal("NaCl"), cell=(math.nan, 5.0, 5.0, 90.0, 90.0, 90.0))
    for check in (validators.distances, validators.neutrality, validators.dimensionality, validators.bond_valence):
        details = [c.detail for c in check([flat, broken]) if not c.passed]
        assert "no volume" in details[0] and "not finite" in details[1]
        assert check([]) == []


def test_an_atom_and_its_own_image_are_a_pair_too():
    thin = crystal_of(Structure(Lattice.orthorhombic(0.45, 9, 9), ["H"], [[0, 0, 0]]))
    assert "least distance 0.45" in validators.distances([thin])[0].detail


@pytest.mark.parametrize(
    ("name", "directions"),
    [("NaCl", 3), ("Cu", 3), ("TiO2", 3), ("MoS2", 2), ("SeleniumChain", 1), ("Ar", 0), ("SrTiO3", 3)],
)
def test_directions_in_which_bonds_go_on_are_those_of_larsen(name, directions):
    assert chemistry.dimensionality(crystal(name)) == directions
    found, cell = chemistry.bonds(crystal(name)), chemistry.built(crystal(name))[0]
    graph = StructureGraph.from_empty_graph(cell)
    for i, j, image in zip(found.first, found.second, found.image, strict=True):
        graph.add_edge(int(i), int(j), to_jimage=tuple(image), warn_duplicates=False)
    assert get_dimensionality_larsen(graph) == directions


@pytest.mark.parametrize(
    ("name", "numbers"), [("NaCl", {6}), ("CsCl", {8}), ("TiO2", {3, 6}), ("Cu", {12}), ("Si", {4})]
)
def test_coordination_numbers_are_those_of_the_textbook(name, numbers):
    assert set(chemistry.coordination_numbers(crystal(name)).tolist()) == numbers


def test_bond_valence_sums_by_hand():
    # O'Keeffe and Brese's radii and softness give a bond of Na-Cl its length at one valence unit; six of them and,
    # within 4 angstrom, no other pair of unlike atoms.
    species, sums, usual = chemistry.bond_valence_sums(crystal("NaCl"))
    assert sorted(set(species)) == ["Cl-1", "Na+1"]
    by_hand = 6 * math.exp((2.2106550 - 2.82 * 1.015) / 0.31)
    np.testing.assert_allclose(np.abs(sums), by_hand, rtol=1e-6)
    assert (np.sign(sums) == np.sign(usual)).all() and np.abs(usual) == pytest.approx(0.95, abs=0.02)
    assert chemistry.bond_valence_sums(crystal("Cu")) is None


def test_oxidation_states_are_neutral_and_the_likeliest():
    assert chemistry.oxidation_states("O3SrTi") == {"Sr": 2, "Ti": 4, "O": -2}
    assert chemistry.oxidation_states("Fe3O4")["Fe"] == pytest.approx(8 / 3)
    assert chemistry.oxidation_states("Cu") == {} == chemistry.oxidation_states("ArHe")


def test_neutrality_names_its_set_and_newer_sets_allow_more():
    odd = as_element("NaCl", Na="Au", Cl="Cl")
    for name in ("smact14", "icsd24"):
        assert f"(set {name})" in validators.neutrality([odd], oxidation_states_set=name)[0].detail
    with pytest.raises(InvdesignError, match="oxidation_states_set 'smact99'"):
        validators.neutrality([as_element("NaCl", Na="Rb")], oxidation_states_set="smact99")


def test_forbidden_lists_have_names_and_exceptions():
    lead = as_element("NaCl", Na="Pb", Cl="S")
    assert validators.forbidden([lead], lists=["toxic"])[0].detail == "Pb (toxic)"
    assert validators.forbidden([lead], lists=["toxic"], allowed=["Pb"])[0].passed
    with pytest.raises(InvdesignError, match="no list 'poison'; there are toxic"):
        validators.forbidden([lead], lists=["poison"])
    with pytest.raises(InvdesignError, match="'Qq' is no element"):
        validators.forbidden([lead], others=["Qq"])


def test_a_hull_is_a_validator_too(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nNa,-1\nCl,-1\nNaCl,-2\n")
    near, far = (
        validators.near_hull([crystal("NaCl")], references=path, energy=lambda designs, e=e: [e] * len(designs))[0]
        for e in (-1.95, -1.5)
    )
    assert near.passed and not far.passed
    assert far.detail == "0.500 eV/atom above the hull, at most 0.1"


@pytest.mark.parametrize("name", [name for name in KNOWN if name != "TiSrO3"])
def test_real_crystals_pass_the_screens(name):
    for check in (validators.distances, validators.volume_per_atom, validators.density, validators.space_group_found):
        (found,) = check([crystal(name)])
        assert found.passed, found
    assert structure(name).is_ordered
