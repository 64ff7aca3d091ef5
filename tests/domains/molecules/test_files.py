"""Reading and writing of molecule files."""

import csv
import gzip

import numpy as np
import pytest
from rdkit import Chem

from invdesign.core import InvdesignError
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.files import read
from invdesign.domains.molecules.smiles import parse
from invdesign.domains.molecules.writing import write
from invdesign.io.cells import plain_cell, safe_cell

DESIGNS = ("CCO", "C[C@H](N)C(=O)O", "c1ccncc1", "F/C=C/Cl")


def test_a_messy_table_is_read_and_every_rejected_row_has_a_reason(tmp_path):
    path = tmp_path / "messy.csv"
    rows = [
        "Name;SMILES;pIC50",
        "a;OCC;5.5",
        "b;;5",
        "c;[C+99999];5",
        f"d;{'C' * 20_000};5",
        "e;C(C)O;6",
        "f;c1ccncc1;<4",
        "g;c1ccncc1;",
        "h;CC\N{LATIN SMALL LETTER U WITH DIAERESIS};1",
        "i;CC",
        "j;[Na+].[Cl-];2.5",
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\n\r\n")
    corpus = read(path, properties={"activity": "pIC50"})
    assert corpus.designs == ("CCO", "c1ccncc1", "[Cl-].[Na+]")
    np.testing.assert_array_equal(corpus.properties["activity"], [5.75, 4, 2.5])
    assert corpus.bounds["activity"].tolist() == [0, -1, 0] and corpus.names == ("a; e", "f; g", "j")
    assert (corpus.usage[0].n_used, corpus.usage[0].n_values) == (4, 8) and corpus.usage[0].missing == "8, 10"
    reasons = {rejection.row: rejection.reason for rejection in corpus.rejected}
    assert sorted(reasons) == [3, 4, 5, 6, 8, 9, 10]
    assert [rejection.row for rejection in corpus.rejected if rejection.is_kept] == [6]
    assert reasons[3] == "empty"
    assert "charge" in reasons[4]
    assert "20,000 characters" in reasons[5]
    assert reasons[6] == "the same molecule as row 2"
    assert "2 cells under 3 columns" in reasons[10]
    assert all(rejection.remedy for rejection in corpus.rejected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_do_not_matter(tmp_path, encoding, ends):
    path = tmp_path / "x.csv"
    path.write_bytes(ends.join(["smiles,note", "CCO,caf\xe9", "CCN,"]).encode(encoding))
    assert read(path).designs == ("CCO", "CCN")


def test_a_smiles_file_may_have_names_comments_blank_lines_and_a_header(tmp_path):
    path = tmp_path / "x.smi.gz"
    path.write_bytes(gzip.compress(b"smiles name\n# a comment\nOCC ethanol\n\nbad\tone\nCCN |atomProp| amine\n"))
    corpus = read(path)
    assert corpus.designs == ("CCO", "CCN")
    assert [rejection.row for rejection in corpus.rejected] == [5]
    assert corpus.name == "x"


def test_an_error_stops_at_the_first_bad_row_and_names_it(tmp_path):
    path = tmp_path / "x.smi"
    path.write_text("CCO\nC(\n")
    with pytest.raises(InvdesignError, match="row 2"):
        read(path, on_invalid="error")


def test_a_wrong_column_is_an_error_that_names_the_nearest(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("structures,logS\nCCO,1\n")
    with pytest.raises(InvdesignError, match="'structures'"):
        read(path, smiles_column="structure")
    with pytest.raises(InvdesignError, match="smiles_column"):
        read(path)
    with pytest.raises(InvdesignError, match="nearest: 'logS'"):
        read(path, smiles_column="structures", properties={"solubility": "logSol"})
    assert read(path, smiles_column="structures", properties={"logs": "logs"}).properties["logs"].tolist() == [1]


@pytest.mark.parametrize(("name", "content"), [("x.smi", b""), ("x.csv", b"smiles\n"), ("x.sdf", b"$$$$\n")])
def test_a_file_without_molecules_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvdesignError, match="found none"):
        read(tmp_path / name)


def test_a_missing_a_broken_and_an_overlong_file_are_errors(tmp_path):
    with pytest.raises(InvdesignError, match="cannot read"):
        read(tmp_path / "none.smi")
    (tmp_path / "x.smi.gz").write_bytes(gzip.compress(b"CCO\n" * 1000)[:30])
    with pytest.raises(InvdesignError, match="whole"):
        read(tmp_path / "x.smi.gz")
    (tmp_path / "bomb.smi.gz").write_bytes(gzip.compress(b"C" * 1_000_000))
    with pytest.raises(InvdesignError, match="bytes unpacked"):
        read(tmp_path / "bomb.smi.gz", max_bytes=1000)
    (tmp_path / "x.pdf").write_bytes(b"CCO")
    with pytest.raises(InvdesignError, match="expected a file that ends in"):
        read(tmp_path / "x.pdf")


def test_weights_are_read_and_must_not_be_negative(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("smiles,w\nCCO,2\nCCN,0\nCCC,-1\nCCF,\n")
    corpus = read(path, weight_column="w")
    assert corpus.designs == ("CCO", "CCN")
    np.testing.assert_array_equal(corpus.weights, [2, 0])
    assert len(corpus.rejected) == 2


def test_salts_are_kept_reduced_or_rejected_as_requested(tmp_path):
    path = tmp_path / "x.smi"
    path.write_text("CCN.Cl\nCCO\n")
    assert read(path).designs == ("CCN.Cl", "CCO")
    assert read(path, salts="largest").designs == ("CCN", "CCO")
    assert read(path, salts="reject").designs == ("CCO",)


@pytest.mark.parametrize("suffix", [".smi", ".csv", ".sdf"])
def test_a_written_file_reads_as_the_same_designs(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write(DESIGNS, path, columns={"id": ["=1+1", "-2", "@x", "plain"], "value": [1.5, None, float("nan"), 4]})
    corpus = read(path, properties={} if suffix == ".smi" else {"value": "value"})
    assert corpus.designs == DESIGNS
    if suffix != ".smi":
        np.testing.assert_array_equal(corpus.properties["value"], [1.5, np.nan, np.nan, 4])


def test_an_sd_file_has_3d_coordinates_and_tags(tmp_path):
    write(("CCO", "c1ccccc1"), tmp_path / "x.sdf", columns={"id": ["first", "second"]})
    mols = list(Chem.SDMolSupplier(str(tmp_path / "x.sdf"), removeHs=False))
    assert [mol.GetNumAtoms() for mol in mols] == [9, 12]
    assert all(mol.GetConformer().Is3D() for mol in mols)
    assert mols[0].GetProp("_Name") == "first"
    assert mols[1].GetProp("smiles") == "c1ccccc1"
    assert mols[1].GetProp("conformer") == "ETKDGv3+MMFF94"


def test_a_record_without_finite_coordinates_is_rejected_before_parsing(tmp_path):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")).replace("0.0000", "   nan", 1)
    (tmp_path / "x.sdf").write_text(f"{block}$$$$\n{Chem.MolToMolBlock(Chem.MolFromSmiles('CCN'))}$$$$\n")
    corpus = read(tmp_path / "x.sdf")
    assert corpus.designs == ("CCN",)
    assert "finite" in corpus.rejected[0].reason


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_grid_is_a_picture(tmp_path, suffix):
    write(DESIGNS, tmp_path / f"x{suffix}", columns={"id": list("abcd")})
    start = (tmp_path / f"x{suffix}").read_bytes()[:8]
    assert start.startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


def test_every_supported_format_can_be_written_without_designs(tmp_path):
    for suffix in Molecules().formats:
        write((), tmp_path / f"x{suffix}")
        assert (tmp_path / f"x{suffix}").exists()


def test_cells_that_a_spreadsheet_would_run_are_quoted_and_restored(tmp_path):
    for text in ("=cmd|' /C calc'!A0", "+1A", "-MKV", "@sum", "\tx", "'=x", "plain", ""):
        assert safe_cell(text)[:1] not in ("=", "+", "-", "@", "\t")
        assert plain_cell(safe_cell(text)) == text
    assert safe_cell(-1.5) == "-1.5"
    write(("CCO",), tmp_path / "x.csv", columns={"=id": ["=1"]})
    with (tmp_path / "x.csv").open() as stream:
        assert list(csv.reader(stream)) == [["smiles", "'=id"], ["CCO", "'=1"]]


def test_a_column_of_another_length_and_an_unknown_suffix_are_errors(tmp_path):
    with pytest.raises(InvdesignError, match="2 values for 1 designs"):
        write(("CCO",), tmp_path / "x.csv", columns={"id": [1, 2]})
    with pytest.raises(InvdesignError, match=r"\.xyz"):
        write(("CCO",), tmp_path / "x.xyz")


def test_measured_salts_are_read_as_their_parent_which_is_named(tmp_path):
    path = tmp_path / "salts.csv"
    path.write_text(
        "smiles,y\nNCCO.Cc1ccc(S(=O)(=O)O)cc1,1\n[Na+].CC(=O)[O-],2\nCC[NH3+].[Cl-],3\nCC(=O)O.CC(=O)O.C1CNCCN1,4\n"
        "CN1CCC[C@H]1c1cccnc1.OC(=O)C=CC(=O)O.O,5\n[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1,6\n"
    )
    corpus = read(path, properties={"y": "y"})
    expected = ("NCCO", "CC(=O)O", "CCN", "C1CNCCN1", "CN1CCC[C@H]1c1cccnc1", "[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1")
    assert corpus.designs == expected
    reasons = {rejection.row: rejection.reason for rejection in corpus.rejected}
    assert reasons[2] == "repaired: tosylate left out (salt or solvate)"
    assert reasons[3] == "repaired: sodium left out (salt or solvate); neutral form taken"
    assert "water" in reasons[6] and "maleate or fumarate" in reasons[6] and 7 not in reasons
    assert read(path, properties={"y": "y"}, standard=False).designs[0] == "Cc1ccc(S(=O)(=O)O)cc1.NCCO"
    assert read(path, salts="parent").designs[1:3] == ("CC(=O)[O-]", "CC[NH3+]")


def test_measured_tautomers_and_charge_states_are_one_design(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("smiles,y\nOc1ccccn1,1\nO=c1cccc[nH]1,1\nNCC(=O)O,2\n[NH3+]CC(=O)[O-],2\nC[C@H](F)C(C)=O,3\n")
    corpus = read(path, properties={"y": "y"})
    assert corpus.designs == ("Oc1ccccn1", "NCC(=O)O", "CC(=O)[C@H](C)F")
    assert len(read(path)) == 5


@pytest.mark.parametrize("name", ["x.csv", "x.smi"])
def test_racemates_and_unknown_enantiomers_stay_open(tmp_path, name):
    path = tmp_path / name
    rows = ["C[C@H](O)c1ccccc1 |&1:1|", '"CC(O)CN |$;;;;Me$|"', "C[C@@H](F)Cl |o1:1|", "C[C@H](N)O |a:1|"]
    if name == "x.smi":
        rows = [row.strip('"') + "\tname" for row in rows]
    path.write_text("\n".join((["smiles"] if name == "x.csv" else []) + rows) + "\n")
    corpus = read(path)
    assert corpus.designs == ("CC(O)c1ccccc1", "CC(O)CN", "CC(F)Cl", "C[C@H](N)O")
    assert [r.reason for r in corpus.rejected] == [
        "repaired: a racemate or unknown enantiomer: its stereocentres stay open"
    ] * 2


def test_a_racemate_in_a_v3000_record_stays_open(tmp_path):
    parameters = Chem.SmilesParserParams()
    blocks = []
    for text in ("C[C@H](O)c1ccccc1 |&1:1|", "C[C@H](O)c1ccccc1"):
        mol = Chem.MolFromSmiles(text, parameters)
        Chem.rdDepictor.Compute2DCoords(mol)
        blocks.append(f"{Chem.MolToV3KMolBlock(mol)}$$$$\n")
    (tmp_path / "x.sdf").write_text("".join(blocks))
    assert read(tmp_path / "x.sdf").designs == ("CC(O)c1ccccc1", "C[C@H](O)c1ccccc1")


@pytest.mark.parametrize("text", ["[40CH4]", "[99CH4]", "[C]", "C[C]", "[N]", "CCO |Sg:n:1:1:ht|"])
def test_impossible_isotopes_radicals_and_polymers_are_refused(text):
    mol, reason = parse(text)
    assert mol is None and reason
    assert parse("[13CH4]")[0] is not None and parse("[CH2]")[0] is not None


STEREO = (
    "CC(N)c1ccccc1", "CC1CCCCN1C(=O)C1CC1", "CC=CC(=O)O", "C/C=C/C", "C[S@](=O)c1ccccc1", "CN1CC1C", "CC=NO", "C/C=N/O",
    "C[C@H](O)[C@@H](N)C", "[NH3+]CC(=O)[O-]", "CC=C=CC",
)  # fmt: skip


def test_the_record_of_an_sd_file_is_the_compound_of_its_tags(tmp_path):
    designs = [Chem.CanonSmiles(text) for text in STEREO]
    domain = Molecules()
    domain.write(designs, tmp_path / "x.sdf", columns=domain.describe(designs))
    records = list(Chem.SDMolSupplier(str(tmp_path / "x.sdf")))
    assert [record.GetProp("inchikey") for record in records] == [Chem.MolToInchiKey(record) for record in records]
    assert domain.read(tmp_path / "x.sdf").designs == tuple(designs)
    assert records[3].GetProp("conformer") == "ETKDGv3+MMFF94" and records[0].GetProp("conformer") == "2D"


def test_values_after_a_quote_that_is_not_closed_count(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('smiles,y\nCCO,5\n"CCC,6\nCCN,7\nCCCl,8\nCCBr,9\n')
    corpus = read(path, properties={"y": "y"})
    assert corpus.designs == ("CCO", "CCN", "CCCl", "CCBr") and corpus.properties["y"].tolist() == [5, 7, 8, 9]
    assert [(r.row, r.reason) for r in corpus.rejected] == [(3, "a quote that is not closed")]
    assert (corpus.usage[0].n_used, corpus.usage[0].n_values) == (4, 5)
    path.write_text('"smiles,y\nCCO,5\n')
    with pytest.raises(InvdesignError, match="row 1: expected headings, got a quote that is not closed"):
        read(path, properties={"y": "y"})


@pytest.mark.parametrize("text", ["CCO\nCCC\n", "CCO,5\nCCC,6\n"])
def test_a_table_without_headings_is_refused(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InvdesignError, match=r"expected headings .* got the design 'CCO'.* --column NAME"):
        read(path)
    path.write_text("Compounds\nCCO\nCCC\n")
    assert len(read(path).designs) == 2
    path.write_text("CO\nCCC\n")
    assert read(path, smiles_column="CO").designs == ("CCC",)


def record(smiles, *tags):
    block = Chem.MolToMolBlock(Chem.MolFromSmiles(smiles))
    return block + "".join(f"> <{name}>\n{value}\n\n" for name, value in tags) + "$$$$\n"


def test_no_value_of_a_repeated_tag_or_of_a_further_line_is_lost(tmp_path):
    path = tmp_path / "x.sdf"
    path.write_text(
        record("CCO", ("y", "5"), ("y", "7"))
        + record("CCC", ("y", "5\n6"))
        + record("CCN", ("y", "5"), ("y", "5"), ("note", "a\nb"))
        + record("CCF", ("y", ""), ("Y", ">6"))
        + record("CCCl", ("Y", "8"))
    )
    corpus = read(path, properties={"y": "y"}, labels=["note"])
    np.testing.assert_array_equal(corpus.properties["y"], [np.nan, np.nan, 5, 6, 8])
    assert corpus.bounds["y"].tolist() == [0, 0, 0, 1, 0] and corpus.labels["note"][2] == "a\nb"
    assert [r.reason for r in corpus.rejected] == [
        "column 'y' has '5 | 7', several numbers, expected one; write each into a row of its own",
        "column 'y' has '5\\n6', several numbers, expected one; write each into a row of its own",
    ]
    assert read(path, properties={"y": "Y"}).properties["y"][4] == 8


def test_the_title_and_the_identifiers_of_a_record_are_kept(tmp_path):
    path = tmp_path / "x.sdf"
    path.write_text("ethanol" + record("CCO", ("ID", "E1"), ("name", "ethanol")))
    assert read(path).names == ("ethanol; E1",)
