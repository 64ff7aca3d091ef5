"""Statements of the domains in words."""

from __future__ import annotations

import pytest
from known_crystals import crystal

from invdesign.core.capabilities import computed_properties
from invdesign.core.statements import Describable
from invdesign.domains.crystals import Crystals
from invdesign.domains.molecules import Molecules
from invdesign.domains.profiles import Profile, Profiles
from invdesign.domains.sequences import Sequences

DOMAINS = (Molecules(), Crystals(), Sequences(), Sequences("dna"), Profiles())


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_words_for_extremes_belong_to_properties_that_are_computed(domain: Describable[object]) -> None:
    computed = computed_properties(domain)  # type: ignore[arg-type]
    assert set(domain.extremes()) <= set(computed)
    words = [word for pair in domain.extremes().values() for word in pair]
    assert len(set(words)) == len(words) and all(word == word.lower() for word in [*words, *domain.synonyms()])


def test_crystals_are_stated_by_elements_system_and_bonds() -> None:
    salt, sulfide, copper = Crystals().statements([crystal(name) for name in ("NaCl", "MoS2", "Cu")])
    assert {"sodium", "chlorine", "chloride", "cubic", "binary", "framework"} <= salt
    assert {"molybdenum", "sulfide", "hexagonal", "layered"} <= sulfide
    assert {"copper", "elemental"} <= copper and not copper & {"binary", "oxide"}


def test_molecules_are_stated_by_groups_rings_and_charge() -> None:
    acid, ring, salt = Molecules().statements(["OC(=O)CCl", "C1CCOCC1", "C[N+](C)(C)C"])
    assert {"carboxylic acid", "no ring", "halogen"} <= acid and "ring" not in acid
    assert {"ring", "one ring"} <= ring and "aromatic" not in ring
    assert "charged" in salt and "quaternary ammonium" in salt


def test_a_profile_is_stated_by_its_largest_features() -> None:
    assert Profiles().statements([Profile(("TP53", "MYC", "ACTB"), (90.0, 5.0, 5.0))]) == [frozenset({"tp53"})]
