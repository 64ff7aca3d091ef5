"""Required and forbidden parts of molecules."""

from __future__ import annotations

import pytest

from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.parts import PartConstraints


def test_a_molecule_is_adapted_only_if_it_has_the_required_parts_and_no_others() -> None:
    domain = Molecules(required=("c1ccncc1",), forbidden=("[N+](=O)[O-]",), only=("C", "N", "O"))
    assert domain.adapt("Cc1ccncc1") == "Cc1ccncc1"
    for design in ("Cc1ccccc1", "O=[N+]([O-])c1ccncc1", "Clc1ccncc1", "not a molecule"):
        assert domain.adapt(design) is None
    assert Molecules().adapt("not a molecule") == "not a molecule"


def test_the_violated_condition_is_named() -> None:
    constraints = PartConstraints(only=("C",), forbidden=("CC",))
    assert constraints.violation("CO") == "O not allowed"
    assert constraints.violation("CCC") == "has CC"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"required": ("((",)}, "SMARTS"),
        ({"only": ("Xx",)}, "chemical symbols"),
        ({"required": ("CC",), "forbidden": ("CC",)}, "also required"),
    ],
)
def test_conditions_that_make_no_sense_are_refused(settings: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(InvdesignError, match=message):
        Molecules(**settings)  # type: ignore[arg-type]


def test_the_limits_of_the_task_are_no_part_of_a_model() -> None:
    assert Molecules(required=("CC",)).settings() == Molecules().settings()
