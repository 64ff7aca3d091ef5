"""CHGNet's energies and relaxations, and the equation of state."""

import importlib.util
import math
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.campaign.oracle_calls import measure
from invdesign.core import InvdesignError, OracleSetup
from invdesign.core.capabilities import prepare_oracle
from invdesign.domains.crystals import validators
from invdesign.domains.crystals.oracles import computed, mlip
from invdesign.execution.process_pool import ProcessPool

needs_chgnet = pytest.mark.skipif(
    importlib.util.find_spec("chgnet") is None, reason="the extra `mlip` (chgnet) is not installed"
)
FLAT = replace(crystal("NaCl"), cell=(5.0, 5.0, 5.0, 30.0, 30.0, 120.0))


def birch(V, *, E0, V0, B, slope):
    """Evaluate Birch's equation in its published form (eV, cubic angstrom; B in GPa)."""
    s = (V0 / V) ** (2 / 3) - 1
    return E0 + 9 * V0 * B / mlip.GPA / 16 * (s**3 * slope + s**2 * (6 - 4 * (V0 / V) ** (2 / 3)))


@pytest.mark.parametrize(("B", "slope"), [(24.0, 5.0), (442.0, 3.6), (160.0, 4.0)])
def test_a_fit_to_the_equation_of_state_returns_its_bulk_modulus(B, slope):
    V = np.linspace(56, 64, 7)
    assert mlip.fit_birch_murnaghan(V, birch(V, E0=-13.7, V0=60.5, B=B, slope=slope)) == pytest.approx(B, rel=1e-6)


def test_without_a_minimum_within_the_volumes_the_bulk_modulus_is_nan():
    V = np.linspace(56, 64, 7)
    assert math.isnan(mlip.fit_birch_murnaghan(V, birch(V, E0=0, V0=70.0, B=100.0, slope=4.0)))
    assert math.isnan(mlip.fit_birch_murnaghan(V, -((V - 60.0) ** 2)))
    assert math.isnan(mlip.fit_birch_murnaghan(V, np.full(7, np.nan)))


def test_settings_of_the_bulk_modulus_are_checked():
    with pytest.raises(InvdesignError, match="at least 4 points"):
        mlip.bulk_modulus([crystal("NaCl")], n_points=3)


@needs_chgnet
def test_energies_are_per_atom_and_do_not_depend_on_the_other_designs():
    energies = mlip.energy_per_atom([crystal("MgO"), FLAT, crystal("NaCl")])
    assert np.isnan(energies[1])
    np.testing.assert_allclose(mlip.energy_per_atom([crystal("MgO")]), energies[:1], rtol=1e-5)
    assert energies[0] == pytest.approx(-6.0, abs=0.5), "PBE with corrections: -5.98 eV/atom"
    assert mlip.energy_per_atom([]).shape == (0,)


@needs_chgnet
def test_an_atom_without_neighbours_or_parameters_has_no_energy():
    a, *angles = 20.0, 90.0, 90.0, 90.0
    isolated = replace(crystal("Ar"), cell=(a, a, a, *angles))
    heavy = replace(crystal("Cu"), orbits=tuple(replace(o, element="Cm") for o in crystal("Cu").orbits))
    mlip.relax_structure(crystal("MgO"))
    assert np.isnan(mlip.energy_per_atom([isolated, heavy])).all(), "also after a relaxation, which shares the model"
    assert np.isnan(mlip.relaxed_energy([isolated])).all()
    assert not validators.relaxation([isolated])[0].passed


