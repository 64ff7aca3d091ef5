"""Encoding of crystals as rows of numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from known_crystals import KNOWN, crystal

from invdesign.domains.crystals.model.encoding import Vocabulary, free_coordinates, learn, pack, unpack


def test_rows_encode_crystals_without_loss(crystals):
    corpus = [*crystals, *(crystal(name) for name in KNOWN)]
    vocabulary = learn(corpus)
    assert unpack(vocabulary, pack(vocabulary, corpus)) == corpus


def test_a_vocabulary_is_restored_from_json(crystals):
    vocabulary = learn(crystals)
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


def test_a_row_without_a_group_or_orbits_is_no_crystal(crystals):
    vocabulary = learn(crystals)
    rows = pack(vocabulary, crystals[:2])
    rows[0, 0] = 0
    vocabulary.layout.orbits(rows)[1, 0, 0] = 0
    assert unpack(vocabulary, rows) == [None, None]


def test_the_layout_gives_the_parts_of_a_row(crystals):
    vocabulary = learn(crystals)
    layout = vocabulary.layout
    rows = pack(vocabulary, crystals)
    assert rows.shape == (len(crystals), layout.n_columns) and rows.dtype == torch.float32
    assert [vocabulary.groups[i - 1] for i in layout.group(rows).tolist()] == [c.space_group for c in crystals]
    np.testing.assert_allclose(layout.cell(rows)[:, 2].exp(), [c.cell[2] / c.cell[0] for c in crystals], rtol=1e-5)
    assert (layout.orbits(rows)[..., 0] > 0).sum(1).tolist() == [len(c.orbits) for c in crystals]
    distances, owners = layout.edges(rows)
    assert distances.shape == owners.shape == (len(crystals), layout.n_orbits, 12)


def test_the_cell_of_a_row_follows_the_elements(crystals):
    vocabulary = learn(crystals)
    rows = pack(vocabulary, crystals[:1])
    before = unpack(vocabulary, rows)[0]
    orbits = vocabulary.layout.orbits(rows)
    for i, orbit in enumerate(before.orbits):
        orbits[0, i, 1] = vocabulary.element_numbers["O" if orbit.element == "Cl" else "Na"]
    after = unpack(vocabulary, rows)[0]
    expected = vocabulary.composition_volume(after.orbits) / vocabulary.composition_volume(before.orbits)
    assert after.cell[3:] == before.cell[3:]
    np.testing.assert_allclose((after.cell[0] / before.cell[0]) ** 3, expected, rtol=1e-4)


def test_encoding_errors_name_what_the_corpus_lacks(crystals):
    salt, perovskite, _, spinel = crystals
    vocabulary = learn([salt])
    assert vocabulary.encoding_error(salt) == ""
    assert vocabulary.encoding_error(perovskite) == "the corpus has no crystal of space group 221"
    other = replace(salt, orbits=tuple(replace(o, element="Cs") if o.element == "Na" else o for o in salt.orbits))
    assert vocabulary.encoding_error(other) == "the corpus has no Cs"
    short = replace(learn([spinel]), n_orbits=2)
    assert short.encoding_error(spinel) == "3 orbits, expected at most 2"


@pytest.mark.parametrize("length", [0.0, -3.0, float("nan"), float("inf")])
def test_a_crystal_without_a_cell_cannot_be_encoded(crystals, length):
    salt = crystals[0]
    broken = replace(salt, cell=(length, *salt.cell[1:]))
    assert learn([salt]).encoding_error(broken) == "it has no atoms, or a cell without a volume"


def test_free_coordinates_give_the_position_of_the_orbit(crystals):
    vocabulary = learn(crystals)
    for design in crystals:
        for orbit in design.orbits:
            site = vocabulary.sites[vocabulary.site_numbers[design.space_group, orbit.letter] - 1]
            u = free_coordinates(site, orbit)
            assert len(u) == site.n_free and ((u >= 0) & (u < 1)).all()
            np.testing.assert_allclose(site.point(u) % 1, np.array(orbit.position) % 1, atol=1e-5)
