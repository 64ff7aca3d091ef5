"""Space groups that a CIF states twice, in items that are not read, or against its multiplicities."""

import pytest
from crystal_texts import FM3M, cif, operators
from pymatgen.core import Lattice, Structure

from invdesign.core import InvdesignError
from invdesign.domains.crystals.io.files import read

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
ALL_ATOMS = "\n".join(
    f"{a.specie}{i} {a.specie} {a.frac_coords[0]} {a.frac_coords[1]} {a.frac_coords[2]}" for i, a in enumerate(SALT)
)
P1 = "_symmetry_space_group_name_H-M 'P 1'"
P1_225 = f"{P1}\n_symmetry_Int_Tables_number 225"
MAGNETIC = "_space_group_magn.number_BNS 225.1"
LISTED = "Na1 Na 0 0 0\nCl1 Cl .5 .5 .5"


def crystals_of(tmp_path, text):
    (tmp_path / "x.cif").write_text(text)
    return read(tmp_path / "x.cif")


def with_multiplicities(stated, *numbers, atoms=LISTED):
    rows = "\n".join(f"{row} {number}" for row, number in zip(atoms.splitlines(), numbers, strict=True))
    return cif(rows, stated).replace("_fract_z\n", "_fract_z\n_atom_site_symmetry_multiplicity\n")


@pytest.mark.parametrize(
    ("stated", "n_atoms", "is_repaired"),
    [
        (f"{FM3M}\n_symmetry_Int_Tables_number 225", 8, False),
        (f"{FM3M}\n_symmetry_Int_Tables_number 216", 8, False),
        (f"{P1_225}\n_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4", 8, True),
        (f"{P1_225}\n_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 1", 2, True),
        (f"{P1_225}\n_exptl_crystal_density_diffrn 2.16", 8, True),
        (f"{P1_225}\n_exptl_crystal_density_diffrn 0.541", 2, True),
        (f"{FM3M}\n_symmetry_Int_Tables_number 227\n_exptl_crystal_density_diffrn 2.16", 8, True),
        (f"{P1_225}\n{operators('x,y,z')}", 2, False),
        (f"{P1}\n_space_group_magn.number_BNS 1.1", 2, False),
        ("loop_\n_space_group_id\n_space_group.IT_number\n1 225", 8, False),
        ("_space_group_name_H-M_full 'F 4/m -3 2/m'\n_space_group_IT_number 225", 8, False),
        ("_symmetry_cell_setting cubic", 2, False),
    ],
)
def test_name_and_number_agree_or_the_rest_of_the_file_decides(tmp_path, stated, n_atoms, is_repaired):
    corpus = crystals_of(tmp_path, cif(LISTED, stated))
    assert corpus.designs[0].n_atoms == n_atoms
    assert [rejection.reason[:8] for rejection in corpus.rejected] == ["repaired"] * is_repaired


def test_a_list_of_all_atoms_is_read_whether_it_is_named_p1_or_by_its_group(tmp_path):
    assert crystals_of(tmp_path, cif(ALL_ATOMS, P1_225)).designs[0].space_group == 225
    primitive = SALT.get_primitive_structure()
    a, _, _ = primitive.lattice.abc
    text = cif(LISTED, P1_225, a=f"{a:.4f}").replace(" 90\n", " 60\n")
    assert crystals_of(tmp_path, text).designs[0].space_group == 225


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (P1_225, r"different space groups, P 1 \(1\) and F m -3 m \(225\), and neither"),
        (f"{FM3M}\n_symmetry_Int_Tables_number 227", "F m -3 m .* and F d -3 m"),
        (f"_space_group_name_H-M_alt 'P 1'\n{FM3M}", "P 1 .* and F m -3 m"),
        ("_space_group_name_H-M_full 'F 4/m -3 2/m'", "unknown space group 'F 4/m -3 2/m' and no operators"),
        (MAGNETIC, "_space_group_magn_number_bns is '225.1', and there are no operators"),
        (f"{FM3M}\n{MAGNETIC}", "there are no operators"),
        ("_space_group.magn_name_BNS Fm-3m", "there are no operators"),
        ("_space_group_ssg_name 'Fm-3m(a,0,0)'", "there are no operators"),
        ("_parent_space_group.IT_number 225", "unknown space group '225' and no operators"),
        ("_space_group_name_Schoenflies O_h^5", "unknown space group 'O_h"),
    ],
)
def test_a_space_group_that_is_contradicted_or_not_read_is_refused(tmp_path, stated, reason):
    with pytest.raises(InvdesignError, match=reason):
        crystals_of(tmp_path, cif(LISTED, stated))


@pytest.mark.parametrize(
    ("text", "n_atoms"),
    [
        (with_multiplicities(FM3M, 4, 4), 8),
        (with_multiplicities(FM3M, 1, 1), 8),
        (with_multiplicities(FM3M, 48, "?"), 8),
        (with_multiplicities(f"{FM3M}\n_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4", 4, 8), 8),
        (with_multiplicities(FM3M, 1, 2, atoms="Ca1 Ca 0 0 0\nF1 F .25 .25 .25"), 12),
        (with_multiplicities(FM3M, 48, 24, atoms="Ca1 Ca 0 0 0\nF1 F .25 .25 .25"), 12),
        (with_multiplicities(P1, *[4] * 8, atoms=ALL_ATOMS), 8),
    ],
)
def test_multiplicities_of_another_cell_and_orders_of_site_symmetries_are_read(tmp_path, text, n_atoms):
    assert crystals_of(tmp_path, text).designs[0].n_atoms == n_atoms


@pytest.mark.parametrize("text", [with_multiplicities(FM3M, 4, 8), with_multiplicities(P1, 4, 8)])
def test_multiplicities_that_contradict_the_symmetry_are_refused(tmp_path, text):
    with pytest.raises(InvdesignError, match="multiplicities of the file contradict its symmetry: Na 4"):
        crystals_of(tmp_path, text)
