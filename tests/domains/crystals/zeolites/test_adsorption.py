"""Henry coefficients by Widom insertion, compared with quadrature and the ideal gas."""

import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.integrate import quad

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.symmetry.canonical import crystal_of, structure_of
from invdesign.domains.crystals.zeolites.adsorption import ATOMS, GASES, LennardJones, henry, henry_coefficient
from invdesign.domains.crystals.zeolites.silica import add_oxygens

EDGE, CUTOFF = 20.0, 10.0


def second_virial(pair: LennardJones, temperature: float) -> float:
    """Integrate exp(-u/kT) - 1 over a sphere of the cutoff radius by quadrature [cubic angstrom]."""

    def integrand(r: float) -> float:
        sixth = (pair.sigma / r) ** 6
        return 4 * math.pi * r * r * math.expm1(-4 * pair.epsilon * (sixth * sixth - sixth) / temperature)

    return quad(integrand, 0.2 * pair.sigma, CUTOFF, limit=400)[0] - 4 / 3 * math.pi * (0.2 * pair.sigma) ** 3


def test_unlike_atoms_are_mixed_by_the_lorentz_berthelot_rules() -> None:
    assert LennardJones(3.0, 40.0).mix(LennardJones(4.0, 90.0)) == LennardJones(3.5, 60.0)


@pytest.mark.parametrize(("gas", "temperature"), [("CH4", 60.0), ("CH4", 100.0), ("H2", 30.0), ("H2", 300.0)])
def test_one_atom_in_a_large_cell_gives_the_second_virial_integral(gas: str, temperature: float) -> None:
    pair = GASES[gas].mix(ATOMS["O"])
    result = henry_coefficient(
        EDGE * np.eye(3),
        ["O"],
        np.array([[0.3, 0.6, 0.9]]),
        gas=gas,
        temperature=temperature,
        cutoff=CUTOFF,
        n_insertions=2**16,
    )
    third = (pair.sigma / CUTOFF) ** 3
    tail = 16 * math.pi / 3 * pair.epsilon * pair.sigma**3 * (third**3 / 3 - third) / EDGE**3
    expected = math.exp(-tail / temperature) * (1 + second_virial(pair, temperature) / EDGE**3)
    assert result.boltzmann == pytest.approx(expected, rel=2e-3)


def test_without_interaction_the_gas_is_ideal() -> None:
    result = henry_coefficient(10 * np.eye(3), ["Si"], np.zeros((1, 3)), gas=LennardJones(1.0, 0.0), temperature=300.0)
    assert result.boltzmann == pytest.approx(1.0)
    # A cell of 1,000 cubic angstrom at one pascal and 300 K, and 28.085 g/mol of silicon in it.
    assert result.per_cell == pytest.approx(1e-27 / (1.380649e-23 * 300))
    assert result.per_mass == pytest.approx(1e-27 / (8.314462618 * 300) / (0.028085 / 6.02214076e23), rel=1e-3)


def test_a_doubled_cell_holds_twice_as_many_molecules() -> None:
    lattice, positions = np.diag([7.0, 8.0, 9.0]), np.array([[0.1, 0.2, 0.3], [0.6, 0.5, 0.9]])
    doubled = np.concatenate([positions, positions + np.array([1, 0, 0])]) / np.array([2, 1, 1])
    one = henry_coefficient(lattice, ["O", "Si"], positions, n_insertions=2**15)
    two = henry_coefficient(np.diag([14.0, 8.0, 9.0]), ["O", "Si"] * 2, doubled, n_insertions=2**15)
    assert two.per_cell == pytest.approx(2 * one.per_cell, rel=0.01)
    assert two.per_mass == pytest.approx(one.per_mass, rel=0.01)


def test_the_oracle_measures_frameworks_per_mass_and_per_conventional_cell() -> None:
    T = [
        p for q in (0.25, 0.75) for p in ([q, 0.5, 0], [q, 0, 0.5], [0.5, q, 0], [0, q, 0.5], [0.5, 0, q], [0, 0.5, q])
    ]
    sodalite = crystal_of(Structure(Lattice.cubic(8.9), ["Si"] * 12, T))
    salt = crystal_of(Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    testing.check_oracle(lambda designs: henry(designs, n_insertions=512), [sodalite, salt], m=1)
    per_mass, per_cell = (henry([sodalite], per=per, n_insertions=2**12)[0] for per in ("mass", "cell"))
    mass = structure_of(add_oxygens(sodalite)).composition.weight / 6.02214076e26
    assert per_cell == pytest.approx(per_mass * 6.02214076e23 * mass, rel=1e-6)
    assert np.isnan(henry([salt])[0])


def test_unknown_gases_and_invalid_numbers_are_rejected() -> None:
    with pytest.raises(InvdesignError, match="a gas among H2, CH4, got 'Xe'"):
        henry([], gas="Xe")
    with pytest.raises(InvdesignError, match="per must be 'mass' or 'cell', got 'volume'"):
        henry([], per="volume")
    with pytest.raises(InvdesignError, match="expected positive temperature"):
        henry_coefficient(np.eye(3), ["O"], np.zeros((1, 3)), temperature=0.0)
