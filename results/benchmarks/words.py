"""Benchmark: designs described in words: retrieval, and combinations of statements that were never seen together.

    python results/benchmarks/words.py --data DATA [--mp20 MODEL]

Each section writes its figures into words.json beside this file; a finished one is not run again. MODEL is the folder of a
model of mp_20 (`invdesign train ... --out MODEL`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from symmetry import SALTS

from invdesign.atlas.words import Truth, fit_words, learn_vocabulary, retrieval_rate, write_texts
from invdesign.core import Array
from invdesign.core.capabilities import placement_errors
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.io.corpus import mp_20
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.latent.space import LatentSpace
from invdesign.vae.training import split

OUT = Path(__file__).with_suffix(".json")
CACHE = platformdirs.user_cache_path("invdesign")
N_FITTED, N_OF_MP20, N_TEST, N_PAIRS, N_FOUND = 5000, 7000, 1000, 8, 20
RATES = (0.02, 0.1)
"""Smallest and largest share of a combination among the designs."""


def measure(space: LatentSpace[Any, Any], fitted: list[Any], test: list[Any]) -> dict[str, Any]:
    """Return retrieval among the test designs, and precision for combinations left out of the fit."""
    vocabulary = learn_vocabulary(space.domain, fitted)
    truth, truth_of_test = vocabulary.truth(fitted), vocabulary.truth(test)
    Z, Z_of_test = space.encode(fitted).numpy(), space.encode(test).numpy()
    started = time.process_time()
    word_map = fit_words(Z, truth)
    seconds = time.process_time() - started
    pairs = choose_pairs(np.concatenate([truth, truth_of_test]))
    seen_together = np.array([(truth[:, list(pair)]).all(1) for pair in pairs]).any(0)
    unseen = fit_words(Z[~seen_together], truth[~seen_together])
    rates, precisions = [], []
    for pair in pairs:
        rate, precision = precision_of(unseen.score, Z_of_test, truth_of_test, list(pair))
        rates.append(rate)
        precisions.append(precision)
    names = [" + ".join(vocabulary.statements[i] for i in pair) for pair in pairs]
    return {
        "fitted": len(fitted),
        "test": len(test),
        "statements": len(vocabulary.statements),
        "R@1": retrieval_rate(word_map, Z_of_test, truth_of_test),
        "distinct texts": len(np.unique(truth_of_test, axis=0)),
        "combinations": {n: [round(r, 4), p] for n, r, p in zip(names, rates, precisions, strict=True)},
        "mean base rate": float(np.mean(rates)),
        "mean precision at 20": float(np.mean(precisions)),
        "ratio": float(np.mean(precisions) / np.mean(rates)),
        "combinations at 3 times the base rate or more": int(
            sum(p >= 3 * r for r, p in zip(rates, precisions, strict=True))
        ),
        "left out of the second fit": int(seen_together.sum()),
        "CPU seconds of a fit": round(seconds, 1),
    }


def choose_pairs(truth: Truth) -> list[tuple[int, int]]:
    """Return random combinations of two statements that neither imply nor exclude each other."""
    rates = truth.mean(0)
    together = truth.T.astype(float) @ truth / len(truth)
    possible = [
        (i, j)
        for i, j in combinations(range(truth.shape[1]), 2)
        if RATES[0] <= together[i, j] <= RATES[1] and together[i, j] < 0.6 * min(rates[i], rates[j])
    ]
    draw = np.random.default_rng(0)
    return [possible[k] for k in draw.choice(len(possible), min(N_PAIRS, len(possible)), replace=False)]


def precision_of(
    score: Callable[[Array, Array], Array], Z: Array, truth: Truth, pair: list[int]
) -> tuple[float, float]:
    """Return the base rate of a combination, and the share of it among the 20 best designs."""
    stated = np.zeros((1, truth.shape[1]), dtype=bool)
    stated[0, pair] = True
    best = np.argsort(-score(Z, write_texts(stated))[0])[:N_FOUND]
    holds = truth[:, pair].all(1)
    return float(holds.mean()), float(holds[best].mean())


def molecules(data: Path, _: str) -> dict[str, Any]:
    """Return the figures of ZINC with the shipped model; the test molecules were not in its training."""
    corpus = zinc250k(path=data / "molecules" / "zinc250k.smi.gz", cache=CACHE)
    trained, held_out = split(len(corpus), held_out=5000, seed=0)
    draw = np.random.default_rng(0)
    fitted = [corpus.designs[i] for i in draw.choice(trained, N_FITTED, replace=False)]
    test = [corpus.designs[i] for i in draw.choice(held_out, N_TEST, replace=False)]
    return measure(prepare(Molecules(), None, Pretrained("zinc250k")), fitted, test)


def salts(_: Path, __: str) -> dict[str, Any]:
    """Return the figures of the built-in ionic crystals; the model is that of symmetry.py."""
    corpus = ionic(6000, cache=CACHE)
    rows = np.random.default_rng(0).permutation(len(corpus))
    fitted, test = ([corpus.designs[i] for i in part] for part in (rows[N_TEST:], rows[:N_TEST]))
    return measure(prepare(Crystals(), corpus, SALTS, cache=CACHE), fitted, test)


def materials(data: Path, model: str) -> dict[str, Any]:
    """Return the figures of mp_20: 1,000 crystals of the test file."""
    space = prepare(Crystals(), None, Pretrained(model))
    files = [data / "crystals" / name for name in ("mp_20_train.csv.gz", "mp_20_test.csv.gz")]
    known, others = (list(mp_20([file], cache=CACHE).designs) for file in files)
    fitted, test = (
        [design for design, error in zip(part, placement_errors(space.encoding, part), strict=True) if not error]
        for part in (known, others)
    )
    return measure(space, fitted[:N_OF_MP20], test[:N_TEST])


SECTIONS: dict[str, Callable[[Path, str], dict[str, Any]]] = {"zinc": molecules, "ionic": salts, "mp_20": materials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with molecules/ and crystals/")
    parser.add_argument("--mp20", default="", help="folder of a model of mp_20; without it that section is left out")
    parser.add_argument("--only", default="", help="the section of this name")
    arguments = parser.parse_args()
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name, run in SECTIONS.items():
        if name in found or (arguments.only or name) != name or (name == "mp_20" and not arguments.mp20):
            continue
        started = time.monotonic()
        found[name] = {**run(arguments.data, arguments.mp20), "seconds": round(time.monotonic() - started)}
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        print(name, json.dumps(found[name], indent=1))


if __name__ == "__main__":
    main()
