"""Computed oracles, compared with values calculated by hand or known in closed form."""

import csv
import gzip
import math
from dataclasses import replace

import numpy as np
import pytest
from known_crystals import crystal, structure
from pymatgen.io.cif import CifWriter

from invdesign.core import InvdesignError
from invdesign.domains.crystals.chemistry import (
    bond_valence_sums,
    perovskite_sites,
    shannon_radius,
    valence_scale,
)
from invdesign.domains.crystals.oracles import computed
from invdesign.domains.crystals.symmetry.canonical import crystal_of

COULOMB = 14.39964548  # e^2 / (4 pi eps0), eV angstrom
FLAT = replace(crystal("NaCl"), cell=(5.0, 5.0, 5.0, 30.0, 30.0, 120.0))
BROKEN = replace(crystal("NaCl"), cell=(math.nan, 5.0, 5.0, 90.0, 90.0, 90.0))


def evaluate(oracle, name, **options):
    (value,) = oracle([crystal(name)], **options)
    return value


def test_mass_density_and_volume_agree_with_hand_calculations():
    assert evaluate(computed.volume_per_atom, "NaCl") == pytest.approx(5.64**3 / 8)
    grams = 4 * (22.98977 + 35.453) / 6.02214076e23
    assert evaluate(computed.mass_density, "NaCl") == pytest.approx(grams / (5.64e-8) ** 3, rel=1e-4)


@pytest.mark.parametrize(("name", "madelung", "distance"), [("NaCl", 1.747565, 2.82), ("CsCl", 1.762675, None)])
def test_the_ewald_energy_gives_the_madelung_constant(name, madelung, distance):
    distance = distance or 4.123 * math.sqrt(3) / 2
    assert evaluate(computed.ewald_energy, name) * 2 * -distance / COULOMB == pytest.approx(madelung, abs=2e-5)


def test_the_ewald_energy_grows_with_the_square_of_the_charges():
    ratio = evaluate(computed.ewald_energy, "MgO") / evaluate(computed.ewald_energy, "NaCl")
    assert ratio == pytest.approx(4 * 5.64 / 4.212, rel=1e-4)


def test_compression_does_not_lower_the_scaled_ewald_energy():
    salt = crystal("NaCl")
    compressed = replace(salt, cell=(*(0.9 * a for a in salt.cell[:3]), *salt.cell[3:]))
    plain, scaled = computed.ewald_energy([salt, compressed]), computed.ewald_energy([salt, compressed], is_scaled=True)
    assert plain[1] == pytest.approx(plain[0] / 0.9)
    assert scaled[1] == pytest.approx(scaled[0], rel=1e-6)
    assert np.isnan(computed.ewald_energy([crystal("Cu")], is_scaled=True)).all()


def test_bond_valences_add_up_over_the_scaled_cell():
    # Of the atoms within 4 angstrom only the six nearest ones have the opposite charge.
    length = valence_scale(crystal("NaCl")) * 2.82
    names, sums, expected = bond_valence_sums(replace(crystal("NaCl"), cell=(*[2 * length] * 3, *[90.0] * 3)))
    assert sorted(set(names)) == ["Cl-1", "Na+1"]
    assert np.abs(sums).sum() == pytest.approx(np.abs(expected).sum())
    assert math.isnan(valence_scale(crystal("Cu")))


def test_a_metal_has_no_ewald_energy():
    assert np.isnan(computed.ewald_energy([crystal("Cu"), crystal("Si")])).all()


def test_tolerance_factors_of_strontium_titanate_agree_with_hand_calculations():
    # Shannon: Sr2+ (XII) 1.44, Ti4+ (VI) 0.605, O2- (VI) 1.40.
    assert evaluate(computed.tolerance_factor, "SrTiO3") == pytest.approx((1.44 + 1.40) / (2**0.5 * (0.605 + 1.40)))
    ratio = 1.44 / 0.605
    assert evaluate(computed.tau_factor, "SrTiO3") == pytest.approx(1.40 / 0.605 - 2 * (2 - ratio / math.log(ratio)))
    assert evaluate(computed.tau_factor, "SrTiO3") < 4.18, "a perovskite"


def test_the_sites_of_a_perovskite_follow_from_the_distances_to_the_anions():
    assert (perovskite_sites(crystal("SrTiO3")).a, perovskite_sites(crystal("TiSrO3")).a) == ("Sr", "Ti")
    assert evaluate(computed.tolerance_factor, "TiSrO3") < 0.75
    assert np.isnan(evaluate(computed.tau_factor, "TiSrO3")), "tau requires A to be larger than B"
    assert np.isnan(computed.tolerance_factor([crystal("TiO2"), crystal("Cu")])).all()


def test_a_radius_is_that_of_the_nearest_coordination_and_nan_without_one():
    assert shannon_radius("Ti", 4, 6) == 0.605
    assert shannon_radius("Mg", 2, 12) == 0.89  # eightfold is the largest tabulated coordination
    assert shannon_radius("Fe", 2, 6) == 0.78  # high spin
    assert math.isnan(shannon_radius("Ar", 2, 6)) and math.isnan(shannon_radius("Na", -1, 6))


