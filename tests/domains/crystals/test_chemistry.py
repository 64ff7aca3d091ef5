"""Chemistry of crystals: oxidation states, bonds, dimensionality, bond valences and radii."""

import math
from dataclasses import replace

import numpy as np
import pytest
from known_crystals import crystal
from pymatgen.analysis.dimensionality import get_dimensionality_larsen
from pymatgen.analysis.graphs import StructureGraph

from invdesign.core import InvdesignError
from invdesign.domains.crystals import chemistry


@pytest.mark.parametrize(
    ("name", "expected"),
    [("NaCl", 3), ("Cu", 3), ("TiO2", 3), ("MoS2", 2), ("SeleniumChain", 1), ("Ar", 0), ("SrTiO3", 3)],
)
def test_dimensionality_agrees_with_the_method_of_larsen(name, expected):
    assert chemistry.dimensionality(crystal(name)) == expected
    bonds = chemistry.bonds(crystal(name))
    cell, _ = chemistry.build_structure(crystal(name))
    graph = StructureGraph.from_empty_graph(cell)
    for i, j, image in zip(bonds.first, bonds.second, bonds.image, strict=True):
        graph.add_edge(int(i), int(j), to_jimage=tuple(image), warn_duplicates=False)
    assert get_dimensionality_larsen(graph) == expected


@pytest.mark.parametrize(
    ("name", "numbers"), [("NaCl", {6}), ("CsCl", {8}), ("TiO2", {3, 6}), ("Cu", {12}), ("Si", {4})]
)
def test_coordination_numbers_agree_with_textbook_values(name, numbers):
    assert set(chemistry.coordination_numbers(crystal(name)).tolist()) == numbers


def test_bond_valence_sums_agree_with_a_calculation_by_hand():
    # O'Keeffe and Brese's radii and softness give the length of a Na-Cl bond of valence 1. Each atom has six bonds, and
    # no other pair of unlike atoms lies within 4 angstrom.
    species, sums, expected = chemistry.bond_valence_sums(crystal("NaCl"))
    assert sorted(set(species)) == ["Cl-1", "Na+1"]
    by_hand = 6 * math.exp((2.2106550 - 2.82 * 1.015) / 0.31)
    np.testing.assert_allclose(np.abs(sums), by_hand, rtol=1e-6)
    assert (np.sign(sums) == np.sign(expected)).all() and np.abs(expected) == pytest.approx(0.95, abs=0.02)
    assert chemistry.bond_valence_sums(crystal("Cu")) is None


def test_oxidation_states_are_neutral_and_the_most_likely_ones():
    assert chemistry.oxidation_states("O3SrTi") == {"Sr": 2, "Ti": 4, "O": -2}
    assert chemistry.oxidation_states("Fe3O4")["Fe"] == pytest.approx(8 / 3)
    assert chemistry.oxidation_states("Cu") == {} == chemistry.oxidation_states("ArHe")


def test_the_valence_scale_of_a_compressed_cell_is_above_one():
    salt = crystal("NaCl")
    a, b, c, *angles = salt.cell
    compressed = replace(salt, cell=(0.9 * a, 0.9 * b, 0.9 * c, *angles))
    assert chemistry.valence_scale(compressed) == pytest.approx(chemistry.valence_scale(salt) / 0.9, rel=1e-6)
    assert math.isnan(chemistry.valence_scale(crystal("Cu")))


def test_shannon_radii_are_those_of_the_nearest_charge_and_coordination():
    assert chemistry.shannon_radius("Ti", 4, 6) == 0.605
    assert chemistry.shannon_radius("O", -2, 6) == 1.40
    assert chemistry.shannon_radius("Na", 1.2, 20) == chemistry.shannon_radius("Na", 1, 12)
    assert math.isnan(chemistry.shannon_radius("Na", -1, 6))


def test_perovskite_sites_are_assigned_by_the_distance_to_the_anions():
    sites = chemistry.perovskite_sites(crystal("SrTiO3"))
    assert (sites.a, sites.b, sites.x) == ("Sr", "Ti", (("O", 1.0),))
    assert chemistry.perovskite_sites(crystal("NaCl")) is None


def test_neighbours_of_a_crystal_that_cannot_be_built_raise_an_error():
    flat = replace(crystal("NaCl"), cell=(5.0, 5.0, 5.0, 30.0, 30.0, 120.0))
    with pytest.raises(InvdesignError, match="got ClNa: the cell has no volume"):
        chemistry.neighbours(flat, 3.0)
