"""`invdesign interpolate`: its ends as people name them, its grammar, and its files."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from invdesign.cli import main
from invdesign.cli.main import _parse
from invdesign.cli.terminal import print_interpolation
from invdesign.core import InvdesignError, Objective
from invdesign.domains.molecules import Molecules
from invdesign.runs.interpolation import read_design

SMALL = [
    "n_seeds=10",
    "batch=6",
    "budget=16",
    "baseline=false",
    "screens=molecules/minimal",
    "validators=molecules/minimal",
    "corpus.n=200",
    "vae.epochs=1",
    "vae.build.d=8",
    "vae.build.width=16",
    "vae.build.embedding=16",
    "search.oversample=10",
]


def invdesign(*words: str, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "invdesign", *words, "--json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_an_end_is_a_file_its_nth_design_or_a_text(tmp_path: Path) -> None:
    (tmp_path / "mine.smi").write_text("OCC\nnonsense\nc1ccccc1\n")
    path = str(tmp_path / "mine.smi")
    assert [read_design(Molecules(), text) for text in (path, f"{path}:2", "C(C)N")] == ["CCO", "c1ccccc1", "CCN"]


@pytest.mark.parametrize("wrong", ["nonsense", "none.smi:1", "C" * 5000 + "(", "mine.smi:3", "mine.smi:0"])
def test_an_end_that_is_no_design_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.smi").write_text("OCC\nnonsense\nc1ccccc1\n")
    with pytest.raises(InvdesignError, match=r"expected a file or the text of a design|expected a number from 1"):
        read_design(Molecules(), wrong)


def test_ends_may_look_like_settings_and_options_may_stand_before_the_campaign() -> None:
    arguments = _parse(["interpolate", "CC=O", "C=C", "--until", "-2.5", "demo", "--no-measure", "seed=1"])
    assert (arguments.first, arguments.last, arguments.campaign) == ("CC=O", "C=C", "demo")
    assert arguments.overrides == ["seed=1"] and arguments.until == -2.5 and not arguments.measure
    arguments = _parse(["interpolate", "CC=O", "C=C", "vae=molecules/zinc250k"])
    assert arguments.campaign is None and arguments.overrides == ["vae=molecules/zinc250k"]


@pytest.mark.slow
def test_invalid_arguments_are_refused_before_anything_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["interpolate", "CC", "CCO", "--steps", "1"]) == 2
    assert main(["interpolate", "CC", "CCO", "demo", "--run", "results/demo"]) == 2
    assert main(["interpolate", "CC", "nonsense"]) == 2
    message = capsys.readouterr().err
    assert "--steps must be from 2" in message and "--run" in message and "'nonsense': expected a file" in message


def test_the_terminal_names_designs_as_people_do(capsys: pytest.CaptureFixture[str]) -> None:
    shared = {"step": 0, "plausibility percentile [%]": 5.0, "distance to proposal": 0.1, "all checks passed": "yes"}
    step = {**shared, "design": '{"space_group": 225}', "label": "MgO Fm-3m", "measured y": 1.0, "predicted y": None}
    checks = {"all checks passed": "no", "check is_new": "failed", "detail of is_new": "matches periclase"}
    facts = {"steps": [step, {**step, **checks}], "met": None, "crossing": None, "notes": [], "files": ["path.csv"]}
    print_interpolation(facts, [Objective("y")])
    printed = capsys.readouterr().out
    assert "design" in printed and "MgO" in printed and "space_group" not in printed and "predicted" not in printed
    assert "yes" in printed and "periclase" in printed


@pytest.mark.slow
def test_a_path_in_the_latent_space_of_a_campaign_and_in_that_of_a_run(tmp_path: Path) -> None:
    cache = ["--cache", str(tmp_path / "cache")]
    words = ["interpolate", "CCOC(=O)c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "--steps", "4"]
    found = invdesign(*words, "--until", "5", "--out", "path", *SMALL, *cache, cwd=tmp_path)
    assert [row["step"] for row in found["steps"]] == [0, 1, 2, 3] and found["met"] is None
    assert "no step of the path reaches qed 5" in found["notes"]
    assert found["steps"][0]["computed qed"] > 0 and found["steps"][0]["predicted qed"] is None
    assert found["files"] == ["path/path.csv", "path/designs.smi", "path/path.html"]
    with (tmp_path / "path" / "path.csv").open(newline="") as file:
        assert [row["t"] for row in csv.DictReader(file)] == ["0.0", "0.333333", "0.666667", "1.0"]
    smiles = [line.split()[0] for line in (tmp_path / "path" / "designs.smi").read_text().splitlines()]
    assert smiles == list(dict.fromkeys(row["design"] for row in found["steps"] if row["design"]))

    run = invdesign("run", *SMALL, *cache, cwd=tmp_path)["run"]
    again = invdesign(*words, "--run", run, "--no-measure", "--path", "straight", *cache, cwd=tmp_path)
    assert all(isinstance(row["predicted qed"], float) for row in again["steps"] if row["design"])
    assert {row["status"] for row in again["steps"]} <= {"not measured", "computed", "nothing decoded"}
    assert all(Path(file).parent.parent == Path(run) for file in again["files"])
