"""Benchmark: what the latent space and the mutations contribute to a search for crystals, with two VAEs.

    python results/benchmarks/crystal_ablation.py

The shipped campaign `ionic` (screens, budget and batch as in its file; no random search) with the symmetric graph and with
tokens, proposals of the latent space alone, mutations alone, and both. Runs of one seed start from the same crystals.
Runs that are in the file of figures are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign import initialize, make_engine, prepare, run, start
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.execution.in_process import InProcess

OUT = Path(__file__).with_suffix(".json")
SPACES = {"graph": (), "tokens": ("vae=crystals/tokens", "vae.min_epochs=20")}
PROPOSALS = {"both": (), "mutations": ("mutations.fraction=1.0",), "latent": ("mutations=null",)}


def run_one(space: str, proposals: str, seed: int, cache: Path) -> dict[str, Any]:
    """Return the energies [eV/atom] of one run: seed designs, best after each batch, ten best."""
    settings = [*SPACES[space], *PROPOSALS[proposals], f"seed={seed}", "baseline=false"]
    composed = compose("campaigns/ionic.yaml", settings)
    campaign: Any = build(composed.values, composed.where, name="ionic").campaign
    started = time.process_time()
    corpus = campaign.corpus()
    latent_space = prepare(campaign.domain, corpus, campaign.vae, cache=cache)
    trained = time.process_time()
    engine = make_engine(campaign, latent_space)
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    measured = [c for c in state.history if c.status == "measured"]
    own = sorted(c.y[0] for c in measured if c.round > 0)
    best = [min(c.y[0] for c in measured if c.round <= k) for k in range(1 + max(c.round for c in measured))]
    return {
        "space": space,
        "proposals": proposals,
        "seed": seed,
        "calls": len(state.history),
        "measured": len(measured),
        "best_seed_design": min(c.y[0] for c in measured if c.round == 0),
        "best": own[0] if own else None,
        "mean_of_10_best": float(np.mean(own[:10])) if own else None,
        "best_by_round": best,
        "origins": dict(Counter(c.origin for c in measured if c.round > 0)),
        "cpu_seconds_of_the_latent_space": trained - started,
        "cpu_seconds": time.process_time() - trained,
        "load": os.getloadavg()[0],
    }


def summarize(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return means over seeds, by latent space and proposals."""
    found: dict[str, dict[str, Any]] = {}
    for space, proposals in product(SPACES, PROPOSALS):
        rows = [row for row in runs if (row["space"], row["proposals"]) == (space, proposals) and row["best"] is not None]
        if rows:
            names = ("best", "mean_of_10_best", "measured", "cpu_seconds")
            found[f"{space}, {proposals}"] = {
                "seeds": [row["seed"] for row in rows],
                **{name: float(np.mean([row[name] for row in rows])) for name in names},
            }
    return found


def main() -> None:
    """Run what is missing, seed by seed, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each part (default 3)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    stored: dict[str, Any] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    runs: list[dict[str, Any]] = stored.get("runs", [])
    done = {(row["space"], row["proposals"], row["seed"]) for row in runs}
    for seed, space, proposals in product(range(arguments.seeds), SPACES, PROPOSALS):
        if (space, proposals, seed) not in done:
            runs.append(run_one(space, proposals, seed, arguments.cache))
            print(json.dumps(runs[-1]), flush=True)
            OUT.write_text(json.dumps({"runs": runs, "means": summarize(runs)}, indent=1) + "\n")
    print(json.dumps(summarize(runs), indent=1))


if __name__ == "__main__":
    main()
