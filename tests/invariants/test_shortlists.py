"""The shortlists of five short campaigns equal the recorded ones: a refactoring may not change what is found.

Record them anew, after a change that is meant to alter them, with `python tests/invariants/test_shortlists.py`.
Random numbers and floating-point sums differ between versions of torch and kinds of processor, so the record names
both and the test skips elsewhere.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import paths
import pytest
import torch

RECORD = Path(__file__).with_name("shortlists.json")
ZINC = paths.SHARED / "molecules/zinc250k.smi.gz"
CAMPAIGNS = {
    "demo": [
        "domain=molecules_selfies",
        "corpus.n=2000",
        "vae.epochs=3",
        "budget=100",
        "batch=25",
        "n_seeds=50",
        "baseline=false",
    ],
    "ionic": ["corpus.n=400", "vae.epochs=10", "budget=60", "batch=15", "n_seeds=20", "baseline=false"],
    "ehrlich": ["corpus.n=500", "vae.epochs=3", "n_seeds=50", "budget=150", "baseline=false"],
    "peptide": ["corpus.n=1000", "vae.epochs=5", "n_seeds=50", "batch=25", "budget=125", "baseline=false"],
    "osimertinib": [
        f"corpus.path={ZINC}",
        "corpus.max_designs=2000",
        "n_seeds=50",
        "batch=25",
        "budget=100",
        "baseline=false",
    ],
}


def machine() -> dict[str, str]:
    """Return what the last digits depend on besides the code."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model", "vendor_id"))]
    identity = sorted({line.replace("\t", "") for line in names})
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": "; ".join(identity) or platform.processor(),
    }


def shortlist(campaign: str, folder: Path) -> list[dict[str, Any]]:
    """Run a short campaign in a process of its own and return its shortlist."""
    command = [sys.executable, "-m", "invdesign", "run", campaign, *CAMPAIGNS[campaign]]
    command += ["--results", str(folder / "results"), "--cache", str(folder / "cache"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["shortlist"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("campaign", CAMPAIGNS)
def test_the_shortlist_equals_the_recorded_one(campaign: str, tmp_path: Path) -> None:
    record = json.loads(RECORD.read_text())
    if record["machine"] != machine():
        pytest.skip(f"recorded on another platform: {record['machine']}")
    if campaign == "osimertinib" and not ZINC.is_file():
        pytest.skip("needs shared/data/molecules/zinc250k.smi.gz")
    assert shortlist(campaign, tmp_path) == record["shortlists"][campaign]


def main() -> None:
    """Record the shortlists of this checkout."""
    found: dict[str, Any] = {}
    for campaign in CAMPAIGNS:
        with tempfile.TemporaryDirectory() as folder:
            found[campaign] = shortlist(campaign, Path(folder))
    RECORD.write_text(json.dumps({"machine": machine(), "shortlists": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
