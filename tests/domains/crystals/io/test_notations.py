"""Notations in which crystals are sent, what a file states of itself, and limits before anything is allocated."""

import json

import pytest
from crystal_texts import FM3M, ORIGIN_1, ORIGIN_2, POSCAR, cif, diamond, operators, structure_dictionary

from invdesign.core import InvdesignError
from invdesign.domains.crystals.io import records
from invdesign.domains.crystals.io.files import read

HEADER, ROWS = POSCAR.split("Direct\n")
LABELLED = "\n".join(
    [f"{HEADER}Direct", *(f"{x} {'Mg2+' if i < 4 else 'O2-'}" for i, x in enumerate(ROWS.splitlines())), ""]
)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    ["POSCAR_1", "CONTCAR.relax", "mgo.CONTCAR", "mgo.vasp", "MgO_POSCAR", "contcar", "1.POSCAR.vasp", "mgo.VASP"],
)
@pytest.mark.parametrize(
    "text",
    [
        POSCAR,
        POSCAR.replace("Direct", "Selective dynamics\nDirect").replace(".5\n", ".5 T T F\n"),
        POSCAR.replace("\n1.0\n", "\n-74.72\n"),
        POSCAR.replace("Direct", "Cartesian").replace(".5", "2.106"),
        POSCAR.replace("Mg O", "Mg_pv O"),
        POSCAR + "\n" + "0 0 0\n" * 8,
        POSCAR + "  \n\nmade by hand\n",
        POSCAR + "Lattice velocities and vectors\n 1\n 0 0 0\n",
        LABELLED,
        LABELLED.replace("Mg2+", "! Mg1 a").replace("O2-", "#O"),
        LABELLED.replace("Mg2+", "M1").replace("O2-", "X"),
        LABELLED.replace("Mg2+", "F F F").replace("O2-", "T T F"),
        LABELLED.replace("Mg2+", "Mg").replace("O2-", "O").replace("\nMg O\n", "\n"),
        LABELLED.replace("Mg2+", "F F F Mg").replace("O2-", "T T T O").replace("Direct", "Selective\nDirect"),
    ],
)
def test_names_and_layouts_of_poscars(tmp_path, name, text):
    (crystal,) = read(write(tmp_path / name, text)).designs
    assert (crystal.formula, crystal.space_group) == ("MgO", 225)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (POSCAR.replace("4 4", "4 3"), r"line 16 of a POSCAR is '0 0 \.5', expected the end of the coordinates of 7"),
        (LABELLED.replace("Mg O", "O Mg"), "atom 1 of a POSCAR is O by the line of elements, .* ends in 'Mg2\\+'"),
        (LABELLED.replace("Mg2+", "Zn").replace("O2-", "S"), "is Mg by the line of elements, .* ends in 'Zn'"),
        (LABELLED.replace("Mg2+", "F F F").replace("O2-", "F F F").replace("\nMg O\n", "\n"), "without elements"),
    ],
)
def test_a_poscar_that_contradicts_itself_is_refused(tmp_path, text, reason):
    with pytest.raises(InvdesignError, match=reason):
        read(write(tmp_path / "POSCAR", text))


@pytest.mark.parametrize("name", ["NaCl.CIF", "salt.mcif", "salt.Cif"])
def test_suffixes_in_any_case(tmp_path, name):
    assert read(write(tmp_path / name, cif())).designs[0].formula == "ClNa"


def test_a_magnetic_cif_is_read_without_time_reversal(tmp_path):
    magnetic = (
        "loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n-x,-y,-z,+1\n"
        "loop_\n_space_group_symop_magn_centering.xyz\nx,y,z,+1\nx+1/2,y+1/2,z,+1\nx+1/2,y,z+1/2,-1\nx,y+1/2,z+1/2,-1"
    )
    text = cif("Mn1 Mn 0 0 0\nO1 O .5 .5 .5", magnetic, a="4.44")
    (crystal,) = read(write(tmp_path / "x.mcif", text)).designs
    assert (crystal.formula, crystal.space_group, crystal.n_atoms) == ("MnO", 225, 8)


