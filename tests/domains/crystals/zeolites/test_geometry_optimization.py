"""Least-squares optimization of frameworks."""

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.zeolites.geometry_optimization import (
    constrain_atoms,
    decorate,
    minimize_residuals,
    optimize_sites,
)
from invdesign.domains.crystals.zeolites.nets import find_nearest_distances

IDENTITY = np.eye(3, dtype=int)[None], np.zeros((1, 3))
INVERSION = np.array([np.eye(3), -np.eye(3)]), np.zeros((2, 3))


def test_silica_converges_to_its_distances_and_keeps_its_symmetry(sodalite_lattice, sodalite_sites) -> None:
    framework = decorate(1.04 * sodalite_lattice, sodalite_sites)
    assert framework.species == ("Si",) * 12 + ("O",) * 24
    sites, oxygens = framework.positions[:12], framework.positions[12:]
    assert np.allclose(find_nearest_distances(framework.lattice, oxygens, sites, 4), 1.61, atol=0.02)
    # The database states 8.965 angstrom for sodalite, optimized in the same way.
    assert framework.lattice == pytest.approx(8.965 * np.eye(3), abs=0.05)
    assert framework.residual < 0.03


def test_with_a_fixed_cell_only_atoms_move(sodalite_lattice, sodalite_sites) -> None:
    lattice = 1.04 * sodalite_lattice
    assert np.array_equal(decorate(lattice, sodalite_sites, free_cell=False).lattice, lattice)


def test_a_site_on_a_symmetry_element_has_no_free_coordinates() -> None:
    center = constrain_atoms(5 * np.eye(3), np.array([[0.001, 0.0, 0.0]]), *INVERSION)
    assert center.n_free == 0 and np.allclose(center.start, 0)
    pair = constrain_atoms(5 * np.eye(3), np.array([[0.2, 0.1, 0.3], [0.8, 0.9, 0.7]]), *INVERSION)
    assert pair.n_free == 3 and pair.orbit_sizes.tolist() == [2]
    displacements = pair.atoms(np.array([0.01, 0.02, 0.03, *np.zeros(len(pair.strains))])) - pair.start
    assert np.allclose(displacements[1], -displacements[0])
    assert np.isclose(np.linalg.norm(displacements[0]), np.linalg.norm([0.01, 0.02, 0.03]))


def test_derivatives_of_distances_agree_with_finite_differences() -> None:
    rng = np.random.default_rng(0)
    lattice = np.diag([5.0, 6.0, 7.0]) + 0.2 * rng.random((3, 3))
    atoms = constrain_atoms(lattice, rng.random((3, 3)), *IDENTITY)
    assert (atoms.n_free, len(atoms.strains)) == (9, 6)
    x = 0.01 * rng.standard_normal(15)
    a, b, shifts = np.array([0, 1]), np.array([1, 2]), np.array([[0, 0, 0], [1, 0, -1]])
    _, J = atoms.distances(x, a, b, shifts)
    step = 1e-6
    for column in range(15):
        e = step * (np.arange(15) == column)
        forward, backward = (atoms.distances(x + sign * e, a, b, shifts)[0] for sign in (1, -1))
        assert J[:, column] == pytest.approx((forward - backward) / (2 * step), abs=1e-6)


def test_points_that_the_operators_do_not_map_onto_each_other_are_rejected() -> None:
    with pytest.raises(InvdesignError, match="expected the bonds of the net to have the symmetry"):
        constrain_atoms(5 * np.eye(3), np.array([[0.2, 0.1, 0.3]]), *INVERSION)


def test_sites_without_neighbours_cannot_be_optimized() -> None:
    with pytest.raises(InvdesignError, match="expected 4 neighbours within 6 A, got fewer"):
        optimize_sites(20 * np.eye(3), np.zeros((1, 3)), *IDENTITY)


def test_a_linear_least_squares_problem_is_solved_in_the_free_variables() -> None:
    A, b = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 0.0], [1.0, 1.0, 0.0]]), np.array([1.0, 2.0, 3.0])

    def residuals(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return A @ x - b, A

    x = minimize_residuals(residuals, np.zeros(3), np.array([0, 1]))
    expected, *_ = np.linalg.lstsq(A[:, :2], b, rcond=None)
    assert x == pytest.approx([*expected, 0.0], abs=1e-4)
