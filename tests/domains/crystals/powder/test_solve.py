"""Search for the crystal behind a pattern."""

from dataclasses import replace

import pytest

from invdesign.domains.crystals.mutations import replace_elements
from invdesign.domains.crystals.powder.measured import prepare_pattern
from invdesign.domains.crystals.powder.solve import Effort, solve
from invdesign.domains.crystals.powder.substitution import TemplateLibrary
from invdesign.domains.crystals.symmetry.matching import match


@pytest.fixture(scope="module")
def library(crystals):
    return TemplateLibrary(crystals)


@pytest.mark.parametrize(("elements", "number"), [({"Na": "Mg", "Cl": "O"}, 0), ({"Zn": "Cd", "O": "S"}, 2)])
def test_the_structure_of_a_binary_is_told_from_the_other_one(crystals, library, simulate, elements, number):
    true = replace_elements(crystals[number], elements)
    measured = prepare_pattern(simulate(true, zero=0.02))
    solutions = solve(measured, library.proposals(true.counts, 20), library, n=3)
    assert solutions[0].crystal.space_group == true.space_group and match(solutions[0].crystal, true)
    assert solutions[0].agreement > 0.95 > solutions[1].agreement
    assert solutions[0].crystal.cell[0] == pytest.approx(true.cell[0], rel=0.005)
    assert solutions[0].pattern.max() == pytest.approx(100) and len(solutions[0].pattern) == measured.grid.n


def test_the_search_is_reproducible_and_its_stages_can_be_left_out(crystals, library, simulate):
    measured = prepare_pattern(simulate(crystals[2]))
    proposals = library.proposals({"Zn": 1, "O": 1}, 20)
    first, second = (solve(measured, proposals, library, seed=1) for _ in range(2))
    assert [s.score for s in first] == [s.score for s in second]
    simple = solve(measured, proposals, library, effort=Effort(is_fitted=False, n_refined=0))
    assert simple[0].agreement <= first[0].agreement + 1e-9


def test_near_atoms_lower_the_score(crystals, library, simulate):
    measured = prepare_pattern(simulate(crystals[0]))
    proposals = library.proposals({"Na": 1, "Cl": 1}, 20)
    own = solve(measured, proposals, library)[0]
    shrunk = replace(proposals[0], crystal=replace(proposals[0].crystal, cell=(3.0, 3.0, 3.0, 90.0, 90.0, 90.0)))
    bad = solve(measured, [shrunk], library)[0]
    assert bad.score < own.score - 0.1
