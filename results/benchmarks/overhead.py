"""Benchmark: time of a round without the oracle per evaluated design, at histories of 1,000 and 10,000 designs.

The preset of molecules proposes, without screens, from a history of random molecules. Its batches are added to the
history with values of the same task. The first round, which computes what later ones extend, is reported separately.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from invdesign import Candidate, State, ask, make_engine, prepare
from invdesign.campaign import Region, RoundRecord
from invdesign.campaign.engine import Engine
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.graph_mutations import mutate
from invdesign.domains.molecules.tasks import guacamol
from invdesign.search.trust_region import TrustRegion
from invdesign.surrogate import gp as processes
from invdesign.surrogate import tanimoto_gp

TASK = "osimertinib_mpo"
POOL = 145
"""Molecules whose variances are computed in one call, as in a generation of a round."""


def main() -> None:
    """Time rounds on histories of real molecules and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 10000])
    parser.add_argument("--settings", nargs="+", default=[], help="what else differs from the preset: KEY=VALUE")
    parser.add_argument("--variances", action="store_true", help="compare variances given the nearest molecules instead")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    engine = make_preset_engine(arguments.batch, arguments.settings)
    if arguments.variances:
        for row in compare_variances(engine, zinc250k(arguments.corpus, cache=arguments.cache, max_designs=4000).designs):
            print(json.dumps(row), flush=True)
        return
    corpus = zinc250k(arguments.corpus, cache=arguments.cache, max_designs=max(arguments.sizes))
    y = np.nan_to_num(guacamol(corpus.designs, task=TASK))
    Z = engine.latent_space.encode(corpus.designs)
    history = tuple(
        Candidate(design, engine.campaign.domain.key(design), z, y=(float(value),), status="measured")
        for design, z, value in zip(corpus.designs, Z, y, strict=True)
    )
    rows = []
    for size in arguments.sizes:
        rows.append(
            time_rounds(make_preset_engine(arguments.batch, arguments.settings), history[:size], arguments.rounds)
        )
        print(json.dumps(rows[-1]), flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def make_preset_engine(batch: int, settings: list[str]) -> Engine[str, Any]:
    """Return the engine of the preset of molecules, without screens."""
    overrides = [
        "vae=molecules/zinc250k",
        "screens=null",
        "validators=null",
        "allow_corpus_designs=true",
        "budget=1000000",
    ]
    composed = compose(None, [*overrides, f"batch={batch}", *settings])
    campaign = build(composed.values, composed.where, name=TASK).campaign
    return make_engine(campaign, prepare(campaign.domain, None, campaign.vae))


def compare_variances(engine: Engine[str, Any], measured: tuple[str, ...]) -> list[dict[str, Any]]:
    """Compare standard deviations given the nearest measured molecules with exact ones, on 400 mutated molecules."""
    y = torch.from_numpy(np.nan_to_num(guacamol(measured, task=TASK)).reshape(-1, 1))
    torch.manual_seed(0)
    children = mutate([measured[i] for i in y[:, 0].argsort(descending=True)[:20]], 400, radius=4)
    X, pool = (torch.from_numpy(engine.latent_space.encoding.features(d)).double() for d in (measured, children))
    model = tanimoto_gp(X, y, d=0)

    def evaluate(max_exact: int, n_nearest: int) -> tuple[np.ndarray, np.ndarray]:
        processes.MAX_EXACT_VARIANCE_POINTS, processes.N_NEIGHBORS = max_exact, n_nearest
        model._memo.clear()
        found = [model.posterior(part[:, None]) for part in torch.split(pool, POOL)]
        mean, variance = (torch.cat([getattr(p, name).flatten() for p in found]) for name in ("mean", "variance"))
        return mean.detach().numpy(), variance.detach().sqrt().numpy()

    mean, exact = evaluate(len(X), 0)
    rows = []
    # `_explain` gives each point of a call an equal part of them, of 145 points the 1, 3 and 6 nearest.
    for n_nearest in (250, 500, 1000):
        _, sd = evaluate(0, n_nearest)
        best, best_exact = (set(np.argsort(-(mean + 1.5 * spread))[:40].tolist()) for spread in (sd, exact))
        rows.append(
            {
                "nearest": n_nearest,
                "nearest_of_each_point": n_nearest // POOL,
                "median_ratio": round(float(np.median(sd / exact)), 3),
                "largest_ratio": round(float((sd / exact).max()), 3),
                "rank_correlation": round(float(spearmanr(sd, exact).statistic), 3),
                "equal_among_40_best": len(best & best_exact),
            }
        )
    return rows


def time_rounds(engine: Engine[str, Any], history: tuple[Candidate[str], ...], n_rounds: int) -> dict[str, Any]:
    """Return the time of rounds that continue a history."""
    best = max(history, key=lambda candidate: candidate.y[0]).key
    state: State[str] = State(history=history, regions=(Region(TrustRegion(), best),), records=(RoundRecord(0),))
    seconds, stages = [], []
    for _ in range(n_rounds):
        start = time.process_time()
        batch = ask(engine, state)
        seconds.append(time.process_time() - start)
        stages.append(batch.record.seconds)
        values = np.nan_to_num(guacamol([c.design for c in batch.candidates], task=TASK)).tolist()
        measured = [replace(c, y=(y,), status="measured") for c, y in zip(batch.candidates, values, strict=True)]
        state = replace(state, history=(*state.history, *measured), records=(*state.records, batch.record))
    return {
        "history": len(history),
        "batch": len(batch.candidates),
        "first_round_cpu_seconds": round(seconds[0], 2),
        "cpu_seconds_per_design": round(float(np.mean(seconds[1:])) / len(batch.candidates), 4),
        "stages": {name: round(float(np.mean([s[name] for s in stages[1:]])), 2) for name in stages[0]},
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


if __name__ == "__main__":
    main()
