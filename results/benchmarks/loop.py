"""Benchmark: commands of the loop with a laboratory as whole processes, at 1,000 measurements and at a long history."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign import Candidate, Ledger, Outcome
from invdesign.campaign import BatchSelected, OutcomeRecorded, RoundEnded, RoundRecord
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k

LATENTS = 64
CAMPAIGN = """\
defaults:
  - base: molecules
  - override vae: molecules/zinc250k
  - override oracle: laboratory
  - _self_
name: loop
objectives:
  activity: {goal: maximize}
corpus: {n: 2000}
budget: 1000000
batch: 24
"""


def main() -> None:
    """Time the commands, and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--measured", type=int, default=1_000)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    molecules = zinc250k(arguments.corpus, cache=arguments.cache, max_designs=arguments.history + 2_000).designs
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = begin(Path(folder))
        print("begun", flush=True)
        add_measurements(run, molecules[: arguments.measured])
        rows.append({"measured": arguments.measured, **time_commands(run, arguments.repeats, has_suggest=True)})
        print(json.dumps(rows[-1]), flush=True)
        write_history(run, molecules[arguments.measured :][: arguments.history])
        rows.append({"history": arguments.history, **time_commands(run, arguments.repeats, has_suggest=False)})
        print(json.dumps(rows[-1]), flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def begin(folder: Path) -> Path:
    """Return the folder of a new run without measurements."""
    campaign = folder / "loop.yaml"
    campaign.write_text(CAMPAIGN)
    invdesign("begin", str(campaign), "--results", str(folder / "results"), cwd=folder)
    return next((folder / "results" / "loop").glob("2*"))


def add_measurements(run: Path, designs: Sequence[str]) -> None:
    """Record measured designs that were not suggested: their length is their activity."""
    table = run.parent / "measured.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("smiles", "activity"), *((design, len(design)) for design in designs)])
    print("tell --add:", round(invdesign("tell", str(run), str(table), "--add", cwd=run), 1), "s", flush=True)


def write_history(run: Path, designs: Sequence[str]) -> None:
    """Write a batch of designs with random latents into the ledger: all measured but 1,001, which are open."""
    domain = Molecules()
    Z = torch.from_numpy(np.random.default_rng(0).standard_normal((len(designs), LATENTS)))
    with Ledger.open(run / "ledger.sqlite", domain, objectives=["activity"]) as ledger:
        pending = ledger.state().open
        ledger.record(*(OutcomeRecorded(c.key, Outcome((math.nan,), "failed", "left out")) for c in pending))
        number = ledger.state().round + 1
        batch = tuple(Candidate(design, design, Z[i], round=number) for i, design in enumerate(designs))
        ledger.record(RoundEnded((), RoundRecord(number - 1)), BatchSelected(batch, RoundRecord(number)))
        ledger.on_outcomes([OutcomeRecorded(c.key, Outcome((float(len(c.design)),))) for c in batch[:-1_001]])
    with (run.parent / "results.csv").open("w", newline="") as file:
        rows = [(c.design, len(c.design)) for c in batch[-1_001:-1]]
        csv.writer(file).writerows([("smiles", "activity"), *rows])


def time_commands(run: Path, repeats: int, *, has_suggest: bool) -> dict[str, Any]:
    """Return the smallest time of each command [s]; a command that writes runs once."""
    found = {"seconds of status": min(invdesign("status", str(run), cwd=run) for _ in range(repeats))}
    if has_suggest:
        found["seconds of suggest"] = invdesign("suggest", str(run), "-n", "24", cwd=run)
    else:
        results = str(run.parent / "results.csv")
        found["seconds of tell, 1,000 rows"] = invdesign("tell", str(run), results, cwd=run)
    return {name: round(seconds, 2) for name, seconds in found.items()}


def invdesign(*words: str, cwd: Path) -> float:
    """Run a command and return its seconds, start-up included."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "invdesign", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: {done.stderr[-2_000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
