"""The orbit graph: nearest atoms of the representatives of the orbits."""

import numpy as np
import pytest
from known_crystals import KNOWN, crystal, structure

from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.domain import Crystals
from invdesign.domains.crystals.model.graph import min_distance, nearest_neighbours, orbit_graph
from invdesign.domains.crystals.sanity import is_structural, is_too_near, nearest_contact
from invdesign.domains.crystals.symmetry.canonical import make
from invdesign.domains.crystals.validators import distances


def test_neighbours_of_rock_salt_are_six_of_the_other_and_twelve_of_the_same_element():
    distances, owners = orbit_graph(crystal("NaCl"), 18)
    np.testing.assert_allclose(distances[:, :6], 5.64 / 2)
    np.testing.assert_allclose(distances[:, 6:], 5.64 / 2**0.5)
    assert owners[:, :6].tolist() == [[1] * 6, [0] * 6]
    assert owners[:, 6:].tolist() == [[0] * 12, [1] * 12]


@pytest.mark.parametrize("name", KNOWN)
def test_distances_agree_with_those_of_pymatgen(name):
    cell = structure(name)
    origin = cell.frac_coords[0]
    distances, indices = nearest_neighbours(cell.lattice.matrix, origin, cell.frac_coords, 20, own=0)
    expected = sorted(n.nn_distance for n in cell.get_neighbors(cell[0], distances[-1] + 1e-3))
    np.testing.assert_allclose(distances, expected[:20], atol=1e-6)
    assert indices.min() >= 0 and indices.max() < len(cell)


def test_the_smallest_distance_includes_periodic_images():
    assert min_distance(crystal("CsCl")) == pytest.approx(4.123 * 3**0.5 / 2)
    assert min_distance(crystal("Cu")) == pytest.approx(3.61 / 2**0.5)


@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-6, 1e-5, 6.7e-5, 1e-4, 1e-3, 0.02])
@pytest.mark.parametrize("z", [0.247, 0.0, 0.9999999])
def test_two_atoms_on_one_place_are_seen_also_across_the_boundary_of_the_cell(gap, z):
    atoms = [("Pt", np.array([0.5, 0.5, 0.3])), ("C", np.array([0, 0, z])), ("Ni", np.array([0, 0, z + gap]))]
    pair = make(99, (3.6, 3.6, 14.4, 90, 90, 90), atoms)
    assert min_distance(pair) == pytest.approx(14.4 * gap, abs=2e-5)
    assert nearest_contact(pair)[0] == pytest.approx(14.4 * gap, abs=2e-5)
    assert not is_structural(pair) and is_too_near(pair) and not Crystals().is_plausible(pair)
    assert not distances([pair])[0].passed


def test_an_atom_on_a_special_position_whose_images_coincide_is_refused():
    double = Crystal(225, (5.6,) * 3 + (90.0,) * 3, (Orbit("Na", "e", (1e-5, 0.0, 0.0), 24),))
    assert nearest_contact(double) == (0.0, 0.0) and not Crystals().is_plausible(double)
    assert distances([double])[0].detail == "atoms on one place: 24 atoms at 4 distinct positions"
