"""Writing of crystal files, precursors, and inputs of a relaxation."""

import csv
import io
import math
import zipfile

import numpy as np
import pytest
from ase.io import read as ase_read
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser

from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.io.files import read
from invdesign.domains.crystals.io.writing import WRITTEN, dft_inputs, precursors, write
from invdesign.domains.crystals.symmetry.canonical import canonical, key, make
from invdesign.domains.crystals.symmetry.wyckoff import operators
from invdesign.io.cells import safe_cell

COLUMNS = {"id": ["c-1", "c-2", "c-3", "c-4"], "energy [eV/atom]": [1.5, math.nan, -2.0, 3.25]}
NAMES = {".cif": "_invdesign_energy_eV_atom", ".csv": "energy [eV/atom]", ".extxyz": "energy_eV_atom"}


@pytest.mark.parametrize("suffix", [".cif", ".csv", ".extxyz"])
def test_a_written_file_reads_as_the_same_crystals_and_values(tmp_path, crystals, suffix):
    path = tmp_path / f"x{suffix}"
    write(crystals, path, columns={**COLUMNS, "note": ["it's \"=", "", "a\nb", None]})
    corpus = read(path, properties={"e": NAMES[suffix]})
    assert corpus.designs == crystals and not corpus.rejected
    np.testing.assert_array_equal(corpus.properties["e"], COLUMNS["energy [eV/atom]"])


def test_a_cif_has_symmetry_operators_and_one_atom_per_orbit(tmp_path, crystals):
    write(crystals[:1], tmp_path / "x.cif")
    text = (tmp_path / "x.cif").read_text()
    assert "_symmetry_space_group_name_H-M   'F m -3 m'" in text
    assert "_symmetry_space_group_name_Hall   '-F 4 2 3'" in text
    assert "_chemical_formula_sum   'Cl4 Na4'" in text and "P 1'" not in text
    assert text.count("  192  '") == 1 and "  193  '" not in text
    assert sum(line.split()[:1] in (["Na"], ["Cl"]) for line in text.split("\n")) == 2


def test_ase_and_pymatgen_read_the_cif_as_the_same_atoms(tmp_path, crystals):
    write(crystals, tmp_path / "x.cif")
    n_atoms = [crystal.n_atoms for crystal in crystals]
    assert [len(atoms) for atoms in ase_read(tmp_path / "x.cif", index=":")] == n_atoms
    blocks = (tmp_path / "x.cif").read_text().split("\n\n")
    assert [
        len(CifParser.from_str(b).parse_structures(primitive=False, on_error="raise")[0]) for b in blocks
    ] == n_atoms


@pytest.mark.parametrize("space_group", [1, 2, 14, 15, 43, 62, 88, 122, 146, 148, 166, 167, 198, 206, 227, 230])
def test_a_general_position_of_many_space_groups_is_the_same_after_a_cif(tmp_path, space_group):
    atoms = [
        ("Fe", np.array([0.11, 0.29, 0.37])),
        ("O", np.array([0.31, 0.07, 0.19])),
        ("F", np.array([0.02, 0.41, 0.13])),
    ]
    scale = (len(operators(space_group)[0]) * 3 * 25 / (27 * 29 * 33)) ** (1 / 3)
    angles = (81.0, 99.0 if space_group < 16 else 90.0, 97.0)
    crystal = canonical(make(space_group, (27.0 * scale, 29.0 * scale, 33.0 * scale, *angles), atoms))
    write([crystal], tmp_path / "x.cif")
    (restored,) = read(tmp_path / "x.cif", symprec=0.01).designs
    assert restored.space_group == space_group and key(restored) == key(crystal)


