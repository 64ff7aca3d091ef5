"""Energies of the elements for formation energies with CHGNet, fitted to mp_20, and how well they do on its test file.

CHGNet is poor at elements: at molecules in a box, at complex elemental crystals. Instead one energy mu is fitted for
each element, so that `E - sum x mu` is the Materials Project's formation energy of the training crystals: E is CHGNet's
energy of the crystal as it is given, x its composition, the loss Huber's. `--phases` also writes the energies of all
training crystals with those of the elements: references for energies above the hull by the same potential.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Element

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.io.corpus import mp_20

TARGET = "formation_energy_per_atom"
# eV/atom: residuals beyond this weigh linearly.
HUBER = 0.05
ROUNDS = 50
# Crystals of the training files that an element must be in.
MIN = 10


def shares(designs: tuple[Crystal, ...], elements: list[str]) -> np.ndarray:
    """Composition of each design, `n x n_elements`; rows add up to less than one where an element is not listed."""
    return np.array([[design.counts.get(e, 0) / design.n_atoms for e in elements] for design in designs])


def fitted(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of `y = X mu` by Huber's loss, and their standard errors."""
    mu = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(ROUNDS):
        w = np.minimum(1, HUBER / np.maximum(np.abs(y - X @ mu), 1e-12))
        mu = np.linalg.lstsq(X * np.sqrt(w)[:, None], y * np.sqrt(w), rcond=None)[0]
    w = np.minimum(1, HUBER / np.maximum(np.abs(y - X @ mu), 1e-12))
    variance = float((w * (y - X @ mu) ** 2).sum() / (len(y) - len(mu)))
    return mu, np.sqrt(variance * np.diag(np.linalg.pinv((X * w[:, None]).T @ X)))


def energies(corpus: Corpus[Crystal], cache: Path) -> np.ndarray:
    """CHGNet's energies of a corpus as it is, eV/atom (`n`), kept in the cache by its content."""
    place = cache / f"chgnet-{corpus.sha256[:24]}.npy"
    if not place.is_file():
        parts = [corpus.designs[i : i + 200] for i in range(0, len(corpus), 200)]
        found = []
        for i, part in enumerate(parts):
            print(f"energies: {i * 200:,} of {len(corpus):,}", flush=True)
            found.append(mlip.energy_per_atom(part))
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, np.concatenate(found))
    return np.asarray(np.load(place))


def errors(corpus: Corpus[Crystal], E: np.ndarray, elements: list[str], mu: np.ndarray) -> dict[str, Any]:
    """How far formation energies with these references are from those of a file, eV/atom."""
    X = shares(corpus.designs, elements)
    gap = E - X @ mu - corpus.properties[TARGET]
    gap = gap[np.isfinite(gap) & (X.sum(1) > 1 - 1e-9)]
    return {
        "crystals": len(gap),
        "mae": float(np.abs(gap).mean()),
        "median": float(np.median(np.abs(gap))),
        "percentile_90": float(np.percentile(np.abs(gap), 90)),
        "rmse": float(np.sqrt((gap**2).mean())),
        "largest": float(np.abs(gap).max()),
        "bias": float(gap.mean()),
    }


def main() -> None:
    """Fit on the training files, measure on the test file; write the table of the package and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--relaxed", type=int, default=0, help="so many test crystals relaxed too")
    parser.add_argument("--phases", type=Path, help="write energies of all training crystals and the elements here")
    parser.add_argument("--out", type=Path, default=mlip.REFERENCES)
    arguments = parser.parse_args()
    corpus, tested = (mp_20(p, cache=arguments.cache) for p in (arguments.train, arguments.test))
    E, E_test = energies(corpus, arguments.cache), energies(tested, arguments.cache)
    elements = sorted({e for d in corpus.designs for e in d.counts}, key=lambda e: Element(e).Z)
    X = shares(corpus.designs, elements)
    is_known = np.isfinite(E)
    mu, sd = fitted(X[is_known], (E - corpus.properties[TARGET])[is_known])
    n = (X[is_known] > 0).sum(0)
    kept = [row for row in zip(elements, mu, sd, n, strict=True) if row[3] >= MIN]
    with arguments.out.open("w", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["formula", "energy_per_atom", "standard_error", "n_crystals"])
        rows.writerows((e, f"{m:.4f}", f"{s:.4f}", k) for e, m, s, k in kept)
    if arguments.phases:
        lowest = {e: float(m) for e, m, _, _ in kept}
        for design, energy in zip(corpus.designs, E.tolist(), strict=True):
            # An element is at its fitted energy only: no two scales for one thing.
            if np.isfinite(energy) and len(design.counts) > 1:
                lowest[design.formula] = min(energy, lowest.get(design.formula, np.inf))
        rows_of = "".join(f"{name},{energy:.6f}\n" for name, energy in lowest.items())
        arguments.phases.write_text(f"formula,energy_per_atom\n{rows_of}")
    found = {
        "train": errors(corpus, E, elements, mu),
        "test": errors(tested, E_test, elements, mu),
        "elements": len(kept),
        "left_out": {e: int(k) for e, k in zip(elements, n, strict=True) if k < MIN},
        "largest_standard_error": float(max(sd[n >= MIN])),
    }
    if arguments.relaxed:
        rows_relaxed = np.random.default_rng(0).choice(len(tested), arguments.relaxed, replace=False)
        values = np.full(len(tested), np.nan)
        start = time.perf_counter()
        values[rows_relaxed] = mlip.relaxed_energy([tested.designs[i] for i in rows_relaxed])
        found["test_relaxed"] = errors(tested, values, elements, mu)
        found["seconds_per_relaxation"] = (time.perf_counter() - start) / arguments.relaxed
    text = json.dumps(found, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


if __name__ == "__main__":
    main()
