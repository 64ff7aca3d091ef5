"""Benchmark: time of a round without the oracle per evaluated design, at histories of 1,000 and 10,000 designs."""

from __future__ import annotations

import argparse
import json
import resource
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from invdesign import Campaign, Candidate, Limits, Objective, Pretrained, State, Task, ask, make_engine, prepare
from invdesign.campaign import Region, RoundRecord
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.tasks import guacamol
from invdesign.search.trust_region import TrustRegion

TASK = "osimertinib_mpo"


def main() -> None:
    """Time rounds on histories of real molecules and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1000, 10000])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    corpus = zinc250k(arguments.corpus, cache=arguments.cache, max_designs=max(arguments.sizes))
    campaign = Campaign(
        Molecules(),
        Task([Objective(TASK)], partial(guacamol, task=TASK)),
        Pretrained("zinc250k"),
        limits=Limits(budget=10**6, batch=arguments.batch),
    )
    space = prepare(campaign.domain, None, campaign.vae)
    y = np.nan_to_num(guacamol(corpus.designs, task=TASK))
    Z = space.encode(corpus.designs)
    rows = []
    for size in arguments.sizes:
        history = tuple(
            Candidate(design, design, Z[i], y=(float(y[i]),), status="measured")
            for i, design in enumerate(corpus.designs[:size])
        )
        root = history[int(y[:size].argmax())].key
        state = State(history=history, regions=(Region(TrustRegion(), root),), records=(RoundRecord(0),))
        engine = make_engine(campaign, space)
        seconds = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            batch = ask(engine, state)
            seconds.append(time.perf_counter() - start)
        rows.append(
            {
                "history": size,
                "batch": arguments.batch,
                "first_round_seconds": round(seconds[0], 2),
                "seconds_per_design": round(min(seconds[1:]) / arguments.batch, 4),
                "stages": {k: round(v, 2) for k, v in batch.record.seconds.items()},
                "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
                "threads": torch.get_num_threads(),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