@needs_chgnet
def test_a_relaxation_lowers_the_energy_and_reports_its_displacement():
    a, *rest = crystal("MgO").cell
    expanded = replace(crystal("MgO"), cell=(1.06 * a, 1.06 * a, 1.06 * a, *rest[2:]))
    relaxation = mlip.relax_structure(expanded)
    assert relaxation.is_converged and relaxation.n_steps > 1
    assert relaxation.energy_change < -0.01 and relaxation.displacement < 1e-3
    assert relaxation.structure.volume == pytest.approx(4.25**3 / 4, rel=0.03)
    assert relaxation.volume_change == pytest.approx(relaxation.structure.volume * 4 / expanded.cell[0] ** 3 - 1)
    unrelaxed = mlip.energy_per_atom([expanded])[0]
    assert mlip.relaxed_energy([expanded])[0] == pytest.approx(unrelaxed + relaxation.energy_change, abs=1e-4)
    assert mlip.relax_structure(expanded) is relaxation, "an oracle and a validator relax a design once"

    changed, unchanged = validators.relaxation([expanded, crystal("MgO")], max_volume_change=0.1)
    assert unchanged.passed and not changed.passed
    assert "volume -1" in changed.detail and "eV/atom" in changed.detail


@needs_chgnet
def test_a_relaxation_that_runs_out_of_steps_fails():
    (check,) = validators.relaxation([crystal("TiO2")], max_steps=1, max_force=1e-4)
    assert not check.passed and "not relaxed in 1 steps" in check.detail
    assert np.isnan(mlip.relaxed_energy([crystal("TiO2")], steps=1, force=1e-4, must_converge=True)).all()


@needs_chgnet
def test_magnesia_is_stiffer_than_salt():
    salt, magnesia, flat = mlip.bulk_modulus([crystal("NaCl"), crystal("MgO"), FLAT])
    assert salt == pytest.approx(24, rel=0.25) and magnesia == pytest.approx(155, rel=0.25)
    assert np.isnan(flat)


@needs_chgnet
def test_a_hull_uses_energies_of_the_same_potential(tmp_path):
    path = tmp_path / "phases.csv"
    mlip.write_references([crystal("TiO2"), crystal("anatase"), crystal("Cu")], path)
    with path.open("a") as file:
        file.write("Ti,-7.8\nO2,-5\n")
    energies = mlip.energy_per_atom([crystal("TiO2"), crystal("anatase")])
    above = computed.energy_above_hull([crystal("anatase")], references=path, energy=mlip.energy_per_atom)
    assert above[0] == pytest.approx(energies[1] - energies.min(), abs=1e-5)
    assert computed.formation_energy([crystal("Cu")], references=path, energy=mlip.energy_per_atom)[0] == pytest.approx(
        0, abs=1e-5
    )


def test_the_energies_of_the_elements_that_ship_belong_to_one_set_of_weights():
    for energy in (mlip.energy_per_atom, partial(mlip.relaxed_energy, steps=50), partial(mlip.energy_per_atom)):
        assert mlip.find_references(energy).is_file()
    with pytest.raises(InvdesignError, match="got another method"):
        mlip.find_references(partial(mlip.energy_per_atom, model="r2scan"))


@needs_chgnet
def test_the_potential_is_loaded_before_the_first_call(monkeypatch):
    loaded = []
    monkeypatch.setattr(mlip, "_load_potential", lambda *given: loaded.append(given))
    prepare_oracle(partial(mlip.relaxed_energy, model="r2scan", steps=50))
    prepare_oracle(partial(computed.formation_energy, energy=mlip.energy_per_atom))
    assert loaded == [("r2scan", "cpu"), ("0.3.0", "cpu")]


@needs_chgnet
def test_formation_energies_need_no_references_from_the_user():
    # The Materials Project: -2.11 and -3.03 eV/atom.
    values = computed.formation_energy([crystal("NaCl"), crystal("MgO")], energy=mlip.energy_per_atom)
    np.testing.assert_allclose(values, [-2.11, -3.03], atol=0.08)


@pytest.mark.slow
@needs_chgnet
def test_the_potential_is_loaded_in_the_process_that_uses_it():
    with closing(ProcessPool(OracleSetup(mlip.energy_per_atom), workers=1, timeout=120)) as executor:
        (((_, outcome),),) = measure(executor, [crystal("NaCl")])
    assert outcome.status == "measured", outcome
    assert outcome.y[0] == pytest.approx(mlip.energy_per_atom([crystal("NaCl")])[0], abs=1e-5)
