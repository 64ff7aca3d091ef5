"""Typical volumes of elements."""

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.domains.crystals.model.atom_volumes import cell_volume, fit_atom_volumes
from invdesign.domains.crystals.symmetry.canonical import structure_of


def test_volumes_of_the_composition_are_near_those_of_the_cells(crystals):
    elements = sorted({element for c in crystals for element in c.counts})
    volumes = dict(zip(elements, fit_atom_volumes(crystals, elements), strict=True))
    for c in crystals:
        fitted = sum(n * volumes[element] for element, n in c.counts.items())
        assert fitted == pytest.approx(cell_volume(c.cell), rel=0.25)


def test_an_element_that_is_rare_stays_near_the_mean(crystals):
    elements = sorted({element for c in crystals for element in c.counts})
    volumes = fit_atom_volumes(crystals, [*elements, "Xe"])
    per_atom = [cell_volume(c.cell) / c.n_atoms for c in crystals]
    assert volumes[-1] == pytest.approx(np.exp(np.mean(np.log(per_atom))))


def test_the_volume_of_a_cell_is_that_of_its_lattice():
    for name in ("NaCl", "TiO2"):
        assert cell_volume(crystal(name).cell) == pytest.approx(structure_of(crystal(name)).volume, rel=1e-6)
