"""Fixtures of the tests of sequences."""

import paths
import pytest
from hypothesis import strategies as st

from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import LETTERS

SHARED = paths.SHARED / "sequences"
WILD_TYPE = WildType("MKTAYIAK", name="short", first=5)

proteins = st.text(LETTERS["protein"], min_size=1, max_size=40)


@pytest.fixture
def wild_type():
    return WILD_TYPE


@pytest.fixture
def variants():
    return Sequences(length="fixed", wild_type=WILD_TYPE).fit([WILD_TYPE.sequence])


@pytest.fixture(scope="session")
def data_file():
    def find(name):
        path = SHARED / name
        if not path.is_file():
            pytest.skip("needs the measured sequences in ../shared/data")
        return path

    return find
