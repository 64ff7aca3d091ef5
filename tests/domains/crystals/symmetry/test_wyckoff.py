"""Sites and normalizer operations agree with known cases of the International Tables."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.wyckoff import (
    free_cell,
    full_cell,
    images,
    lattice_of,
    normalizer_operations,
    operators,
    place,
)


@pytest.mark.parametrize(
    ("space_group", "x", "letter", "multiplicity", "n_free"),
    [
        (225, (0, 0, 0), "a", 4, 0),
        (225, (0.25, 0.25, 0.25), "c", 8, 0),
        (225, (0.2, 0, 0), "e", 24, 1),
        (225, (0.1, 0.1, 0.1), "f", 32, 1),
        (221, (0, 0.5, 0.5), "c", 3, 0),
        (227, (0.625, 0.625, 0.625), "d", 16, 0),
        (194, (1 / 3, 2 / 3, 0.25), "c", 2, 0),
        (62, (0.1, 0.25, 0.3), "c", 4, 2),
        (14, (0.1, 0.2, 0.3), "e", 4, 3),
        (1, (0.1, 0.2, 0.3), "a", 1, 3),
    ],
)
def test_a_point_lies_on_the_site_of_the_international_tables(space_group, x, letter, multiplicity, n_free):
    site, u = place(space_group, np.array(x))
    assert (site.letter, site.multiplicity, site.n_free, len(u)) == (letter, multiplicity, n_free, n_free)
    assert len(images(space_group, np.array(x))) == multiplicity


@pytest.mark.parametrize("space_group", [2, 12, 62, 136, 166, 194, 216, 227])
def test_every_image_of_a_point_has_the_same_site_and_free_coordinates(space_group):
    rng = np.random.default_rng(0)
    R, t = operators(space_group)
    for x in (rng.random(3), np.array([0.3, 0.3, 0.3]), np.array([0.0, 0.0, 0.2]), np.zeros(3)):
        site, u = place(space_group, x)
        for r, s in zip(R[:: max(1, len(R) // 6)], t[:: max(1, len(R) // 6)], strict=True):
            other, v = place(space_group, r @ x + s + rng.integers(-2, 3, 3))
            assert other == site
            assert np.allclose(u, v, atol=1e-5)


@pytest.mark.parametrize("space_group", [2, 47, 62, 139, 166, 216, 225])
def test_a_normalizer_operation_maps_the_group_to_itself(space_group):
    R, t = operators(space_group)
    group = {(*r.round().ravel(), *((s % 1 * 24).round() % 24)) for r, s in zip(R, t, strict=True)}
    for Q, s in normalizer_operations(space_group):
        back = np.linalg.inv(Q)
        for r, v in zip(R, t, strict=True):
            turned = Q @ r @ back
            assert (*turned.round().ravel(), *(((Q @ v + s - turned @ s) % 1 * 24).round() % 24)) in group


def test_rock_salt_has_two_descriptions_and_pmmm_has_48():
    assert len(normalizer_operations(225)) == 2
    assert len(normalizer_operations(47)) == 48


def test_free_cell_parameters_follow_from_the_crystal_family():
    assert free_cell(225) == (0,)
    assert full_cell(194, np.array([3.0, 5.0])) == (3.0, 3.0, 5.0, 90.0, 90.0, 120.0)
    assert full_cell(14, np.array([3.0, 4.0, 5.0, 100.0])) == (3.0, 4.0, 5.0, 90.0, 100.0, 90.0)
    lattice = lattice_of(full_cell(194, np.array([3.0, 5.0])))
    assert np.linalg.det(lattice) == pytest.approx(9 * 5 * np.sqrt(3) / 2)


def test_a_space_group_that_does_not_exist_raises_an_error():
    with pytest.raises(InvdesignError, match="from 1 to 230"):
        operators(231)
