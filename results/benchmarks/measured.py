"""Benchmark: the regression oracle of measured variants, on variants of GFP and AAV that it was not trained on.

The results are rank correlation and root mean square error of ridge on one-hot and of the networks, on a random tenth
of the variants and, trained on those of few mutations, on those of more; and the oracle's values of the wild type and
of the wild type with one mutation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.domains.sequences.io import files
from invdesign.domains.sequences.oracles.regression_oracle import predict, score_predictions, train_or_load
from invdesign.domains.sequences.oracles.regressors import (
    Encoder,
    Ensemble,
    NetworkRecipe,
    Ridge,
    fit_networks,
    fit_ridge,
)

COLUMN = "score"
MAX_TRAINED = 3


def measure(path: Path, cache: Path) -> dict[str, Any]:
    """Return the results for one table."""
    start, cpu = time.perf_counter(), time.process_time()
    oracle = train_or_load(path, column=COLUMN, cache=cache)
    cost = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    corpus = files.read(path, properties={COLUMN: COLUMN})
    wild_type = oracle.encoder.common
    single = [wild_type[:i] + letter + wild_type[i + 1 :] for i, letter in oracle.encoder.pairs]
    return {
        **asdict(oracle.report),
        **cost,
        "beyond": extrapolate(corpus.designs, corpus.properties[COLUMN], wild_type),
        "wild_type": float(oracle.predict([wild_type])[0]),
        "one_mutation_median": float(np.median(oracle.predict(single))),
        "measured_quantiles": np.quantile(corpus.properties[COLUMN], [0.5, 0.9, 0.99, 1]).tolist(),
    }


def extrapolate(designs: tuple[str, ...], y: np.ndarray, wild_type: str) -> dict[str, Any]:
    """Train on the variants of few mutations and return the accuracy on those of more."""
    mutations = np.array([sum(a != b for a, b in zip(wild_type, design, strict=True)) for design in designs])
    few, many = np.flatnonzero(mutations <= MAX_TRAINED), np.flatnonzero(mutations > MAX_TRAINED)
    training, new = [designs[i] for i in few], [designs[i] for i in many]
    encoder = Encoder.fit(training)
    numbers, _ = encoder.encode(training)
    n_pairs = len(encoder.pairs)
    models: dict[str, Ridge | Ensemble] = {
        "ridge": fit_ridge(numbers, y[few], n_pairs),
        "networks": fit_networks(numbers, y[few], n_pairs, NetworkRecipe()),
    }
    scores = {}
    for name, model in models.items():
        scores[name] = asdict(score_predictions(predict(encoder, model, new), y[many]))
    return {"trained_on": len(few), "spread": float(y[many].std()), **scores}


def format_markdown(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# The regression oracle on measured variants",
        "",
        f"`{results['command']}` on {results['machine']}; load average of the machine {results['load']:.1f}.",
        "",
        "Both models were evaluated on the same variants, which they were not trained on. The oracle is the model",
        "with the smaller error on the random tenth, trained again on all variants. A variant with a letter that no",
        "training variant has at that position has no prediction: such variants are in the last column only.",
        "",
        "| table | trained on | evaluated on | model | rank correlation | RMSE | SD of the values | no prediction |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results["tables"].items():
        random = (one["variants"] - one["held_out"], f"a random tenth, {one['held_out']:,}", one["spread"], one)
        more = one["beyond"]
        n_more = more["ridge"]["n"] + more["ridge"]["n_unseen"]
        larger = (more["trained_on"], f"more than {MAX_TRAINED} mutations, {n_more:,}", more["spread"], more)
        for n, what, spread, scores in (random, larger):
            training = f"{n:,}" if scores is one else f"{n:,} of at most {MAX_TRAINED} mutations"
            for model in ("ridge", "networks"):
                s = scores[model]
                lines.append(
                    f"| {name} | {training} | {what} | {model} | {s['spearman']:.3f} | {s['rmse']:.3f} | {spread:.3f} "
                    f"| {s['n_unseen']:,} |"
                )
    lines += [
        "",
        "Predictions of the oracle for the wild type (the most common letter of each position) and for single mutants:",
        "",
        "| table | chosen | wild type | one mutation, median | measured: median, 90 %, 99 %, best | CPU seconds |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in results["tables"].items():
        quantiles = ", ".join(f"{q:.2f}" for q in one["measured_quantiles"])
        lines.append(
            f"| {name} | {one['chosen']} | {one['wild_type']:.2f} | {one['one_mutation_median']:.2f} | {quantiles} "
            f"| {one['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its results next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gfp", type=Path, required=True, help="gfp_full.csv.gz")
    parser.add_argument("--aav", type=Path, required=True, help="aav.csv.gz")
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "regressions")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    results = {
        "command": "python results/benchmarks/measured.py --gfp gfp_full.csv.gz --aav aav.csv.gz",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}",
        "load": os.getloadavg()[0],
        "tables": {
            "AAV": measure(arguments.aav, arguments.cache),
            "GFP": measure(arguments.gfp, arguments.cache),
        },
    }
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(format_markdown(results))
    print(format_markdown(results))


if __name__ == "__main__":
    main()
