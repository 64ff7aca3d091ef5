"""Benchmark: GB1 at four sites, 96 random variants and four rounds of 96, as in ALDE (Yang et al., 2025).

The landscape is a file of 149,361 measured variants (Wu et al., 2016, doi:10.7554/eLife.16965); a variant that it lacks
counts as a measurement that failed. The result is the best fitness found, divided by the highest one of all, 8.76.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.campaign import Campaign, Filters, Limits, Seeding, Surrogates, Task, initialize, make_engine, run, start
from invdesign.campaign.first_plate import clusters
from invdesign.core import Corpus, Objective
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.first_plates import describe_residues, near_wild_type
from invdesign.domains.sequences.mutations import mutate
from invdesign.domains.sequences.oracles.lookup_oracles import sequence_table
from invdesign.domains.sequences.wild_type.wild_type import WildType, distance
from invdesign.execution.in_process import InProcess
from invdesign.latent.prepare import prepare
from invdesign.search.acquisition import posterior_sample
from invdesign.search.mutations import MutationPolicy
from invdesign.search.search import Search
from invdesign.surrogate import site_gp
from invdesign.surrogate.outcome_transforms import log
from invdesign.vae.build import sequence_vae
from invdesign.vae.training import Recipe

BEST = 8.76196565571
FRACTIONS = {"both": 0.75, "mutations": 1.0, "latent": 0.0}
"""Fraction of mutated variants among the proposals, in each part of the ablation."""
PRESET = {"proposals": "both", "first_plate": "random"}
"""Settings of the figures on the page."""
PROTEIN = letters_of("protein")


def library(n: int, *, seed: int) -> Corpus[str]:
    """Return random variants of four residues, which contain no information about the landscape."""
    rows = np.random.default_rng(seed).integers(len(PROTEIN), size=(n, 4))
    designs = tuple(sorted({"".join(PROTEIN[i] for i in row) for row in rows}))
    return Corpus(designs, name="library", sha256=f"library-{n}-{seed}")


def run_one(
    seed: int, *, path: Path, cache: Path, first_plate: str = "random", proposals: str = "both"
) -> dict[str, Any]:
    """Return the best values of one campaign after 96, 192, ... measurements."""
    torch.set_num_threads(1)
    corpus, domain = library(3000, seed=0), Sequences(length=4)
    with_wild_type = replace(domain, wild_type=WildType("VDGV"))
    plates = {
        "random": None,
        "near_wild_type": partial(near_wild_type, domain=with_wild_type),
        "residues": partial(clusters, describe=partial(describe_residues, domain=domain)),
    }
    campaign = Campaign(
        domain=domain,
        task=Task(
            [Objective("fitness")],
            partial(sequence_table, path=path, column="fitness", sequence_column="variant"),
        ),
        vae=Recipe(partial(sequence_vae, d=16, embedding=32, width=64), epochs=20, batch=64, beta=0.05, held_out=100),
        corpus=lambda: corpus,
        seeding=Seeding(n_seeds=96, first_plate=plates[first_plate]),
        surrogates=Surrogates(partial(site_gp, n_letters=20, descriptors=descriptors(PROTEIN)), outcome_transform=log),
        search=Search(acquire=posterior_sample, trust_region=None, oversample=100, shortlist=2000),
        mutations=None if FRACTIONS[proposals] == 0 else MutationPolicy(
            partial(mutate, domain=domain), distance, fraction=FRACTIONS[proposals], max_radius=4, n_parents=100
        ),
        filters=Filters(screens=(), allow_corpus_designs=True),
        limits=Limits(budget=480, batch=96, max_failure_rate=1.0),
        seed=seed,
        name="gb1",
    )
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=cache))
    start_time = time.process_time()
    # Every campaign starts from different variants.
    seeds = library(3000, seed=1000 + seed)
    state = run(engine, start(engine, initialize(engine, seeds)), executor=InProcess)
    values = np.nan_to_num([c.y[0] if c.y else np.nan for c in state.history])
    best = np.maximum.accumulate(values) / BEST
    return {
        "seed": seed,
        "proposals": proposals,
        "first_plate": first_plate,
        "origins": {o: sum(c.origin == o for c in state.history) for o in {c.origin for c in state.history}},
        "best_at": {str(n): float(best[min(n, len(best)) - 1]) for n in (96, 192, 288, 384, 480)},
        "found": max(state.history, key=lambda c: np.nan_to_num(c.y[0] if c.y else np.nan)).design,
        "not_in_the_file": float(np.mean([c.status != "measured" for c in state.history])),
        "cpu_seconds": time.process_time() - start_time,
    }


def settings_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of a stored run; one that states none has the preset."""
    return {name: row.get(name, preset) for name, preset in PRESET.items()}


def missing_seeds(rows: Sequence[Mapping[str, Any]], seeds: Sequence[int], settings: Mapping[str, str]) -> list[int]:
    """Return the seeds of which no stored run has the same settings.

    Example:
        >>> rows = [{"seed": 10}, {"seed": 11, "proposals": "latent"}]
        >>> missing_seeds(rows, [10, 11], {"proposals": "latent", "first_plate": "random"})
        [10]
    """
    done = {row["seed"] for row in rows if settings_of(row) == settings}
    return [seed for seed in seeds if seed not in done]


def main() -> None:
    """Run the benchmark and write its results next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="gb1_4site.csv.gz")
    parser.add_argument("--first-plate", choices=("random", "near_wild_type", "residues"), default="random")
    parser.add_argument("--proposals", choices=FRACTIONS, default="both")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10, 58)))
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--resume", action="store_true", help="keep the runs in --out, and do only the missing ones")
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.resume and arguments.out.is_file() else []
    settings = {"first_plate": arguments.first_plate, "proposals": arguments.proposals}
    paths = {"path": arguments.table, "cache": arguments.cache}
    left = missing_seeds(rows, arguments.seeds, settings)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(partial(run_one, **paths, **settings), left):
            rows.append(row)
            print(json.dumps(row), flush=True)
            arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    own = [row for row in rows if settings_of(row) == settings]
    for n in own[0]["best_at"] if own else ():
        best = [row["best_at"][n] for row in own]
        print(f"{n} labels: mean {np.mean(best):.3f}, sd {np.std(best):.3f}")


if __name__ == "__main__":
    main()