def test_a_folder_of_runs_accounts_for_every_file(tmp_path):
    folder = tmp_path / "runs"
    for name in ("a/POSCAR", "a/CONTCAR", "b/POSCAR_1"):
        write(folder / name, POSCAR)
    for name in ("a/INCAR", "a/vasprun.xml", "notes.txt", "b/CONTCAR"):
        write(folder / name, "")
    write(folder / "b/c/salt.cif", cif())
    write(folder / "broken.json", "{")
    corpus = read(folder)
    assert [crystal.formula for crystal in corpus.designs] == ["MgO", "ClNa"]
    told = {rejection.text: rejection.reason for rejection in corpus.rejected}
    assert told["b/CONTCAR: CONTCAR"].startswith("an empty file")
    assert told["runs/a: INCAR"] == told["runs: notes.txt"] == "not read: no format of crystals"
    assert "CONTCAR" in told["runs/a: POSCAR"] and "CONTCAR" in told["runs/a: vasprun.xml"]
    assert any("same crystal" in reason for reason in told.values())
    assert any("no JSON" in reason for reason in told.values())
    with pytest.raises(InvdesignError, match="Give the CONTCAR of the run"):
        read(folder / "a/vasprun.xml")


def test_files_without_a_structure_and_entries_that_are_not_entered_are_reported(tmp_path):
    folder = tmp_path / "mine"
    write(folder / "a.cif", cif())
    for name, text in {"empty.cif": "", "page.cif": "<html>404</html>", "e.extxyz": "\n", "none.json": "[]"}.items():
        write(folder / name, text)
    write(folder / ".hidden.cif", cif())
    write(folder / ".DS_Store", "")
    write(folder.joinpath(*"12345678", "9", "deep.cif"), cif())
    write(tmp_path / "other" / "b.vasp", POSCAR)
    (folder / "link").symlink_to(tmp_path / "other")
    (folder / "dangling.cif").symlink_to(tmp_path / "nowhere")
    (folder / "CONTCAR").symlink_to(tmp_path / "nowhere")
    write(folder / "POSCAR", POSCAR)
    corpus = read(folder)
    assert sorted(crystal.formula for crystal in corpus.designs) == ["ClNa", "MgO"]
    reasons = {rejection.text: rejection.reason for rejection in corpus.rejected}
    for name in ("empty.cif", "page.cif", "e.extxyz", "none.json"):
        assert any(name in text and reason == "no structure in the file" for text, reason in reasons.items())
    assert reasons["mine: .hidden.cif"].startswith("not read: a hidden file")
    assert reasons["mine: link"] == "not read: a link to a folder; give that folder"
    assert reasons["mine: CONTCAR, dangling.cif"] == "not read: a link to a file that does not exist"
    assert reasons["mine/1/2/3/4/5/6/7/8: 9"] == "not read: more than 8 folders deep"
    assert len(reasons) == 8 and records.checksums(folder)


def test_a_structure_of_a_folder_without_a_value_is_kept(tmp_path):
    write(tmp_path / "a.cif", cif() + "_my_gap 1.5\n")
    write(tmp_path / "b.vasp", POSCAR)
    corpus = read(tmp_path, properties={"gap": "_My_gap"})
    assert [crystal.formula for crystal in corpus.designs] == ["ClNa", "MgO"] and not corpus.rejected
    assert corpus.properties["gap"].tolist()[0] == 1.5 and corpus.usage[0].n_missing == 1
    with pytest.raises(InvdesignError, match="no column 'density'"):
        read(tmp_path, properties={"gap": "density"})


