"""`invdesign move`: its grammar, and its answers for molecules, crystals and sequences."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from invdesign.cli import main
from invdesign.cli.main import _parse
from invdesign.core import InvdesignError
from invdesign.runs.moves import parse_request

SHIPPED = ["base=molecules", "corpus=null", "vae=molecules/zinc250k"]
PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_changes_are_told_from_options_and_settings() -> None:
    found = _parse(["move", "CCO", "demo", "+qed=.1", "-logp", "-hydrophobicity", "seed=1", "--stay", "size", "--json"])
    assert found.requests == ["+qed=.1", "-logp", "-hydrophobicity"]
    assert (found.design, found.campaign, found.overrides, found.stay) == ("CCO", "demo", ["seed=1"], "size")
    assert _parse(["run", "demo", "+new=1"]).overrides == ["+new=1"]


@pytest.mark.parametrize("wrong", ["qed", "+qed=", "+qed=much", "-logp=-1", "+=1", "+qed=nan"])
def test_what_is_no_change_is_refused(wrong: str) -> None:
    with pytest.raises(InvdesignError, match=r"expected \+NAME"):
        parse_request(wrong)


def test_a_molecule_is_moved_with_the_shipped_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("invdesign.runs.properties.N_DECODED", 150)
    monkeypatch.setattr("invdesign.runs.moves.N_RESPONSE", 20)
    monkeypatch.setattr("invdesign.runs.moves.N_TRIED", 12)
    found = answer(capsys, "move", PARACETAMOL, *SHIPPED, "+logp=1.5", "--hops", "2", "--out", "moved")
    (direction,) = found["directions"]
    assert direction["kind"] == "computed" and direction["confidence"] >= 0.95
    assert direction["curve"][-1]["change"] > 0
    steps = found["steps"]
    assert steps[0]["design"] == PARACETAMOL and steps[0]["length"] == 0
    assert found["targets"]["logp"] == pytest.approx(steps[0]["logp"] + 1.5)
    assert steps[found["nearest"]]["logp"] > steps[0]["logp"]
    with (tmp_path / "moved" / "moves.csv").open(encoding="utf-8-sig") as file:
        assert [row["design"] for row in csv.DictReader(file)] == [step["design"] or "" for step in steps]
    assert (tmp_path / "moved" / "directions.csv").is_file()


def test_explain_names_the_change_that_raises_a_property_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("invdesign.runs.properties.N_DECODED", 20)
    found = answer(capsys, "explain", PARACETAMOL, "logp", *SHIPPED, "--to", "CC(=O)Nc1ccc(C)cc1", "--out", "why")
    first = found["designs"][0]
    assert first["design"] == PARACETAMOL and found["values"] == "computed"
    oxygen = next(place for place in first["places"] if place["place"].startswith("O") and place["gain"] > 0.5)
    assert oxygen["changes"][0]["effect"] == pytest.approx(oxygen["gain"])
    assert found["designs"][-1]["design"] == "CC(=O)Nc1ccc(C)cc1"
    page = (tmp_path / "why" / "explanation.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2 * len(found["designs"])
    assert (tmp_path / "why" / "explanation.csv").is_file()
