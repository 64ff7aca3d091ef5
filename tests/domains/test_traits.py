from __future__ import annotations

from invdesign.core.capabilities import traits
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.traits import GROUPS, find_traits
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.wild_type.wild_type import WildType

EXAMPLES = {
    "urea": "CNC(=O)NC",
    "sulfonamide": "CS(=O)(=O)NC",
    "tertiary amine": "CN(C)C",
    "aniline": "Nc1ccccc1",
    "nitro": "O=[N+]([O-])c1ccccc1",
    "aryl ether": "COc1ccccc1",
    "quaternary ammonium": "C[N+](C)(C)C",
    "primary amide": "CC(N)=O",
}


def test_functional_groups_and_ring_systems_are_found() -> None:
    for name, smiles in EXAMPLES.items():
        assert name in find_traits([smiles])[0], name
    assert "tertiary amine" not in find_traits(["CN(C)C(C)=O"])[0]
    assert find_traits(["O=C1CCCN1Cc1ccc2c(c1)OCO2", "no molecule"]) == [
        frozenset({"tertiary amide", "aryl ether", "ring O=C1CCCN1", "ring c1ccc2c(c1)OCO2"}),
        frozenset(),
    ]
    assert len(GROUPS) == 27


def test_every_domain_has_traits() -> None:
    crystal = ionic(5).designs[0]
    (found,) = traits(Crystals(), [crystal])
    assert {*crystal.counts, f"space group {crystal.space_group}"} < found
    assert traits(Molecules(), ["CCO"]) == [frozenset({"alcohol"})]
    assert traits(Sequences(kind="protein"), ["MKVL", "MK"]) == [frozenset({"MKV", "KVL"}), frozenset()]
    variants = Sequences(kind="protein", wild_type=WildType("MKT"))
    assert traits(variants, ["MAT", "MKVL"]) == [frozenset({"K2A"}), frozenset({"MKV", "KVL"})]
