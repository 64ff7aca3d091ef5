"""What laboratories and clusters get of the candidates."""

import csv

import pytest

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.oracles.mlip import Relaxed
from invdesign.domains.crystals.output.deliverables import dft_inputs, precursors, relaxed_cells
from invdesign.domains.crystals.symmetry.canonical import key, structure_of

RADIUM = Crystal(225, (6.0, 6.0, 6.0, 90.0, 90.0, 90.0), (Orbit("Ra", "a", (0.0, 0.0, 0.0), 4),))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_precursors_are_a_table_with_a_row_per_candidate_and_element(tmp_path, crystals):
    (path,) = precursors(testing.candidates(crystals[:2], key=key), tmp_path)
    found = rows(path)
    assert path.name == "precursors.csv"
    assert {(row["crystal"], row["element"]) for row in found} == {
        ("1", "Cl"), ("1", "Na"), ("2", "Sr"), ("2", "Ti"), ("2", "O"),
    }  # fmt: skip
    assert found[2]["precursor"] == "SrCO3" and found[-1]["g per mol of formula units"] == ""


def test_every_candidate_has_a_folder_of_inputs_by_its_number_and_formula(tmp_path, crystals):
    paths = dft_inputs(testing.candidates(crystals[:2], key=key), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["001_ClNa", "002_O3SrTi"]
    assert len(paths) == 8 and all(path.stat().st_size > 0 for path in paths)


def test_a_crystal_without_settings_is_listed_with_the_reason_and_the_others_are_written(tmp_path, crystals):
    paths = dft_inputs(testing.candidates([RADIUM, crystals[0]], key=key), tmp_path)
    assert (
        sorted(p.name for p in tmp_path.iterdir()) == ["002_ClNa", "left_out.csv"]
        and tmp_path / "left_out.csv" in paths
    )
    (lost,) = rows(tmp_path / "left_out.csv")
    assert (lost["crystal"], lost["formula"]) == ("1", "Ra") and "Ra" in lost["reason"]
    with pytest.raises(InvdesignError, match="inputs for none of 1"):
        dft_inputs(testing.candidates([RADIUM], key=key), tmp_path)


def test_candidates_are_written_as_they_relax_with_what_that_changed(tmp_path, crystals):
    pytest.importorskip("chgnet", reason="the extra mlip is not installed")
    table, cells = relaxed_cells(testing.candidates(crystals[:1], key=key), tmp_path)
    (found,) = rows(table)
    assert (found["formula"], found["space_group"], found["is_converged"]) == ("ClNa", "225", "True")
    assert -4 < float(found["energy [eV/atom]"]) < -3 and float(found["energy_change [eV/atom]"]) <= 0
    (salt,) = Crystals().read(cells).designs
    grown = (salt.cell[0] / crystals[0].cell[0]) ** 3 - 1
    assert grown == pytest.approx(float(found["volume_change"]), abs=1e-3)


def test_a_crystal_that_cannot_be_relaxed_has_an_empty_row_and_the_others_keep_their_numbers(
    tmp_path, crystals, monkeypatch
):
    answers = [None, *(_relaxed(crystal) for crystal in crystals[1:3])]
    monkeypatch.setattr("invdesign.domains.crystals.oracles.mlip.relaxed", lambda *_, **__: answers.pop(0))
    table, cells = relaxed_cells(testing.candidates(crystals[:3], key=key), tmp_path)
    assert [row["space_group"] for row in rows(table)] == ["", "221", "186"]
    assert [row["energy [eV/atom]"] for row in rows(table)] == ["", "-1.0", "-1.0"]
    text = cells.read_text()
    assert len(Crystals().read(cells)) == 2 and "'1'" not in text


def _relaxed(crystal):
    return Relaxed(structure_of(crystal, primitive=True), -1.0, 0.0, 0.0, 0.0, 1, True)
