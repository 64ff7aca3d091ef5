"""Oracles of crystals, against numbers worked by hand or known in closed form."""

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


def one(oracle, name, **options):
    (value,) = oracle([crystal(name)], **options)
    return value


def test_density_and_volume_by_hand():
    assert one(computed.volume_per_atom, "NaCl") == pytest.approx(5.64**3 / 8)
    grams = 4 * (22.98977 + 35.453) / 6.02214076e23
    assert one(computed.density, "NaCl") == pytest.approx(grams / (5.64e-8) ** 3, rel=1e-4)


@pytest.mark.parametrize(("name", "madelung", "apart"), [("NaCl", 1.747565, 2.82), ("CsCl", 1.762675, None)])
def test_the_ewald_energy_gives_the_madelung_constant(name, madelung, apart):
    apart = apart or 4.123 * math.sqrt(3) / 2
    assert one(computed.ewald_energy, name) * 2 * -apart / COULOMB == pytest.approx(madelung, abs=2e-5)


def test_charges_count_squared():
    ratio = one(computed.ewald_energy, "MgO") / one(computed.ewald_energy, "NaCl")
    assert ratio == pytest.approx(4 * 5.64 / 4.212, rel=1e-4)


def test_a_squeezed_cell_wins_no_scaled_ewald_energy():
    salt = crystal("NaCl")
    squeezed = replace(salt, cell=(*(0.9 * a for a in salt.cell[:3]), *salt.cell[3:]))
    plain, scaled = computed.ewald_energy([salt, squeezed]), computed.ewald_energy([salt, squeezed], is_scaled=True)
    assert plain[1] == pytest.approx(plain[0] / 0.9)
    assert scaled[1] == pytest.approx(scaled[0], rel=1e-6)
    assert np.isnan(computed.ewald_energy([crystal("Cu")], is_scaled=True)).all()


def test_at_the_usual_size_bond_valences_add_up_over_the_cell():
    # Of the atoms within 4 angstrom only the six nearest ones carry the other charge.
    length = valence_scale(crystal("NaCl")) * 2.82
    names, sums, expected = bond_valence_sums(replace(crystal("NaCl"), cell=(*[2 * length] * 3, *[90.0] * 3)))
    assert sorted(set(names)) == ["Cl-1", "Na+1"]
    assert np.abs(sums).sum() == pytest.approx(np.abs(expected).sum())
    assert math.isnan(valence_scale(crystal("Cu")))


def test_a_metal_has_no_ewald_energy():
    assert np.isnan(computed.ewald_energy([crystal("Cu"), crystal("Si")])).all()


def test_tolerance_factors_of_strontium_titanate():
    # Shannon: Sr2+ (XII) 1.44, Ti4+ (VI) 0.605, O2- (VI) 1.40.
    assert one(computed.tolerance_factor, "SrTiO3") == pytest.approx((1.44 + 1.40) / (2**0.5 * (0.605 + 1.40)))
    ratio = 1.44 / 0.605
    assert one(computed.tau_factor, "SrTiO3") == pytest.approx(1.40 / 0.605 - 2 * (2 - ratio / math.log(ratio)))
    assert one(computed.tau_factor, "SrTiO3") < 4.18, "a perovskite"


def test_the_sites_of_a_perovskite_are_told_by_the_distances_to_the_anions():
    assert (perovskite_sites(crystal("SrTiO3")).a, perovskite_sites(crystal("TiSrO3")).a) == ("Sr", "Ti")
    assert one(computed.tolerance_factor, "TiSrO3") < 0.75
    assert np.isnan(one(computed.tau_factor, "TiSrO3")), "tau wants A larger than B"
    assert np.isnan(computed.tolerance_factor([crystal("TiO2"), crystal("Cu")])).all()


def test_a_radius_is_of_the_nearest_coordination_and_unknown_where_shannon_has_none():
    assert shannon_radius("Ti", 4, 6) == 0.605
    assert shannon_radius("Mg", 2, 12) == 0.89  # eightfold is his largest
    assert shannon_radius("Fe", 2, 6) == 0.78  # high spin
    assert math.isnan(shannon_radius("Ar", 2, 6)) and math.isnan(shannon_radius("Na", -1, 6))


