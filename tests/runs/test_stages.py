"""Whole runs from the command line: killed at any call they end with the same result."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SMALL = [
    "budget=24",
    "n_seeds=10",
    "batch=6",
    "screens=molecules/minimal",
    "validators=molecules/minimal",
    "corpus.n=200",
    "vae.epochs=2",
    "vae.build.d=8",
    "vae.build.width=16",
    "vae.build.embedding=16",
    "search.oversample=10",
]
ORACLE = """
import os, signal
from pathlib import Path

def score(designs):
    log = Path(__file__).with_name("calls.txt")
    die = Path(__file__).with_name("die_at.txt")
    answers = []
    for design in designs:
        with log.open("a") as file:
            file.write(design + "\\n")
        answers.append(sum(map(ord, design)) % 97)
        if die.exists() and len(log.read_text().splitlines()) >= int(die.read_text()):
            die.unlink()
            gently = Path(__file__).with_name("gently")
            os.kill(os.getpid(), getattr(signal, gently.read_text()) if gently.exists() else signal.SIGKILL)
    return answers
"""


def invdesign(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "invdesign", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=env,
        # A test run in the background ignores Ctrl-C, and its children would inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def campaign(folder: Path, cache: Path) -> list[str]:
    """A folder with an oracle of the user's, and the command that runs a campaign in it."""
    folder.mkdir(exist_ok=True)
    (folder / "my_oracle.py").write_text(ORACLE)
    settings = ["oracle=callable", "oracle.score.function=my_oracle:score", "executor.chunk=1", *SMALL]
    return ["run", *settings, "--allow", "my_oracle", "--cache", str(cache), "--json"]


