"""Structure matching: pairs, lists and files of crystals."""

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


def displace(name, amplitude=0.05, seed=0):
    other = structure(name).copy()
    shifts = np.random.default_rng(seed).normal(scale=amplitude, size=(len(other), 3))
    return Structure(
        other.lattice, [site.specie for site in other], other.cart_coords + shifts, coords_are_cartesian=True
    )


def test_a_crystal_matches_its_supercell_and_no_other_crystal():
    other = displace("SrTiO3")
    other.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    assert matching.match(crystal("SrTiO3"), other)
    assert not matching.match(crystal("SrTiO3"), crystal("TiSrO3"))
    assert not matching.match(crystal("TiO2"), crystal("anatase"))


def test_rms_is_in_units_of_the_cube_root_of_the_volume_per_atom():
    # One of the two atoms moves: after the best common shift each is displaced by half of the difference.
    difference = 0.2
    other = structure("CsCl").copy()
    other.translate_sites([0], [difference / 4.123, 0, 0])
    expected = difference / 2 / 4.123 * 2 ** (1 / 3)
    assert matching.rms(structure("CsCl"), other) == pytest.approx(expected, rel=1e-6)
    assert math.isnan(matching.rms(crystal("TiO2"), crystal("anatase")))


@pytest.mark.parametrize("name", KNOWN)
def test_a_reduced_cell_is_primitive_and_matches_like_the_crystal(name):
    cell = matching.reduce_cell(crystal(name))
    assert len(cell) == len(structure(name).get_primitive_structure())
    assert StructureMatcher(scale=False, stol=1e-3).fit(cell, structure(name))
    for seed in range(3):
        other = displace(name, seed=seed)
        assert matching.fits(cell, matching.reduce_cell(other)) == matching.match(crystal(name), other)


def test_crystals_and_structures_have_the_same_formula():
    for name in KNOWN:
        assert matching.formula(crystal(name)) == matching.formula(structure(name))


@pytest.mark.slow
def test_each_design_is_assigned_the_first_one_that_matches_it():
    designs = [crystal("TiO2"), crystal("anatase"), crystal_of(displace("TiO2"), symprec=0.01), crystal("NaCl")]
    designs += [crystal("anatase"), replace(crystal("NaCl"), cell=(6.0, 6.0, 6.0, 90.0, 90.0, 90.0))]
    assert matching.first_matches(designs).tolist() == [0, 1, 0, 3, 1, 3]
    assert matching.first_matches(designs, workers=2).tolist() == [0, 1, 0, 3, 1, 3]
    assert [check.passed for check in matching.unique_structure(designs)] == [True, True, False, True, False, False]
    assert matching.unique_structure(designs)[2].detail == "matches number 1"


@pytest.mark.slow
def test_a_match_does_not_depend_on_the_setting():
    designs = [crystal("TiO2"), crystal("SrTiO3"), crystal("NaCl")]
    others = [displace("TiO2"), structure("TiSrO3"), structure("anatase")]
    assert matching.has_match(designs, others).tolist() == [True, False, False]
    assert matching.has_match(designs, others, workers=2).tolist() == [True, False, False]
    assert matching.has_match([], others).tolist() == [] and not matching.has_match(designs, []).any()


class FakeDomain:
    """A domain that counts how often it reads a file."""

    formats = (".txt",)

    def __init__(self):
        self.n_read = 0

    def write(self, designs, path, *, columns=None):
        raise NotImplementedError

    def read(self, path):
        self.n_read += 1
        return Corpus(designs=tuple(crystal(name) for name in path.read_text().split()))


def test_novelty_against_a_file_compares_structures_and_reads_it_once(tmp_path):
    path = tmp_path / "generated.txt"
    path.write_text("TiO2 NaCl")
    domain = FakeDomain()
    for _ in range(2):
        checks = matching.novel_structure([crystal("TiO2"), crystal("anatase")], path=path, domain=domain)
        assert [check.passed for check in checks] == [False, True]
        assert checks[0].name == "novel_structure_generated" and "matches" in checks[0].detail
    assert domain.n_read == 1
    with pytest.raises(InvdesignError, match="no such file"):
        matching.novel_structure([crystal("TiO2")], path=tmp_path / "none.cif", domain=domain)
