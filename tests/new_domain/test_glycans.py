"""A new domain: one file of about a hundred lines and one YAML file, from training to the report."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_the_domain_satisfies_the_protocols() -> None:
    from invdesign import testing

    spec = importlib.util.spec_from_file_location("glycans", HERE / "glycans.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["glycans"] = module
    spec.loader.exec_module(module)
    testing.check_domain(module.Glycans(), ["Gal(b1-4)Glc", "Fuc(a1-2)Gal(b1-4)GlcNAc", "Man"])
    testing.check_corpus(lambda: module.corpus(20))


@pytest.mark.slow
def test_a_campaign_runs_from_training_to_the_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "invdesign", "run", str(HERE / "glycans.yaml"), "--allow", "glycans", "--json"]
    command += ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["calls"] == 60 and summary["shortlist"]
    best = summary["shortlist"][0]
    assert best["sialylation"] >= 2 and "Neu5Ac" in best["design"]
    names = {Path(file).name for file in summary["files"]}
    assert {"candidates.csv", "evaluated.csv", "manifest.json", "report.html"} <= names
