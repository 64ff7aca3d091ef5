"""Benchmark: tasks of the PMO suite from ZINC250k at a budget of 1,000 calls, with the preset of molecules for all tasks.

Budget: every distinct canonical SMILES that the oracle receives counts, including the seed designs. AUC: the mean of
the 10 best designs so far after every 100 molecules, integrated by the trapezoidal rule from 0 at 0 calls, extended to
the budget, and divided by the budget. The random baseline evaluates ZINC250k molecules at the same budget.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from invdesign import Campaign, Candidate, initialize, make_engine, prepare, run, start
from invdesign.campaign.diversity import Diversity, pick_diverse
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.core import round_seed
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.groups import scaffold
from invdesign.domains.molecules.tasks import guacamol
from invdesign.execution.in_process import InProcess

Job = tuple[str, int, str]
"""Task, seed and kind of proposals."""
PROPOSALS = {"both": (), "mutations": ("mutations.fraction=1.0",), "latent": ("mutations=null",)}
"""What differs from the preset of molecules in each part of the ablation."""
N_SHORTLIST = 20
"""Designs of a shortlist."""
TASKS = ("osimertinib_mpo", "zaleplon_mpo", "perindopril_mpo", "qed", "median2")
# Measured with the published programs on the same kind of machine: mean of 2 to 3 seeds where Graph GA was run, too, else
# one seed.
PUBLISHED = {
    "Graph GA": dict(zip(TASKS, (0.717, 0.368, 0.395, 0.887, 0.171), strict=True)),
    "Mol GA": {
        "osimertinib_mpo": 0.754, "zaleplon_mpo": 0.400, "perindopril_mpo": 0.452, "amlodipine_mpo": 0.506,
        "ranolazine_mpo": 0.673, "mestranol_similarity": 0.412, "fexofenadine_mpo": 0.690, "sitagliptin_mpo": 0.302,
        "albuterol_similarity": 0.636, "celecoxib_rediscovery": 0.370, "deco_hop": 0.568, "isomers_c7h8n2o2": 0.757,
        "isomers_c9h10n2o2pf2cl": 0.640, "median1": 0.255, "thiothixene_rediscovery": 0.360,
        "troglitazone_rediscovery": 0.266,
    },
}  # fmt: skip


def auc_top10(y: Sequence[float] | np.ndarray, *, budget: int, every: int = 100) -> float:
    """Return the area under the curve of the mean of the 10 best over calls, divided by the budget."""
    values = np.nan_to_num(np.asarray(y[:budget], dtype=float), nan=0.0)
    calls = [*range(every, len(values), every), len(values)]
    means = [np.sort(values[:n])[-10:].mean() for n in calls]
    area = np.trapezoid([0.0, *means], [0, *calls])
    return float((area + (budget - len(values)) * means[-1]) / budget)


class BudgetSpentError(Exception):
    """The oracle received as many molecules as the budget allows."""


def run_mol_ga(starts: Sequence[str], task: str, seed: int, budget: int) -> dict[str, Any]:
    """Return the figures of Mol GA (PyPI `mol-ga`: 5 offspring a generation, population 10,000) from these molecules."""
    from mol_ga.preconfigured_gas import default_ga

    values: dict[str, float] = {}

    def score(smiles: list[str]) -> list[float]:
        names = [Chem.CanonSmiles(text) for text in smiles]
        new = list(dict.fromkeys(name for name in names if name not in values))
        kept = new[: budget - len(values)]
        values.update(zip(kept, np.nan_to_num(guacamol(kept, task=task)).ravel().tolist(), strict=True))
        if len(kept) < len(new) or len(values) >= budget:
            raise BudgetSpentError
        return [values[name] for name in names]

    random.seed(seed)
    start_time = time.process_time()
    with suppress(BudgetSpentError):
        default_ga(list(starts), score, 10 * budget, 5, rng=random.Random(seed))
    return {**summarize(list(values.values()), budget), "cpu_seconds": time.process_time() - start_time}


def measure_baseline(corpus: Any, task: str, seed: int, budget: int) -> dict[str, Any]:
    """Return the figures of the random baseline: molecules of the corpus in random order."""
    rows = np.random.default_rng(round_seed(seed, 0, "screen")).choice(len(corpus), size=budget, replace=False)
    return summarize(guacamol([corpus.designs[i] for i in rows], task=task), budget)


def summarize(y: Sequence[float] | np.ndarray, budget: int) -> dict[str, Any]:
    """Return the figures of one run."""
    best = np.sort(np.nan_to_num(np.asarray(y, dtype=float)))[::-1]
    return {
        "auc": auc_top10(y, budget=budget),
        "top1": float(best[0]),
        "top10": float(best[:10].mean()),
        "calls": len(y),
    }


def compare_shortlists(history: Sequence[Candidate[str]], domain: Any) -> dict[str, Any]:
    """Return the mean and the number of Bemis-Murcko scaffolds of three shortlists.

    They are the best designs, the best one of each scaffold, and the best ones of which no two have a Tanimoto
    similarity above .6.
    """
    ranked = sorted(history, key=lambda c: -np.nan_to_num(c.y[0]))
    designs, values = [c.design for c in ranked], np.nan_to_num([c.y[0] for c in ranked])
    lists = {
        "best": None,
        "diverse": Diversity(group=scaffold, quota=1),
        "apart": Diversity(max_similarity=0.6),
    }
    rows = {name: pick_diverse(rules, domain, designs, N_SHORTLIST) for name, rules in lists.items()}
    return {
        name: {"mean": float(values[own].mean()), "scaffolds": len(set(scaffold([designs[i] for i in own])))}
        for name, own in rows.items()
    }


def make_campaign(
    job: Job, budget: int, batch: int, settings: Sequence[str], screens: str = "null", validators: str = "null"
) -> Campaign[str, Any]:
    """Return the preset of molecules for one task, with these checks and with molecules of the corpus allowed."""
    task, seed, proposals = job
    overrides = [
        "vae=molecules/zinc250k",
        "oracle=molecules/guacamol",
        f"oracle.guacamol.task={task}",
        f"screens={screens}",
        f"validators={validators}",
        "allow_corpus_designs=true",
        f"budget={budget}",
        f"batch={batch}",
        f"seed={seed}",
        *PROPOSALS[proposals],
        *settings,
    ]
    composed = compose(None, overrides)
    campaign: Campaign[str, Any] = build(composed.values, composed.where, name=task).campaign
    return campaign


def run_job(
    job: Job,
    *,
    corpus_path: Path,
    cache: Path,
    budget: int,
    batch: int,
    settings: Sequence[str] = (),
    screens: str = "null",
    validators: str = "null",
    has_mol_ga: bool = False,
) -> dict[str, Any]:
    """Run one task with one seed, its baseline, and Mol GA from the same seed designs."""
    task, seed, proposals = job
    torch.set_num_threads(1)
    corpus = zinc250k(corpus_path, cache=cache)
    campaign = replace(make_campaign(job, budget, batch, settings, screens, validators), corpus=lambda: corpus)
    engine = make_engine(campaign, prepare(campaign.domain, corpus, campaign.vae, cache=cache))
    start_time = time.process_time()
    state = run(engine, start(engine, initialize(engine, corpus)), executor=InProcess)
    ours = summarize([c.y[0] for c in state.history], budget)
    cpu_seconds = time.process_time() - start_time
    starts = [c.design for c in state.history if not c.round]
    return {
        "task": task,
        "seed": seed,
        "proposals": proposals,
        **ours,
        "cpu_seconds": cpu_seconds,
        **({"mol_ga": run_mol_ga(starts, task, seed, budget)} if has_mol_ga else {}),
        "screening": measure_baseline(corpus, task, seed, budget),
        "origins": {o: sum(c.origin == o for c in state.history) for o in {c.origin for c in state.history}},
        "shortlists": compare_shortlists(state.history, campaign.domain),
        "best": max(state.history, key=lambda c: np.nan_to_num(c.y[0])).design,
    }


def main() -> None:
    """Run the jobs and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--proposals", nargs="+", choices=PROPOSALS, default=["both"])
    parser.add_argument("--settings", nargs="+", default=[], help="what else differs from the preset: KEY=VALUE")
    parser.add_argument("--screens", default="null", help="screens, e.g. molecules/druglike; none by default")
    parser.add_argument("--validators", default="null", help="validators, which may screen too; none by default")
    parser.add_argument("--mol-ga", action="store_true", help="run Mol GA from the same molecules (pip install mol-ga)")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--resume", action="store_true", help="keep the runs in --out, and do only the missing ones")
    arguments = parser.parse_args()
    settings = {"budget": arguments.budget, "batch": arguments.batch, "settings": arguments.settings}
    if arguments.screens != "null":
        settings["screens"] = arguments.screens
    if arguments.validators != "null":
        settings["validators"] = arguments.validators
    paths = {"corpus_path": arguments.corpus, "cache": arguments.cache}
    work = partial(run_job, has_mol_ga=arguments.mol_ga, **paths, **settings)
    rows = read_runs(arguments.out, settings) if arguments.resume else []
    done = {(row["task"], row["seed"], row["proposals"]) for row in rows}
    jobs = [job for job in product(arguments.tasks, arguments.seeds, arguments.proposals) if job not in done]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(work, jobs):
            rows.append(row)
            print(json.dumps(row), flush=True)
            arguments.out.write_text(json.dumps({**settings, "runs": rows}, indent=1))
    print(table(rows))


