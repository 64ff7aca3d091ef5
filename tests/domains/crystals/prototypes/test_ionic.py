"""The built-in corpus: prototypes, choices of ions, fitted cells, and the prototype names of crystals."""

import math
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure
from smact.screening import smact_validity

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.prototypes import ionic as module
from invdesign.domains.crystals.prototypes.ionic import (
    enumerate_substitutions,
    generate_crystals,
    ionic,
    prototype_of,
    tolerance_factor,
)
from invdesign.domains.crystals.prototypes.prototype_library import prototypes, sites_of
from invdesign.domains.crystals.symmetry.canonical import canonical, crystal_of, structure_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus():
    return ionic(400, seed=1)


@pytest.fixture(scope="module")
def samples():
    """Return two crystals of every prototype by its name."""
    return {
        name: generate_crystals(prototype, max_choices=20, rng=random.Random(7))[:2]
        for name, prototype in prototypes().items()
    }


def build(name: str, *elements: str):
    """Return the crystal of a prototype with these elements."""
    prototype = prototypes()[name]
    choices = tuple((role, tuple(i for i in found if i.element in elements)) for role, found in prototype.choices)
    crystals = generate_crystals(replace(prototype, choices=choices), max_choices=100, rng=random.Random(0))
    return next(crystal for crystal in crystals if set(crystal.counts) == set(elements))


def test_every_prototype_gives_crystals_of_its_space_group_without_close_atoms(samples):
    for name, crystals in samples.items():
        assert crystals, f"{name} gives no crystal"
        for crystal in crystals:
            structure = structure_of(crystal)
            numbers = [site.specie.Z for site in structure]
            cell = (structure.lattice.matrix, structure.frac_coords, numbers)
            assert spglib.get_symmetry_dataset(cell, symprec=0.01).number == prototypes()[name].space_group, name
            distances = structure.distance_matrix + 9 * np.eye(len(structure))
            assert distances.min() >= 1.3, name


def test_the_description_of_every_prototype_is_the_one_that_crystal_of_returns(samples):
    for name, (crystal, *_) in samples.items():
        again = crystal_of(structure_of(crystal))
        assert again.space_group == crystal.space_group, name
        assert again.counts == crystal.counts, name
        assert [(o.element, o.letter) for o in again.orbits] == [(o.element, o.letter) for o in crystal.orbits], name
        for one, other in zip(crystal.orbits, again.orbits, strict=True):
            difference = np.array(one.position) - np.array(other.position)
            assert np.abs(difference - np.round(difference)).max() < 1e-4, name


@pytest.mark.parametrize("name", ["wurtzite", "orthorhombic perovskite", "ilmenite", "scheelite", "apatite"])
def test_a_batch_has_the_canonical_description_of_each_crystal(name, samples):
    for crystal in samples[name]:
        single = canonical(crystal)
        assert [(o.element, o.letter) for o in single.orbits] == [(o.element, o.letter) for o in crystal.orbits]
        np.testing.assert_allclose([o.position for o in single.orbits], [o.position for o in crystal.orbits], atol=2e-6)
        np.testing.assert_allclose(single.cell, crystal.cell, atol=1e-4)


def test_every_choice_of_ions_is_neutral_and_has_different_elements():
    for name in ("rock salt", "spinel", "elpasolite", "apatite"):
        prototype = prototypes()[name]
        sizes = [site.multiplicity for site, _ in sites_of(prototype)]
        for chosen in list(enumerate_substitutions(prototype))[::40]:
            assert sum(ion.charge * m for ion, m in zip(chosen, sizes, strict=True)) == 0
            assert len({ion.element for ion in chosen}) == len(set(prototype.roles))


@pytest.mark.parametrize(
    ("prototype", "elements", "cell"),
    [
        ("rock salt", "Mg O", (4.212, 4.212)),
        ("rock salt", "K Br", (6.600, 6.600)),
        ("caesium chloride", "Cs Br", (4.286, 4.286)),
        ("fluorite", "Ce O", (5.411, 5.411)),
        ("rutile", "Mg F", (4.621, 3.052)),
        ("perovskite", "K Mg F", (3.989, 3.989)),
        ("spinel", "Zn Cr O", (8.327, 8.327)),
        ("corundum", "Cr O", (4.961, 13.599)),
        ("scheelite", "Ca W O", (5.243, 11.376)),
        ("zircon", "Y V O", (7.118, 6.289)),
        ("elpasolite", "Cs Na Ce Cl", (10.946, 10.946)),
        ("garnet", "Ca Al Si O", (11.846, 11.846)),
    ],
)
def test_cells_of_known_crystals_are_within_three_percent_of_the_measured_ones(prototype, elements, cell):
    found = build(prototype, *elements.split()).cell
    np.testing.assert_allclose((found[0], found[2]), cell, rtol=0.03)


