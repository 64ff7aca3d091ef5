"""Benchmark: a library of AAV2 capsids from poor variants alone, nothing new measured (Bryant et al., 2021).

Known are the variants below the 40th percentile that are at least 6 mutations from each of the best 1 %. A campaign on
a regression of these and on their naturalness proposes 128; a regression of all 44,128 variants judges, beside three
libraries that need no map.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from invdesign.campaign import Campaign, initialize
from invdesign.campaign import run
from invdesign.core import Corpus, Objective
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.io.corpus import aav, table
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.mutations import project_to_radius, mutate
from invdesign.domains.sequences.oracles.regression_oracle import regression, trained
from invdesign.domains.sequences.naturalness.naturalness import naturalness
from invdesign.domains.sequences.validators import scope
from invdesign.domains.sequences.wild_type.wild_type import distance
from invdesign.execution.executors import in_process
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


def known(path: Path, folder: Path) -> Path:
    """A table of the variants that the task starts from."""
    corpus = aav(path)
    score = corpus.properties["score"]
    best = np.flatnonzero(score >= np.quantile(score, 0.99))
    poor = np.flatnonzero(score < np.quantile(score, 0.4))
    hot = np.array([[PROTEIN.index(a) for a in design] for design in corpus.designs])
    nearest = np.array([(hot[i] != hot[best]).sum(1).min() for i in poor])
    kept = poor[nearest >= 6]
    out = folder / "aav_known.csv"
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"sequence": [corpus.designs[i] for i in kept], "score": score[kept]}).to_csv(out, index=False)
    return out


def proposed(path: Path, cache: Path, *, most: int, seed: int, budget: int) -> list[str]:
    """The campaign's library: the best of what it asked, at least two mutations apart.

    A regression knows nothing where it has seen no variant, so naturalness counts as much, both in standard deviations
    over the known variants. It starts from the wild type and 99 of these, and proposes designs of at most `most`
    mutations.
    """
    corpus = table(path, properties={"score": "score"}, wild_type=WILD_TYPE)
    told = partial(regression, path=path, column="score", cache=cache)
    load = partial(table, path, properties={"score": "score"}, wild_type=WILD_TYPE)
    usual = partial(naturalness, corpus=load, wild_type=WILD_TYPE, method="best", labels="score")
    domain = Sequences(length="fixed", wild_type=WILD_TYPE, max_mutations=most)
    some = np.random.default_rng(seed).permutation(len(corpus))[:99]
    starts = Corpus((WILD_TYPE.sequence, *(corpus.designs[i] for i in some)), name="starts", sha256=f"starts-{seed}")
    campaign = Campaign(
        domain=domain,
        objectives=[
            Objective("predicted", weight=1 / float(np.nanstd(told(corpus.designs)))),
            Objective("naturalness", "nats", weight=1 / float(np.nanstd(usual(corpus.designs)))),
        ],
        combine="weighted",
        oracle=lambda designs: np.stack([told(designs), usual(designs)], axis=1),
        vae=Recipe(aligned_vae, epochs=20, batch=128, beta=0.05, held_out=500),
        corpus=load,
        seeds=lambda: starts,
        screens=[partial(scope, domain=domain)],
        surrogate=partial(site_gp, n_letters=20, descriptors=descriptors(PROTEIN)),
        outcome_transform=quantile,
        search=Search(acquire=posterior_sample),
        mutations=MutationPolicy(partial(mutate, domain=domain), distance, project, fraction=0.75, min_distance=2),
        n_seeds=100,
        batch=100,
        budget=budget,
        min_density_percentile=1.0,
        max_failure_rate=1.0,
        seed=seed,
        name="aav",
    )
    space = prepare(domain, corpus, campaign.vae, cache=cache)
    state = run(campaign, space, initialize(campaign, space, corpus=starts), evaluate=in_process)
    made = [c for c in state.history if c.status == "measured" and c.round]
    ranked = [made[i].design for i in np.argsort(-campaign.utilities(made)[:, 0], kind="stable")]
    return apart(ranked, 2)


def apart(ranked: Sequence[str], least: int) -> list[str]:
    """The first 128 that differ from those before in so many letters."""
    found: list[str] = []
    for design in ranked:
        if len(found) < N and all(distance(design, other) >= least for other in found):
            found.append(design)
    return found


def without_map(path: Path, cache: Path, *, seed: int) -> dict[str, list[str]]:
    """The consensus of the known variants, with one random mutation, and with those that the regression ranks first."""
    designs = pd.read_csv(path)["sequence"]
    consensus = "".join(max(PROTEIN, key=list(column).count) for column in zip(*designs, strict=True))
    random = np.random.default_rng(seed)
    single = [(i, a) for i in range(len(consensus)) for a in PROTEIN if a != consensus[i]]
    mutants = [consensus[:i] + a + consensus[i + 1 :] for i, a in single]
    shuffled = [mutants[i] for i in random.permutation(len(mutants))[:N]]
    report = trained(path, column="score", cache=cache)
    ranked = sorted(mutants, key=lambda m: -np.nan_to_num(report.predict([m])[0], nan=-np.inf))
    return {
        "consensus": [consensus],
        "consensus and a random mutation": shuffled,
        "consensus and ranked ones": ranked[:N],
    }


def figures(library: Sequence[str], judge: Any, given: Sequence[str]) -> dict[str, Any]:
    """What the judge says of a library, how unlike its members are, and how far from what was known."""
    values = judge.predict(library)
    far = [min(distance(design, other) for other in given) for design in library]
    pairs = [distance(a, b) for i, a in enumerate(library) for b in library[:i]]
    return {
        "n": len(library),
        "median": float(np.nanmedian(values)),
        "best": float(np.nanmax(values)),
        "not_told": int(np.isnan(values).sum()),
        "diversity": float(np.mean(pairs)) if pairs else 0.0,
        "novelty": float(np.median(far)),
        "from_wild_type": float(np.median([distance(design, WILD_TYPE.sequence) for design in library])),
    }


def main() -> None:
    """Design, judge, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="aav.csv.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--most", nargs="+", type=int, default=[3, 6, 28], help="mutations from the wild type")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = known(arguments.table, arguments.cache)
    given = pd.read_csv(path)
    judge = trained(arguments.table, column="score", cache=arguments.cache)
    chosen = getattr(judge.report, judge.report.chosen)
    found: dict[str, Any] = {
        "known": len(given),
        "best_known": float(given["score"].max()),
        "wild_type": float(judge.predict([WILD_TYPE.sequence])[0]),
        "judge": {"kind": judge.report.chosen, "rmse": chosen.rmse, "spearman": chosen.spearman},
        "libraries": {},
    }
    for name, library in without_map(path, arguments.cache, seed=0).items():
        found["libraries"][name] = figures(library, judge, given["sequence"].tolist())
    for most, seed in ((most, seed) for most in arguments.most for seed in arguments.seeds):
        start = time.process_time()
        library = proposed(path, arguments.cache, most=most, seed=seed, budget=arguments.budget)
        figure = figures(library, judge, given["sequence"].tolist())
        name = f"invdesign, at most {most} mutations, seed {seed}"
        found["libraries"][name] = {**figure, "cpu_seconds": time.process_time() - start}
        print(name, json.dumps(found["libraries"][name]), flush=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