def read_runs(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of a file with these settings; none where it does not exist or has others."""
    stored = json.loads(path.read_text()) if path.is_file() else {}
    if any(stored.get(name, []) != value for name, value in settings.items()):
        return []
    return [{"proposals": "latent", **row} for row in stored["runs"]]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the mean figures per task as a Markdown table."""
    names = ["task", "proposals", "AUC top-10 (sd)", "top-10 at the end", "screening AUC", *PUBLISHED, "Mol GA, these seeds"]
    lines = ["| " + " | ".join(names) + " |"]
    lines.append("|---" * len(names) + "|")
    for task, proposals in dict.fromkeys((row["task"], row["proposals"]) for row in rows):
        own = [row for row in rows if (row["task"], row["proposals"]) == (task, proposals)]
        auc = np.array([row["auc"] for row in own])
        top = np.mean([row["top10"] for row in own])
        screening = np.mean([row["screening"]["auc"] for row in own])
        others = [values.get(task) for values in PUBLISHED.values()]
        measured = [row["mol_ga"]["auc"] for row in own if "mol_ga" in row]
        others += [float(np.mean(measured)) if measured else None]
        cells = [f"{v:.3f}" if v is not None else "" for v in others]
        figures = [f"{auc.mean():.3f} ({auc.std():.3f})", f"{top:.3f}", f"{screening:.3f}"]
        lines.append("| " + " | ".join([task, proposals, *figures, *cells]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
