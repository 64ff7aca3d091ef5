"""Crystals that several tests of the domain share."""

import paths
import pytest
from pymatgen.core import Lattice, Structure

from invdesign.domains.crystals.symmetry.canonical import crystal_of

SHARED = paths.SHARED / "crystals"


@pytest.fixture(scope="session")
def salt():
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="session")
def crystals(salt):
    """Rock salt, cubic SrTiO3, wurtzite ZnO, MgAl2O4 spinel."""
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]
    perovskite = Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.905), ["Sr", "Ti", "O"], sites)
    sites = [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]
    wurtzite = Structure.from_spacegroup("P6_3mc", Lattice.hexagonal(3.25, 5.207), ["Zn", "O"], sites)
    sites = [[0, 0, 0], [0.625] * 3, [0.3873] * 3]
    spinel = Structure.from_spacegroup("Fd-3m", Lattice.cubic(8.08), ["Mg", "Al", "O"], sites)
    return tuple(crystal_of(structure) for structure in (salt, perovskite, wurtzite, spinel))


@pytest.fixture(scope="session")
def data():
    """Return the folder of benchmark files beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs the crystal files of ../shared/data, which this checkout does not have")
    return SHARED
