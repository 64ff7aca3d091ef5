"""The corpus of zeolite frameworks, strained copies, and the check for new nets."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.canonical import crystal_of, key
from invdesign.domains.crystals.zeolites.corpus import frameworks, new_net, read_structures, strain
from invdesign.domains.crystals.zeolites.silica import four_connected


def test_known_frameworks_are_read_with_their_pores(data) -> None:
    corpus = frameworks(data / "zeolites.tar.xz", max_designs=12)
    testing.check_corpus(lambda: frameworks(data / "zeolites.tar.xz", max_designs=12))
    assert all(design.counts.keys() == {"Si"} for design in corpus.designs)
    assert np.isfinite(corpus.properties["free_sphere"]).all()
    assert all(check.passed for check in four_connected(corpus.designs))


@pytest.mark.slow
def test_duplicate_sites_of_a_cif_are_merged_and_interrupted_frameworks_are_rejected(data) -> None:
    structures = dict(read_structures(data / "zeolites.tar.xz"))
    assert len(structures) == 203
    rejected = {name for name, structure in structures.items() if isinstance(structure, str)}
    assert rejected == {
        "CHI", "CLO", "EWT", "IFT", "IFU", "IRY", "ITN", "ITV", "LIT", "RON", "SSO", "SVR", "SVY",
    }  # fmt: skip


def test_strained_copies_keep_their_space_group_and_depend_on_the_seed_alone(data) -> None:
    plain, strained, again = (frameworks(data / "zeolites.tar.xz", max_designs=6, n_strained=n) for n in (0, 3, 3))
    assert len(plain) < len(strained) <= 4 * len(plain)
    assert strained.sha256 == again.sha256
    assert set(plain.designs) <= set(strained.designs)
    copy = strain(plain.designs[0], np.random.default_rng(5))
    assert copy is not None and copy.space_group == plain.designs[0].space_group
    assert key(copy) != key(plain.designs[0])


def test_nets_of_an_archive_are_not_new_and_are_named(data, tmp_path: Path) -> None:
    path = tmp_path / "two.tar"
    with tarfile.open(data / "zeolites.tar.xz") as archive, tarfile.open(path, "w") as out:
        for member in archive:
            if Path(member.name).stem in ("ABW", "ACO"):
                out.addfile(member, archive.extractfile(member))
    corpus = frameworks(path)
    copy = strain(corpus.designs[0], np.random.default_rng(5))
    diamond = crystal_of(Structure.from_spacegroup("Fd-3m", Lattice.cubic(7.09), ["Si"], [[0, 0, 0]]))
    salt = crystal_of(Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3]))
    designs = [*corpus.designs, copy, diamond, salt]
    testing.check_validator(lambda designs: new_net(designs, path=path), designs)
    checks = new_net(designs, path=path)
    assert [c.passed for c in checks] == [False, False, False, True, False]
    assert [c.detail for c in checks[:4]] == ["the net of ABW", "the net of ACO", "the net of ABW", "(6^6)"]
    with pytest.raises(InvdesignError, match="no such file"):
        new_net([], path=tmp_path / "absent.tar")


def test_a_corpus_is_cached_by_its_options(data, tmp_path: Path) -> None:
    path = data / "zeolites.tar.xz"
    corpus = frameworks(path, max_designs=4, n_strained=1, cache=tmp_path)
    (cached,) = tmp_path.iterdir()
    again = frameworks(path, max_designs=4, n_strained=1, cache=tmp_path)
    assert again.designs == corpus.designs and again.sha256 == corpus.sha256
    assert np.array_equal(again.properties["free_sphere"], corpus.properties["free_sphere"], equal_nan=True)
    cached.write_bytes(b"damaged")
    assert frameworks(path, max_designs=4, n_strained=1, cache=tmp_path).sha256 == corpus.sha256
    frameworks(path, max_designs=4, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_or_empty_archive_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvdesignError, match="expected a tar archive of CIFs"):
        frameworks(tmp_path / "absent.tar.xz")
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    with pytest.raises(InvdesignError, match=r"got no \.cif in it"):
        frameworks(empty)
