"""Topologies of nets, compared with published coordination sequences and point symbols."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal
from invdesign.domains.crystals.symmetry.canonical import crystal_of, structure_of
from invdesign.domains.crystals.zeolites.corpus import strain
from invdesign.domains.crystals.zeolites.nets import Net, connect
from invdesign.domains.crystals.zeolites.silica import add_oxygens
from invdesign.domains.crystals.zeolites.topology import compute_coordination_sequence, count_nets, topology_of

DIAMOND = (4, 12, 24, 42, 64, 92, 124, 162, 204, 252)


def silicon(group: str, lattice: Lattice, *sites: list[float]) -> Crystal:
    return crystal_of(Structure.from_spacegroup(group, lattice, ["Si"] * len(sites), list(sites)))


@pytest.fixture(scope="module")
def sodalite() -> Crystal:
    return silicon("Im-3m", Lattice.cubic(8.68), [0.25, 0.5, 0])


def test_sequences_and_symbols_of_known_nets_are_the_published_ones(sodalite: Crystal) -> None:
    lta = silicon("Pm-3m", Lattice.cubic(11.919), [0, 0.1823, 0.3684])
    diamond = silicon("Fd-3m", Lattice.cubic(7.09), [0, 0, 0])
    expected = {
        sodalite: ((4, 10, 20, 34, 52, 74, 100, 130, 164, 202), "(4^2.6^4)"),
        lta: ((4, 9, 17, 28, 42, 60, 81, 105, 132, 162), "(4^3.6^2.8)"),
        diamond: (DIAMOND, "(6^6)"),
    }
    for crystal, (sequence, symbol) in expected.items():
        topology = topology_of(crystal)
        ((_, vertex),) = topology.vertices
        assert vertex.sequence[:10] == sequence
        assert topology.symbol == symbol
        assert topology.is_framework
    # Two six-rings share each angle of diamond.
    assert topology_of(diamond).vertices[0][1].cycles == ((6, 2),) * 6


def test_a_coordination_sequence_has_as_many_shells_as_requested() -> None:
    lattice = 7.09 * (np.ones((3, 3)) - np.eye(3)) / 2
    net = connect(lattice, np.array([[0, 0, 0], [0.25, 0.25, 0.25]]))
    assert compute_coordination_sequence(net, 0, n_shells=4) == DIAMOND[:4]


def test_lta_and_rho_have_one_sequence_but_different_keys() -> None:
    lta = topology_of(silicon("Pm-3m", Lattice.cubic(11.919), [0, 0.1823, 0.3684]))
    rho = topology_of(silicon("Im-3m", Lattice.cubic(14.919), [0.25, 0.1014, 0.3986]))
    assert lta.vertices[0][1].sequence == rho.vertices[0][1].sequence
    assert lta.key != rho.key


def test_the_key_does_not_depend_on_strain_cell_and_oxygens(sodalite: Crystal) -> None:
    key = topology_of(sodalite).key
    strained = strain(sodalite, np.random.default_rng(0))
    assert strained is not None
    doubled = structure_of(sodalite).make_supercell([1, 1, 2], in_place=False)
    doubled.translate_sites([0], [0.005, 0.003, 0.001])
    asymmetric = crystal_of(doubled, symprec=1e-3)
    assert len(asymmetric.orbits) > 1
    assert {topology_of(c).key for c in (strained, asymmetric, add_oxygens(sodalite))} == {key}


def test_lonsdaleite_is_not_diamond() -> None:
    lonsdaleite = silicon("P6_3/mmc", Lattice.hexagonal(5.01, 8.19), [1 / 3, 2 / 3, 0.0625])
    ((n, vertex),) = topology_of(lonsdaleite).vertices
    assert (n, vertex.sequence[:5]) == (1, (4, 12, 25, 44, 67))
    assert topology_of(lonsdaleite).key != topology_of(silicon("Fd-3m", Lattice.cubic(7.09), [0, 0, 0])).key


def test_layers_are_not_a_framework() -> None:
    # Two sheets of hexagons, each site bonded to the one above it.
    lattice = Lattice.hexagonal(3.07 * np.sqrt(3), 14.0)
    topology = topology_of(silicon("P6/mmm", lattice, [1 / 3, 2 / 3, 3.07 / 28]))
    assert (topology.n_nets, topology.dimensions, topology.is_framework) == (1, 2, False)


def test_interpenetrating_nets_are_counted_by_their_translations() -> None:
    def diamonds(*shifts: tuple[int, int, int]) -> Net:
        both = np.array([shifts, [[-x for x in s] for s in shifts]])
        neighbours = np.array([[1] * 4, [0] * 4])
        return Net(neighbours, both, np.array([range(4)] * 2), np.array([[True] * 4, [False] * 4]))

    assert count_nets(diamonds((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))) == (1, 3)
    assert count_nets(diamonds((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1))) == (2, 3)
    assert count_nets(diamonds((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0))) == (1, 2)


def test_a_crystal_without_a_net_has_no_topology() -> None:
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(InvdesignError, match="expected 4 neighbours, got more: the net is not 4-connected"):
        topology_of(crystal_of(salt))
