"""Benchmark: Ehrlich functions (Stanton et al., arXiv:2407.00236), one configuration for all of them.

The VAE is trained on 1,000 sequences of the function's chain, which are feasible and not measured: they correspond to a
corpus of existing designs. 100 of them are the seed designs. Every measured design counts, seed designs and infeasible
designs included. The published genetic algorithm starts from one feasible design and has to learn what is feasible.

With `--start ten` there are ten feasible sequences instead, which are the seed designs: the VAE is trained on mutants of
them, and neighbouring letters count as feasible where they occur in the ten or in a design that was measured.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.campaign import Campaign, Filters, Limits, Seeding, Surrogates, Task, initialize, make_engine, run, start
from invdesign.core import Corpus, Objective
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.mutations import mutate, project_to_radius
from invdesign.domains.sequences.oracles.ehrlich import ehrlich, ehrlich_letters, sample_chain
from invdesign.domains.sequences.wild_type.wild_type import distance
from invdesign.execution.in_process import InProcess
from invdesign.latent.prepare import prepare
from invdesign.search.acquisition import ucb
from invdesign.search.mutations import MutationPolicy
from invdesign.search.sampling import elite_paths, local_steps
from invdesign.search.search import Search
from invdesign.surrogate import motif_gp, transition_feasibility
from invdesign.surrogate.outcome_transforms import log
from invdesign.vae.build import sequence_vae
from invdesign.vae.training import Recipe

# V, L, c, k, q; number of evaluations; target mean; mean of the published genetic algorithm where there is one.
FUNCTIONS: dict[str, tuple[tuple[int, int, int, int, int], int, float, float | None]] = {
    "Ehr(20,15,2,4,4)": ((20, 15, 2, 4, 4), 1300, 1.0, 0.583),
    "Ehr(20,32,4,4,4)": ((20, 32, 4, 4, 4), 2000, 0.75, 0.194),
    "Ehr(32,32,4,4,4)": ((32, 32, 4, 4, 4), 2000, 0.40, 0.032),
    "Ehr(32,64,4,4,4)": ((32, 64, 4, 4, 4), 4000, 0.75, None),
    "Ehr(32,128,4,4,4)": ((32, 128, 4, 4, 4), 4000, 0.50, None),
}
LONG = ("Ehr(32,64,4,4,4)", "Ehr(32,128,4,4,4)")
"""Functions that are run only where they are named: a run takes some ten minutes."""
N_CORPUS = 1000


def make_mutants(parents: Corpus[str], domain: Sequences) -> Corpus[str]:
    """Return a few sequences with mutants of them, feasible or not, up to the size of the corpus."""
    torch.manual_seed(0)
    mutants = mutate(parents.designs, 2 * N_CORPUS, radius=4, domain=domain, crossover_rate=0.3)
    designs = tuple(dict.fromkeys([*parents.designs, *mutants]))[:N_CORPUS]
    return Corpus(designs, name="mutants", sha256=f"mutants-{parents.sha256}")


def run_one(job: tuple[str, int], *, start_from: str = "corpus") -> dict[str, Any]:
    """Return the best values of one run after given numbers of evaluations, and its cost."""
    name, seed = job
    torch.set_num_threads(1)
    (n_letters, length, n_motifs, motif_length, quantization), budget, _, _ = FUNCTIONS[name]
    shape: dict[str, Any] = {
        "n_letters": n_letters,
        "length": length,
        "n_motifs": n_motifs,
        "motif_length": motif_length,
        "seed": seed,
    }
    start_time = time.process_time()
    known = sample_chain(n=10 if start_from == "ten" else N_CORPUS, **shape)
    domain = Sequences(kind=ehrlich_letters(n_letters), length=length)
    corpus = known if start_from == "corpus" else make_mutants(known, domain)
    known_features = domain.fit(corpus.designs).features(known.designs).astype("float32")
    campaign = Campaign(
        domain=domain,
        task=Task([Objective("ehrlich")], partial(ehrlich, quantization=quantization, **shape)),
        vae=Recipe(partial(sequence_vae, d=32, embedding=32, width=64), epochs=20, batch=64, beta=0.05, held_out=100),
        corpus=lambda: corpus,
        seeding=Seeding(n_seeds=min(100, len(known))),
        surrogates=Surrogates(
            partial(motif_gp, n_letters=n_letters),
            latent_surrogate=None,
            outcome_transform=log,
            feasibility=partial(
                transition_feasibility, n_letters=n_letters, feasible_features=known_features
            ),
        ),
        search=Search(
            propose=(partial(local_steps, is_boxed=False), partial(elite_paths, is_boxed=False)),
            acquire=partial(ucb, beta=(4.0, 16.0)),
            trust_region=None,
            generations=12,
            oversample=60,
        ),
        mutations=MutationPolicy(
            partial(mutate, domain=domain, crossover_rate=0.2, shift_rate=0.1, paste_rate=0.15, move_rate=0.1),
            distance,
            project_to_radius,
            fraction=0.85,
            n_parents=40,
            min_distance=0,
        ),
        filters=Filters(screens=(), allow_corpus_designs=True),
        limits=Limits(budget=budget, batch=50, max_failure_rate=1.0),
        seed=seed,
        name=name,
    )
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=Path(folder)))
        state = start(engine, initialize(engine, known))
        # The optimum is 1, so that a run that has found it ends.
        for n_spent in (*range(250, budget, 250), budget):
            limited = replace(campaign, limits=replace(campaign.limits, budget=n_spent))
            state = run(replace(engine, campaign=limited), state, executor=InProcess)
            if max(c.y[0] for c in state.history if c.status == "measured") == 1:
                break
    values = np.nan_to_num([c.y[0] if c.y else np.nan for c in state.history])
    best = np.maximum.accumulate(values)
    return {
        "function": name,
        "seed": seed,
        "start": start_from,
        "best": float(best[-1]),
        "best_at": {str(n): float(best[min(n, len(best)) - 1]) for n in (100, 300, 500, 1000, 1300, 2000, 4000)},
        "evaluations": len(values),
        "infeasible": float(np.mean([c.status != "measured" for c in state.history])),
        "origins": {o: sum(c.origin == o for c in state.history) for o in {c.origin for c in state.history}},
        "cpu_seconds": time.process_time() - start_time,
    }


def main() -> None:
    """Run the benchmark and write its results next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", nargs="+", default=[name for name in FUNCTIONS if name not in LONG])
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13, 14])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--start", choices=("corpus", "ten"), default="corpus", help="what is known to be feasible")
    parser.add_argument("--resume", action="store_true", help="keep the runs in --out, and do only the missing ones")
    arguments = parser.parse_args()
    rows = json.loads(arguments.out.read_text()) if arguments.resume and arguments.out.is_file() else []
    done = {(row["function"], row["seed"], row.get("start", "corpus")) for row in rows}
    jobs = [(name, seed) for seed in arguments.seeds for name in arguments.functions]
    jobs = [job for job in jobs if (*job, arguments.start) not in done]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(partial(run_one, start_from=arguments.start), jobs):
            rows.append(row)
            print(json.dumps(row), flush=True)
            arguments.out.write_text(json.dumps(rows, indent=1) + "\n")
    for name in arguments.functions:
        best = [row["best"] for row in rows if row["function"] == name]
        _, _, target, genetic = FUNCTIONS[name]
        print(f"{name}: mean best {np.mean(best):.3f}, target {target}, genetic algorithm {genetic or 'not published'}")


if __name__ == "__main__":
    main()
