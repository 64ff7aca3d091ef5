"""Silica frameworks of T sites and their validators."""

import numpy as np
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import Corpus
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of
from invdesign.domains.crystals.zeolites.silica import (
    _is_cell_whole,
    add_oxygens,
    complete_framework,
    four_connected,
    framework_of,
    framework_residual,
    one_net,
    optimize_geometry,
    remove_corpus_oxygens,
    remove_oxygens,
)
from invdesign.domains.crystals.zeolites.topology import topology_of

ISOLATED_SITE = crystal_of(Structure(Lattice.cubic(20.0), ["Si"], [[0, 0, 0]]))
SALT = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
# Silicon with its bond length of 2.35 angstrom, too short for a T-T distance.
SILICON = crystal_of(Structure.from_spacegroup("Fd-3m", Lattice.cubic(4 * 2.35 / np.sqrt(3)), ["Si"], [[0, 0, 0]]))


def lta(a: float, y: float, z: float) -> Crystal:
    """Return LTA with a cell length [angstrom] and the coordinates of its T site."""
    return crystal_of(Structure.from_spacegroup("Pm-3m", Lattice.cubic(a), ["Si"], [[0, y, z]]))


def test_oxygens_are_added_and_removed(sodalite: Crystal) -> None:
    full = add_oxygens(sodalite)
    assert full.formula == "O2Si"
    assert full.counts == {"Si": 12, "O": 24}
    assert add_oxygens(full) is full
    again = crystal_of(remove_oxygens(framework_of(sodalite).structure))
    assert (again.space_group, again.counts) == (229, {"Si": 12})


def test_oxygens_are_added_only_where_they_can_be(sodalite: Crystal) -> None:
    assert complete_framework(sodalite) == add_oxygens(sodalite)
    assert complete_framework(SALT) == SALT
    assert complete_framework(ISOLATED_SITE) is ISOLATED_SITE


def test_a_corpus_loses_the_oxygens_of_its_frameworks_and_the_duplicates(sodalite: Crystal) -> None:
    designs = (add_oxygens(sodalite), SALT, add_oxygens(sodalite))
    corpus = Corpus(designs, {"y": np.array([1.0, 2.0, 3.0])}, np.array([1.0, 1.0, 2.0]), (), "three", "0")
    reduced = remove_corpus_oxygens(corpus)
    assert [d.counts for d in reduced.designs] == [{"Si": 12}, SALT.counts]
    assert reduced.properties["y"].tolist() == [1.0, 2.0] and reduced.weights.tolist() == [1.0, 1.0]


def test_a_framework_with_oxygens_is_used_unchanged(sodalite: Crystal) -> None:
    built = framework_of(sodalite)
    given = framework_of(add_oxygens(sodalite))
    assert np.isclose(given.structure.volume, built.structure.volume, rtol=1e-3)
    assert np.isclose(given.clearance, built.clearance, atol=0.01)


def test_validators_give_the_reason_of_a_failure(sodalite: Crystal) -> None:
    designs = [sodalite, SALT, SILICON, add_oxygens(sodalite)]
    for validator in (four_connected, framework_residual):
        testing.check_validator(validator, designs)
        assert [c.passed for c in validator(designs)] == [True, False, False, True]
    assert "Cl, Na" in four_connected([SALT])[0].detail
    assert not framework_residual([sodalite], max=0.0)[0].passed


def test_displaced_sites_are_optimized_to_their_net() -> None:
    displaced = lta(11.0, 0.205, 0.35)
    assert not four_connected([displaced])[0].passed
    optimized = optimize_geometry(displaced)
    assert optimized is not None
    assert topology_of(optimized).key == topology_of(lta(11.919, 0.1823, 0.3684)).key
    # The cell of the database, whose sites were optimized by distance least squares too.
    assert abs(optimized.cell[0] - 11.919) <= 0.1
    assert framework_residual([optimized])[0].passed
    again = optimize_geometry(optimized)
    assert again is not None and np.allclose(again.cell, optimized.cell, rtol=0, atol=0.01)


def test_sites_without_a_net_give_none_and_other_crystals_are_unchanged() -> None:
    assert optimize_geometry(ISOLATED_SITE) is None and optimize_geometry(SALT) is SALT


def test_layers_are_not_one_net(sodalite: Crystal) -> None:
    lattice = Lattice.hexagonal(3.07 * np.sqrt(3), 14.0)
    layers = crystal_of(Structure.from_spacegroup("P6/mmm", lattice, ["Si"], [[1 / 3, 2 / 3, 3.07 / 28]]))
    testing.check_validator(one_net, [sodalite, layers, ISOLATED_SITE])
    checks = one_net([sodalite, layers, ISOLATED_SITE, add_oxygens(sodalite)])
    assert [c.passed for c in checks] == [True, False, False, True]
    assert "periodic in 2 directions" in checks[1].detail


def test_a_domain_of_frameworks_writes_oxygens_and_reads_t_sites(sodalite: Crystal, tmp_path) -> None:
    domain = Crystals(frameworks=True)
    domain.write([sodalite], tmp_path / "sodalite.cif")
    assert Crystals().read(tmp_path / "sodalite.cif").designs[0].counts == {"Si": 12, "O": 24}
    (read,) = domain.read(tmp_path / "sodalite.cif").designs
    assert topology_of(read).key == topology_of(sodalite).key and read.counts == {"Si": 12}
    assert domain.describe([sodalite])["formula"] == ["SiO2"]
    assert domain.label(sodalite).startswith("SiO2 Im-3m")
    encoding = domain.fit([sodalite])
    assert Crystals().restore(encoding.state()) == encoding


def test_degenerate_cells_are_told_from_those_of_frameworks() -> None:
    assert _is_cell_whole(np.diag([5.0, 8.0, 110.0]))
    assert not _is_cell_whole(np.diag([5.0, 8.0, 400.0])) and not _is_cell_whole(np.diag([1.0, 30.0, 30.0]))
