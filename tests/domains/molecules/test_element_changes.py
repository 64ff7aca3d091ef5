"""Substitution of elements in molecules."""

import pytest

from invdesign.domains.molecules.element_changes import element_change, may_contain, substitute


@pytest.mark.parametrize(
    ("design", "old", "new", "changed"),
    [
        ("Clc1ccccc1", 17, 35, "Brc1ccccc1"),
        ("c1ccsc1", 16, 34, "c1cc[se]c1"),
        ("c1ccccc1", 17, 35, None),
        ("[Na+].[Cl-]", 11, 19, "[Cl-].[K+]"),
        ("C[N+](C)(C)C", 7, 9, None),
    ],
)
def test_each_atom_of_an_element_becomes_another(design: str, old: int, new: int, changed: str | None) -> None:
    assert substitute(design, old=old, new=new) == changed


def test_only_molecules_with_the_new_element_are_possible_results() -> None:
    change = element_change("S -> Se", identify=str)
    assert change.is_possible_result("c1cc[se]c1")
    assert not change.is_possible_result("Clc1ccccc1")


def test_every_molecule_is_a_possible_result_of_a_change_to_hydrogen() -> None:
    change = element_change("Cl -> H", identify=str)
    assert change.apply("Clc1ccccc1") == "c1ccccc1"
    assert change.is_possible_result("c1ccccc1")


@pytest.mark.parametrize("design", ["CS(C)=O", "c1ccsc1"])
def test_an_element_is_found_in_both_cases(design: str) -> None:
    assert may_contain(design, symbol="S")
