"""Groups of designs for quotas: scaffolds, chemical systems, mutated positions, clusters."""

from __future__ import annotations

import pytest
from known_crystals import crystal

from invdesign.core import InvdesignError
from invdesign.domains.crystals.groups import chemical_system, formula_type
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.groups import scaffold
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.groups import mutated_positions
from invdesign.domains.shared_groups import clusters


def test_molecules_with_one_ring_system_are_one_group() -> None:
    assert scaffold(["Cc1ccccc1", "Oc1ccccc1", "CCO", "x"]) == ["c1ccccc1", "c1ccccc1", "", ""]


def test_crystals_are_grouped_by_elements_and_by_type() -> None:
    rocks = [crystal("NaCl"), crystal("SrTiO3")]
    assert chemical_system(rocks) == ["Cl-Na", "O-Sr-Ti"]
    assert formula_type(rocks) == ["1:1 225", "1:1:3 221"]


def test_sequences_are_grouped_by_the_residues_that_differ() -> None:
    own = WildType("MKT", first=10)
    assert mutated_positions(["MKV", "AKW", "MKT", "M"], wild_type=own) == ["12", "10,12", "", "1 letters"]


def test_designs_that_resemble_a_leader_are_in_its_cluster() -> None:
    labels = clusters(["AAAA", "AAAC", "GGGG", "AACC"], domain=Sequences(length=4), min_similarity=0.7)
    assert labels == ["0", "0", "2", "3"]
    assert len(set(clusters(["CCO", "CCO", "c1ccccc1"], domain=Molecules()))) == 2
    with pytest.raises(InvdesignError, match="a similarity"):
        clusters(["a"], domain=object())
