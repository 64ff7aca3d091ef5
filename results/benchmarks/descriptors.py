"""Benchmark: surrogates of measured properties of molecules, with descriptors beside counts of substructures.

A surrogate is fitted to a random part of a table and predicts at most 400 other molecules. The results are rank
correlation, root mean square error, the share of measurements inside the 90 % interval, and the rank correlation that
leave-one-out cross-validation states.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.core import Array
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.descriptors import descriptors
from invdesign.surrogate import cross_validate, descriptor_gp, tanimoto_gp
from invdesign.surrogate.diagnostics import spearman

TABLES = {"delaney": "logp", "freesolv": "freesolv", "lipo": "lipo"}
"""Column of the property in each table. That of `delaney` is log solubility, in spite of its name."""
SIZES = (30, 100, 300)
"""Numbers of molecules that the surrogate is fitted to."""
N_TEST = 400
"""Largest number of molecules that are predicted."""


def read(path: Path, column: str) -> tuple[Array, Array, Array]:
    """Return the counts, descriptors and values of a table."""
    corpus = Molecules().read(path, properties={column: column})
    designs, values = list(corpus.designs), np.asarray(corpus.properties[column])
    return Molecules().fingerprints(designs), descriptors(designs), values


def evaluate(counts: Array, described: Array, values: Array, n: int, seed: int) -> dict[str, dict[str, float]]:
    """Return the figures of both surrogates for one split."""
    order = np.random.default_rng(seed).permutation(len(values))
    train, test = order[:n], order[n : n + N_TEST]
    fits: dict[str, tuple[Callable[..., Any], Sequence[Array]]] = {
        "counts": (tanimoto_gp, (counts,)),
        "counts and descriptors": (partial(descriptor_gp, n_descriptors=described.shape[1]), (counts, described)),
    }
    u = torch.from_numpy(values)[:, None]
    rows = {}
    for name, (fit, parts) in fits.items():
        X = torch.from_numpy(np.concatenate([np.zeros((len(values), 1)), *parts], 1))
        start = time.process_time()
        model = fit(X[train], u[train], d=1)
        seconds = time.process_time() - start
        with torch.no_grad():
            posterior = model.posterior(X[test][:, None], observation_noise=True)
        mean, sd = posterior.mean.flatten(), posterior.variance.flatten().sqrt()
        error = u[test].flatten() - mean
        rows[name] = {
            "rank_correlation": spearman(mean, u[test].flatten()),
            "rmse": float(error.square().mean().sqrt()),
            "inside_90": float((error.abs() < 1.645 * sd).double().mean()),
            "rank_correlation_stated": cross_validate(model, X[train], u[train], d=1).rank_correlation[0],
            "cpu_seconds": seconds,
        }
    return rows


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the means over the splits as a Markdown table."""
    lines = [
        "| table | fitted to | surrogate | rank correlation | RMSE | inside the 90 % interval | rank correlation stated | CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for table, n in dict.fromkeys((row["table"], row["n"]) for row in rows):
        own = [row["figures"] for row in rows if (row["table"], row["n"]) == (table, n)]
        for name in own[0]:
            mean = {key: float(np.mean([figures[name][key] for figures in own])) for key in own[0][name]}
            sd = float(np.std([figures[name]["rmse"] for figures in own]))
            lines.append(
                f"| {table} | {n} | {name} | {mean['rank_correlation']:.2f} | {mean['rmse']:.2f} ({sd:.2f}) | "
                f"{mean['inside_90']:.0%} | {mean['rank_correlation_stated']:.2f} | {mean['cpu_seconds']:.1f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run all splits and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with delaney.csv, freesolv.csv and lipo.csv")
    parser.add_argument("--seeds", nargs="+", type=int, default=[10, 11, 12, 13, 14])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for table, column in TABLES.items():
        data = read(arguments.data / f"{table}.csv", column)
        for n in SIZES:
            for seed in arguments.seeds:
                rows.append({"table": table, "n": n, "seed": seed, "figures": evaluate(*data, n, seed)})
    arguments.out.write_text(json.dumps(rows, indent=1))
    print(format_table(rows))


if __name__ == "__main__":
    main()
