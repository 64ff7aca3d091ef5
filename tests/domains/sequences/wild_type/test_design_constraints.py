"""Design constraints: violations, repair, and settings that are rejected."""

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.wild_type.design_constraints import DesignConstraints
from invdesign.domains.sequences.wild_type.wild_type import WildType

PROTEIN = letters_of("protein")
OWN = "MKTAYIAKQR"
WILD_TYPE = WildType(OWN, "toy", first=10)


def test_the_first_violation_is_described():
    constraints = DesignConstraints(PROTEIN, WILD_TYPE, fixed=[10], forbidden="C", max_mutations=1)
    assert constraints.violation(OWN) == ""
    assert constraints.violation("AKTAYIAKQR") == "not allowed: M10A"
    assert constraints.violation("MKTAYIAKQC") == "not allowed: R19C"
    assert constraints.violation("MKAAYIAKQK") == "2 mutations, at most 1 are allowed"
    assert constraints.violation("MKTAYIAKQ") == "9 letters, the wild type has 10: fixed positions would shift"


def test_constraints_without_fixed_positions_apply_to_any_length():
    constraints = DesignConstraints(PROTEIN, WILD_TYPE, forbidden="C", max_length=11)
    assert constraints.violation("MKTAYIAKQ") == ""
    assert constraints.violation("MKTAYIAKC") == "forbidden letters C"
    assert constraints.violation("M" * 12) == "12 letters, allowed are 1 to 11"
    assert DesignConstraints(PROTEIN, forbidden="C").violation("ACA") == "forbidden letters C"


def test_letters_that_are_not_allowed_are_set_back_to_the_wild_type():
    constraints = DesignConstraints(PROTEIN, WILD_TYPE, fixed=[10], forbidden="C")
    assert constraints.repair("AKTAYIAKQC") == OWN
    assert constraints.repair("AKT") == "AKT"


def test_letters_are_allowed_by_position():
    constraints = DesignConstraints("ACDE", WildType("ACDE"), designable={2: "", 3: "AC"}, forbidden="E")
    assert [constraints.allowed_letters(position) for position in range(4)] == ["A", "ACD", "ACD", "E"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fixed": [99], "wild_type": WILD_TYPE}, "no residue 99"),
        ({"fixed": [10]}, "set wild_type"),
        ({"fixed": [10], "designable": {10: ""}, "wild_type": WILD_TYPE}, "both fixed and designable"),
        ({"forbidden": "x"}, "capital letters"),
    ],
)
def test_inconsistent_settings_are_rejected(settings, message):
    with pytest.raises(InvdesignError, match=message):
        DesignConstraints(PROTEIN, **settings)
