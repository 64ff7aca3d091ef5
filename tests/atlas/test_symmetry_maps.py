"""Symmetries as linear maps of latents."""

from __future__ import annotations

import numpy as np
import pytest

from invdesign.atlas.symmetry_maps import fit_symmetry_map
from invdesign.core import InvdesignError

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(240, 6))


def test_a_reflection_of_order_two_is_found() -> None:
    mirror = np.diag([1.0, 1, 1, -1, -1, -1])
    found = fit_symmetry_map("mirror", Z, Z @ mirror.T + 0.01 * RNG.normal(size=Z.shape), order=2)
    assert found.is_found and found.residual < 0.05 and found.order_error < 0.05
    assert np.allclose(found.matrix, mirror, atol=0.05) and len(found.held_out) == 60


def test_few_pairs_give_a_translation() -> None:
    few = RNG.normal(size=(24, 40))
    found = fit_symmetry_map("Cl -> Br", few, few + np.eye(40)[0] * 9)
    assert found.is_found and found.residual < 0.1
    assert np.allclose(found(few), few + np.eye(40)[0] * 9, atol=1)


def test_pairs_that_have_nothing_to_do_with_each_other_show_no_symmetry() -> None:
    found = fit_symmetry_map("nothing", Z, Z[RNG.permutation(len(Z))], order=2)
    assert not found.is_found and found.residual > 0.8


def test_designs_that_hardly_move_but_at_random_show_no_symmetry() -> None:
    found = fit_symmetry_map("noise", Z, Z + 0.1 * RNG.normal(size=Z.shape))
    assert not found.is_found and found.residual == pytest.approx(found.residual_unchanged, rel=0.3)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(InvdesignError, match="at least 20 pairs"):
        fit_symmetry_map("few", Z[:19], Z[:19])
