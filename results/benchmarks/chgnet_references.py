"""Fit energies of the elements for formation energies with CHGNet to mp_20 and evaluate them on its test file.

CHGNet is inaccurate for elements: for molecules in a box and for complex elemental crystals. Instead one energy mu is
fitted for each element, so that `E - sum x mu` is the Materials Project's formation energy of the training crystals,
where E is CHGNet's energy of the unrelaxed crystal and x its composition; the loss is Huber's. `--phases` also writes
the energies of all training crystals and of the elements: references for energies above the hull with the same
potential.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core.periodic_table import Element

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal
from invdesign.domains.crystals.io.corpus import mp_20
from invdesign.domains.crystals.oracles import mlip

TARGET = "formation_energy_per_atom"
# Residual [eV/atom] above which Huber's loss is linear.
HUBER = 0.05
N_ROUNDS = 50
# Smallest number of training crystals that contain an element.
MIN_CRYSTALS = 10


def compute_compositions(designs: tuple[Crystal, ...], elements: list[str]) -> np.ndarray:
    """Return the composition of each design, `n x n_elements`; the sum is below one if an element is not listed."""
    return np.array([[design.counts.get(e, 0) / design.n_atoms for e in elements] for design in designs])


def fit_elements(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit `y = X mu` with Huber's loss; return the coefficients and their standard errors."""
    mu = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(N_ROUNDS):
        w = np.minimum(1, HUBER / np.maximum(np.abs(y - X @ mu), 1e-12))
        mu = np.linalg.lstsq(X * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)[0]
    w = np.minimum(1, HUBER / np.maximum(np.abs(y - X @ mu), 1e-12))
    variance = float((w * (y - X @ mu) ** 2).sum() / (len(y) - len(mu)))
    return mu, np.sqrt(variance * np.diag(np.linalg.pinv((X * w[:, None]).T @ X)))


def compute_energies(corpus: Corpus[Crystal], cache: Path) -> np.ndarray:
    """Return CHGNet's energies (`n`) [eV/atom] of the unrelaxed crystals of a corpus, cached by its content."""
    path = cache / f"chgnet-{corpus.sha256[:24]}.npy"
    if not path.is_file():
        parts = [corpus.designs[i : i + 200] for i in range(0, len(corpus), 200)]
        values = []
        for i, part in enumerate(parts):
            print(f"energies: {i * 200:,} of {len(corpus):,}", flush=True)
            values.append(mlip.energy_per_atom(part))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.concatenate(values))
    return np.asarray(np.load(path))


def compute_errors(corpus: Corpus[Crystal], E: np.ndarray, elements: list[str], mu: np.ndarray) -> dict[str, Any]:
    """Compare formation energies with these references with those of a file [eV/atom]."""
    X = compute_compositions(corpus.designs, elements)
    error = E - X @ mu - corpus.properties[TARGET]
    error = error[np.isfinite(error) & (X.sum(1) > 1 - 1e-9)]
    return {
        "crystals": len(error),
        "mae": float(np.abs(error).mean()),
        "median": float(np.median(np.abs(error))),
        "percentile_90": float(np.percentile(np.abs(error), 90)),
        "rmse": float(np.sqrt((error**2).mean())),
        "largest": float(np.abs(error).max()),
        "bias": float(error.mean()),
    }


def main() -> None:
    """Fit on the training files, evaluate on the test file, and write the package's table and the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--relaxed", type=int, default=0, help="number of test crystals that are also relaxed")
    parser.add_argument("--phases", type=Path, help="file for the energies of all training crystals and elements")
    parser.add_argument("--out", type=Path, default=mlip.REFERENCES)
    arguments = parser.parse_args()
    corpus, test = (mp_20(p, cache=arguments.cache) for p in (arguments.train, arguments.test))
    E, E_test = compute_energies(corpus, arguments.cache), compute_energies(test, arguments.cache)
    elements = sorted({e for d in corpus.designs for e in d.counts}, key=lambda e: Element(e).Z)
    X = compute_compositions(corpus.designs, elements)
    is_finite = np.isfinite(E)
    mu, sd = fit_elements(X[is_finite], (E - corpus.properties[TARGET])[is_finite])
    n = (X[is_finite] > 0).sum(0)
    fitted = [row for row in zip(elements, mu, sd, n, strict=True) if row[3] >= MIN_CRYSTALS]
    with arguments.out.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["formula", "energy_per_atom", "standard_error", "n_crystals"])
        writer.writerows((e, f"{m:.4f}", f"{s:.4f}", k) for e, m, s, k in fitted)
    if arguments.phases:
        lowest = {e: float(m) for e, m, _, _ in fitted}
        for design, energy in zip(corpus.designs, E.tolist(), strict=True):
            # Elements have only their fitted energy; CHGNet's own is on another scale.
            if np.isfinite(energy) and len(design.counts) > 1:
                lowest[design.formula] = min(energy, lowest.get(design.formula, np.inf))
        text = "".join(f"{name},{energy:.6f}\n" for name, energy in lowest.items())
        arguments.phases.write_text(f"formula,energy_per_atom\n{text}")
    results = {
        "train": compute_errors(corpus, E, elements, mu),
        "test": compute_errors(test, E_test, elements, mu),
        "elements": len(fitted),
        "left_out": {e: int(k) for e, k in zip(elements, n, strict=True) if k < MIN_CRYSTALS},
        "largest_standard_error": float(max(sd[n >= MIN_CRYSTALS])),
    }
    if arguments.relaxed:
        rows = np.random.default_rng(0).choice(len(test), arguments.relaxed, replace=False)
        values = np.full(len(test), np.nan)
        start = time.perf_counter()
        values[rows] = mlip.relaxed_energy([test.designs[i] for i in rows])
        results["test_relaxed"] = compute_errors(test, values, elements, mu)
        results["seconds_per_relaxation"] = (time.perf_counter() - start) / arguments.relaxed
    text = json.dumps(results, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