def test_a_cell_with_one_length_is_proportional_to_the_sum_of_the_radii():
    # d(Na-Cl) = 5.639 / 2 scaled by (1.00 + 1.40) / (1.02 + 1.81): the anions' contacts change it by less than 0.5 %.
    assert build("rock salt", "Ca", "O").cell[0] == pytest.approx(5.639 * 2.40 / 2.83, rel=0.005)


def test_the_tolerance_factor_of_strontium_titanate_is_one():
    assert tolerance_factor(1.44, 0.605, 1.40) == pytest.approx(2.84 / (math.sqrt(2) * 2.005))


def test_every_generated_crystal_has_a_prototype_and_most_have_their_own(samples):
    found = [(name, prototype_of(crystal)) for name, crystals in samples.items() for crystal in crystals]
    assert [pair for pair in found if not pair[1]] == []
    assert sum(origin == name for origin, name in found) >= 0.99 * len(found)


def test_crystals_from_other_sources_have_the_name_of_their_prototype(crystals):
    assert [prototype_of(crystal) for crystal in crystals] == ["rock salt", "perovskite", "wurtzite", "spinel"]
    reversed_roles = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.6), ["O", "Li"], [[0] * 3, [0.25] * 3])
    assert prototype_of(crystal_of(reversed_roles)) == "antifluorite"


def test_a_crystal_without_a_prototype_has_no_name():
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.6), ["Cu"], [[0] * 3])
    alloy = Structure.from_spacegroup("Pm-3m", Lattice.cubic(2.9), ["Ni", "Al"], [[0] * 3, [0.5] * 3])
    gas = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.0), ["He", "Ne"], [[0] * 3, [0.5] * 3])
    assert [prototype_of(crystal_of(structure)) for structure in (copper, alloy, gas)] == ["", "", ""]


def test_the_built_in_corpus_passes_the_corpus_checks():
    testing.check_corpus(lambda: ionic(30))


def test_the_built_in_corpus_depends_on_its_seed_and_covers_the_prototypes_evenly(corpus):
    assert len(set(corpus.designs)) == 400
    assert ionic(60, seed=2).sha256 == ionic(60, seed=2).sha256
    assert set(ionic(60, seed=2).designs) != set(ionic(60, seed=3).designs)
    names = [prototype_of(crystal) for crystal in corpus.designs]
    assert len(set(names)) > 75
    assert max(names.count(name) for name in set(names)) <= 6


def test_the_properties_of_the_built_in_corpus_are_those_of_its_structures(corpus):
    for i in range(0, 400, 40):
        structure = structure_of(corpus.designs[i])
        assert corpus.properties["density"][i] == pytest.approx(structure.density, rel=1e-4)
        assert corpus.properties["volume_per_atom"][i] == pytest.approx(structure.volume / len(structure), rel=1e-6)


def test_nearly_all_formulas_of_the_built_in_corpus_are_valid_by_smact(corpus):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valid = [smact_validity(c.formula, oxidation_states_set="smact14") for c in corpus.designs]
    assert np.mean(valid) >= 0.95


def test_the_built_in_corpus_is_cached_and_generated_again_where_the_file_is_damaged(tmp_path, monkeypatch):
    first = ionic(20, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    intact = file.read_bytes()
    monkeypatch.setattr(module, "_generate", lambda *_: pytest.fail("generated again"))
    assert ionic(20, cache=tmp_path).sha256 == first.sha256
    monkeypatch.setattr(module, "_generate", lambda *_: first.designs)
    for damage in (b"", b"not gzip", intact[:40]):
        file.write_bytes(damage)
        assert ionic(20, cache=tmp_path).sha256 == first.sha256
        assert file.read_bytes() == intact


def test_an_impossible_number_of_crystals_raises_an_error(monkeypatch):
    with pytest.raises(InvdesignError, match="at least 1"):
        ionic(0)
    monkeypatch.setattr(module, "prototypes", lambda: {"quartz": prototypes()["quartz"]})
    with pytest.raises(InvdesignError, match="Ask for fewer than 5,000"):
        ionic(5_000)


def test_a_crystal_with_a_higher_symmetry_than_its_prototype_is_left_out():
    # Mg is so small in TlMgI3 that the octahedra of P4/mbm hardly tilt: within 0.1 A the space group is P4/mmm.
    with pytest.raises(StopIteration):
        build("tetragonal perovskite (P4/mbm)", "Tl", "Mg", "I")
    assert build("tetragonal perovskite (P4/mbm)", "Cs", "Pb", "Br").space_group == 127


def test_the_built_in_corpus_has_at_least_ten_thousand_distinct_crystals():
    corpus = ionic()
    assert len(set(corpus.designs)) == 12_000
    assert 3 < np.median(corpus.properties["density"]) < 8