@pytest.mark.parametrize(
    "oracle", [computed.density, computed.volume_per_atom, computed.ewald_energy, computed.tolerance_factor]
)
def test_what_cannot_be_built_is_not_a_number_and_spoils_no_neighbour(oracle):
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


def test_a_table_is_looked_up_by_structure(table):
    moved = structure("SrTiO3").copy()
    moved.perturb(0.05)
    moved.translate_sites(range(5), [0.3, 0.1, 0.2])
    moved.scale_lattice(62)
    designs = [crystal_of(moved, symprec=0.001), crystal("TiSrO3"), crystal("TiO2"), crystal("NaCl")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=table, column="heat"), [1.5, 2.5, np.nan, np.nan]
    )


def test_a_table_may_be_looked_up_by_formula_alone(table):
    designs = [crystal("TiSrO3"), crystal("anatase")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=table, column="heat", by="formula"), [1.5, np.nan]
    )


def test_several_tables_are_one(table, tmp_path):
    more = tmp_path / "more.csv"
    with more.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["formula", "cif", "heat"])
        for name, heat in [("NaCl", -0.5), ("SrTiO3", 9.0)]:
            rows.writerow([name, str(CifWriter(structure(name))), heat])
    designs = [crystal("TiSrO3"), crystal("NaCl"), crystal("TiO2")]
    np.testing.assert_array_equal(
        computed.measured_table(designs, path=[table, more], column="heat"), [2.5, -0.5, np.nan]
    )
    first = computed.measured_table([crystal("SrTiO3")], path=[table, more], column="heat", by="formula")
    assert first[0] == 1.5, "the first row of a formula counts"


def test_a_table_that_cannot_be_read_says_where(tmp_path, table):
    with pytest.raises(InvdesignError, match="no column 'gap'; it has formula, cif, heat"):
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
    with pytest.raises(InvdesignError, match="row 2: heat is 'high'"):
        computed.measured_table([crystal("NaCl")], path=path, column="heat", by="formula")


@pytest.fixture
def references(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nNa,-1.0\nNa,-1.3\nCl2,-1.8\nNaCl3,-2.05\nMg,-1.5\n")
    return path


def flat_energy(designs):
    return np.full(len(designs), -3.0)


def test_a_formation_energy_is_what_is_gained_over_the_lowest_elements(references):
    values = computed.formation_energy([crystal("NaCl"), crystal("MgO")], references=references, energy=flat_energy)
    np.testing.assert_allclose(values, [-3.0 - (-1.3 - 1.8) / 2, np.nan])


def test_energy_above_hull_by_hand(references):
    # Na at -1.3, Cl at -1.8; NaCl3 gains -2.05 + (1.3 + 3 * 1.8) / 4 = -0.375, so that the hull at NaCl is at
    # a third of Na and two thirds of NaCl3: -1.55 - 2/3 * 0.375 = -1.8.
    above = computed.energy_above_hull(
        [crystal("NaCl")], references=references, energy=lambda designs: np.full(len(designs), -1.7)
    )
    assert above[0] == pytest.approx(0.1)
    below, unknown = computed.energy_above_hull(
        [crystal("NaCl"), crystal("MgO")], references=references, energy=flat_energy
    )
    assert below == pytest.approx(-1.2) and np.isnan(unknown)


def test_energies_of_the_elements_ship_for_one_potential_only():
    with pytest.raises(InvdesignError, match=r"give references=elements\.csv"):
        computed.formation_energy([crystal("NaCl")], energy=flat_energy)


def test_references_that_cannot_be_read_say_where(tmp_path):
    path = tmp_path / "phases.csv"
    path.write_text("formula,energy_per_atom\nQq,1\n")
    with pytest.raises(InvdesignError, match="row 2: 'Qq' is no formula"):
        computed.formation_energy([crystal("NaCl")], references=path, energy=flat_energy)
    path.write_text("formula,energy_per_atom\nNa,\n")
    with pytest.raises(InvdesignError, match="row 2: energy_per_atom is not known"):
        computed.energy_above_hull([crystal("NaCl")], references=path, energy=flat_energy)
    path.write_text("formula,energy_per_atom\nNa,1\n")
    with pytest.raises(InvdesignError, match="expected 1 values"):
        computed.formation_energy([crystal("NaCl")], references=path, energy=lambda designs: [])
