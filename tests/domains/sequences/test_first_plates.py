"""First plates of sequences."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.first_plates import describe_residues, near_wild_type

WILD_TYPE = "MKTAYIAKQR"


def mutations(variant: str) -> list[tuple[int, str]]:
    return [(i, new) for i, (old, new) in enumerate(zip(WILD_TYPE, variant, strict=True)) if old != new]


def plate(n: int, **settings: object) -> list[str]:
    domain = Sequences(wild_type=WildType(WILD_TYPE), **settings)
    return near_wild_type(None, n, np.random.default_rng(0), domain=domain, fraction=1.0)


def test_every_mutation_occurs_where_variants_have_several() -> None:
    variants = plate(50)
    counts = Counter(pair for variant in variants for pair in mutations(variant))
    assert len(set(variants)) == 50
    assert len(counts) > 0.95 * 190 and max(counts.values()) <= 2
    assert {len(mutations(variant)) for variant in variants} == {4}


def test_variants_keep_the_limits_of_the_domain() -> None:
    variants = plate(40, designable=[2, 3, 4], forbidden="C", max_mutations=2)
    changed = {site for variant in variants for site, _ in mutations(variant)}
    assert changed == {1, 2, 3}
    assert not any("C" in variant for variant in variants)
    assert max(len(mutations(variant)) for variant in variants) <= 2


def test_fewer_variants_are_written_where_no_more_are_allowed() -> None:
    assert len(plate(100, designable=[2], max_mutations=1)) == 19


def test_a_domain_without_a_wild_type_and_a_wrong_fraction_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(InvdesignError, match="expected a domain with a wild type"):
        near_wild_type(None, 5, generator, domain=Sequences())
    with pytest.raises(InvdesignError, match="expected fraction above 0 and at most 1, got 0"):
        near_wild_type(None, 5, generator, domain=Sequences(wild_type=WildType(WILD_TYPE)), fraction=0)


def test_descriptors_are_those_of_sites_or_of_whole_sequences() -> None:
    protein = Sequences()
    sites = describe_residues(["AC", "AD"], domain=protein)
    assert sites.shape[0] == 2 and np.allclose(sites[0, : sites.shape[1] // 2], sites[1, : sites.shape[1] // 2])
    assert describe_residues(["AC", "ADE"], domain=protein).shape == (2, sites.shape[1])
    assert describe_residues(["XY", "YX"], domain=Sequences("XYZ")).tolist() == [[1, 0, 0, 0, 1, 0], [0, 1, 0, 1, 0, 0]]
