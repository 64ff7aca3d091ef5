"""Deliverables from the command line: one that fails costs the exit code and nothing else, and can be repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = [
    "budget=16",
    "n_seeds=10",
    "batch=6",
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
PLATES = """
from pathlib import Path

def plate(candidates, folder):
    if not Path(__file__).with_name("paper").exists():
        raise RuntimeError("no paper")
    (folder / "plate.csv").write_text("\\n".join(c.design for c in candidates))
    return [folder / "plate.csv"]

def wells(shortlist, told, objectives):
    return {"Plate": f"<p>{len(shortlist)} wells of {len(told)}</p>"}
"""


def invdesign(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invdesign", *words, "--allow", "my_plates", "--json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_a_run_with_a_deliverable_that_fails_is_whole_without_it_and_export_makes_up_for_it(tmp_path: Path) -> None:
    (tmp_path / "my_plates.py").write_text(PLATES)
    mine = ["deliverables.plates.function=my_plates:plate", "figures.plate.function=my_plates:wells"]
    done = invdesign("run", *mine, *SMALL, "--cache", str(tmp_path / "cache"), cwd=tmp_path)
    assert done.returncode == 2 and "plates: RuntimeError: no paper" in done.stderr and "Traceback" not in done.stderr
    summary = json.loads(done.stdout)
    folder = tmp_path / summary["run"]
    n = len(summary["shortlist"])
    assert n and f"invdesign export {summary['run']}" in done.stderr
    assert (folder / "finished.json").is_file() and f"<p>{n} wells of 16</p>" in (folder / "report.html").read_text()
    (tmp_path / "paper").touch()
    again = invdesign("export", summary["run"], cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{summary['run']}/plates" in json.loads(again.stdout)["files"]
    assert len((folder / "plates" / "plate.csv").read_text().splitlines()) == n
    assert "plates/plate.csv" in json.loads((folder / "manifest.json").read_text())["files"]
