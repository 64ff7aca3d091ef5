"""Crystals with a replaced element, and numbers of their sites."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.crystals.site_replacement import measure_sites, replace_elements_at_random


@pytest.fixture(scope="module")
def crystals() -> tuple[Crystal, ...]:
    return ionic(n=60).designs


def test_one_element_of_each_crystal_is_replaced_by_one_that_it_lacks(crystals: tuple[Crystal, ...]) -> None:
    changed = replace_elements_at_random(crystals, seed=0)
    kinds = set()
    for old, (new, is_replaced) in zip(crystals, changed, strict=True):
        assert len(set(new.counts) - set(old.counts)) == 1
        assert [orbit.element not in old.counts for orbit in new.orbits] == is_replaced.tolist()
        assert new.n_atoms == old.n_atoms
        lost = set(old.counts) - set(new.counts)
        kinds.add("all sites" if lost else "one site")
    assert kinds == {"all sites", "one site"}


def test_the_cell_and_the_sites_stay(crystals: tuple[Crystal, ...]) -> None:
    for old, (new, _) in zip(crystals, replace_elements_at_random(crystals, seed=1), strict=True):
        assert sorted(new.cell) == pytest.approx(sorted(old.cell))
        assert sorted(orbit.multiplicity for orbit in new.orbits) == sorted(o.multiplicity for o in old.orbits)


def test_one_seed_gives_the_same_crystals(crystals: tuple[Crystal, ...]) -> None:
    first, again, other = ([c for c, _ in replace_elements_at_random(crystals, seed=seed)] for seed in (2, 2, 3))
    assert first == again
    assert first != other


def test_every_site_has_the_same_numbers_of_which_few_are_unknown(crystals: tuple[Crystal, ...]) -> None:
    rows = [measure_sites(crystal) for crystal in crystals]
    assert {row.shape[1] for row in rows} == {42}
    assert [len(row) for row in rows] == [len(crystal.orbits) for crystal in crystals]
    assert np.isnan(np.concatenate(rows)).mean() < 0.02


def test_numbers_of_an_element_do_not_depend_on_the_order_of_sites(crystals: tuple[Crystal, ...]) -> None:
    crystal = next(c for c in crystals if len(c.orbits) > 2)
    turned = replace(crystal, orbits=crystal.orbits[::-1])
    np.testing.assert_allclose(measure_sites(turned)[::-1], measure_sites(crystal))


def test_an_element_alone_has_no_other_elements_and_a_noble_gas_no_electronegativity() -> None:
    neon = Crystal(225, (4.4, 4.4, 4.4, 90.0, 90.0, 90.0), (Orbit("Ne", "a", (0.0, 0.0, 0.0), 4),))
    numbers = measure_sites(neon)
    assert numbers.shape == (1, 42)
    assert np.isnan(numbers).any()
    assert not np.isinf(numbers).any()


def test_crystals_without_atoms_or_with_all_elements_of_the_corpus_are_left_out() -> None:
    cell = (3.6, 3.6, 3.6, 90.0, 90.0, 90.0)
    copper = Crystal(225, cell, (Orbit("Cu", "a", (0.0, 0.0, 0.0), 4),))
    assert replace_elements_at_random([copper, copper], seed=0) == []
    assert replace_elements_at_random([Crystal(225, cell, ())], seed=0) == []


@pytest.mark.parametrize("element", ["Ce", "Lu", "U", "Cf", "D", "Xe", "Rf", "Og"])
def test_sites_of_unusual_elements_are_measured(element: str) -> None:
    crystal = Crystal(225, (4.4, 4.4, 4.4, 90.0, 90.0, 90.0), (Orbit(element, "a", (0.0, 0.0, 0.0), 4),))
    numbers = measure_sites(crystal)
    assert numbers.shape == (1, 42)
    assert not np.isinf(numbers).any()


def test_elements_of_frameworks_are_not_replaced_and_a_crystal_without_a_cell_is_not_measured() -> None:
    flat = Crystal(225, (0.0, 5.0, 5.0, 90.0, 90.0, 90.0), (Orbit("Na", "a", (0.0, 0.0, 0.0), 4),))
    assert Crystals(frameworks=True).replace_parts([flat], seed=0) == []
    assert len(Crystals().measure_places(flat)) == 0