def designs(folder: Path) -> list[tuple[str, str]]:
    """Round and design of every call of a run, in order."""
    with (folder / "evaluated.csv").open(newline="") as file:
        return [(row["round"], row["design"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """An uninterrupted run: its folder, and what it answered."""
    place = tmp_path_factory.mktemp("whole") / "here"
    done = invdesign(*campaign(place, cache), cwd=place)
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


def test_a_run_writes_its_lists_its_report_and_its_books(whole: tuple[Path, dict[str, object]]) -> None:
    place, summary = whole
    folder = place / str(summary["run"])
    for name in ("candidates.csv", "evaluated.csv", "manifest.json", "report.html", "config.json", "finished.json"):
        assert (folder / name).stat().st_size > 0
    # A small model may find fewer new designs than the last round has calls.
    assert 20 <= summary["calls"] == len((place / "calls.txt").read_text().splitlines()) <= 24
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "oracle" in json.dumps(manifest["run"]) and "--allow my_oracle" in json.dumps(manifest["run"])
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "<html" in report and 'src="http' not in report


def test_a_killed_run_resumes_and_ends_as_an_uninterrupted_one(
    whole: tuple[Path, dict[str, object]], cache: Path, tmp_path: Path
) -> None:
    place = tmp_path / "killed"
    words = campaign(place, cache)
    for at in (4, 13, 20):
        (place / "die_at.txt").write_text(str(at))
        assert invdesign(*words, cwd=place).returncode == -signal.SIGKILL
    done = invdesign(*words, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "resuming" in done.stderr
    finished, summary = whole
    assert designs(place / json.loads(done.stdout)["run"]) == designs(finished / str(summary["run"]))
    calls = (place / "calls.txt").read_text().splitlines()
    assert len(calls) - len(set(calls)) <= 3, "at most the call that each kill hit is made again"


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_ctrl_c_and_sigterm_leave_a_report_and_the_same_command_goes_on(
    cache: Path, tmp_path: Path, name: str, code: int
) -> None:
    place = tmp_path / "interrupted"
    words = campaign(place, cache)
    (place / "gently").write_text(name)
    (place / "die_at.txt").write_text("15")
    stopped = invdesign(*words, cwd=place)
    assert stopped.returncode == code, stopped.stderr
    assert "Traceback" not in stopped.stderr and "the same command resumes" in stopped.stderr
    (folder,) = (place / "results" / "campaign").glob("[0-9]*")
    assert (folder / "report.html").is_file() and not (folder / "finished.json").exists()
    if name == "SIGINT":
        assert invdesign(*words, cwd=place).returncode == 0
        assert (folder / "finished.json").is_file()


def test_a_changed_resume_is_refused_with_what_differs_unless_accepted(
    whole: tuple[Path, dict[str, object]], cache: Path
) -> None:
    place, summary = whole
    words = campaign(place, cache)
    changed = [word.replace("budget=24", "budget=26") for word in words]
    refused = invdesign(*changed, "--resume", str(summary["run"]), cwd=place)
    assert refused.returncode == 2
    assert "config.budget: 24 -> 26" in refused.stderr
    accepted = invdesign(*changed, "--resume", str(summary["run"]), "--accept-changes", cwd=place)
    assert accepted.returncode == 0, accepted.stderr
    assert summary["calls"] <= json.loads(accepted.stdout)["calls"] <= 26


def test_export_and_report_are_made_again_from_the_ledger(whole: tuple[Path, dict[str, object]]) -> None:
    place, summary = whole
    for command, out, name in (("export", "lists", "lists/candidates.csv"), ("report", "again.html", "again.html")):
        done = invdesign(command, str(summary["run"]), "--out", out, "--allow", "my_oracle", "--json", cwd=place)
        assert done.returncode == 0, done.stderr
        assert (place / name).is_file()


def test_a_map_is_drawn_of_a_run_and_of_a_model_without_a_run(
    whole: tuple[Path, dict[str, object]], cache: Path
) -> None:
    place, summary = whole
    run = str(summary["run"])
    report = (place / run / "report.html").read_text(encoding="utf-8")
    assert 'id="map-data"' in report and "script-src &#39;sha256" in report.replace("'", "&#39;")
    words = ["--cache", str(cache), "--json", "-n", "60", "--pictures", "5"]
    drawn = invdesign("map", run, *words, "--allow", "my_oracle", cwd=place)
    assert drawn.returncode == 0, drawn.stderr
    facts = json.loads(drawn.stdout)
    assert facts["designs"] > 70 and Path(facts["file"]) == Path(run) / "map.html"
    alone = invdesign("map", *SMALL, *words, "--out", "model.html", cwd=place)
    assert alone.returncode == 0, alone.stderr
    facts = json.loads(alone.stdout)
    assert facts["designs"] == 60 and 0.5 < facts["trustworthiness"] <= 1
    assert (place / "model.html").stat().st_size > 10_000
    assert len(list((cache / "maps").iterdir())) == 2, "that of the report, and one for both maps"


def test_the_map_encodes_and_samples(whole: tuple[Path, dict[str, object]], cache: Path) -> None:
    place, _ = whole
    (place / "mine.smi").write_text("CCO\nc1ccccc1O\nnonsense\n")
    words = ["--cache", str(cache), "--json", *SMALL]
    encoded = invdesign("encode", "--input", "mine.smi", "--out", "z.csv", *words, cwd=place)
    assert encoded.returncode == 0, encoded.stderr
    assert json.loads(encoded.stdout) == {"file": "z.csv", "designs": 2, "rejected": 1, "d": 8}
    sampled = invdesign("sample", "-n", "20", *words, cwd=place)
    assert sampled.returncode == 0, sampled.stderr
    assert all(isinstance(smiles, str) for smiles in json.loads(sampled.stdout))
    trained = invdesign("train", "--out", "model", *words, cwd=place)
    assert trained.returncode == 0, trained.stderr
    assert (place / "model" / "model.json").is_file()
    again = invdesign(
        "sample", "-n", "20", "vae=folder", "vae.folder=model", "--cache", str(cache), "--json", cwd=place
    )
    assert again.returncode == 0 and again.stdout == sampled.stdout


def test_a_file_is_checked_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("smiles,y\nCCO,1\nC(C,2\n,3\n")
    done = invdesign("check-data", "mine.csv", "--json", "--rejected", "bad.csv", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["designs"] == 1 and [row["row"] for row in found["rejected"]] == [3, 4]
    assert (tmp_path / "bad.csv").read_text().count("\n") == 3
    assert invdesign("check-data", "none.csv", cwd=tmp_path).returncode == 2