def test_structures_in_json_files_and_columns(tmp_path):
    given = structure_dictionary()
    assert read(write(tmp_path / "x.json", json.dumps(given))).designs[0].formula == "ClNa"
    assert len(read(write(tmp_path / "y.json", json.dumps([given, given]))).rejected) == 1
    cells = [json.dumps(given).replace('"', '""'), POSCAR, "../x.json", "no.cif", "some words"]
    table = "id,structure,gap\n" + "".join(f'{i},"{cell}",{i}\n' for i, cell in enumerate(cells))
    corpus = read(write(tmp_path / "t" / "x.csv", table), properties={"gap": "gap"})
    assert [crystal.formula for crystal in corpus.designs] == ["ClNa", "MgO"]
    reasons = [rejection.reason for rejection in corpus.rejected]
    assert reasons[0] == "the same crystal as row 2" and "'no.cif'" in reasons[1] and "some words" in reasons[2]
    with pytest.raises(InvdesignError, match="partial occupancies"):
        read(write(tmp_path / "z.json", json.dumps(structure_dictionary(0.5))))


def test_the_option_for_a_column_of_another_name_is_named_with_the_column(tmp_path):
    table = write(tmp_path / "x.csv", f'id,mine,gap\n1,"{cif()}",2\n')
    with pytest.raises(InvdesignError, match=r"--column NAME, or structure_column in a campaign \(mine\)"):
        read(table)
    assert len(read(table, structure_column="mine")) == 1


@pytest.mark.parametrize(
    ("stated", "x", "n_atoms"),
    [
        (ORIGIN_1, "0", 8),
        (ORIGIN_2, ".125", 8),
        (f"{ORIGIN_2}\n_cell_formula_units_Z 8\n_chemical_formula_sum C1", "0", 8),
        (f"{ORIGIN_1}\n_exptl_crystal_density_diffrn 3.51", ".125", 8),
    ],
)
def test_the_other_origin_is_taken_where_the_file_states_what_only_it_gives(tmp_path, stated, x, n_atoms):
    corpus = read(write(tmp_path / "x.cif", diamond(stated, x)))
    assert (corpus.designs[0].space_group, corpus.designs[0].n_atoms) == (227, n_atoms)
    assert all(rejection.reason.startswith("repaired: the atoms fit F d -3 m") for rejection in corpus.rejected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (diamond(f"{ORIGIN_1}\n_exptl_crystal_density_diffrn 7.03", "0"), r"3\.516 g/cm3, the file states 7\.03"),
        (
            diamond(f"{ORIGIN_1}\n_cell_formula_units_Z 16\n_chemical_formula_sum C", "0"),
            "8 atoms in the cell, .* Z = 16",
        ),
        (cif(stated=f"{FM3M}\n_cell_volume 100"), r"179\.4 A\^3, the file states 100"),
        (cif("Na1 Cl 0 0 0\nCl1 Na .5 .5 .5"), "'Na1' has the type Cl"),
        (cif("K1 Na 0 0 0\nBr1 Cl .5 .5 .5"), "no label is that of its type, e.g. 'K1' for Na"),
        (cif(b="6.5"), "contradict the symmetry operators"),
        (cif(stated=operators("x,y,z", "x,y,y")), "'x,y,y' is no symmetry operator"),
        (cif(stated=operators("x,y,z", "2x,y,z")), "is no symmetry operator"),
        (cif(stated=operators("x,y,z", "y,z,x")), "are no group"),
        (cif(stated=operators(*["x,y,z"] * 100_000)), "100,000 symmetry operators"),
        (cif(a="564"), "cell lengths 564, 564, 564 A"),
        (cif(a="56.4"), "A.3 each, allowed"),
        (cif(a="-5.64"), "cell lengths -5.64"),
        (cif(a="5" * 5000), "_cell_length_a is '5555"),
        (cif(a="1e400"), "1e400"),
        (cif("O1 O .5 .5 .5\nH1 H .5 .58 .5\nH2 H .5 .48 .578", "", a="12"), r"a molecule in a box \(H2O"),
        (cif("\n".join(f"Na{i} Na {i / 2e5} 0 0" for i in range(200_000)), ""), "200,000 sites"),
    ],
)
def test_a_file_that_contradicts_itself_or_a_limit_is_refused(tmp_path, text, reason):
    with pytest.raises(InvdesignError, match=reason):
        read(write(tmp_path / "x.cif", text))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"lattice":' * 50_000, '{"lattice": %s}' % ("9" * 5000), "[1, null]"])
