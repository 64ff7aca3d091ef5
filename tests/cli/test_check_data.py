"""A file whose columns have names of their own is checked as corpus=molecules/table would read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invdesign.cli import main


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.csv"
    path.write_text("Drug;exp logS;w\nCCO;1.5;1\nCCC;;2\nC(C;2;1\nCCN;high;1\n")
    return str(path)


def test_columns_are_named_and_their_values_counted(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--column", "Drug", "--property", "logS=exp logS", "--property", "w", "--weight-column", "w"]
    assert main(["check-data", mine, *words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["designs"] == 3 and found["properties"] == {"logS": 1, "w": 3}
    assert [row["row"] for row in found["rejected"]] == [4, 5]
    assert "'high', expected a number" in found["rejected"][1]["reason"]


def test_the_counts_are_printed(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", mine, "--column", "Drug", "--property", "logS=exp logS"]) == 1
    assert "logS: 1 value\n" in capsys.readouterr().out


def test_a_column_that_is_not_there_is_named_with_the_nearest(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", mine, "--column", "Drgu"]) == 2
    assert "nearest: 'Drug'" in capsys.readouterr().err
    assert main(["check-data", mine]) == 2


def test_rows_that_were_repaired_count_as_designs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lower.fasta"
    path.write_text(">a\nacdefghik\n>b\nacdefghil\n")
    assert main(["check-data", str(path), "--domain", "protein"]) == 0
    assert "2 designs can be used, 0 rows cannot; 2 were repaired" in capsys.readouterr().out


def test_lists_of_mutations_are_checked_with_their_wild_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mutations,y\nK11A,1\nT12del,2\n11insGG,3\np.Ala13Gly,4\nWT,5\n")
    words = ["check-data", str(path), "--domain", "protein", "--wild-type", "MKTAYIAKQR"]
    assert main([*words, "--first", "10"]) == 0
    assert "5 designs can be used, 0 rows cannot" in capsys.readouterr().out
    assert main(words) == 2
    assert "3 of 3 rows name another residue" in capsys.readouterr().err
    assert main(["check-data", str(path), "--domain", "protein", "--first", "10"]) == 2
    assert "--wild-type" in capsys.readouterr().err


def test_a_chain_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.fasta"
    path.write_text(">a\nMKV/GHK\n>b\nMKL/GHR\n")
    assert main(["check-data", str(path), "--domain", "protein"]) == 2
    assert "hold 2 chains" in capsys.readouterr().err
    assert main(["check-data", str(path), "--domain", "protein", "--chain", "2"]) == 0


def test_designs_that_the_shipped_model_cannot_write_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metals.csv"
    path.write_text("smiles\nCCO\nN->[Pt](<-N)(Cl)Cl\nOB(O)c1ccccc1\n")
    assert main(["check-data", str(path)]) == 0
    out = capsys.readouterr().out
    assert "zinc250k writes the elements Br, C, Cl, F, I, N, O, P, S; charged atoms" in out
    assert "2 of 3 designs cannot be written" in out and "the corpus had no" in out


def cesium_chloride(*heights: float, c: float = 4) -> str:
    """Return a CIF with a formula unit at each height, in a cell of 4 x 4 x `c` angstrom."""
    cif = "data_x\n" + "".join(f"_cell_length_{axis} {length}\n" for axis, length in zip("abc", (4, 4, c), strict=True))
    cif += "".join(f"_cell_angle_{angle} 90\n" for angle in ("alpha", "beta", "gamma"))
    cif += "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
    return cif + "".join(f"Cs 0 0 {z}\nCl .5 .5 {z + 2 / c}\n" for z in heights)


def test_totals_of_cells_are_divided_by_their_atoms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f'cif,energy (eV)\n"{cesium_chloride(0)}",-6\n"{cesium_chloride(0, 0.5, c=8)}",-12\n')
    words = ["check-data", str(path), "--domain", "crystals", "--property", "energy=energy (eV)"]
    assert main(words) == 1
    assert "totals of cells of 2, 4 atoms of one design" in capsys.readouterr().out
    assert main([*words, "--per-atom", "energy"]) == 0
    assert "energy: 1 value\n" in capsys.readouterr().out
    assert main([*words, "--per-atom", "enrgy"]) == 2
    assert "got 'enrgy'" in capsys.readouterr().err


def test_molecules_have_no_totals_of_cells(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data", mine, "--column", "Drug", "--property", "w", "--per-atom", "w"]) == 2
    assert "molecules have no --per-atom" in capsys.readouterr().err


def test_an_energy_of_crystals_without_a_unit_is_a_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f'cif,e_form,hardness\n"{cesium_chloride(0)}",-2.1,3\n')
    assert main(["check-data", str(path), "--domain", "crystals"]) == 0
    out = capsys.readouterr().out
    assert (
        "warning: e_form: expected a unit, got none: is it in eV/atom or in eV? Set objectives.e_form.unit=eV/atom"
        in out
    )
    assert "hardness: expected" not in out
    path.write_text(path.read_text().replace("e_form", "e_form (eV/atom)"))
    assert main(["check-data", str(path), "--domain", "crystals", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["questions"] == []
