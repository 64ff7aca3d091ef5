"""Frameworks that several tests use."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of


@pytest.fixture(scope="session")
def sodalite_lattice() -> np.ndarray:
    """Return a lattice (`3 x 3`) [angstrom] in which bonded T sites of sodalite are 3.07 angstrom apart."""
    return 3.07 * np.sqrt(8) * np.eye(3)


@pytest.fixture(scope="session")
def sodalite_sites() -> np.ndarray:
    """Return the twelve T sites (`12 x 3`, fractional) of sodalite, Im-3m."""
    sites = []
    for q in (0.25, 0.75):
        sites += [[q, 0.5, 0], [q, 0, 0.5], [0.5, q, 0], [0, q, 0.5], [0.5, 0, q], [0, 0.5, q]]
    return np.array(sites)


@pytest.fixture(scope="session")
def sodalite(sodalite_lattice: np.ndarray, sodalite_sites: np.ndarray) -> Crystal:
    """Return sodalite as a crystal of T sites."""
    return crystal_of(Structure(Lattice(sodalite_lattice), ["Si"] * 12, sodalite_sites))
