"""`invdesign move DESIGN --like CHANGE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from invdesign.cli import main
from invdesign.domains.sequences.alphabet import reverse_complement
from invdesign.io.tables import read_table, write_table

SETTINGS = ["base=sequences", "domain=dna", "domain.length=fixed", "corpus=sequences/table"]
SETTINGS += ["corpus.path=strands.csv", "corpus.kind=dna", "oracle=sequences/gc_content", "screens=null"]
SETTINGS += ["validators=null", "deliverables=null", "figures=null", "vae=linear", "vae.build.d=18"]


@pytest.fixture
def strands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    half = [a + b + c + d + "AC" for a in "ACGT" for b in "ACGT" for c in "ACGT" for d in "ACGT"]
    designs = sorted({*half, *map(reverse_complement, half)})
    write_table({"sequence": designs}, tmp_path / "strands.csv")
    return designs


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    arguments = ["move", "AACGAC", *SETTINGS, "--cache", "cache", "--out", "moved", *words, "--json"]
    assert main(arguments) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.usefixtures("strands")
def test_the_reverse_complement_is_found_decoded_and_shown_beside_the_plain_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = answer(capsys, "--like", "reverse complement")
    assert found["found"] and found["pairs"] == "corpus" and found["residual"] < 0.05
    assert found["order"] == 2 and found["order error"] < 0.05 and found["decoded exactly"] == 1
    assert [row["design"] for row in found["designs"]] == ["AACGAC", "GTCGTT", "GTCGTT"] and found["same"]
    assert read_table(Path("moved/analogues.csv"))["which"] == ["given", "decoded", "substituted"]


def test_pairs_of_a_file_without_a_symmetry_give_none(strands: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    import random

    write_table({"a": strands, "b": random.Random(0).sample(strands, len(strands))}, Path("pairs.csv"))
    found = answer(capsys, "--like", "pairs.csv")
    assert not found["found"] and found["pairs"] == "file" and found["order"] is None
    arguments = ["move", "AACGAC", *SETTINGS, "--cache", "cache", "--out", "moved", "--like", "pairs.csv"]
    assert main(arguments) == 0
    assert "none found" in capsys.readouterr().out


@pytest.mark.usefixtures("strands")
def test_a_change_of_a_property_beside_an_analogue_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["move", "AACGAC", *SETTINGS, "--like", "reverse complement", "+gc_content"]) == 2
    assert "--like needs no +NAME" in capsys.readouterr().err
