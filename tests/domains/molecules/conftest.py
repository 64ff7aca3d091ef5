"""Molecules that the tests of this folder share."""

import paths
import pytest

from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import fragments

SHARED = paths.SHARED / "molecules"


@pytest.fixture(scope="session")
def built_in():
    return fragments(n=600, seed=3)


@pytest.fixture(scope="session", params=[("selfies", 0), ("selfies", 40), ("smiles", 0)], ids=str)
def domain(request):
    representation, n_merges = request.param
    return Molecules(representation=representation, n_merges=n_merges)


@pytest.fixture(scope="session")
def encoding(domain, built_in):
    return domain.fit(built_in.designs)


@pytest.fixture(scope="session")
def zinc_file():
    path = SHARED / "zinc250k.smi.gz"
    if not path.exists():
        pytest.skip("needs ZINC250k in ../shared/data, which is not beside this checkout")
    return path
