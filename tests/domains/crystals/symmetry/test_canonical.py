"""Descriptions and keys of crystals do not depend on how their structures are written."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import from_text, to_text
from invdesign.domains.crystals.symmetry.canonical import canonical, crystal_of, expand, key, structure_of


def rock_salt(a: float = 5.64, *, anion: str = "Cl") -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Na", anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def wurtzite() -> Structure:
    return Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.25, 5.21), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.382]]
    )


def rutile() -> Structure:
    return Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.59, 2.96), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )


def rewrite(structure: Structure, seed: int) -> Structure:
    """Return the same crystal with another cell, origin, orientation and order of atoms."""
    rng = np.random.default_rng(seed)
    other = structure.copy()
    other.translate_sites(range(len(other)), rng.random(3))
    other.make_supercell([[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    order = rng.permutation(len(other))
    return Structure(other.lattice.matrix @ turn.T, [other[i].specie for i in order], other.frac_coords[order])


@pytest.mark.slow
@pytest.mark.parametrize("build", [rock_salt, wurtzite, rutile])
@pytest.mark.parametrize("seed", [0, 1])
def test_description_and_key_are_invariant_under_another_way_of_writing(build, seed):
    crystal = crystal_of(build())
    other = crystal_of(rewrite(build(), seed))
    assert key(other) == key(crystal)
    assert other.space_group == crystal.space_group
    assert [(o.element, o.letter) for o in other.orbits] == [(o.element, o.letter) for o in crystal.orbits]
    assert np.allclose([o.position for o in other.orbits], [o.position for o in crystal.orbits], atol=1e-4)


def test_different_crystals_have_different_keys():
    keys = [key(crystal_of(s)) for s in (rock_salt(), rock_salt(5.70), rock_salt(anion="Br"), wurtzite(), rutile())]
    assert len(set(keys)) == 5


@pytest.mark.parametrize("build", [rock_salt, wurtzite, rutile])
def test_a_description_expands_to_the_structure(build):
    crystal = crystal_of(build())
    assert StructureMatcher().fit(structure_of(crystal), build())
    assert len(expand(crystal)[0]) == crystal.n_atoms
    assert canonical(crystal) == crystal
    assert from_text(to_text(crystal)) == crystal


def test_both_origins_of_rock_salt_give_the_same_description():
    swapped = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Cl", "Na"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert crystal_of(swapped) == crystal_of(rock_salt())


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (Structure(Lattice.cubic(4), ["Na", "Na"], [[0, 0, 0], [0, 0, 0.001]]), "at least 0.05 A apart"),
        (Structure(Lattice.cubic(4), ["Na"], [[0, 0, np.nan]]), "NaN"),
        (Structure(Lattice.cubic(4), [{"Na": 0.5}], [[0, 0, 0]]), "partial"),
        (Structure(Lattice.cubic(4), ["X"], [[0, 0, 0]]), "unknown element"),
    ],
)
def test_an_invalid_structure_raises_an_error(structure, message):
    with pytest.raises(InvdesignError, match=message):
        crystal_of(structure)


def test_text_without_a_crystal_raises_an_error():
    with pytest.raises(InvdesignError, match="expected the JSON"):
        from_text("{}")


def test_with_by_sites_crystals_with_the_same_occupation_have_the_same_key() -> None:
    small, large, other = (
        crystal_of(Structure.from_spacegroup(225, Lattice.cubic(a), [cation, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
        for a, cation in ((5.5, "Na"), (5.7, "Na"), (5.7, "K"))
    )
    by_sites, by_geometry = Crystals(by_sites=True), Crystals()
    assert by_sites.key(small) == by_sites.key(large) != by_sites.key(other)
    assert by_geometry.key(small) != by_geometry.key(large)
    assert by_sites.restore(by_geometry.fit([small]).state()).domain.by_sites
