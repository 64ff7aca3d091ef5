"""Measures that tell crystals from nonsense."""

from dataclasses import replace

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.core import capabilities
from invdesign.domains.crystals import Crystals, sanity
from invdesign.domains.crystals.chemistry import covalent_radius


def scale_cell(design, factor):
    a, b, c, *angles = design.cell
    return replace(design, cell=(a * factor, b * factor, c * factor, *angles))


def replace_element(design, old, new):
    return replace(design, orbits=tuple(replace(o, element=new) if o.element == old else o for o in design.orbits))


def test_each_defect_is_measured_and_makes_a_crystal_nonsense():
    salt = crystal("NaCl")
    designs = [salt, scale_cell(salt, 0.6), scale_cell(salt, 0.1), replace_element(crystal("TiO2"), "Ti", "Na")]
    measured = capabilities.quality(Crystals(), designs)
    assert measured["structurally valid"].tolist() == [1, 1, 0, 1]
    assert measured["too near"].tolist() == [0, 1, 1, 0]
    assert measured["compositionally valid"].tolist() == [1, 1, 1, 0]
    assert measured["nonsense"].tolist() == [0, 1, 1, 1]
    assert not measured["P1"].any()


def test_the_nearest_contact_is_the_shortest_distance_and_its_ratio_to_the_radii():
    salt = scale_cell(crystal("NaCl"), 0.6)
    distance, ratio = sanity.nearest_contact(salt)
    assert distance == pytest.approx(salt.cell[0] / 2)
    assert ratio == pytest.approx(distance / (covalent_radius("Na") + covalent_radius("Cl")))
    assert sanity.nearest_contact(scale_cell(salt, 10))[0] == np.inf


def test_a_crystal_that_cannot_be_built_is_nonsense_without_symmetry():
    flat = replace(crystal("NaCl"), cell=(5.6, 5.6, 5.6, 10.0, 10.0, 170.0))
    measured = sanity.measure_sanity([flat])
    assert measured["structurally valid"].tolist() == [0]
    assert measured["nonsense"].tolist() == measured["P1"].tolist() == [1]


def test_coinciding_images_are_found():
    rutile = crystal("TiO2")
    misplaced = replace(rutile.orbits[0], multiplicity=12)
    assert sanity.is_whole(rutile)
    assert not sanity.is_whole(replace(rutile, orbits=(misplaced, *rutile.orbits[1:])))


def test_no_designs_have_no_measures_to_average():
    assert all(len(values) == 0 for values in sanity.measure_sanity([]).values())
