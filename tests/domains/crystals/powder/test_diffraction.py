"""Calculated powder patterns."""

import numpy as np
import pytest
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from invdesign.core import InvdesignError
from invdesign.domains.crystals.powder.diffraction import Grid, peaks, reflections, scattering_factors
from invdesign.domains.crystals.symmetry.canonical import expand, structure_of


def test_patterns_are_those_of_pymatgen(crystals):
    grid = Grid(5.0, 0.05, 1700)
    for crystal in crystals:
        theirs = XRDCalculator(1.54184).get_pattern(structure_of(crystal), two_theta_range=(5, 90))
        angles, intensities = peaks(crystal, *expand(crystal), 1.54184, 90.0)
        patterns = [
            grid.broaden(grid.deposit(np.asarray(x)[None], np.asarray(y)), 0.1)[0]
            for x, y in ((theirs.x, theirs.y), (angles, intensities))
        ]
        assert np.abs(patterns[0] - patterns[1]).max() < 0.01 * patterns[0].max()


def test_a_centred_cell_has_no_reflections_of_mixed_parity(crystals):
    salt = crystals[0]
    found = reflections(salt.space_group, salt.cell, 0.7)
    assert {tuple(sorted(map(abs, row))) for row in found.hkl[:3].astype(int).tolist()} <= {
        (1, 1, 1), (0, 0, 2), (0, 2, 2), (1, 1, 3), (2, 2, 2)
    }  # fmt: skip
    assert all(len({int(i) % 2 for i in row}) == 1 for row in found.hkl)
    assert sorted(set(found.multiplicity.tolist())) == [6.0, 8.0, 12.0, 24.0]


def test_a_cell_that_is_too_large_is_refused():
    with pytest.raises(InvdesignError, match="expected at most 60,000 reflections"):
        reflections(1, (60.0, 60.0, 60.0, 90.0, 90.0, 90.0), 1.3)


def test_an_element_scatters_as_its_electrons_at_small_angles():
    assert scattering_factors(["Fe"], np.array([1e-6]))[0, 0] == pytest.approx(26)
    with pytest.raises(InvdesignError, match="known scattering factors"):
        scattering_factors(["Xx"], np.array([0.1]))


def test_peaks_keep_their_area_on_the_grid_and_those_beyond_it_are_left_out():
    grid = Grid(10.0, 0.05, 400)
    patterns = grid.deposit(np.array([[15.02, 9.0, np.nan, 40.0], [12.0, 15.0, 18.0, 20.0]]), np.array([1.0, 2, 3, 4]))
    assert patterns.sum(1) == pytest.approx([1.0, 10.0])
    assert grid.broaden(patterns, 0.1).sum(1) == pytest.approx([1.0, 10.0])