def test_a_poscar_has_one_crystal_and_a_zip_many(tmp_path, crystals):
    write(crystals[3:], tmp_path / "x.vasp")
    assert read(tmp_path / "x.vasp").designs == crystals[3:]
    with pytest.raises(InvdesignError, match=r"\.zip"):
        write(crystals, tmp_path / "y.vasp")
    write(crystals, tmp_path / "x.zip", columns=COLUMNS)
    first = (tmp_path / "x.zip").read_bytes()
    write(crystals, tmp_path / "x.zip", columns=COLUMNS)
    assert (tmp_path / "x.zip").read_bytes() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        names = archive.namelist()
        assert names == ["1_c-1.vasp", "2_c-2.vasp", "3_c-3.vasp", "4_c-4.vasp"]
        assert len(Structure.from_str(archive.read(names[3]).decode(), fmt="poscar")) == 56


def test_unknown_suffixes_and_short_columns_are_errors_and_leave_no_file(tmp_path, crystals):
    for path, columns in (("x.pdf", None), ("x.cif", {"a": [1]})):
        with pytest.raises(InvdesignError):
            write(crystals, tmp_path / path, columns=columns)
    assert not list(tmp_path.iterdir())
    assert all(suffix.startswith(".") for suffix in WRITTEN)


def test_a_file_is_replaced_completely_and_no_temporary_file_is_left(tmp_path, crystals):
    write(crystals, tmp_path / "x.csv")
    whole = (tmp_path / "x.csv").read_bytes()
    write(crystals[:1], tmp_path / "x.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]
    assert 0 < len((tmp_path / "x.csv").read_bytes()) < len(whole)


def test_a_table_has_formula_and_space_group_and_spreadsheet_safe_cells(tmp_path, crystals):
    write(crystals, tmp_path / "x.csv", columns={"note": ["=1+1", "a", "b", "c"]})
    with (tmp_path / "x.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["space group"] for row in table] == ["225", "221", "186", "227"]
    assert table[0]["note"] == "'=1+1" and table[3]["formula"] == "Al2MgO4"
    assert safe_cell(-1.5) == "-1.5" and safe_cell(math.nan) == ""


def test_precursors_of_strontium_titanate_have_the_expected_masses(crystals):
    table = precursors(crystals[1:2])
    assert list(zip(table["element"], table["precursor"], strict=True)) == [
        ("Sr", "SrCO3"), ("Ti", "TiO2"), ("O", "air or O2"),
    ]  # fmt: skip
    assert table["mol per formula unit"][:2] == [1, 1] and math.isnan(table["mol per formula unit"][2])
    np.testing.assert_allclose(table["g per mol of formula units"][:2], [147.63, 79.87], atol=0.01)


def test_precursors_contain_as_many_atoms_of_an_element_as_the_crystal(crystals):
    table = precursors([crystals[3]])
    amounts = dict(zip(table["precursor"], table["mol per formula unit"], strict=True))
    assert amounts["Al2O3"] == 1 and amounts["MgO"] == 1
    assert precursors([crystals[0]])["precursor"] in (["NH4Cl", "Na2CO3"], ["Na2CO3", "NH4Cl"])
    sulfide = Crystal(
        216, (5.4, 5.4, 5.4, 90.0, 90.0, 90.0),
        (Orbit("Zn", "a", (0.0, 0.0, 0.0), 4), Orbit("S", "c", (0.25, 0.25, 0.25), 4)),
    )  # fmt: skip
    assert sorted(precursors([sulfide])["precursor"]) == ["S", "Zn"]


def test_inputs_of_a_relaxation_need_no_licensed_files(tmp_path, crystals):
    paths = dft_inputs(crystals[0], tmp_path / "salt")
    assert [path.name for path in paths] == ["INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"]
    assert (tmp_path / "salt" / "POTCAR.spec").read_text().split() == ["Na_pv", "Cl"]
    assert len(Structure.from_file(tmp_path / "salt" / "POSCAR")) == 2
    assert "ENCUT = 520" in (tmp_path / "salt" / "INCAR").read_text()
    radium = Crystal(225, (6.0, 6.0, 6.0, 90.0, 90.0, 90.0), (Orbit("Ra", "a", (0.0, 0.0, 0.0), 4),))
    with pytest.raises(InvdesignError, match="Ra"):
        dft_inputs(radium, tmp_path / "radium")
