"""Changes of designs by name."""

from __future__ import annotations

import pytest
from known_crystals import crystal

from invdesign.core import InvdesignError
from invdesign.core.transformations import Transformable
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.symmetry.canonical import occupation
from invdesign.domains.molecules import Molecules
from invdesign.domains.sequences import Sequences


def test_the_reverse_complement_has_the_order_two() -> None:
    change = Sequences("dna", length=4).transformation("Reverse  complement")
    assert change.apply("AACG") == "CGTT" and change.order == 2


@pytest.mark.parametrize(("text", "result", "order"), [("rotate", "BCDEFA", 6), ("rotate by 4", "EFABCD", 3)])
def test_rotations_know_how_often_they_are_applied_to_return(text: str, result: str, order: int) -> None:
    change = Sequences("ABCDEF", length=6).transformation(text)
    design = "ABCDEF"
    for _ in range(order):
        design = change.apply(design) or ""
    assert change.apply("ABCDEF") == result and change.order == order and design == "ABCDEF"


def test_peptides_of_several_lengths_have_no_order_of_rotation() -> None:
    assert Sequences().transformation("rotate").order is None


def test_an_element_is_replaced_by_another_of_equal_amount() -> None:
    salt = crystal("NaCl")
    change = Crystals().transformation("NaCl -> NaBr")
    changed = change.apply(salt)
    assert changed is not None and changed.formula == "BrNa" and changed.space_group == salt.space_group
    assert changed.cell[0] > salt.cell[0]
    assert change.apply(changed) is None and change.identify(changed) == occupation(changed)


def test_a_chlorine_becomes_a_bromine() -> None:
    change = Molecules().transformation("Cl -> Br")
    assert change.apply("Clc1ccccc1") == "Brc1ccccc1" and change.apply("CCO") is None
    assert Molecules().transformation("Cl -> O").apply("CCCl") == "CCO"


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Sequences(), "reverse complement"),
        (Crystals(), "NaCl -> NaBr2"),
        (Crystals(), "Cl to Br"),
        (Molecules(), "Cl -> Xx"),
        (Molecules(), "bromide"),
    ],
)
def test_what_is_no_change_is_refused_with_what_is(domain: Transformable[str], text: str) -> None:
    with pytest.raises(InvdesignError, match=r"expected .*two columns"):
        domain.transformation(text)
