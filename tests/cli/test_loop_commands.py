"""The closed loop from the command line: a batch is suggested, measured elsewhere, and told; nothing is lost."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from invdesign.cli import main
from invdesign.domains.molecules.parts import PartConstraints

CAMPAIGN = """
defaults:
  - base: molecules
  - override oracle: laboratory
  - override vae: molecules/zinc250k
  - _self_
name: lab
objectives:
  affinity: {goal: maximize, unit: nM}
batch: 5
n_seeds: 6
corpus: {n: 150}
search: {oversample: 8}
"""


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign of a laboratory whose run was begun, and the cache beside it."""
    folder = tmp_path_factory.mktemp("laboratory")
    (folder / "lab.yaml").write_text(CAMPAIGN)
    words = ["begin", str(folder / "lab.yaml"), "--results", str(folder / "results"), "--cache", str(folder / "cache")]
    assert main(words) == 0
    return folder


@pytest.fixture
def lab(begun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    (run,) = (begun / "results" / "lab").glob("2*")
    return Lab(Path(shutil.copytree(run, tmp_path / "run")), begun / "cache", capsys)


class Lab:
    """The commands on one run."""

    def __init__(self, run: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.run, self.cache, self.capsys = run, cache, capsys

    def __call__(self, command: str, *words: str) -> dict[str, Any]:
        """Run a command that succeeds and return its JSON."""
        self.capsys.readouterr()
        code = main([command, str(self.run), *words, *self._shared(), "--json"])
        printed = self.capsys.readouterr()
        assert code == 0, printed.err
        facts: dict[str, Any] = json.loads(printed.out)
        return facts

    def refuse(self, command: str, *words: str) -> str:
        """Run a command that is refused and return its message."""
        assert main([command, str(self.run), *words, *self._shared()]) == 2
        return self.capsys.readouterr().err

    def results(self, *lines: str) -> str:
        path = self.run.parent / "results.csv"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def _shared(self) -> list[str]:
        return ["--cache", str(self.cache)]


@pytest.mark.slow
def test_three_rounds_with_failures_an_analogue_a_repeat_and_a_correction(lab: Lab) -> None:
    assert lab("status")["calls"] == 0
    seeds = lab("suggest", "-n", "6")
    ids = [row["id"] for row in seeds["designs"]]
    assert ids == [f"D000{i}" for i in range(1, 7)] and seeds["is_new"]
    again = lab("suggest", "-n", "6")
    assert [row["id"] for row in again["designs"]] == ids and not again["is_new"]
    rows = [f"D000{i},{i / 10},," for i in range(1, 5)]
    told = lab("tell", lab.results("id,affinity [nM],failure,note", *rows, "D0005,,no signal,", "D0006,,insoluble,"))
    assert told["recorded"] == {"measured": 4, "repeat": 0, "failed": 2, "added": 0} and told["open"] == 0

    batch = lab("suggest")
    assert batch["round"] == 1 and 1 <= len(batch["designs"]) <= 5
    assert all(row["mean"]["affinity"] is not None and row["acquisition"] is not None for row in batch["designs"])
    table = Path(batch["files"][0])
    assert table.name == "batch-001.csv" and {Path(f).suffix for f in batch["files"]} >= {".csv", ".smi", ".sdf"}
    first, *others = [row["id"] for row in batch["designs"]]
    made = lab("substitute", first, "CCOc1ccc(CN)cc1")
    assert made["design"]["status"] == "pending" and made["open"] == len(batch["designs"])
    told = lab("tell", lab.results("id,affinity", f"{first},0.9", *(f"{name},0.2" for name in others)))
    assert told["open"] == 0 and told["best_design"] == "CCOc1ccc(CN)cc1"

    assert lab("replicate", first, "affinity=1.1")["best"] == {"affinity": 1.0}
    assert lab("correct", "D0004", "affinity=0.45", "--note", "typing error")["design"]["measured"]["affinity"] == 0.45
    third = lab("suggest", "-n", "2")
    told = lab("tell", lab.results("design,affinity", *(f"{row['design']},0.3" for row in third["designs"])))
    assert third["round"] == 2 and told["failed"] == 2
    assert [row["id"] for row in lab("pareto")["designs"]] == [first]
    assert lab("status") == {key: value for key, value in told.items() if key in lab("status")}


@pytest.mark.slow
def test_a_filled_batch_table_is_told_as_it_is_and_twice(lab: Lab) -> None:
    table = Path(lab("suggest")["files"][0])
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        row["affinity [nM]"] = str(i) if i else ""
        row["failure"] = "" if i else "no signal"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    preview = lab("tell", str(table), "--dry-run")
    assert (
        preview["recorded"] == {"measured": 5, "repeat": 0, "failed": 1, "added": 0} and lab("status")["measured"] == 0
    )
    assert lab("tell", str(table))["measured"] == 5
    again = lab("tell", str(table))
    assert not any(again["recorded"].values()) and again["known"] == 6
    assert main(["tell", str(lab.run), str(table), "--cache", str(lab.cache)]) == 0
    assert "Nothing was changed" in lab.capsys.readouterr().out


@pytest.mark.slow
def test_bad_input_is_refused_with_exit_code_2_and_records_nothing(lab: Lab) -> None:
    lab("suggest")
    assert "D0001 to D0006" in lab.refuse("tell", lab.results("id,affinity", "D0001,1", "D0077,1"))
    assert "Did you mean 'affinity'" in lab.refuse("tell", lab.results("id,afinity", "D0001,1"))
    assert "in nM, got h" in lab.refuse("tell", lab.results("id,affinity (h)", "D0001,1"))
    assert "no such file" in lab.refuse("tell", str(lab.run / "none.csv")).lower()
    assert "Did you mean affinity" in lab.refuse("correct", "D0001", "afinity=1")
    assert "has no measurement yet" in lab.refuse("replicate", "D0001", "affinity=1")
    assert "expected the identifier" in lab.refuse("abandon", "D0100")
    assert lab("status")["measured"] == 0
    told = lab("tell", lab.results("id,affinity (uM)", "D0001,0.5"))
    assert told["best"] == {"affinity": 500.0}


@pytest.mark.slow
def test_a_design_is_rejected_abandoned_or_scored(lab: Lab) -> None:
    lab("suggest")
    rejected = lab("reject", "D0002", "--reason", "cannot be made")
    assert len(rejected["designs"]) == 1 and "D0002" not in Path(rejected["files"][0]).read_text()
    assert lab("abandon", "D0003")["failed"] == 2
    (lab.run / "mine.smi").write_text("CCOc1ccccc1\nCC(=O)Nc1ccc(O)cc1\n")
    scored = lab("score", str(lab.run / "mine.smi"))["designs"]
    assert len(scored) == 2 and all(row["percentile"] is not None and row["checks"] for row in scored)


@pytest.mark.slow
def test_the_status_imports_neither_torch_nor_hydra(lab: Lab) -> None:
    lab("suggest")
    code = (
        "import sys; from invdesign.cli import main; main(['status', sys.argv[1]]); "
        "print(sorted({'torch', 'hydra', 'rdkit', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lab.run)], capture_output=True, text=True)
    assert done.stdout.endswith("[]\n") and "open suggestions: 6" in done.stdout, done.stderr


def test_a_campaign_of_a_laboratory_cannot_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = ["--results", str(tmp_path / "results")]
    assert main(["run", "oracle=laboratory", "objectives.affinity.goal=maximize", *results]) == 2
    assert "invdesign begin CAMPAIGN" in capsys.readouterr().err and not (tmp_path / "results").exists()
    assert main(["run", "oracle=laboratory", *results]) == 2
    assert "expected the objectives that the laboratory measures" in capsys.readouterr().err
    assert main(["begin", "oracle=null", *results]) == 2
    assert "oracle=laboratory" in capsys.readouterr().err


def test_a_run_is_steered_from_the_first_batch_on(lab: Lab) -> None:
    before = lab("status")["budget"]
    changes = ("domain.required=c1ccccc1", "budget+=7", "constraints.affinity=<= 40")
    facts = lab("steer", *changes, "--reason", "only benzenes are in stock", "--by", "Ada")
    assert facts["active"] == list(changes) and "by Ada at" in facts["recorded"][0]
    assert "cannot be changed" in lab.refuse("steer", "seed=1")
    designs = lab("suggest")["designs"]
    benzene = PartConstraints(required=("c1ccccc1",))
    assert len(designs) == 6 and not any(benzene.violation(row["design"]) for row in designs)
    lab("tell", lab.results("id,affinity [nM]", *(f"{row['id']},{39 + i}" for i, row in enumerate(designs))))
    status = lab("status")
    assert status["budget"] == before + 7 and status["best"] == {"affinity": 40.0}
    assert [row["measured"] for row in lab("pareto")["designs"]] == [{"affinity": 40.0}]
    assert len(lab("steer")["recorded"]) == 1
    assert "two measured properties" in lab.refuse("pareto", "--plot", str(lab.run / "front.svg"))
