"""Pores, compared with geometry and with the Database of Zeolite Structures."""

import numpy as np
import pytest

pytest.importorskip("pyzeo", reason="the extra 'pores' is not installed")

from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.zeolites.corpus import read_structures
from invdesign.domains.crystals.zeolites.pores import (
    accessible_volume,
    free_sphere,
    included_sphere,
    measure_accessible_fraction,
    measure_pores,
    passage,
)

ORIGIN = np.zeros((1, 3))
UNIT_SPHERE = {"O": 1.0}


def test_spheres_among_hard_spheres_on_a_cubic_lattice_are_those_of_geometry() -> None:
    pores = measure_pores(10 * np.eye(3), ["O"], ORIGIN, radii=UNIT_SPHERE)
    # The centre of the cube is 5 sqrt 3 from the centre of a sphere, the centre of a face 5 sqrt 2.
    assert pores.included == pytest.approx(2 * (5 * np.sqrt(3) - 1), abs=1e-3)
    assert pores.free == pytest.approx(2 * (5 * np.sqrt(2) - 1), abs=1e-3)
    assert pores.along == pytest.approx([pores.free] * 3, abs=1e-3)


def test_each_axis_has_its_own_free_sphere() -> None:
    pores = measure_pores(np.diag([6.0, 8.0, 10.0]), ["O"], ORIGIN, radii=UNIT_SPHERE)
    windows = [2 * (np.hypot(*pair) / 2 - 1) for pair in ((8, 10), (6, 10), (6, 8))]
    assert pores.along == pytest.approx(windows, abs=1e-3)
    assert pores.free == pytest.approx(max(windows), abs=1e-3)


def test_a_rotated_cell_has_the_same_pores() -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    rotation[0] *= np.linalg.det(rotation)
    lattice = np.array([[7.0, 0, 0], [1.0, 8.0, 0], [0.5, 2.0, 9.0]])
    positions = np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.9]])
    first, second = (measure_pores(cell, ["O", "O"], positions) for cell in (lattice, lattice @ rotation))
    assert first.included == pytest.approx(second.included, abs=1e-3)
    assert first.along == pytest.approx(second.along, abs=1e-3)


def test_without_closed_pockets_the_accessible_fraction_is_the_volume_outside_the_spheres() -> None:
    fraction = measure_accessible_fraction(
        10 * np.eye(3), ["O"], ORIGIN, radii=UNIT_SPHERE, probe=1.0, n_samples=50_000
    )
    assert fraction == pytest.approx(1 - 4 / 3 * np.pi * 8 / 1000, abs=3e-3)


def test_an_element_without_a_radius_is_named() -> None:
    with pytest.raises(InvdesignError, match="got Xe"):
        measure_pores(10 * np.eye(3), ["Xe"], ORIGIN)


def test_oracles_and_a_validator_measure_sodalite_and_reject_salt() -> None:
    T = [
        p for q in (0.25, 0.75) for p in ([q, 0.5, 0], [q, 0, 0.5], [0.5, q, 0], [0, q, 0.5], [0.5, 0, q], [0, 0.5, q])
    ]
    sodalite = crystal_of(Structure(Lattice.cubic(8.9), ["Si"] * 12, T))
    salt = crystal_of(Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    for oracle in (free_sphere, included_sphere, accessible_volume):
        testing.check_oracle(oracle, [sodalite, salt], m=1)
        assert np.isnan(oracle([salt])).all()
    # The database states 6.32 and 2.53 angstrom.
    assert included_sphere([sodalite]) == pytest.approx([6.32], abs=0.1)
    assert free_sphere([sodalite]) == pytest.approx([2.53], abs=0.1)
    testing.check_validator(passage, [sodalite, salt])
    assert [c.passed for c in passage([sodalite, salt])] == [True, False]
    assert not passage([sodalite], min=3.0)[0].passed


def test_a_complete_framework_of_the_archive_has_the_pores_of_the_table(data) -> None:
    name, structure = next(read_structures(data / "zeolites.tar.xz"))
    pores = measure_pores(structure.lattice.matrix, [site.specie.symbol for site in structure], structure.frac_coords)
    assert name == "ABW"
    assert [pores.included, pores.free, *pores.along] == pytest.approx([4.24, 3.51, 2.61, 3.51, 2.61], abs=0.01)


def test_atoms_are_displaced_where_the_voronoi_cells_are_degenerate() -> None:
    # A sphere at every point of a cubic lattice: eight Voronoi cells meet at each node.
    positions = np.stack(np.meshgrid(*[[0, 0.5]] * 3), -1).reshape(-1, 3)
    pores = measure_pores(10 * np.eye(3), ["O"] * 8, positions, radii=UNIT_SPHERE)
    assert pores.included == pytest.approx(2 * (2.5 * np.sqrt(3) - 1), abs=2e-3)
