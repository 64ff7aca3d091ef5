"""When a change counts as found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invdesign.atlas.symmetry_maps import fit_symmetry_map
from invdesign.runs.analogues import Pairs, Symmetry

Z = np.random.default_rng(0).normal(size=(80, 3))
WEAK = fit_symmetry_map("weak", Z, Z + np.random.default_rng(1).normal(size=Z.shape))


@pytest.mark.parametrize(
    ("p_value", "exact", "is_found"), [(0.05, 0.9, True), (0.05, 0.1, False), (0.3, 0.9, False), (0.05, 0.0, False)]
)
def test_a_map_of_a_large_residual_is_found_where_the_decoder_writes_the_changed_design(
    p_value: float, exact: float, is_found: bool
) -> None:
    assert not WEAK.is_found
    pairs = Pairs("weak", [], [], "file")
    assert Symmetry(pairs, replace(WEAK, p_value=p_value), exact, 0.95, 40, np.ones(1)).is_found is is_found


def test_nothing_is_found_where_nothing_decodes() -> None:
    weak = replace(WEAK, p_value=0.05)
    assert not Symmetry(Pairs("weak", [], [], "file"), weak, 0.0, 0.0, 40, np.ones(1)).is_found
