"""Mutations of molecules: the scaffold is kept, and analogues differ."""

import torch

from invdesign.domains.molecules.motifs import find_motifs
from invdesign.domains.molecules.mutations import decorate, distance
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import canonical, molecule

LEAD = "COc1cc2ncnc(Nc3ccc(Br)cc3F)c2cc1OC"
CORE = "c1ccc2c(c1)ncnc2Nc1ccccc1"


def test_the_scaffold_is_in_every_one_of_1000_proposals():
    torch.manual_seed(0)
    children = decorate([LEAD], 1000, radius=4, scaffold=CORE)
    assert len(children) == 1000
    assert all(molecule(child).HasSubstructMatch(pattern(CORE)) for child in children)
    assert len(set(children)) > 200
    assert all(canonical(child) == child for child in children)


def test_most_analogues_have_no_unsound_motif():
    torch.manual_seed(0)
    children = decorate([LEAD], 300, radius=2, scaffold=CORE)
    assert sum(bool(find_motifs(molecule(child))) for child in children) < 15


def test_the_same_random_state_gives_the_same_molecules():
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(decorate([LEAD], 20, radius=2, scaffold=CORE))
    assert runs[0] == runs[1]


def test_a_parent_without_the_scaffold_is_not_mutated():
    assert decorate(["CCO"], 10, radius=2, scaffold=CORE) == []


def test_the_rings_are_kept_where_no_scaffold_is_given():
    children = decorate(["Cc1ccccc1"], 50, radius=3)
    assert all(molecule(child).GetRingInfo().NumRings() >= 1 for child in children)


def test_one_molecule_has_no_distance_from_itself():
    assert distance("OCC", "CCO") == 0 and distance("CCO", "CCN") == 1
