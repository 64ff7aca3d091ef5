"""Files of the candidates for laboratories and computing clusters."""

import csv

import pytest

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.oracles.mlip import Relaxation
from invdesign.domains.crystals.output.deliverables import write_dft_inputs, write_precursors, write_relaxed_cells
from invdesign.domains.crystals.symmetry.canonical import key, structure_of

RADIUM = Crystal(225, (6.0, 6.0, 6.0, 90.0, 90.0, 90.0), (Orbit("Ra", "a", (0.0, 0.0, 0.0), 4),))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_of_precursors_has_a_row_per_candidate_and_element(tmp_path, crystals):
    (path,) = write_precursors(testing.candidates(crystals[:2], key=key), tmp_path)
    table = rows(path)
    assert path.name == "precursors.csv"
    assert {(row["crystal"], row["element"]) for row in table} == {
        ("1", "Cl"), ("1", "Na"), ("2", "Sr"), ("2", "Ti"), ("2", "O"),
    }  # fmt: skip
    assert table[2]["precursor"] == "SrCO3" and table[-1]["g per mol of formula units"] == ""


def test_the_folder_of_inputs_is_named_by_rank_and_formula(tmp_path, crystals):
    paths = write_dft_inputs(testing.candidates(crystals[:2], key=key), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["001_ClNa", "002_O3SrTi"]
    assert len(paths) == 8 and all(path.stat().st_size > 0 for path in paths)


def test_a_crystal_without_settings_is_listed_with_the_reason(tmp_path, crystals):
    paths = write_dft_inputs(testing.candidates([RADIUM, crystals[0]], key=key), tmp_path)
    assert (
        sorted(p.name for p in tmp_path.iterdir()) == ["002_ClNa", "left_out.csv"]
        and tmp_path / "left_out.csv" in paths
    )
    (row,) = rows(tmp_path / "left_out.csv")
    assert (row["crystal"], row["formula"]) == ("1", "Ra") and "Ra" in row["reason"]
    with pytest.raises(InvdesignError, match="expected inputs for some of 1 crystals, got none"):
        write_dft_inputs(testing.candidates([RADIUM], key=key), tmp_path)


def test_relaxed_candidates_are_written_with_their_changes(tmp_path, crystals):
    pytest.importorskip("chgnet", reason="the extra mlip is not installed")
    table, cells = write_relaxed_cells(testing.candidates(crystals[:1], key=key), tmp_path)
    (row,) = rows(table)
    assert (row["formula"], row["space_group"], row["is_converged"]) == ("ClNa", "225", "True")
    assert -4 < float(row["energy [eV/atom]"]) < -3 and float(row["energy_change [eV/atom]"]) <= 0
    (salt,) = Crystals().read(cells).designs
    volume_change = (salt.cell[0] / crystals[0].cell[0]) ** 3 - 1
    assert volume_change == pytest.approx(float(row["volume_change"]), abs=1e-3)


def test_a_crystal_that_cannot_be_relaxed_has_an_empty_row_and_the_others_keep_their_ranks(
    tmp_path, crystals, monkeypatch
):
    relaxations = [None, *(_relax(crystal) for crystal in crystals[1:3])]
    monkeypatch.setattr("invdesign.domains.crystals.oracles.mlip.relax_structure", lambda *_, **__: relaxations.pop(0))
    table, cells = write_relaxed_cells(testing.candidates(crystals[:3], key=key), tmp_path)
    assert [row["space_group"] for row in rows(table)] == ["", "221", "186"]
    assert [row["energy [eV/atom]"] for row in rows(table)] == ["", "-1.0", "-1.0"]
    text = cells.read_text()
    assert len(Crystals().read(cells)) == 2 and "'1'" not in text


def _relax(crystal):
    return Relaxation(structure_of(crystal, primitive=True), -1.0, 0.0, 0.0, 0.0, 1, True)
