"""Known structures with other elements."""

import pytest

from invdesign.domains.crystals.model.atom_volumes import cell_volume
from invdesign.domains.crystals.powder.substitution import TemplateLibrary, assignments, element_difference


@pytest.fixture(scope="module")
def library(crystals):
    return TemplateLibrary(crystals)


def test_structures_of_the_same_ratios_take_the_elements_of_the_formula(library):
    proposals = library.proposals({"K": 1, "Br": 1}, 10)
    assert {(p.crystal.formula, p.crystal.space_group) for p in proposals} == {("BrK", 225), ("BrK", 186)}
    assert proposals[0].origin == "structure of ClNa (225)"
    volume = library.typical_volume(proposals[0].crystal.counts)
    assert cell_volume(proposals[0].crystal.cell) == pytest.approx(volume)


def test_similar_elements_come_first(library):
    first, *others = library.proposals({"Na": 1, "Cl": 1}, 10)
    assert first.difference == 0.0 and first.crystal.space_group == 225
    assert all(other.difference > 0.5 for other in others)
    assert element_difference("Na", "K") < element_difference("Na", "O")


def test_no_more_than_the_given_number_is_returned_and_none_of_other_ratios(library):
    assert len(library.proposals({"K": 1, "Br": 1}, 1)) == 1
    assert library.proposals({"K": 2, "Br": 7}, 10) == []


def test_all_ways_to_place_elements_of_the_same_amount_are_tried():
    assert len(assignments({"A": 1, "B": 1, "X": 3}, {"Ca": 1, "Ti": 1, "O": 3})) == 2
