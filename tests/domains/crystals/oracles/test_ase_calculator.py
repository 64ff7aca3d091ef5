"""Calculators of ASE as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from known_crystals import crystal

from invdesign.core import InvdesignError
from invdesign.core.capabilities import prepare_oracle
from invdesign.domains.crystals.oracles.ase_calculator import ase_property


def test_a_calculator_is_named_and_its_values_are_those_of_ase() -> None:
    from ase.build import bulk
    from ase.calculators.emt import EMT

    copper = crystal("Cu")
    (energy,) = ase_property([copper])
    atoms = bulk("Cu", a=3.61)
    atoms.calc = EMT()
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=0.05)
    assert ase_property([copper], value="max_force")[0] < 1e-6


def test_a_relaxation_lowers_the_energy_and_one_that_does_not_converge_is_not_measured() -> None:
    copper = crystal("Cu")
    relaxed = ase_property([copper], relax=True)
    assert relaxed[0] <= ase_property([copper])[0] + 1e-9
    assert np.isnan(ase_property([copper], relax=True, steps=0, force=1e-9)[0])


def test_settings_and_makers_are_passed_on_and_unknown_names_are_refused() -> None:
    from functools import partial

    from ase.calculators.lj import LennardJones

    named = ase_property([crystal("Cu")], calculator="lj", settings={"epsilon": 0.1, "sigma": 2.0, "rc": 6.0})
    made = ase_property([crystal("Cu")], calculator=LennardJones, settings={"epsilon": 0.1, "sigma": 2.0, "rc": 6.0})
    assert named.tolist() == made.tolist()
    with pytest.raises(InvdesignError, match="the calculator 'no_such' cannot be made"):
        prepare_oracle(partial(ase_property, calculator="no_such"))
