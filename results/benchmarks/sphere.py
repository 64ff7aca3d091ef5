"""Benchmark: trust regions on a sphere and in a box, paired by seed, on three tasks of GuacaMol.

    python results/benchmarks/sphere.py --corpus zinc250k.smi.gz

100 molecules of ZINC250k and 500 further calls in batches of 50, proposals of the latent space alone, the same seed designs for both.
Runs that are in the file of figures are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pmo import summarize

from invdesign import Campaign, initialize, make_engine, prepare, run, start
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.core import Corpus
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.execution.in_process import InProcess
from invdesign.report.comparison import Metric, paired_difference

OUT = Path(__file__).with_suffix(".json")
TASKS = ("amlodipine_mpo", "perindopril_mpo", "median2")
SEARCHES = {"box": "trust_region_bo", "sphere": "sphere"}
N_SEEDS, BUDGET, BATCH = 100, 600, 50
FIGURES = ("auc", "top1", "top10")


def make_campaign(task: str, seed: int, search: str) -> Campaign[str, Any]:
    """Return the campaign of one run."""
    settings = [
        "base=molecules", "vae=molecules/zinc250k", "oracle=molecules/guacamol", f"oracle.guacamol.task={task}",
        f"search={search}", f"n_seeds={N_SEEDS}", f"budget={BUDGET}", f"batch={BATCH}", f"seed={seed}",
        "screens=null", "validators=null", "mutations=null", "baseline=false",
    ]  # fmt: skip
    composed = compose(None, settings)
    campaign: Campaign[str, Any] = build(composed.values, composed.where, name=task).campaign
    return campaign


def run_one(corpus: Corpus[str], task: str, seed: int, name: str, cache: Path) -> dict[str, Any]:
    """Return the figures of one run."""
    campaign = replace(make_campaign(task, seed, SEARCHES[name]), corpus=lambda: corpus)
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=cache))
    started = time.process_time()
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    return {
        "task": task,
        "seed": seed,
        "search": name,
        **summarize([candidate.y[0] for candidate in state.history], BUDGET),
        "cpu_seconds": time.process_time() - started,
        "load": os.getloadavg()[0],
    }


def compare(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the paired differences sphere - box for each task and over all pairs, by figure of merit."""
    found: dict[str, Any] = {}
    by_run = {(row["task"], row["seed"], row["search"]): row for row in runs}
    pairs = {key[:2] for key in by_run if all((*key[:2], name) in by_run for name in SEARCHES)}
    for task in (*TASKS, "all tasks"):
        own = sorted(pair for pair in pairs if task in (pair[0], "all tasks"))
        for figure in FIGURES if own else ():
            values = {name: np.array([by_run[*pair, name][figure] for pair in own]) for name in SEARCHES}
            difference = paired_difference(values["sphere"] - values["box"], Metric(figure, figure, True))
            found.setdefault(task, {})[figure] = {
                **{name: float(column.mean()) for name, column in values.items()},
                "difference": difference.mean,
                "interval": [difference.low, difference.high],
                "n": difference.n,
                "verdict": difference.verdict,
            }
    return found


def main() -> None:
    """Run what is missing, seed by seed, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each task (default 10)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    corpus = zinc250k(arguments.corpus, cache=arguments.cache)
    stored: dict[str, Any] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    runs: list[dict[str, Any]] = stored.get("runs", [])
    done = {(row["task"], row["seed"], row["search"]) for row in runs}
    for seed, task, name in product(range(arguments.seeds), TASKS, SEARCHES):
        if (task, seed, name) not in done:
            runs.append(run_one(corpus, task, seed, name, arguments.cache))
            print(json.dumps(runs[-1]), flush=True)
            OUT.write_text(json.dumps({"runs": runs, "differences": compare(runs)}, indent=1) + "\n")
    print(json.dumps(compare(runs), indent=1))


if __name__ == "__main__":
    main()
