"""Agreement of patterns, and fits of cells and positions."""

from dataclasses import replace

import numpy as np
import pytest

from invdesign.domains.crystals.powder.agreement import (
    LEVELS,
    SCAN_WIDTH,
    fit_cell,
    make_model,
    rate,
    refine_positions,
    scan_scale,
)
from invdesign.domains.crystals.powder.measured import prepare_pattern
from invdesign.domains.crystals.symmetry.canonical import expand


def test_a_model_has_the_atoms_of_its_crystal(crystals, simulate):
    for crystal in crystals:
        model = make_model(crystal, prepare_pattern(simulate(crystal)))
        own, theirs = np.sort(model.positions % 1.0, axis=0), np.sort(expand(crystal)[1] % 1.0, axis=0)
        assert own == pytest.approx(theirs, abs=1e-6)


def test_a_wrong_scale_is_found(crystals, simulate):
    salt = crystals[0]
    measured = prepare_pattern(simulate(salt))
    swollen = replace(salt, cell=(6.0, 6.0, 6.0, 90.0, 90.0, 90.0))
    scaled, cosine = scan_scale(make_model(swollen, measured, margin=1.12), measured.broadened(SCAN_WIDTH))
    assert scaled.cell[0] == pytest.approx(5.64, rel=0.005) and cosine > 0.98


def test_a_strained_cell_and_a_shift_of_the_angles_are_fitted(crystals, simulate):
    wurtzite = crystals[2]
    measured = prepare_pattern(simulate(wurtzite, zero=0.04))
    a, _, c, *angles = wurtzite.cell
    strained = replace(wurtzite, cell=(a * 1.02, a * 1.02, c * 0.975, *angles))
    model = make_model(strained, measured, margin=1.05)
    before = rate(model, measured)
    levels = [measured.broadened(sigma) for sigma, _ in LEVELS]
    fit = fit_cell(model, measured, levels, np.random.default_rng(0))
    assert before.agreement < 0.5 and fit.agreement > 0.95
    assert fit.crystal.cell[0] == pytest.approx(a, rel=2e-3) and fit.crystal.cell[2] == pytest.approx(c, rel=2e-3)


def test_free_coordinates_are_refined_towards_the_intensities(crystals, simulate):
    spinel = crystals[3]
    measured = prepare_pattern(simulate(spinel))
    *metals, oxygen = sorted(spinel.orbits, key=lambda orbit: orbit.element)
    free = next(orbit for orbit in spinel.orbits if orbit.element == "O")
    moved = replace(free, position=tuple(x + 0.012 for x in free.position))
    wrong = replace(spinel, orbits=tuple(moved if orbit is free else orbit for orbit in spinel.orbits))
    model = make_model(wrong, measured)
    before = rate(model, measured)
    after = refine_positions(model, measured, before)
    assert rate(after, measured).agreement > before.agreement + 0.005
    assert after.u[0] == pytest.approx(make_model(spinel, measured).u[0], abs=0.005)
    assert metals and oxygen


def test_a_crystal_without_free_coordinates_stays_as_it_is(crystals, simulate):
    measured = prepare_pattern(simulate(crystals[0]))
    model = make_model(crystals[0], measured)
    assert refine_positions(model, measured, rate(model, measured)) is model
