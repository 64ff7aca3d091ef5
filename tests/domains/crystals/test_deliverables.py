"""What laboratories and clusters get of the candidates."""

import csv

import pytest

from invdesign import testing
from invdesign.core import InvdesignError
from invdesign.domains.crystals.crystal import Crystal, Orbit
from invdesign.domains.crystals.deliverables import dft_inputs, precursors
from invdesign.domains.crystals.symmetry import key

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
