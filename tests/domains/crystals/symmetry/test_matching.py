"""When two crystals are the same."""

import math
from dataclasses import replace

import numpy as np
import pytest
from known_crystals import KNOWN, crystal, structure
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from invdesign.core import Corpus, InvdesignError
from invdesign.domains.crystals.symmetry import matching
from invdesign.domains.crystals.symmetry.canonical import crystal_of


def moved(name, amplitude=0.05, seed=0):
    other = structure(name).copy()
    shifts = np.random.default_rng(seed).normal(scale=amplitude, size=(len(other), 3))
    return Structure(
        other.lattice, [site.specie for site in other], other.cart_coords + shifts, coords_are_cartesian=True
    )


def test_a_crystal_matches_itself_in_other_words_and_no_other():
    other = moved("SrTiO3")
    other.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    assert matching.match(crystal("SrTiO3"), other)
    assert not matching.match(crystal("SrTiO3"), crystal("TiSrO3"))
    assert not matching.match(crystal("TiO2"), crystal("anatase"))


def test_rms_is_in_units_of_the_length_of_an_atom():
    # One of eight atoms moves: after the best common shift the mean square way is (1/8)(7/8) of the square.
    apart = 0.2
    other = structure("CsCl").copy()
    other.translate_sites([0], [apart / 4.123, 0, 0])
    by_hand = apart / 2 / 4.123 * 2 ** (1 / 3)
    assert matching.rms(structure("CsCl"), other) == pytest.approx(by_hand, rel=1e-6)
    assert math.isnan(matching.rms(crystal("TiO2"), crystal("anatase")))


@pytest.mark.parametrize("name", KNOWN)
def test_a_reduced_cell_is_primitive_and_says_the_same(name):
    cell = matching.reduced(crystal(name))
    assert len(cell) == len(structure(name).get_primitive_structure())
    assert StructureMatcher(scale=False, stol=1e-3).fit(cell, structure(name))
    for seed in range(3):
        other = moved(name, seed=seed)
        assert matching.fits(cell, matching.reduced(other)) == matching.match(crystal(name), other)


def test_formulas_are_written_alike_for_crystals_and_structures():
    for name in KNOWN:
        assert matching.formula(crystal(name)) == matching.formula(structure(name))


def test_the_first_of_those_that_match_stands_for_them():
    designs = [crystal("TiO2"), crystal("anatase"), crystal_of(moved("TiO2"), symprec=0.01), crystal("NaCl")]
    designs += [crystal("anatase"), replace(crystal("NaCl"), cell=(6.0, 6.0, 6.0, 90.0, 90.0, 90.0))]
    assert matching.firsts(designs).tolist() == [0, 1, 0, 3, 1, 3]
    assert matching.firsts(designs, workers=2).tolist() == [0, 1, 0, 3, 1, 3]
    assert [check.passed for check in matching.unique_structure(designs)] == [True, True, False, True, False, False]
    assert matching.unique_structure(designs)[2].detail == "matches number 1"


def test_what_is_known_is_found_whatever_its_setting():
    designs = [crystal("TiO2"), crystal("SrTiO3"), crystal("NaCl")]
    others = [moved("TiO2"), structure("TiSrO3"), structure("anatase")]
    assert matching.is_known(designs, others).tolist() == [True, False, False]
    assert matching.is_known(designs, others, workers=2).tolist() == [True, False, False]
    assert matching.is_known([], others).tolist() == [] and not matching.is_known(designs, []).any()


class Shelf:
    """As much of a domain as novelty asks for."""

    def __init__(self):
        self.n_read = 0

    def read(self, path):
        self.n_read += 1
        return Corpus(designs=tuple(crystal(name) for name in path.read_text().split()))


def test_novelty_against_a_file_compares_structures_and_reads_it_once(tmp_path):
    path = tmp_path / "made.txt"
    path.write_text("TiO2 NaCl")
    shelf = Shelf()
    for _ in range(2):
        checks = matching.novel_structure([crystal("TiO2"), crystal("anatase")], path=path, domain=shelf)
        assert [check.passed for check in checks] == [False, True]
        assert checks[0].name == "novel_structure_made" and "matches" in checks[0].detail
    assert shelf.n_read == 1
    with pytest.raises(InvdesignError, match="no such file"):
        matching.novel_structure([crystal("TiO2")], path=tmp_path / "none.cif", domain=shelf)