def test_json_that_is_no_structure_is_refused(tmp_path, text):
    with pytest.raises(InvdesignError, match=r"x\.json"):
        read(write(tmp_path / "x.json", text))


@pytest.mark.parametrize("labels", [("M1", "X1"), ("K1", "Cl1"), ("NA", "CL"), ("T1", "T2")])
def test_labels_that_are_names_of_sites_are_no_contradiction(tmp_path, labels):
    text = cif(f"{labels[0]} Na 0 0 0\n{labels[1]} Cl .5 .5 .5")
    assert read(write(tmp_path / "x.cif", text)).designs[0].formula == "ClNa"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lattice": {"a": 11.28}}, "the lattice states a = 11.28, its matrix has 5.64"),
        ({"lattice": {"beta": 120}}, "states beta = 120, its matrix has 90"),
        ({"site": {"label": "Cl"}}, "the atom 'Cl' has the type Na"),
        ({"site": {"label": "Na", "xyz": [0, 2.82, 0]}}, "abc and xyz of the site 'Na' are 2.82 A apart"),
    ],
)
def test_json_that_contradicts_itself_is_refused(tmp_path, change, reason):
    given = structure_dictionary()
    given["lattice"] |= {"a": 5.64, "b": 5.64, "c": 5.64, "alpha": 90, "beta": 90.0, "gamma": None, "volume": 179.4}
    given["sites"][0] |= {"label": "Na1+", "xyz": [0, 5.64, 0.001]}
    assert len(read(write(tmp_path / "y.json", json.dumps(given)))) == 1
    given["lattice"] |= change.get("lattice", {})
    given["sites"][0] |= change.get("site", {})
    with pytest.raises(InvdesignError, match=reason):
        read(write(tmp_path / "x.json", json.dumps(given)))


def test_positions_with_four_digits_move_onto_special_positions(tmp_path):
    text = cif("Zn1 Zn .3333 .6667 0\nS1 S .3333 .6667 .375", "_symmetry_space_group_name_H-M 'P 63 m c'", a="3.82")
    text = text.replace("_length_c 3.82", "_length_c 6.26").replace("_gamma 90", "_gamma 120")
    corpus = read(write(tmp_path / "x.cif", text))
    assert (corpus.designs[0].space_group, corpus.designs[0].n_atoms, corpus.rejected) == (186, 4, ())


def test_values_of_cells_are_read_only_where_they_are_wanted(tmp_path):
    path = write(tmp_path / "x.cif", cif(stated=f"{FM3M}\n_gap 5.0"))
    assert records.rows(path)[0].cells == {} and records.rows(path, wanted=["_gap"])[0].cells["_gap"] == "5.0"


@pytest.mark.parametrize("text", ["a.cif\nb.cif\n", "a.cif,5\nb.cif,6\n"])
def test_a_table_without_headings_is_refused(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvdesignError, match=r"expected headings .* got the design 'a.cif'.* --column NAME"):
        read(path)


def test_both_values_of_a_repeated_key_of_a_frame_are_named(tmp_path):
    path = tmp_path / "x.xyz"
    lattice = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'
    path.write_text(f"1\n{lattice} y=5 y=7\nCu 0 0 0\n1\n{lattice} y=3\nAg 0 0 0\n")
    assert read(path, properties={"y": "y"}).rejected[0].reason.startswith("column 'y' has '5 | 7', several numbers")
