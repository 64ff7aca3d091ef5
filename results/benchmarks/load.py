"""Benchmark: recording of outcomes and export at long histories, without an oracle or a search."""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign import Candidate, Ledger, Objective, Outcome
from invdesign.campaign import BatchSelected, CallsLeased, OutcomeRecorded, RoundEnded, RoundRecord, State, apply
from invdesign.campaign.oracle_calls import measure as measure_designs
from invdesign.core import OracleSetup
from invdesign.domains.molecules import Molecules
from invdesign.execution.in_process import InProcess
from invdesign.export import export

LATENTS = 64


def main() -> None:
    """Time the writes and the export, and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cheap", type=int, default=100_000, help="evaluations of an oracle of 10 microseconds")
    parser.add_argument("--histories", nargs="+", type=int, default=[200, 20_000])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    with gzip.open(arguments.corpus, "rt", encoding="utf-8") as lines:
        designs = [line.split()[0] for line in islice(lines, max(arguments.histories))]
    rows = []
    # A process for each measurement: its peak memory is its own.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for size in arguments.histories:
            rows.append({"history": size, **pool.submit(measure, designs[:size]).result()})
            print(json.dumps(rows[-1]), flush=True)
    rows.append({"cheap evaluations": arguments.cheap, "seconds": round(write_cheap(arguments.cheap), 1)})
    print(json.dumps(rows[-1]), flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


class Words:
    """Designs that are their own text."""

    name = "words"

    def key(self, design: str) -> str:
        """Return the design."""
        return design

    to_text = from_text = key


def candidates(designs: Sequence[str], *, number: int = 0, **known: Any) -> tuple[Candidate[str], ...]:
    """Return candidates with random latents."""
    Z = torch.from_numpy(np.random.default_rng(0).standard_normal((len(designs), LATENTS)))
    return tuple(Candidate(design, design, Z[i], round=number, **known) for i, design in enumerate(designs))


def write_cheap(n: int) -> float:
    """Return the seconds that `n` evaluations of a cheap oracle take, recording included."""

    def oracle(designs: list[str]) -> list[float]:
        time.sleep(1e-5 * len(designs))
        return [float(len(design)) for design in designs]

    with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.sqlite", Words()) as ledger:
        state = ledger.record(BatchSelected(candidates([f"w{i}" for i in range(n)]), RoundRecord(0)))
        start = time.perf_counter()
        keys = [c.key for c in state.open]
        ledger.on_lease(CallsLeased(tuple((f"C{i:06d}", key) for i, key in enumerate(keys)), InProcess.name))
        for group in measure_designs(InProcess(OracleSetup(oracle, 1)), keys):
            ledger.on_outcomes([OutcomeRecorded(keys[i], outcome) for i, outcome in group])
        return time.perf_counter() - start


def measure(designs: Sequence[str]) -> dict[str, float]:
    """Return the time to record one outcome, and to export 20 candidates, after a history of designs."""
    domain, objectives = Molecules(), [Objective("y")]
    history = candidates(designs, number=1, status="measured", y=(0.5,))
    state: State[str] = apply(State(), BatchSelected(history, RoundRecord(1)))
    state = apply(apply(state, RoundEnded((), RoundRecord(1))), BatchSelected(candidates(["C" * 20]), RoundRecord(2)))
    start = time.perf_counter()
    for _ in range(20):
        apply(state, OutcomeRecorded("C" * 20, Outcome((1.0,))))
    recorded = (time.perf_counter() - start) / 20
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        export(history[:20], domain, objectives, Path(folder), history=history)
    return {
        "milliseconds per outcome": round(1000 * recorded, 3),
        "seconds of an export": round(time.perf_counter() - start, 1),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


if __name__ == "__main__":
    main()
