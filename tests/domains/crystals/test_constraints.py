"""Constraints on proposed crystals: what they refuse, and how crystals are changed to meet them."""

import pytest
import torch
from known_crystals import crystal
from pymatgen.core import Element

from invdesign.core import InvdesignError
from invdesign.domains.crystals.constraints import element_lists, parse_formula_type
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.mutations import mutate
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.crystals.validators import constraints


@pytest.mark.parametrize(
    ("settings", "name", "violation"),
    [
        ({"only": ["Na", "Cl"]}, "NaCl", ""),
        ({"only": ["Li", "Cl"]}, "NaCl", "Na not allowed"),
        ({"required": ["Li"]}, "NaCl", "lacks Li"),
        ({"excluded": ["rare_earth", "Cl"]}, "NaCl", "Cl not allowed"),
        ({"formula_types": ["ABX3"]}, "TiSrO3", ""),
        ({"formula_types": ["ABX3"]}, "NaCl", "ClNa is not of the type ABX3"),
        ({"space_groups": [221]}, "NaCl", "space group 225, allowed 221"),
        ({"n_atoms": [1, 6]}, "NaCl", "8 atoms in the cell, allowed 1 to 6"),
        ({"n_formula_units": [5, None]}, "NaCl", "4 formula units in the cell, allowed 5 to any number"),
    ],
)
def test_what_a_crystal_violates(settings, name, violation):
    domain = Crystals(**settings)
    assert domain.constraints.violation(crystal(name)) == violation
    (check,) = constraints([crystal(name)], domain=domain)
    assert (check.passed, check.detail) == (not violation, violation)


@pytest.mark.parametrize(
    "settings",
    [
        {"only": ["Xx"]},
        {"excluded": ["poisonous"]},
        {"only": ["Pb", "O"], "excluded": ["toxic"]},
        {"only": ["Li"], "required": ["S"]},
        {"space_groups": [231]},
        {"formula_types": ["abx3"]},
        {"formula_types": ["A" + "9" * 5000]},
        {"n_atoms": [9, 3]},
    ],
)
def test_constraints_that_cannot_be_met_are_errors_at_once(settings):
    with pytest.raises(InvdesignError, match=r"domain\."):
        Crystals(**settings)


def test_elements_are_replaced_by_the_nearest_allowed_ones():
    adapted = Crystals(only=("Li", "F", "O")).adapt(crystal("NaCl"))
    assert adapted is not None and adapted.formula == "FLi" and adapted.space_group == 225
    assert adapted.cell[0] < crystal("NaCl").cell[0]
    sulfide = Crystals(only=("Li", "P", "S")).adapt(crystal("NaCl"))
    assert sulfide is not None and sulfide.formula == "LiS"
    assert Crystals(only=("Na", "Cl")).adapt(crystal("NaCl")) is crystal("NaCl")
    assert Crystals(only=("O",)).adapt(crystal("NaCl")) is None
    assert Crystals(space_groups=(1,)).adapt(crystal("NaCl")) is None


@pytest.mark.slow
def test_1000_adapted_mutations_have_no_violation():
    torch.manual_seed(0)
    domain = Crystals(only=("Li", "P", "S", "Ge", "Cl"), required=("Li",), n_atoms=(None, 40))
    children = mutate(ionic(n=120).designs, 1000, radius=3)
    adapted = [design for child in children if (design := domain.adapt(child)) is not None]
    assert len({domain.key(design) for design in adapted}) >= 50
    assert not any(domain.constraints.violation(design) for design in adapted)


def test_a_formula_type_and_the_lists_of_elements():
    assert parse_formula_type("Li3PS4") == parse_formula_type("A3BX4") == (1, 3, 4)
    assert "Pb" in element_lists()["toxic"] and "Bi" not in element_lists()["radioactive"]
    assert {Element(symbol).Z for symbol in element_lists()["radioactive"]} == {43, 61, *range(84, 119)}
    assert {Element(symbol).Z for symbol in element_lists()["rare_earth"]} == {21, 39, *range(57, 72)}
    assert all(len(symbols) == len(set(symbols)) for symbols in element_lists().values())
