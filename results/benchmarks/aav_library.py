"""Benchmark: a library of AAV2 capsids from poor variants alone, without new measurements (Bryant et al., 2021).

The training variants are those below the 40th percentile that are at least 6 mutations from each of the best 1 %. A
campaign on a regression of these and on their naturalness proposes 128 designs. A regression of all 44,128 variants
evaluates them, and three libraries made without a latent space.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from invdesign.campaign import Campaign, Filters, Limits, Seeding, Surrogates, Task, initialize, make_engine, run, start
from invdesign.core import Corpus, Objective
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.io.corpus import aav, table
from invdesign.domains.sequences.mutations import mutate, project_to_radius
from invdesign.domains.sequences.naturalness.naturalness import naturalness
from invdesign.domains.sequences.oracles.regression_oracle import Regression, regression, train_or_load
from invdesign.domains.sequences.validators import design_constraints
from invdesign.domains.sequences.wild_type.wild_type import distance
from invdesign.execution.in_process import InProcess
from invdesign.latent.prepare import prepare
from invdesign.search.acquisition import posterior_sample
from invdesign.search.mutations import MutationPolicy
from invdesign.search.search import Search
from invdesign.surrogate import site_gp
from invdesign.surrogate.outcome_transforms import quantile
from invdesign.vae.build import aligned_vae
from invdesign.vae.training import Recipe

WILD_TYPE = WildType("DEEEIRTTNPVATEQYGSVSTNLQRGNR", "AAV2", first=561)
PROTEIN = letters_of("protein")
N = 128


def write_training_variants(path: Path, folder: Path) -> Path:
    """Write a table of the variants that the task starts from."""
    corpus = aav(path)
    score = corpus.properties["score"]
    best = np.flatnonzero(score >= np.quantile(score, 0.99))
    poor = np.flatnonzero(score < np.quantile(score, 0.4))
    indices = np.array([[PROTEIN.index(a) for a in design] for design in corpus.designs])
    nearest = np.array([(indices[i] != indices[best]).sum(1).min() for i in poor])
    training = poor[nearest >= 6]
    out = folder / "aav_known.csv"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"sequence": [corpus.designs[i] for i in training], "score": score[training]}).to_csv(out, index=False)
    return out


def design_library(path: Path, cache: Path, *, max_mutations: int, seed: int, budget: int) -> list[str]:
    """Return the best designs that a campaign evaluated, at least two mutations apart.

    The objective is the sum of the regression and of naturalness, both in standard deviations over the training
    variants, because a regression cannot predict where it has no variants. The campaign starts from the wild type and
    99 training variants.

    Args:
        path: Table of the training variants.
        cache: Folder of trained models.
        max_mutations: Maximum number of mutations of a design.
        seed: Seed of the campaign.
        budget: Number of evaluations.
    """
    corpus = table(path, properties={"score": "score"}, wild_type=WILD_TYPE)
    predicted = partial(regression, path=path, column="score", cache=cache)
    load = partial(table, path, properties={"score": "score"}, wild_type=WILD_TYPE)
    natural = partial(naturalness, corpus=load, wild_type=WILD_TYPE, method="best", labels="score")
    domain = Sequences(length="fixed", wild_type=WILD_TYPE, max_mutations=max_mutations)
    rows = np.random.default_rng(seed).permutation(len(corpus))[:99]
    starts = Corpus((WILD_TYPE.sequence, *(corpus.designs[i] for i in rows)), name="starts", sha256=f"starts-{seed}")
    campaign = Campaign(
        domain=domain,
        task=Task(
            [
                Objective("predicted", weight=1 / float(np.nanstd(predicted(corpus.designs)))),
                Objective("naturalness", "nats", weight=1 / float(np.nanstd(natural(corpus.designs)))),
            ],
            lambda designs: np.stack([predicted(designs), natural(designs)], axis=1),
            combine="weighted",
        ),
        vae=Recipe(aligned_vae, epochs=20, batch=128, beta=0.05, held_out=500),
        corpus=load,
        seeding=Seeding(lambda: starts),
        surrogates=Surrogates(
            partial(site_gp, n_letters=20, descriptors=descriptors(PROTEIN)), outcome_transform=quantile
        ),
        search=Search(acquire=posterior_sample),
        mutations=MutationPolicy(
            partial(mutate, domain=domain), distance, project_to_radius, fraction=0.75, min_distance=2
        ),
        filters=Filters(screens=[partial(design_constraints, domain=domain)], min_plausibility=1.0),
        limits=Limits(budget=budget, batch=100, max_failure_rate=1.0),
        seed=seed,
        name="aav",
    )
    engine = make_engine(campaign, prepare(domain, corpus, campaign.vae, cache=cache))
    state = run(engine, start(engine, initialize(engine)), executor=InProcess)
    evaluated = [c for c in state.history if c.status == "measured" and c.round]
    ranked = [evaluated[i].design for i in np.argsort(-campaign.utilities(evaluated)[:, 0], kind="stable")]
    return select_diverse(ranked, 2)


def select_diverse(ranked: Sequence[str], min_distance: int) -> list[str]:
    """Return the first 128 designs at a minimum distance from all selected before."""
    selected: list[str] = []
    for design in ranked:
        if len(selected) < N and all(distance(design, other) >= min_distance for other in selected):
            selected.append(design)
    return selected


def baseline_libraries(path: Path, cache: Path, *, seed: int) -> dict[str, list[str]]:
    """Return the consensus of the training variants, alone, with random mutations, and with the best predicted ones."""
    designs = pd.read_csv(path)["sequence"]
    consensus = "".join(max(PROTEIN, key=list(column).count) for column in zip(*designs, strict=True))
    random = np.random.default_rng(seed)
    single = [(i, a) for i in range(len(consensus)) for a in PROTEIN if a != consensus[i]]
    mutants = [consensus[:i] + a + consensus[i + 1 :] for i, a in single]
    shuffled = [mutants[i] for i in random.permutation(len(mutants))[:N]]
    fitted = train_or_load(path, column="score", cache=cache)
    ranked = sorted(mutants, key=lambda m: -np.nan_to_num(fitted.predict([m])[0], nan=-np.inf))
    return {
        "consensus": [consensus],
        "consensus and a random mutation": shuffled,
        "consensus and ranked ones": ranked[:N],
    }


def evaluate_library(library: Sequence[str], evaluator: Regression, training: Sequence[str]) -> dict[str, Any]:
    """Return the predicted values of a library, its diversity, and its distance from the training variants."""
    values = evaluator.predict(library)
    nearest = [min(distance(design, other) for other in training) for design in library]
    pairs = [distance(a, b) for i, a in enumerate(library) for b in library[:i]]
    return {
        "n": len(library),
        "median": float(np.nanmedian(values)),
        "best": float(np.nanmax(values)),
        "not_told": int(np.isnan(values).sum()),
        "diversity": float(np.mean(pairs)) if pairs else 0.0,
        "novelty": float(np.median(nearest)),
        "from_wild_type": float(np.median([distance(design, WILD_TYPE.sequence) for design in library])),
    }


def main() -> None:
    """Run the benchmark and write its results next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="aav.csv.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--max-mutations", nargs="+", type=int, default=[3, 6, 28], help="mutations from the wild type")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = write_training_variants(arguments.table, arguments.cache)
    training = pd.read_csv(path)
    designs = training["sequence"].tolist()
    evaluator = train_or_load(arguments.table, column="score", cache=arguments.cache)
    chosen = getattr(evaluator.report, evaluator.report.chosen)
    results: dict[str, Any] = {
        "known": len(training),
        "best_known": float(training["score"].max()),
        "wild_type": float(evaluator.predict([WILD_TYPE.sequence])[0]),
        "judge": {"kind": evaluator.report.chosen, "rmse": chosen.rmse, "spearman": chosen.spearman},
        "libraries": {},
    }
    for name, library in baseline_libraries(path, arguments.cache, seed=0).items():
        results["libraries"][name] = evaluate_library(library, evaluator, designs)
    for limit, seed in itertools.product(arguments.max_mutations, arguments.seeds):
        start = time.process_time()
        library = design_library(path, arguments.cache, max_mutations=limit, seed=seed, budget=arguments.budget)
        result = evaluate_library(library, evaluator, designs)
        name = f"invdesign, at most {limit} mutations, seed {seed}"
        results["libraries"][name] = {**result, "cpu_seconds": time.process_time() - start}
        print(name, json.dumps(results["libraries"][name]), flush=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