@pytest.mark.parametrize(
    "oracle", [computed.mass_density, computed.volume_per_atom, computed.ewald_energy, computed.tolerance_factor]
)
def test_a_crystal_that_cannot_be_built_gives_nan_and_does_not_affect_others(oracle):
    values = oracle([FLAT, crystal("SrTiO3"), BROKEN, replace(FLAT, orbits=())])
    assert np.isfinite(values).tolist() == [False, True, False, False]
    assert oracle([]).shape == (0,)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "measured.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["formula", "cif", "heat"])
        for formula, name, heat in [("SrTiO3", "SrTiO3", 1.5), ("TiSrO3", "TiSrO3", 2.5), ("TiO2", "TiO2", "")]:
            rows.writerow([formula, str(CifWriter(structure(name))), heat])
    return path


def test_a_table_is_matched_by_structure(table):
    perturbed = structure("SrTiO3").copy()
    perturbed.perturb(0.05)
    perturbed.translate_sites(range(5), [0.3, 0.1, 0.2])
    perturbed.scale_lattice(62)
    designs = [crystal_of(perturbed, symprec=0.001), crystal("TiSrO3"), crystal("TiO2"), crystal("NaCl")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=table, column="heat"), [1.5, 2.5, np.nan, np.nan]
    )


def test_a_table_can_be_matched_by_formula(table):
    designs = [crystal("TiSrO3"), crystal("anatase")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=table, column="heat", by="formula"), [1.5, np.nan]
    )


def test_several_tables_are_combined(table, tmp_path):
    second = tmp_path / "second.csv"
    with second.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["formula", "cif", "heat"])
        for name, heat in [("NaCl", -0.5), ("SrTiO3", 9.0)]:
            rows.writerow([name, str(CifWriter(structure(name))), heat])
    designs = [crystal("TiSrO3"), crystal("NaCl"), crystal("TiO2")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=[table, second], column="heat"), [2.5, -0.5, np.nan]
    )
    first = computed.measured_table([crystal("SrTiO3")], path=[table, second], column="heat", by="formula")
    assert first[0] == 1.5, "the first row of a formula counts"


def test_an_unreadable_table_is_reported_with_its_position(tmp_path, table):
    with pytest.raises(InvdesignError, match="expected a column 'gap', got formula, cif, heat"):
        computed.measured_table([crystal("NaCl")], path=table, column="gap")
    with pytest.raises(InvdesignError, match="no such file"):
        computed.measured_table([crystal("NaCl")], path=tmp_path / "none.csv", column="heat")
    with pytest.raises(InvdesignError, match="by must be one of structure, formula"):
        computed.measured_table([crystal("NaCl")], path=table, column="heat", by="name")
    path = tmp_path / "bad.csv"
    path.write_text("formula,cif,heat\nNaCl,no cif,1\n")
    with pytest.raises(InvdesignError, match="row 2"):
        computed.measured_table([crystal("NaCl")], path=path, column="heat")
    path.write_text("formula,heat\nNaCl,high\n")
    with pytest.raises(InvdesignError, match="row 2: expected a number or an empty cell in heat, got 'high'"):
        computed.measured_table([crystal("NaCl")], path=path, column="heat", by="formula")


@pytest.fixture
def references(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nNa,-1.0\nNa,-1.3\nCl2,-1.8\nNaCl3,-2.05\nMg,-1.5\n")
    return path


def flat_energy(designs):
    return np.full(len(designs), -3.0)


def test_a_formation_energy_is_relative_to_the_lowest_energies_of_the_elements(references):
    values = computed.formation_energy([crystal("NaCl"), crystal("MgO")], references=references, energy=flat_energy)
    np.testing.assert_allclose(values, [-3.0 - (-1.3 - 1.8) / 2, np.nan])


def test_the_energy_above_the_hull_agrees_with_a_hand_calculation(references):
    # Na at -1.3, Cl at -1.8; the formation energy of NaCl3 is -2.05 + (1.3 + 3 * 1.8) / 4 = -0.375. The hull at NaCl
    # consists of one third Na and two thirds NaCl3: -1.55 - 2/3 * 0.375 = -1.8.
    above = computed.energy_above_hull(
        [crystal("NaCl")], references=references, energy=lambda designs: np.full(len(designs), -1.7)
    )
    assert above[0] == pytest.approx(0.1)
    below, unknown = computed.energy_above_hull(
        [crystal("NaCl"), crystal("MgO")], references=references, energy=flat_energy
    )
    assert below == pytest.approx(-1.2) and np.isnan(unknown)


def test_energies_of_the_elements_ship_for_one_potential_only():
    with pytest.raises(InvdesignError, match=r"Set references=elements\.csv"):
        computed.formation_energy([crystal("NaCl")], energy=flat_energy)


def test_unreadable_references_are_reported_with_their_position(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nQq,1\n")
    with pytest.raises(InvdesignError, match="row 2: expected a formula such as SrTiO3, got 'Qq'"):
        computed.formation_energy([crystal("NaCl")], references=path, energy=flat_energy)
    path.write_text("formula,energy_per_atom\nNa,\n")
    with pytest.raises(InvdesignError, match="row 2: expected a number in energy_per_atom, got ''"):
        computed.energy_above_hull([crystal("NaCl")], references=path, energy=flat_energy)
    path.write_text("formula,energy_per_atom\nNa,1\n")
    with pytest.raises(InvdesignError, match="expected 1 values"):
        computed.formation_energy([crystal("NaCl")], references=path, energy=lambda designs: [])
