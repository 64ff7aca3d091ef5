from __future__ import annotations

import numpy as np

from invdesign.atlas import density_grid


def test_an_empty_region_that_designs_enclose_is_a_void() -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 2000)
    grid = density_grid(np.column_stack([10 * np.cos(angle), 5 * np.sin(angle)]))
    (void,) = grid.voids
    assert abs(void.center[0]) < 2 and abs(void.center[1]) < 1 and 0.3 < void.share < 1
    assert grid.density.shape == (64, 64) and grid.density[32, 32] == 0


def test_evenly_spread_designs_leave_no_void_and_those_on_a_line_have_a_grid() -> None:
    points = np.random.default_rng(1).uniform(size=(4000, 2))
    assert density_grid(points).voids == ()
    assert np.isfinite(density_grid(np.column_stack([points[:, 0], np.zeros(4000)])).density).all()
