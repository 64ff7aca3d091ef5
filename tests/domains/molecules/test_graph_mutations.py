"""Graph mutations: children are molecules, new, and reproducible."""

import time

import pytest
import torch
from rdkit import Chem

from invdesign import (
    Campaign,
    Filters,
    Limits,
    Objective,
    Pretrained,
    Task,
    initialize,
    make_engine,
    prepare,
    run,
    start,
)
from invdesign.campaign.definition import Seeding
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.graph_edits import element_frequencies
from invdesign.domains.molecules.graph_mutations import mutate
from invdesign.domains.molecules.mutations import distance
from invdesign.domains.molecules.oracles import qed
from invdesign.domains.molecules.recombination import parent
from invdesign.domains.molecules.similarity import pattern
from invdesign.domains.molecules.smiles import canonical, has_radical, molecule
from invdesign.execution.in_process import InProcess
from invdesign.search.mutations import MutationPolicy

DRUGS = (
    "CC1=CC=C(C=C1)C1=CC(=NN1C1=CC=C(C=C1)S(N)(=O)=O)C(F)(F)F",
    "CN(C)S(=O)(=O)c1ccc2Sc3ccccc3/C(=C/CCN3CCN(C)CC3)c2c1",
    "C[C@H](N)C(=O)N1CCC[C@H]1C(=O)[O-]",
    "O=[N+]([O-])c1ccc2[nH]ccc2c1",
    "CC1(C)C2CCC1(C)C(=O)C2",
)
PHOSPHORUS = Chem.MolFromSmarts("[#15]")
PARENTS = [canonical(smiles) for smiles in DRUGS]


@pytest.fixture(scope="module")
def children():
    torch.manual_seed(0)
    return mutate(PARENTS, 1000, radius=4)


def rings(smiles):
    mol = molecule(smiles)
    return list(mol.GetRingInfo().AtomRings())


def test_children_are_distinct_molecules_without_radicals(children):
    assert len(set(children)) == 1000 and not set(children) & set(PARENTS)
    assert all(canonical(child) == child for child in children)
    assert not any(has_radical(molecule(child)) or "." in child for child in children)


def test_children_have_no_rings_that_cannot_exist(children):
    strained = Chem.MolFromSmarts("[r3,r4]=,:@[r3,r4]")
    assert max(len(ring) for child in children for ring in rings(child)) <= 6
    assert not any(molecule(child).HasSubstructMatch(strained) for child in children)


@pytest.mark.parametrize(
    "smarts", ["[#6,#7;+0](=*)=*", "[#16;v4,v6;!H0]", "[OX2][OX2]", "[N,O,S][F,Cl,Br,I]", "[N+;H2](=O)[O-]"]
)
def test_children_have_no_impossible_groups(children, smarts):
    query = Chem.MolFromSmarts(smarts)
    assert sum(molecule(child).HasSubstructMatch(query) for child in children) == 0


def test_the_same_random_state_gives_the_same_children():
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(mutate(PARENTS, 50, radius=2))
    assert runs[0] == runs[1]


def test_one_edit_changes_few_atoms_and_four_change_more():
    torch.manual_seed(0)
    sizes = {
        radius: [molecule(child).GetNumAtoms() for child in mutate(PARENTS[:1], 200, radius=radius, crossover_rate=0)]
        for radius in (1, 4)
    }
    n = molecule(PARENTS[0]).GetNumAtoms()
    assert max(abs(size - n) for size in sizes[1]) == 1
    assert 1 < max(abs(size - n) for size in sizes[4]) <= 4


def test_recombined_children_have_parts_of_both_parents():
    torch.manual_seed(0)
    found = mutate(["FC(F)(F)c1ccccc1", "BrCCCCN1CCOCC1"], 40, radius=1, crossover_rate=1.0)
    assert any("F" in child and ("Br" in child or "O" in child) for child in found)


def test_larger_rings_remain_where_a_parent_has_them():
    torch.manual_seed(0)
    found = mutate(["CC1CCCCCCC1"], 20, radius=1)
    sizes = {max(map(len, rings(child)), default=0) for child in found}
    assert 8 in sizes and max(sizes) == 8


def test_molecules_that_cannot_be_edited_are_no_parents():
    assert parent("CC.O") is None and parent("[CH2]C") is None and parent("no molecule") is None
    assert mutate(["CC.O"], 5, radius=2) == []


def test_a_tiny_parent_gives_as_many_children_as_asked_for():
    torch.manual_seed(0)
    assert len(mutate(["C"], 30, radius=1)) == 30


def test_charges_and_stereocentres_that_no_edit_touches_are_kept():
    torch.manual_seed(0)
    found = mutate([PARENTS[2]], 100, radius=1, crossover_rate=0)
    assert sum("[O-]" in child for child in found) > 50 and sum("@" in child for child in found) > 50


def test_a_child_takes_about_a_millisecond():
    torch.manual_seed(0)
    mutate(PARENTS, 100, radius=3)
    start = time.process_time()
    mutate(PARENTS, 500, radius=3)
    # 0.4 ms on an idle core; the bound allows for a busy one.
    assert time.process_time() - start < 500 * 0.004


@pytest.mark.slow
def test_a_round_of_mutations_alone_keeps_a_required_part(built_in):
    part = "c1ccccc1"
    corpus = built_in
    campaign = Campaign(
        Molecules(required=(part,)),
        Task([Objective("qed")], qed),
        Pretrained("zinc250k"),
        corpus=lambda: corpus,
        seeding=Seeding(n_seeds=20),
        mutations=MutationPolicy(mutate, distance, fraction=1.0, max_radius=4, min_distance=0),
        filters=Filters(screens=()),
        limits=Limits(budget=25, batch=5),
    )
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae))
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    found = [c for c in state.history if c.round > 0]
    assert [c.origin for c in found] == ["mutate"] * 5
    assert all(molecule(c.design).HasSubstructMatch(pattern(part)) for c in found)


def test_elements_of_the_parents_are_introduced_more_often_than_others():
    with_phosphorus, without = element_frequencies({6: 8, 7: 1, 15: 1}), element_frequencies({})
    assert with_phosphorus[15] > 10 * without[15] > 0
    assert without[16] == with_phosphorus[16] and without[6] > without[9] > without[35]


def test_phosphorus_arises_and_spreads():
    rare = mutate(["CCOc1ccccc1", "CC(=O)Nc1ccccc1"], 600, radius=4)
    common = mutate(["CCP(C)c1ccccc1", "CC(=O)Nc1ccccc1"], 600, radius=4, crossover_rate=0.0)
    shares = [sum(Chem.MolFromSmiles(m).HasSubstructMatch(PHOSPHORUS) for m in made) / 600 for made in (rare, common)]
    assert 0 < shares[0] < 0.1 < shares[1]
