"""Exported files: tables that are safe for spreadsheets, the domain's formats, deliverables and the manifest."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import Candidate, InvdesignError
from invdesign.export import export
from invdesign.io.atomic import sha256_of
from invdesign.io.cells import plain_cell, safe_cell
from invdesign.io.tables import read_table, write_table


def test_text_that_looks_like_a_formula_is_quoted_and_numbers_are_not():
    assert [safe_cell(v) for v in ("=1+1", "-MKV", "@x", "\tx", "+4 a", "'quoted")] == [
        "'=1+1",
        "'-MKV",
        "'@x",
        "'\tx",
        "'+4 a",
        "''quoted",
    ]
    assert [safe_cell(v) for v in (-1.5, "-1.5", "+3", -2, 1e-7, math.inf, -math.inf)] == [
        "-1.5",
        "-1.5",
        "+3",
        "-2",
        "1e-07",
        "inf",
        "-inf",
    ]
    assert [safe_cell(v) for v in (None, math.nan, "")] == ["", "", ""]


@given(st.text())
def test_every_text_is_restored(text):
    assert plain_cell(safe_cell(text)) == text


@given(st.floats(allow_nan=False))
def test_every_number_is_restored(number):
    assert float(plain_cell(safe_cell(number))) == number


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), min_size=1, max_size=4))
def test_a_table_is_read_as_it_was_written(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_table({"=head": cells, "n": [1.5] * len(cells)}, path)
    assert read_table(path) == {"=head": cells, "n": ["1.5"] * len(cells)}


def test_a_row_with_missing_cells_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(InvdesignError, match="row 3: expected 2 cells"):
        read_table(tmp_path / "t.csv")


def test_an_export_contains_table_files_and_manifest_and_names_the_format_that_failed(
    tmp_path, candidates, domain, objectives
):
    run = {"config": {"seed": 3}, "command": "invdesign run x", "model": {"sha256": "ab"}, "budget": math.inf}
    done = export(candidates, domain, objectives, tmp_path / "out", history=candidates * 2, run=run)
    assert [p.name for p in done.files] == ["candidates.csv", "candidates.txt", "evaluated.csv", "manifest.json"]
    assert done.warnings == ("candidates.svg was not written: RuntimeError: no pen",)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in done.files)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["files"]["candidates.csv"]["sha256"] == sha256_of(tmp_path / "out" / "candidates.csv")
    assert manifest["run"]["config"] == {"seed": 3} and manifest["run"]["command"] == "invdesign run x"
    assert manifest["objectives"][0]["unit"] == "GPa"
    assert (tmp_path / "out" / "candidates.txt").read_text() == "-MKV candidates-001\nplain candidates-002"
    assert len(read_table(tmp_path / "out" / "evaluated.csv")["id"]) == 4
    with (tmp_path / "out" / "candidates.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["design"] == "'-MKV"


def test_an_empty_shortlist_is_a_table_of_headings(tmp_path, domain, objectives):
    done = export([], domain, objectives, tmp_path)
    assert [p.name for p in done.files] == ["candidates.csv", "manifest.json"]
    assert "measured hardness [GPa]" in read_table(tmp_path / "candidates.csv")


def two_files(listed: list[Candidate[str]], folder: Path) -> list[Path]:
    (folder / "sub").mkdir()
    (folder / "scratch.txt").write_text("nobody needs it")
    for name in ("plate.txt", "sub/keys.txt"):
        (folder / name).write_text(" ".join(c.key for c in listed))
    return [folder / "plate.txt", Path("sub/keys.txt")]


def broken(listed: list[Candidate[str]], folder: Path) -> list[Path]:
    (folder / "half.txt").write_text("half")
    raise RuntimeError("no paper")


def test_a_deliverable_has_a_folder_of_its_name_and_its_files_are_in_the_manifest(
    tmp_path, candidates, domain, objectives
):
    done = export(candidates, domain, objectives, tmp_path, deliverables={"plates": two_files})
    assert done.folders == (tmp_path / "plates",) and done.failures == ()
    assert (tmp_path / "plates" / "sub" / "keys.txt").read_text() == "-MKV plain"
    assert sorted(p.name for p in (tmp_path / "plates").iterdir()) == ["plate.txt", "sub"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"]["plates/plate.txt"]["sha256"] == sha256_of(tmp_path / "plates" / "plate.txt")
    assert "plates/sub/keys.txt" in manifest["files"] and manifest["failures"] == []
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_deliverable_that_fails_is_named_and_the_other_files_are_written(tmp_path, candidates, domain, objectives):
    both = {"labels": broken, "plates": two_files}
    done = export(candidates, domain, objectives, tmp_path, deliverables=both)
    assert done.failures == ("labels: RuntimeError: no paper",) and done.folders == (tmp_path / "plates",)
    assert not (tmp_path / "labels").exists() and (tmp_path / "candidates.txt").is_file()
    assert json.loads((tmp_path / "manifest.json").read_text())["failures"] == ["labels: RuntimeError: no paper"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "expected a list of the files"),
        (["../out.txt"], "expected files in the folder that the deliverable was given, got 'out.txt'"),
        (["a"], "expected files in the folder that the deliverable was given, got 'a'"),
    ],
)
def test_a_deliverable_must_return_files_that_it_wrote_in_its_folder(
    tmp_path, candidates, domain, objectives, answer, message
):
    (tmp_path / "out.txt").write_text("outside")
    done = export(candidates, domain, objectives, tmp_path, deliverables={"x": lambda listed, folder: answer})
    assert len(done.failures) == 1 and message in done.failures[0] and not (tmp_path / "x").exists()


def test_files_of_candidates_that_are_no_longer_listed_are_removed_and_other_files_remain(
    tmp_path, candidates, domain, objectives
):
    def each(listed, folder):
        for c in listed:
            (folder / f"{c.key}.txt").write_text(c.key)
        return [f"{c.key}.txt" for c in listed]

    export(candidates, domain, objectives, tmp_path, deliverables={"each": each})
    (tmp_path / "each" / "mine.txt").write_text("notes of a person")
    export(candidates[:1], domain, objectives, tmp_path, deliverables={"each": each})
    assert sorted(p.name for p in (tmp_path / "each").iterdir()) == ["-MKV.txt", "mine.txt"]
    (tmp_path / "each" / "-MKV.txt").write_text("changed by a person")
    export([], domain, objectives, tmp_path, deliverables={"each": each})
    assert sorted(p.name for p in (tmp_path / "each").iterdir()) == ["-MKV.txt", "mine.txt"]


def test_a_manifest_cannot_remove_files_outside_its_folder(tmp_path, candidates, domain, objectives):
    (tmp_path / "run").mkdir()
    (tmp_path / "precious.txt").write_text("")
    about = {"sha256": sha256_of(tmp_path / "precious.txt")}
    files = {"../precious.txt": about, f"{tmp_path}/precious.txt": about}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({"files": files}))
    export(candidates, domain, objectives, tmp_path / "run")
    assert (tmp_path / "precious.txt").is_file()
