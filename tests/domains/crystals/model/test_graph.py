"""The orbit graph: nearest atoms of the representatives of the orbits."""

import numpy as np
import pytest
from known_crystals import KNOWN, crystal, structure

from invdesign.domains.crystals.model.graph import min_distance, nearest_neighbours, orbit_graph


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
    distances, indices = nearest_neighbours(cell.lattice.matrix, origin, cell.frac_coords, 20)
    expected = sorted(n.nn_distance for n in cell.get_neighbors(cell[0], distances[-1] + 1e-3))
    np.testing.assert_allclose(distances, expected[:20], atol=1e-6)
    assert indices.min() >= 0 and indices.max() < len(cell)


def test_the_smallest_distance_includes_periodic_images():
    assert min_distance(crystal("CsCl")) == pytest.approx(4.123 * 3**0.5 / 2)
    assert min_distance(crystal("Cu")) == pytest.approx(3.61 / 2**0.5)
