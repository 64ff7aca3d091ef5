"""Drawings of crystals."""

import re
import xml.etree.ElementTree as ET

import numpy as np

from invdesign.domains.crystals.output.drawing import svg
from invdesign.domains.crystals.symmetry.canonical import make


def count_balls(drawing):
    return drawing.count("<use ")


def test_a_drawing_is_small_self_contained_and_deterministic(crystals):
    for crystal in crystals:
        drawing = svg(crystal)
        assert drawing.startswith("<svg") and len(drawing) < 30_000 and drawing == svg(crystal)
        root = ET.fromstring(drawing)
        assert root.tag.endswith("svg") and not re.search(r"href=\"[^#]|<script|<style|nan", drawing)


def test_atoms_on_a_border_are_repeated_on_the_other_borders(crystals):
    # Rock salt: 14 of one ion on corners and faces, 13 of the other on edges and in the centre.
    assert count_balls(svg(crystals[0])) == 14 + 13
    # Perovskite: 8 corners, 6 faces, 1 in the centre.
    assert count_balls(svg(crystals[1])) == 8 + 6 + 1


def test_the_legend_names_every_element_from_metal_to_anion(crystals):
    assert re.findall(r">(\w+)</text>", svg(crystals[3])) == ["Mg", "Al", "O"]
    assert "MgAl2O4, space group 227" in svg(crystals[3])


def test_nearer_atoms_are_painted_over_farther_ones(crystals):
    x = [float(v) for v in re.findall(r'<use [^>]*x="([\d.]+)"', svg(crystals[1]))]
    assert len(x) == 15 and all(0 <= v <= 320 for v in x)
    # The corner nearest to the viewer, right of the centre, is painted last.
    assert x[-1] > 160


def test_a_large_cell_shows_at_most_four_hundred_atoms():
    atoms = [("Si", np.array([0.03 + 0.1 * i, 0.11, 0.27])) for i in range(9)]
    crystal = make(229, (30.0,) * 3 + (90.0,) * 3, atoms)
    assert crystal.n_atoms > 400
    drawing = svg(crystal)
    assert count_balls(drawing) == 400 and len(drawing) < 30_000
