"""`invdesign find TEXT`."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from invdesign.cli import main
from invdesign.io.tables import read_table, write_table

SETTINGS = ["base=sequences", "domain=dna", "domain.length=fixed", "corpus=sequences/table"]
SETTINGS += ["corpus.path=strands.csv", "corpus.kind=dna", "oracle=sequences/gc_content", "screens=null"]
SETTINGS += ["validators=null", "deliverables=null", "figures=null", "vae=linear", "vae.build.d=18", "--cache", "cache"]


@pytest.fixture(autouse=True)
def strands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    designs = ["".join(letters) for letters in product("ACGT", repeat=6)]
    write_table({"sequence": designs[::7]}, tmp_path / "strands.csv")


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["find", *words, *SETTINGS, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_designs_are_found_filtered_and_written_as_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "GC-rich, without CpG, fluorescent", "--out", "here")
    assert (found["wanted"], found["unwanted"]) == (["gc-rich"], ["cpg"])
    assert found["unknown"] == {"fluorescent": []}
    for row in found["designs"]:
        if row["meets"]:
            assert "CG" not in row["design"] and sum(row["design"].count(c) for c in "GC") >= 3
    known = [row for row in found["designs"] if row["known"]]
    new = [row for row in found["designs"] if not row["known"]]
    assert all(row["meets"] for row in known) and len(known) == 20 and any(row["meets"] for row in new)
    assert 0 < found["rates"]["no cpg"] < 1 and found["meeting"] >= 20
    assert found["seeds"] == sum(row["meets"] for row in found["designs"])
    assert len(read_table(Path("here/region.csv"))["center"]) == 18
    seeds = next(Path("here").glob("seeds.*"))
    assert sum(line.startswith(">") for line in seeds.read_text().splitlines()) == found["seeds"]


def test_seeds_that_meet_only_some_conditions_are_stated_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "GC-rich, AT-rich, CpG", *SETTINGS, "--out", "here"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "No design, known or new, meets all conditions: the seeds file has the 20 known designs" in printed
    found = answer(capsys, "GC-rich, without CpG")
    assert found["seeds meet all conditions"]


def test_columns_of_the_table_are_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    designs = ["".join(letters) for letters in product("ACGT", repeat=6)][::7]
    hosts = ["E. coli" if design.count("A") > 2 else "yeast" for design in designs]
    heats = [float(design.count("G")) for design in designs]
    write_table({"sequence": designs, "Host": hosts, "heat": heats}, tmp_path / "strands.csv")
    columns = ["corpus.labels=[Host]", "corpus.properties={heat: heat}"]
    assert {"host e coli", "host yeast", "high heat", "low heat"} <= set(answer(capsys, "--words", *columns))
    found = answer(capsys, "yeast, high heat, no CpG", *columns, "--out", "here")
    assert found["wanted"] == ["host yeast", "high heat"] and found["unwanted"] == ["cpg"]
    known = [row["design"] for row in found["designs"] if row["known"] and row["meets"]]
    assert known and all(design.count("A") <= 2 and design.count("G") >= 2 and "CG" not in design for design in known)


def test_the_words_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"gc-rich", "at-rich", "cpg", "repeat"} <= set(answer(capsys, "--words"))


def test_a_text_without_a_known_word_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", "purple", *SETTINGS]) == 2
    assert "'purple'" in capsys.readouterr().err
