"""Ionic radii, and the names of ions in the table of prototypes."""

import math

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.prototypes.radii import Ion, parse_ions, radius


def test_radii_are_those_of_shannon_or_extrapolated_with_the_bond_valence_relation():
    assert radius(Ion("Ca", 2), 12) == 1.34
    assert radius(Ion("Fe", 3), 6) == 0.645
    assert radius(Ion("Ti", 4), 12) == pytest.approx(0.74 + 0.37 * math.log(12 / 8))
    assert radius(Ion("Cl", -1), 4) == 1.81
    assert radius(Ion("P", -3), 4) == 1.92


def test_an_ion_without_a_radius_raises_an_error():
    with pytest.raises(InvdesignError, match="got Na with charge"):
        radius(Ion("Na", 5), 6)


def test_a_name_stands_for_one_ion_or_for_all_cations_of_a_charge():
    assert parse_ions("Ti4") == (Ion("Ti", 4),)
    assert parse_ions("O") == (Ion("O", -2),)
    assert {ion.charge for ion in parse_ions("3")} == {3}
    with pytest.raises(InvdesignError, match="got 'titanium'"):
        parse_ions("titanium")


def test_an_oxidizing_cation_is_ionic_with_hard_anions_only():
    assert Ion("Ce", 4).is_ionic_with(Ion("O", -2))
    assert not Ion("Ce", 4).is_ionic_with(Ion("Cl", -1))
    assert Ion("Na", 1).is_ionic_with(Ion("Cl", -1))
    assert not Ion("Ir", 3).is_ionic_with(Ion("P", -3)), "the cation is the more electronegative one"
