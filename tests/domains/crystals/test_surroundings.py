"""Sites of a crystal with their surroundings."""

from __future__ import annotations

from dataclasses import replace

from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.surroundings import site_places

SALT = Crystal(
    225,
    (5.64, 5.64, 5.64, 90.0, 90.0, 90.0),
    (Orbit("Na", "a", (0.0, 0.0, 0.0), 4), Orbit("Cl", "b", (0.5, 0.5, 0.5), 4)),
)


def test_a_site_has_its_valence_and_its_nearest_distance_and_names_no_neighbour() -> None:
    sodium, chlorine, composition = site_places(SALT)
    assert sodium.name == "Na 4a (site 1)"
    assert sodium.surroundings[0] == "valence -1"
    assert sodium.surroundings[1] == chlorine.surroundings[1] == "distance 18"
    assert sodium.surroundings[2] == "Na distance 18"
    assert composition.surroundings == ("neutral True", "balanced True")


def test_another_element_on_a_site_changes_its_valence_and_the_balance() -> None:
    calcium = replace(SALT, orbits=(replace(SALT.orbits[0], element="Ca"), SALT.orbits[1]))
    first, _, composition = site_places(calcium)
    assert first.surroundings[0] == "valence unknown"
    assert composition.surroundings[1] == "balanced False"


def test_a_crystal_without_a_cell_has_sites_without_surroundings() -> None:
    flat = replace(SALT, cell=(0.0, 5.0, 5.0, 90.0, 90.0, 90.0))
    assert [place.surroundings for place in site_places(flat)[:2]] == [("no cell",)] * 2


def test_a_crystal_without_atoms_has_a_composition_without_atoms() -> None:
    assert [place.surroundings for place in site_places(replace(SALT, orbits=()))] == [("no atoms",)]
