"""Mutations of crystals: replaced elements, scaled cells and the distance between crystals."""

import math

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.mutations import distance, mendeleev_number, mutate, replace_elements
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.crystals.symmetry.canonical import crystal_of, key


def rock_salt(cation: str, anion: str, a: float) -> Crystal:
    return crystal_of(Structure.from_spacegroup(225, Lattice.cubic(a), [cation, anion], [[0, 0, 0], [0.5, 0.5, 0.5]]))


@pytest.fixture(scope="module")
def parents() -> list[Crystal]:
    return list(ionic(30, seed=3).designs)


def test_a_new_element_occupies_the_same_sites_in_a_cell_scaled_like_its_bonds() -> None:
    # Cordero's radii in angstrom: Na 1.66, K 2.03, Cl 1.02.
    children = replace_elements(rock_salt("Na", "Cl", 5.6), {"Na": "K", "Cl": "Cl"})
    assert children.formula == "ClK" and children.space_group == 225
    assert children.cell[0] == pytest.approx(5.6 * (2.03 + 1.02) / (1.66 + 1.02), abs=1e-4)
    strained = replace_elements(rock_salt("Na", "Cl", 5.6), {"Na": "Na", "Cl": "Cl"}, strain=0.1)
    assert strained.cell[0] == pytest.approx(5.6 * math.exp(0.1), abs=1e-4)


def test_two_swaps_of_the_same_elements_restore_the_crystal(parents: list[Crystal]) -> None:
    for parent in parents[:10]:
        first, second = sorted(parent.counts)[:2]
        swap = {**{e: e for e in parent.counts}, first: second, second: first}
        back = replace_elements(replace_elements(parent, swap), swap)
        assert back.formula == parent.formula and np.allclose(back.cell, parent.cell, atol=1e-3)


@pytest.mark.slow
def test_distance_counts_elements_on_other_sites_and_ignores_the_cell() -> None:
    salt = rock_salt("Na", "Cl", 5.6)
    assert distance(salt, rock_salt("Na", "Cl", 5.9)) == 0 and key(salt) != key(rock_salt("Na", "Cl", 5.9))
    assert distance(salt, rock_salt("K", "Cl", 5.6)) == distance(rock_salt("K", "Cl", 5.6), salt) == 1
    assert distance(salt, rock_salt("Mg", "O", 4.2)) == 2


def test_mutations_keep_space_group_and_stoichiometry_and_stay_within_the_radius(parents: list[Crystal]) -> None:
    torch.manual_seed(0)
    composition_types = {(p.space_group, tuple(sorted(p.counts.values()))) for p in parents}
    children = mutate(parents, 200, radius=1, swap_rate=0.0)
    assert {(c.space_group, tuple(sorted(c.counts.values()))) for c in children} <= composition_types
    shared = [max(len(set(c.counts) & set(p.counts)) - len(p.counts) for p in parents) for c in children]
    assert min(shared) >= -1
    assert len({key(c) for c in children}) > 150


def test_new_elements_come_from_the_given_ones_or_from_parents(parents: list[Crystal]) -> None:
    torch.manual_seed(0)
    parent_elements = {e for p in parents for e in p.counts}
    children = mutate(parents, 100, radius=3, elements=["Na", "K"])
    assert {e for c in children for e in c.counts} <= parent_elements | {"Na", "K"}


@pytest.mark.parametrize(("element", "above"), [("Rf", "Hf"), ("Sg", "W"), ("Og", "Rn"), ("Lr", "Lr")])
def test_an_element_beyond_the_scale_has_the_place_of_the_one_above_it(element: str, above: str) -> None:
    assert mendeleev_number(element) == mendeleev_number(above)
