"""Reading of crystal files: every format, every repair, and every reason to reject a row."""

import gzip

import ase.db
import numpy as np
import pytest
from ase import Atoms
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.io.cif import CifParser, CifWriter

from invdesign.core import InvdesignError
from invdesign.domains.crystals.io import cif, cif_reader, records
from invdesign.domains.crystals.io.checks import atoms_of, check_atoms
from invdesign.domains.crystals.io.files import read
from invdesign.domains.crystals.io.refusals import RefusedError
from invdesign.domains.crystals.symmetry.canonical import crystal_of, structure_of

HEAD = """data_{name}
_cell_length_a {a}
_cell_length_b 4.0(1)
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_symmetry_equiv_pos_as_xyz
'x, y, z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def block(*atoms: str, name: str = "x", a: str = "4.0") -> str:
    return HEAD.format(name=name, a=a) + "\n".join(atoms) + "\n\n"


GOOD = block("Cs1 Cs 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1", name="good")


def reject_reason(tmp_path, text, name="x.cif"):
    """Return the reason of the one rejection of a file with a good crystal and another."""
    path = tmp_path / name
    path.write_text(GOOD + text)
    corpus = read(path)
    assert [design.formula for design in corpus.designs] == ["ClCs"]
    (rejection,) = corpus.rejected
    assert rejection.row == 2 and rejection.remedy and rejection.text.startswith(f"{name}: x")
    return rejection.reason


def test_totals_of_a_cell_are_divided_by_its_atoms_where_that_is_said(tmp_path):
    cell = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    large = cell.copy()
    large.make_supercell([2, 1, 1])
    rows = [(cell.get_primitive_structure(), "-6.8 ± 0.2"), (cell, "-27.2"), (large, "-54.4")]
    text = "cif,energy (eV)\n" + "".join(f'"{structure.to(fmt="cif")}",{value}\n' for structure, value in rows)
    path = tmp_path / "mine.csv"
    path.write_text(text)
    corpus = read(path, properties={"energy": "energy"}, per_atom=["energy"])
    np.testing.assert_allclose(corpus.properties["energy"], [-3.4])
    (usage,) = corpus.usage
    assert usage.unit == "eV/atom" and not usage.contradictions and "divided by the number of atoms" in usage.notes[0]
    refused = read(path, properties={"energy": "energy"})
    assert np.isnan(refused.properties["energy"]).all() and (refused.usage[0].n_used, refused.usage[0].n_values) == (
        0,
        3,
    )
    assert refused.usage[0].unused == {
        "totals of cells of 2, 8, 16 atoms of one design; set per_atom=[energy], or write eV/atom if they are values "
        "of each atom": "2-4"
    }
    with pytest.raises(InvdesignError, match="per_atom: expected properties that are read"):
        read(path, properties={"energy": "energy"}, per_atom=["e"])
    path.write_text(text.replace("(eV)", "(eV/atom)"))
    with pytest.raises(InvdesignError, match=r"got values in eV/atom. Leave energy out of per_atom"):
        read(path, properties={"energy": "energy"}, per_atom=["energy"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (block("Na1 Na 0 0 0 0.5", "K1 K 0 0 0 0.5"), "partial occupancies"),
        (block("Na1 Na 0 0 0 0.7"), "partial occupancies"),
        (block("Na1 Na 0 0 0 1", "K1 K 0 0 0 1"), "Na and K are 0.000 A apart"),
        (block("Na1 Na 0 0 0 1", "K1 K 0.005 0 0 1"), "Na and K are 0.020 A apart"),
        (block("Na1 Na 0 0 0 1", "Na2 Na 0.1 0 0 1"), "0.400 A apart"),
        (block("X1 Xx 0 0 0 1"), "unknown element 'Xx'"),
        (block("Q1 OH 0 0 0 1", "Na1 Na 0.5 0.5 0.5 1"), "unknown element 'OH'"),
        (block("T1 T 0 0 0 1"), "unknown element 'T'"),
        (block("Na1 Na nan 0 0 1"), "coordinate 'nan'"),
        (block("Na1 Na ? 0 0 1"), "coordinate '?'"),
        (block("Na1 Na inf 0 0 1"), "coordinate 'inf'"),
        (block("Na1 Na 0 0 0 ."), "occupancy '.'"),
        (block("Na1 Na 0 0 0 1", a="nan"), ""),
        (block("Na1 Na 0 0 0 1", a="0.0"), ""),
        (block("Na1 Na 0 0 0 1", a="?"), ""),
        (block("Na1 Na 0 0"), ""),
        (HEAD.format(name="x", a=4), "coordinates"),
        ("data_x\n_cell_length_a 4\nloop_\n_atom_site", "no atoms"),
        (block("Na1 Na 0 0 0 1").replace("loop_\n_sym", "_chemical_formula_sum 'Na1 H1'\nloop_\n_sym"), "NaH1|Na1 H1"),
    ],
)
def test_a_bad_block_is_rejected_with_row_and_reason_and_the_others_are_read(tmp_path, text, reason):
    found = reject_reason(tmp_path, text)
    assert found and any(part in found for part in reason.split("|"))


def test_an_unknown_space_group_is_rejected_and_not_read_as_p1(tmp_path):
    text = block("Na1 Na 0 0 0 1").replace(
        "loop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n", "_space_group_name_H-M_alt 'F m z'\n"
    )
    assert "unknown space group 'F m z'" in reject_reason(tmp_path, text)


def test_atoms_written_twice_are_merged_and_reported(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(
        block("Cs1 Cs 0 0 0 1", "Cs2 Cs 0.998 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1", "Cl2 Cl 0.5 0.5 0.5 1", "D1 D 0.5 0 0 1")
    )
    corpus = read(path)
    assert corpus.designs[0].counts == {"Cs": 1, "Cl": 1, "H": 1}
    assert [rejection.reason[:18] for rejection in corpus.rejected] == ["repaired: 2 sites "]
    read(path, on_invalid="error")


def test_two_copies_of_an_atom_merge_to_their_mean_across_the_cell_boundary():
    twice = Structure(Lattice.cubic(4.0), ["Cs", "Cs", "Cl"], [[0.002, 0, 0], [0.996, 0, 0], [0.5, 0.5, 0.5]])
    merged, repair = check_atoms(atoms_of(twice))
    assert "1 sites" in repair
    np.testing.assert_allclose(merged.positions[0], [-0.001, 0, 0], atol=1e-9)


def test_nan_coordinates_and_cells_without_volume_are_rejected_before_the_search_for_symmetry():
    for lattice, x in (
        (Lattice.cubic(4.0), [[np.nan, 0, 0]]),
        (Lattice(np.full((3, 3), np.nan)), [[0, 0, 0]]),
        (Lattice([[4, 0, 0], [8, 0, 0], [0, 0, 4]]), [[0, 0, 0]]),
    ):
        with pytest.raises(RefusedError):
            check_atoms(atoms_of(Structure(lattice, ["Na"], x)))


def test_large_cells_are_rejected_before_slow_steps(tmp_path):
    path = tmp_path / "big.cif"
    atoms = [f"Na{i} Na {i / 3001} 0 0 1" for i in range(3001)]
    path.write_text(GOOD + block(*atoms))
    corpus = read(path)
    assert len(corpus) == 1
    assert corpus.rejected[0].reason == "3,001 sites, more than 3,000"
    path.write_text(block("Na1 Na 0 0 0 1", "Cl1 Cl 0.5 0.5 0.5 1"))
    with pytest.raises(InvdesignError, match="2 sites, more than 1"):
        read(path, max_sites=1)


def test_a_symmetric_cif_is_read_as_by_pymatgen(salt, crystals):
    text = str(CifWriter(salt, symprec=0.01))
    atoms, note = cif_reader.read_atoms(text, max_sites=3000)
    expected = CifParser.from_str(text).parse_structures(primitive=False)[0]
    assert len(atoms) == len(expected) == 8 and not note
    assert crystal_of(atoms) == crystal_of(expected) == crystals[0]


def test_a_cif_without_operators_uses_its_space_group(tmp_path):
    path = tmp_path / "x.cif"
    lines = [line for line in GOOD.split("\n") if "x, y, z" not in line and "equiv_pos" not in line]
    text = "\n".join(lines).replace("loop_\nloop_", "_symmetry_space_group_name_H-M 'P m -3 m'\nloop_")
    path.write_text(text)
    assert read(path).designs[0].space_group == 221


def test_data_headings_in_text_fields_and_journal_blocks_are_ignored(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text("# a comment\ndata_global\n_journal x\n" + GOOD + "_note\n;\ndata_in_a_text\n;\n")
    assert len(read(path)) == 1 and not read(path).rejected


@pytest.mark.parametrize("content", ["", "\n\n", "not a cif at all", "data_\n"])
@pytest.mark.parametrize("name", ["x.cif", "POSCAR", "x.extxyz", "x.csv"])
def test_an_empty_or_invalid_file_is_an_error_that_names_it(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InvdesignError, match=name):
        read(path)


def test_missing_files_and_unknown_formats_are_errors(tmp_path):
    with pytest.raises(InvdesignError, match="cannot read"):
        read(tmp_path / "no.cif")
    with pytest.raises(InvdesignError, match="there is no such file or folder"):
        read(tmp_path / "nothere")
    with pytest.raises(InvdesignError, match="folder without"):
        read(tmp_path)
    (tmp_path / "x.pdf").write_text("")
    with pytest.raises(InvdesignError, match=r"\.extxyz"):
        read(tmp_path / "x.pdf")


def test_poscars_with_and_without_elements(tmp_path, salt, crystals):
    salt.to(filename=str(tmp_path / "POSCAR"))
    assert read(tmp_path / "POSCAR").designs == crystals[:1]
    lines = (tmp_path / "POSCAR").read_text().split("\n")
    bare = [*lines[:5], *lines[6:]]
    (tmp_path / "bare.vasp").write_text("\n".join(" ".join(line.split()[:3]) for line in ["salt", *bare[1:]]))
    with pytest.raises(InvdesignError, match="elements"):
        read(tmp_path / "bare.vasp")


def test_extended_xyz_frame_by_frame(tmp_path, salt, crystals):
    path = tmp_path / "x.extxyz"
    atoms = AseAtomsAdaptor.get_atoms(salt)
    cell = 'Lattice="5.64 0 0 0 5.64 0 0 0 5.64"'
    body = "".join(f"{a.symbol} {a.x:.6f} {a.y:.6f} {a.z:.6f}\n" for a in atoms)
    frame = f'8\n{cell} Properties=species:S:1:pos:R:3 energy=-3.5 note="a b"\n{body}'
    flat = f'8\n{cell} Properties=species:S:1:pos:R:3 pbc="T T F" energy=1\n{body}'
    gas = "1\nenergy=2\nHe 0 0 0\n"
    unknown = f"1\n{cell} Properties=species:S:1:pos:R:3\nX 0 0 0\n"
    broken = f"1\n{cell} Properties=species:S:1:pos:R:3\nNa 0 nan 0\n"
    path.write_text(frame + flat + gas + unknown + broken + "9\nshort\nNa 0 0 0\n")
    corpus = read(path, properties={"e": "energy"})
    assert corpus.designs == crystals[:1]
    np.testing.assert_array_equal(corpus.properties["e"], [-3.5])
    reasons = {rejection.row: rejection.reason for rejection in corpus.rejected}
    assert sorted(reasons) == [2, 3, 4, 5, 6]
    assert "periodic" in reasons[2] and "periodic" in reasons[3]
    assert "unknown element" in reasons[4] and "NaN" in reasons[5]
    assert "expected the number of the atoms" in reasons[6]


def test_an_ase_database_with_its_values(tmp_path, salt, crystals):
    path = tmp_path / "x.db"
    with ase.db.connect(path) as connection:
        connection.write(AseAtomsAdaptor.get_atoms(salt), gap=8.5)
        connection.write(Atoms("He"), gap=20.0)
    corpus = read(path, properties={"band_gap": "gap"})
    assert corpus.designs == crystals[:1] and corpus.properties["band_gap"].tolist() == [8.5]
    assert [rejection.row for rejection in corpus.rejected] == [2]
    with pytest.raises(InvdesignError, match="'energy'"):
        read(path, properties={"e": "energy"})
    (tmp_path / "fake.db").write_text("no database")
    with pytest.raises(InvdesignError, match="not an ASE database"):
        read(tmp_path / "fake.db")


def test_a_table_with_a_column_of_cifs(tmp_path, crystals):
    path = tmp_path / "x.csv.gz"
    cells = [cif.block(crystal, "it") for crystal in crystals[:2]]
    table = ["name,text,gap"]
    for name, cell, gap in (("a", cells[0], "1"), ("b", cells[1], ""), ("c", cells[0], "3"), ("d", "", "1")):
        table.append(f'{name},"{cell}",{gap}')
    table += [f'e,"{cells[1]}",wide', "f,x"]
    path.write_bytes(gzip.compress("\r\n".join(table).encode()))
    corpus = read(path, structure_column="text", properties={"g": "gap"})
    assert corpus.designs == crystals[:2]
    np.testing.assert_array_equal(corpus.properties["g"], [2, np.nan])
    reasons = {rejection.row: rejection.reason for rejection in corpus.rejected}
    assert reasons[4] == "the same crystal as row 2" and reasons[5] == "empty"
    assert "'wide'" in reasons[6] and "2 cells under 3 columns" in reasons[7]
    with pytest.raises(InvdesignError, match="structure_column"):
        read(path)
    with pytest.raises(InvdesignError, match="nearest: 'gap'"):
        read(path, structure_column="text", properties={"g": "gapp"})
    with pytest.raises(InvdesignError, match="row 5"):
        read(path, structure_column="text", on_invalid="error")


def test_a_folder_is_read_file_by_file_with_progress(tmp_path, salt, crystals):
    salt.to(filename=str(tmp_path / "b.cif"))
    (tmp_path / "a.cif").write_text(cif.block(crystals[1], "it"))
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "c.cif").write_text(block("Na1 Na 0 0 0 0.5"))
    calls = []
    corpus = read(tmp_path, progress=lambda *args: calls.append(args))
    assert corpus.designs == (crystals[1], crystals[0])
    assert corpus.rejected[0].text == "c.cif: x"
    assert (corpus.rejected[1].text, corpus.rejected[1].reason[:9]) == (f"{tmp_path.name}: notes.md", "not read:")
    assert calls[-1] == ("reading", 4, 4)
    assert read(tmp_path, max_designs=1).designs == crystals[1:2]


def test_deuterium_and_charged_species_become_plain_elements(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(block("Na1 Na+ 0 0 0 1", "D1 D1- 0.5 0.5 0.5 1"))
    assert read(path).designs[0].formula == "HNa"


@pytest.mark.slow
def test_two_processes_give_the_same_corpus_as_one(tmp_path, crystals):
    path = tmp_path / "x.cif"
    path.write_text("".join(cif.block(crystal, f"n{i}") for i, crystal in enumerate(crystals)) + block("X X 0 0 0 1"))
    one, two = read(path), read(path, workers=2)
    assert one.designs == two.designs == crystals and one.rejected == two.rejected and one.sha256 == two.sha256


@pytest.mark.filterwarnings("ignore:Issues encountered")
def test_the_reader_agrees_with_pymatgen_on_mp_20(data):
    for row in records.rows(data / "mp_20_pilot_train.csv.gz", wanted=["band_gap"])[:20]:
        atoms, _ = cif_reader.read_atoms(row.content, max_sites=3000)
        expected = CifParser.from_str(row.content).parse_structures(primitive=False)[0]
        assert atoms.counts == expected.composition.as_dict()
        np.testing.assert_allclose(atoms.to_structure().lattice.parameters, expected.lattice.parameters, atol=1e-6)


@pytest.mark.parametrize(("name", "n_si", "n_merged"), [("CHA", 36, 14), ("LOS", 24, 12), ("SAT", 72, 16)])
def test_duplicate_atoms_of_zeolites_merge_to_silica(data, name, n_si, n_merged):
    import tarfile

    with tarfile.open(data / "zeolites.tar.xz") as archive:
        text = archive.extractfile(f"{name}.cif").read().decode()
    atoms, repair = cif_reader.read_atoms(text, max_sites=3000)
    assert atoms.counts == {"Si": n_si, "O": 2 * n_si}
    assert f"{n_merged} sites" in repair


def test_the_structure_of_a_design_is_read_from_its_own_text(tmp_path, crystals):
    from invdesign.domains.crystals.crystal import to_text

    path = tmp_path / "candidates.csv"
    cell = to_text(crystals[3]).replace('"', '""')
    path.write_text(f'design,y\n"{cell}",1\n"{{""space_group"": 999}}",2\n')
    corpus = read(path, properties={"y": "y"})
    assert corpus.designs == crystals[3:] and len(corpus.rejected) == 1
    assert len(structure_of(corpus.designs[0])) == 56
