"""Exported lists say everything, hurt no spreadsheet, and can be checked against their manifest."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invdesign.core import Candidate, Check, InvdesignError, Objective
from invdesign.export import export, provenance, table
from invdesign.io.atomic import sha256_of
from invdesign.io.cells import plain_cell, safe_cell
from invdesign.io.tables import read_table, write_table

OBJECTIVES = (Objective("hardness", "GPa"), Objective("cost", goal="minimize"))


@dataclass(frozen=True)
class Words:
    """A domain of words: one line each; its pictures fail."""

    name: str = "words"
    formats: tuple[str, ...] = (".txt", ".csv", ".svg")

    def label(self, design: str) -> str:
        return design

    def to_text(self, design: str) -> str:
        return design

    def describe(self, designs: list[str]) -> dict[str, list[Any]]:
        return {"letters": [len(d) for d in designs], "initial": [d[:1] for d in designs]}

    def write(self, designs: list[str], path: Path, *, columns: dict[str, list[Any]] | None = None) -> None:
        if path.suffix == ".svg":
            path.write_text("<svg")
            raise RuntimeError("no pen")
        path.write_text("\n".join(f"{d} {i}" for d, i in zip(designs, (columns or {})["id"], strict=True)))


def candidates() -> list[Candidate[str]]:
    z = torch.zeros(2, dtype=torch.float64)
    return [
        Candidate(
            "-MKV",
            "-MKV",
            z,
            round=3,
            origin="sobol",
            parents=("=A1", "B"),
            y=(-1.5, math.nan),
            mean=(-1.25, 2.0),
            sd=(0.5, 0.25),
            percentile=42.0,
            status="measured",
            checks=(Check("length", True, "+4"), Check("novel", False, "known, as row 7")),
        ),
        Candidate("plain", "plain", z, y=(2.0, 1e-7), status="measured", checks=(Check("length", True),)),
    ]


def test_the_table_has_units_values_provenance_and_every_check():
    columns = table(candidates(), Words(), OBJECTIVES, name="demo")
    assert columns["id"] == ["demo-001", "demo-002"]
    assert columns["letters"] == [4, 5]
    assert columns["measured hardness [GPa]"] == [-1.5, 2.0]
    assert columns["predicted hardness [GPa]"] == [-1.25, None]
    assert columns["sd of predicted cost"] == [0.25, None]
    assert columns["density percentile [%]"][0] == 42.0
    assert columns["parents"][0] == "=A1; B"
    assert columns["all checks passed"] == ["no", "yes"]
    assert columns["check novel"] == ["failed", ""] and columns["detail of novel"][0] == "known, as row 7"


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
def test_every_text_is_taken_back(text):
    assert plain_cell(safe_cell(text)) == text


@given(st.floats(allow_nan=False))
def test_every_number_is_taken_back(number):
    assert float(plain_cell(safe_cell(number))) == number


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), min_size=1, max_size=4))
def test_a_table_is_read_back_as_it_was_written(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write_table({"=head": cells, "n": [1.5] * len(cells)}, path)
    assert read_table(path) == {"=head": cells, "n": ["1.5"] * len(cells)}


def test_a_torn_row_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(InvdesignError, match="row 3: expected 2 cells"):
        read_table(tmp_path / "t.csv")


def test_an_export_holds_table_files_and_manifest_and_names_the_format_that_failed(tmp_path):
    run = {"config": {"seed": 3}, "command": "invdesign run x", "model": {"sha256": "ab"}, "budget": math.inf}
    done = export(candidates(), Words(), OBJECTIVES, tmp_path / "out", history=candidates() * 2, run=run)
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


def test_an_empty_shortlist_is_a_table_of_headings(tmp_path):
    done = export([], Words(), OBJECTIVES, tmp_path)
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


def test_a_deliverable_has_a_folder_of_its_name_and_its_files_stand_in_the_manifest(tmp_path):
    done = export(candidates(), Words(), OBJECTIVES, tmp_path, deliverables={"plates": two_files})
    assert done.folders == (tmp_path / "plates",) and done.failures == ()
    assert (tmp_path / "plates" / "sub" / "keys.txt").read_text() == "-MKV plain"
    assert sorted(p.name for p in (tmp_path / "plates").iterdir()) == ["plate.txt", "sub"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"]["plates/plate.txt"]["sha256"] == sha256_of(tmp_path / "plates" / "plate.txt")
    assert "plates/sub/keys.txt" in manifest["files"] and manifest["failures"] == []
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_deliverable_that_fails_is_named_and_all_else_is_written(tmp_path):
    both = {"labels": broken, "plates": two_files}
    done = export(candidates(), Words(), OBJECTIVES, tmp_path, deliverables=both)
    assert done.failures == ("labels: RuntimeError: no paper",) and done.folders == (tmp_path / "plates",)
    assert not (tmp_path / "labels").exists() and (tmp_path / "candidates.txt").is_file()
    assert json.loads((tmp_path / "manifest.json").read_text())["failures"] == ["labels: RuntimeError: no paper"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [(None, "expected the list of the files"), (["../out.txt"], "no file in the folder"), (["a"], "no file in")],
)
def test_a_deliverable_answers_files_that_it_wrote_in_its_folder(tmp_path, answer, message):
    (tmp_path / "out.txt").write_text("outside")
    done = export(candidates(), Words(), OBJECTIVES, tmp_path, deliverables={"x": lambda listed, folder: answer})
    assert len(done.failures) == 1 and message in done.failures[0] and not (tmp_path / "x").exists()


def test_files_of_candidates_that_are_listed_no_more_go_and_work_of_others_stays(tmp_path):
    def each(listed, folder):
        for c in listed:
            (folder / f"{c.key}.txt").write_text(c.key)
        return [f"{c.key}.txt" for c in listed]

    export(candidates(), Words(), OBJECTIVES, tmp_path, deliverables={"each": each})
    (tmp_path / "each" / "mine.txt").write_text("notes of a person")
    export(candidates()[:1], Words(), OBJECTIVES, tmp_path, deliverables={"each": each})
    assert sorted(p.name for p in (tmp_path / "each").iterdir()) == ["-MKV.txt", "mine.txt"]
    (tmp_path / "each" / "-MKV.txt").write_text("changed by a person")
    export([], Words(), OBJECTIVES, tmp_path, deliverables={"each": each})
    assert sorted(p.name for p in (tmp_path / "each").iterdir()) == ["-MKV.txt", "mine.txt"]


def test_a_manifest_from_elsewhere_removes_nothing_outside_its_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "precious.txt").write_text("")
    about = {"sha256": sha256_of(tmp_path / "precious.txt")}
    files = {"../precious.txt": about, f"{tmp_path}/precious.txt": about}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({"files": files}))
    export(candidates(), Words(), OBJECTIVES, tmp_path / "run")
    assert (tmp_path / "precious.txt").is_file()


def test_provenance_names_the_versions_that_matter():
    about = provenance()
    assert {"torch", "botorch", "numpy"} <= set(about["versions"]) and about["made"].endswith("Z")
