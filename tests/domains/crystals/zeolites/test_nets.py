"""Bonds of T sites."""

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.zeolites.nets import Framework, connect, find_nearest_distances, find_periodic_images


def diamond_lattice(distance: float) -> np.ndarray:
    """Return the primitive lattice (`3 x 3`) of diamond with a given bond length [angstrom]."""
    return distance / np.sqrt(3) * 4 * (np.ones((3, 3)) - np.eye(3)) / 2


def test_every_site_of_sodalite_has_four_neighbours_and_every_oxygen_two_ends(sodalite_lattice, sodalite_sites) -> None:
    net = connect(sodalite_lattice, sodalite_sites)
    assert net.neighbours.shape == (12, 4)
    assert np.array_equal(np.bincount(net.edges.ravel()), np.full(24, 2))
    vectors = sodalite_sites[net.neighbours] + net.shifts - sodalite_sites[:, None]
    assert np.allclose(np.linalg.norm(vectors @ sodalite_lattice, axis=-1), 3.07)


def test_the_net_does_not_depend_on_the_cells_of_its_sites(sodalite_lattice, sodalite_sites) -> None:
    shifted = sodalite_sites + np.random.default_rng(0).integers(-3, 4, sodalite_sites.shape)
    first, second = (connect(sodalite_lattice, sites).neighbours for sites in (sodalite_sites, shifted))
    assert np.array_equal(np.sort(first), np.sort(second))


def test_a_site_without_four_neighbours_is_named(sodalite_lattice, sodalite_sites) -> None:
    with pytest.raises(InvdesignError, match=r"expected 4 neighbours within 3.6 A, got [0-3]"):
        connect(sodalite_lattice, sodalite_sites[1:])


def test_sites_that_are_too_close_for_an_oxygen_are_rejected() -> None:
    with pytest.raises(InvdesignError, match=r"2.35 A apart"):
        connect(diamond_lattice(2.35), np.array([[0, 0, 0], [0.25, 0.25, 0.25]]))


def test_periodic_images_cover_the_home_cell_and_a_margin() -> None:
    images, owners, shifts = find_periodic_images(10 * np.eye(3), np.array([[0.5, 0.5, 0.5]]), 6.0)
    assert len(images) == 27 and set(owners) == {0}
    assert np.allclose(images, 10 * (shifts + 0.5))


def test_a_cell_of_almost_no_height_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(InvdesignError, match="Use a cell that is less flat"):
        find_periodic_images(np.diag([1000.0, 1000.0, 1e-5]), np.zeros((1, 3)), 6.0)


def test_nearest_distances_are_periodic_and_ascending() -> None:
    distances = find_nearest_distances(10 * np.eye(3), np.array([[0.95, 0, 0], [0.3, 0, 0]]), np.zeros((1, 3)), 2)
    assert distances == pytest.approx(np.array([[0.5, 3.0]]))


def test_a_framework_is_a_structure() -> None:
    framework = Framework(5 * np.eye(3), ("Si", "O"), np.array([[0, 0, 0], [0.5, 0, 0]]), 0.0, 5.0)
    assert framework.structure.composition.reduced_formula == "SiO"
