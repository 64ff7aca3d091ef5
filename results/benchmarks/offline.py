"""Benchmark: one batch from 1,000 measured molecules, without new measurements.

Density-penalized gradient ascent, the same without density, and a batch of Bayesian optimization, on PMO tasks; beside
them five batches that are measured in between. What a batch is worth is stated with how much of it is nonsense: a
surrogate is easily misled where no molecule lies.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pmo import make_campaign

from invdesign import initialize, make_engine, prepare, run, start
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.execution.in_process import InProcess

N_KNOWN, N_NEW = 1000, 100
ASCENT = ("mutations=null", "search=density_ascent", "search.trust_region=null")
WITHOUT_DENSITY = (
    "search.acquire.density_weight=0",
    "search.propose.density_ascent.acquire={_target_: invdesign.search.acquisition.ucb, _partial_: true, beta: 1.0}",
)
WAYS = {
    "ascent with density": (N_NEW, ASCENT),
    "ascent without density": (N_NEW, (*ASCENT, *WITHOUT_DENSITY)),
    "Bayesian optimization, one batch": (N_NEW, ()),
    "Bayesian optimization, five batches": (N_NEW // 5, ()),
}
"""Batch size, and what differs from the preset of molecules."""
TASKS = ("celecoxib_rediscovery", "median1", "perindopril_mpo", "ranolazine_mpo", "zaleplon_mpo")


def main() -> None:
    """Run all ways on all tasks and seeds, and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    done = {(row["way"], row["task"], row["seed"]) for row in rows}
    for task, seed, way in product(arguments.tasks, arguments.seeds, WAYS):
        if (way, task, seed) not in done:
            rows.append(measure(way, task, seed, corpus_path=arguments.corpus, cache=arguments.cache))
            print(json.dumps(rows[-1]), flush=True)
            arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


def measure(way: str, task: str, seed: int, *, corpus_path: Path, cache: Path) -> dict[str, Any]:
    """Return the figures of the new molecules of one way."""
    batch, settings = WAYS[way]
    corpus = zinc250k(corpus_path, cache=cache)
    campaign = make_campaign((task, seed, "both"), N_KNOWN + N_NEW, batch, [f"n_seeds={N_KNOWN}", *settings])
    campaign = replace(campaign, corpus=lambda: corpus)
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=cache))
    start_time = time.process_time()
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    known, new = (np.sort([c.y[0] for c in state.history if bool(c.round) is is_new])[::-1] for is_new in (False, True))
    nonsense = Molecules().quality([c.design for c in state.history if c.round])["nonsense"]
    return {
        "way": way,
        "task": task,
        "seed": seed,
        "best known": float(known[0]),
        "best": float(new[0]),
        "top 10": float(new[:10].mean()),
        "mean": float(new.mean()),
        "nonsense": float(np.nanmean(nonsense)),
        "new": len(new),
        "cpu_seconds": time.process_time() - start_time,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the means over tasks and seeds as a Markdown table."""
    names = ("best known", "best", "top 10", "mean", "nonsense", "cpu_seconds")
    lines = ["| " + " | ".join(["way", "runs", *names]) + " |", "|---" * (len(names) + 2) + "|"]
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        cells = [f"{np.mean([row[name] for row in own]):.3f}" for name in names] if own else []
        lines.append("| " + " | ".join([way, str(len(own)), *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
