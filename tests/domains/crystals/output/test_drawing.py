"""Pictures of crystals."""

import re
import xml.etree.ElementTree as ET

import numpy as np

from invdesign.domains.crystals.output.drawing import svg
from invdesign.domains.crystals.symmetry.canonical import make


def balls(picture):
    return picture.count("<use ")


def test_a_picture_is_small_whole_and_the_same_every_time(crystals):
    for crystal in crystals:
        picture = svg(crystal)
        assert picture.startswith("<svg") and len(picture) < 30_000 and picture == svg(crystal)
        root = ET.fromstring(picture)
        assert root.tag.endswith("svg") and not re.search(r"href=\"[^#]|<script|<style|nan", picture)


def test_atoms_on_the_border_are_drawn_at_every_border(crystals):
    # Rock salt: 14 of one ion on corners and faces, 13 of the other on edges and in the middle.
    assert balls(svg(crystals[0])) == 14 + 13
    # Perovskite: 8 corners, 6 faces, 1 in the middle.
    assert balls(svg(crystals[1])) == 8 + 6 + 1


def test_the_legend_names_every_element_from_metal_to_anion(crystals):
    assert re.findall(r">(\w+)</text>", svg(crystals[3])) == ["Mg", "Al", "O"]
    assert "MgAl2O4, space group 227" in svg(crystals[3])


def test_nearer_atoms_are_painted_over_farther_ones(crystals):
    drawn = [float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)"', svg(crystals[1]))]
    assert len(drawn) == 15 and all(0 <= x <= 320 for x in drawn)
    # The corner nearest to the viewer, to the right of the middle, comes last.
    assert drawn[-1] > 160


def test_a_large_cell_shows_at_most_four_hundred_atoms():
    atoms = [("Si", np.array([0.03 + 0.1 * i, 0.11, 0.27])) for i in range(9)]
    crystal = make(229, (30.0,) * 3 + (90.0,) * 3, atoms)
    assert crystal.n_atoms > 400
    picture = svg(crystal)
    assert balls(picture) == 400 and len(picture) < 30_000
