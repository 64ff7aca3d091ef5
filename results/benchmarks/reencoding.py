"""Benchmark: the aligned step. The acquisition function at `encode(decode(z))`, or at the proposed point `z` itself.

Molecules of PMO tasks from ZINC250k, latent proposals alone, and an exact process on the latents, so that the point at
which a design is scored matters. Both sides have the same seed designs, and store the latent of each measured design.
Runs that are in the file of figures are not run again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from pmo import run_job

from invdesign.campaign.pool import Pool, decode_screen_encode

ROUND = import_module("invdesign.campaign.ask")
"""The module; the package has a function of the same name."""
SETTINGS = ("surrogate=exact_gp", "use_features=false")
"""What differs from the preset on both sides, besides the mutations."""


def score_proposals(*args: Any, **settings: Any) -> Pool[str]:
    """Return the pool of a round with the proposed points as inputs of the surrogate."""
    pool = decode_screen_encode(*args, **settings)
    return replace(pool, X=pool.proposals)


def main() -> None:
    """Run what is missing, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--tasks", nargs="+", default=["median2", "perindopril_mpo", "zaleplon_mpo"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    work = partial(
        run_job, corpus_path=arguments.corpus, cache=arguments.cache, budget=arguments.budget, batch=20, settings=SETTINGS
    )
    rows = json.loads(arguments.out.read_text()) if arguments.out.is_file() else []
    done = {(row["task"], row["seed"]) for row in rows}
    for task, seed in [(task, seed) for task in arguments.tasks for seed in arguments.seeds if (task, seed) not in done]:
        aligned = work((task, seed, "latent"))
        with patch.object(ROUND, "decode_screen_encode", score_proposals):
            proposed = work((task, seed, "latent"))
        rows.append({"task": task, "seed": seed, "decoded": aligned, "proposed": proposed})
        print(task, seed, aligned["auc"], proposed["auc"], flush=True)
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    differences = np.array([row["decoded"]["auc"] - row["proposed"]["auc"] for row in rows])
    print(f"difference of the AUC {differences.mean():+.4f}, standard error {differences.std(ddof=1) / len(rows) ** 0.5:.4f}")


if __name__ == "__main__":
    main()
