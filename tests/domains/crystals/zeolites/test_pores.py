"""Pores, against geometry."""

import numpy as np
import pytest

pytest.importorskip("pyzeo", reason="the extra 'pores' is not installed")

from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.zeolites.corpus import structures
from invdesign.domains.crystals.zeolites.pores import (
    accessible_share,
    accessible_volume,
    free_sphere,
    included_sphere,
    passage,
    pores,
)

CUBE = np.zeros((1, 3))
BALL = {"O": 1.0}


def test_between_hard_balls_on_a_cubic_lattice_the_spheres_are_those_of_geometry() -> None:
    found = pores(10 * np.eye(3), ["O"], CUBE, radii=BALL)
    # The cube's centre is 5 sqrt 3 from a ball's, the middle of a face 5 sqrt 2.
    assert found.included == pytest.approx(2 * (5 * np.sqrt(3) - 1), abs=1e-3)
    assert found.free == pytest.approx(2 * (5 * np.sqrt(2) - 1), abs=1e-3)
    assert found.along == pytest.approx([found.free] * 3, abs=1e-3)


def test_each_axis_has_its_own_sphere() -> None:
    found = pores(np.diag([6.0, 8.0, 10.0]), ["O"], CUBE, radii=BALL)
    windows = [2 * (np.hypot(*pair) / 2 - 1) for pair in ((8, 10), (6, 10), (6, 8))]
    assert found.along == pytest.approx(windows, abs=1e-3)
    assert found.free == pytest.approx(max(windows), abs=1e-3)


def test_a_turned_cell_has_the_same_pores() -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn[0] *= np.linalg.det(turn)
    lattice = np.array([[7.0, 0, 0], [1.0, 8.0, 0], [0.5, 2.0, 9.0]])
    some = np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.9]])
    first, second = (pores(cell, ["O", "O"], some) for cell in (lattice, lattice @ turn))
    assert first.included == pytest.approx(second.included, abs=1e-3)
    assert first.along == pytest.approx(second.along, abs=1e-3)


def test_where_everything_is_open_the_accessible_share_is_what_the_balls_leave() -> None:
    share = accessible_share(10 * np.eye(3), ["O"], CUBE, radii=BALL, probe=1.0, samples=50_000)
    assert share == pytest.approx(1 - 4 / 3 * np.pi * 8 / 1000, abs=3e-3)


def test_an_element_without_a_radius_is_named() -> None:
    with pytest.raises(InvdesignError, match="no radius for Xe"):
        pores(10 * np.eye(3), ["Xe"], CUBE)


def test_oracles_and_a_validator_measure_sodalite_and_leave_out_what_is_no_net() -> None:
    T = [
        p for q in (0.25, 0.75) for p in ([q, 0.5, 0], [q, 0, 0.5], [0.5, q, 0], [0, q, 0.5], [0.5, 0, q], [0, 0.5, q])
    ]
    sodalite = crystal_of(Structure(Lattice.cubic(8.9), ["Si"] * 12, T))
    salt = crystal_of(Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    for oracle in (free_sphere, included_sphere, accessible_volume):
        testing.check_oracle(oracle, [sodalite, salt], m=1)
        assert np.isnan(oracle([salt])).all()
    # The database gives 6.32 and 2.53 angstrom.
    assert included_sphere([sodalite]) == pytest.approx([6.32], abs=0.1)
    assert free_sphere([sodalite]) == pytest.approx([2.53], abs=0.1)
    testing.check_validator(passage, [sodalite, salt])
    assert [c.passed for c in passage([sodalite, salt])] == [True, False]
    assert not passage([sodalite], min=3.0)[0].passed


def test_a_full_framework_of_the_archive_has_the_pores_of_the_table(data) -> None:
    name, given = next(structures(data / "zeolites.tar.xz"))
    found = pores(given.lattice.matrix, [site.specie.symbol for site in given], given.frac_coords)
    assert name == "ABW"
    assert [found.included, found.free, *found.along] == pytest.approx([4.24, 3.51, 2.61, 3.51, 2.61], abs=0.01)


def test_crystals_so_even_that_zeo_gives_up_are_moved_a_little() -> None:
    # A ball at every point of a lattice of cubes: eight meet at each node.
    even = np.stack(np.meshgrid(*[[0, 0.5]] * 3), -1).reshape(-1, 3)
    found = pores(10 * np.eye(3), ["O"] * 8, even, radii=BALL)
    assert found.included == pytest.approx(2 * (2.5 * np.sqrt(3) - 1), abs=2e-3)
