"""The corpus of zeolites and the nets that are made beside it."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.canonical import crystal_of, key
from invdesign.domains.crystals.zeolites.corpus import frameworks, new_net, strain, structures
from invdesign.domains.crystals.zeolites.random_nets import random_nets
from invdesign.domains.crystals.zeolites.silica import four_connected, framework_residual, one_net
from invdesign.domains.crystals.zeolites.topology import topology_of


def test_known_frameworks_are_read_with_their_pores(data) -> None:
    corpus = frameworks(data / "zeolites.tar.xz", max_designs=12)
    testing.check_corpus(lambda: frameworks(data / "zeolites.tar.xz", max_designs=12))
    assert all(design.counts.keys() == {"Si"} for design in corpus.designs)
    assert np.isfinite(corpus.properties["free_sphere"]).all()
    assert all(check.passed for check in four_connected(corpus.designs))


def test_sites_that_a_cif_lists_twice_are_merged_to_silica_and_interrupted_frameworks_are_left_out(data) -> None:
    found = dict(structures(data / "zeolites.tar.xz"))
    assert len(found) == 203
    wrong = {name for name, structure in found.items() if isinstance(structure, str)}
    assert wrong == {
        "CHI", "CLO", "EWT", "IFT", "IFU", "IRY", "ITN", "ITV", "LIT", "RON", "SSO", "SVR", "SVY",
    }  # fmt: skip


def test_strained_copies_keep_their_group_and_differ_by_seed(data) -> None:
    plain, more, again = (frameworks(data / "zeolites.tar.xz", max_designs=6, strained=n) for n in (0, 3, 3))
    assert len(plain) < len(more) <= 4 * len(plain)
    assert more.sha256 == again.sha256
    assert set(plain.designs) <= set(more.designs)
    copy = strain(plain.designs[0], np.random.default_rng(5))
    assert copy is not None and copy.space_group == plain.designs[0].space_group
    assert key(copy) != key(plain.designs[0])


def test_nets_of_an_archive_are_not_new_and_are_named(data, tmp_path: Path) -> None:
    some = tmp_path / "some.tar"
    with tarfile.open(data / "zeolites.tar.xz") as archive, tarfile.open(some, "w") as out:
        for member in archive:
            if Path(member.name).stem in ("ABW", "ACO"):
                out.addfile(member, archive.extractfile(member))
    known = frameworks(some)
    moved = strain(known.designs[0], np.random.default_rng(5))
    diamond = crystal_of(Structure.from_spacegroup("Fd-3m", Lattice.cubic(7.09), ["Si"], [[0, 0, 0]]))
    salt = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]))
    designs = [*known.designs, moved, diamond, salt]
    testing.check_validator(lambda designs: new_net(designs, path=some), designs)
    checks = new_net(designs, path=some)
    assert [c.passed for c in checks] == [False, False, False, True, False]
    assert [c.detail for c in checks[:4]] == ["the net of ABW", "the net of ACO", "the net of ABW", "(6^6)"]
    with pytest.raises(InvdesignError, match="no such file"):
        new_net([], path=tmp_path / "absent.tar")


def test_a_corpus_is_kept_in_the_cache_by_its_options(data, tmp_path: Path) -> None:
    path = data / "zeolites.tar.xz"
    made = frameworks(path, max_designs=4, strained=1, cache=tmp_path)
    (place,) = tmp_path.iterdir()
    again = frameworks(path, max_designs=4, strained=1, cache=tmp_path)
    assert again.designs == made.designs and again.sha256 == made.sha256
    assert np.array_equal(again.properties["free_sphere"], made.properties["free_sphere"], equal_nan=True)
    place.write_bytes(b"damaged")
    assert frameworks(path, max_designs=4, strained=1, cache=tmp_path).sha256 == made.sha256
    frameworks(path, max_designs=4, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_random_nets_are_four_connected_distinct_and_the_same_for_a_seed() -> None:
    nets = random_nets(n=2, seed=1)
    assert random_nets(n=1, seed=1) == nets[:1]
    assert len({topology_of(net).key for net in nets}) == 2
    assert all(check.passed for check in one_net(nets))
    assert all(check.passed for check in framework_residual(nets, max=0.02))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="as a tar of CIFs"):
        frameworks(tmp_path / "absent.tar.xz")
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    with pytest.raises(InvdesignError, match=r"holds no \.cif"):
        frameworks(empty)
