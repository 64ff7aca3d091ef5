"""Benchmark of known neighbourhoods: a graph Laplacian in the training, and labels smoothed on a graph.

python results/benchmarks/neighbours.py aav --data FOLDER
python results/benchmarks/neighbours.py pairs --data FOLDER
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem
from scipy.stats import spearmanr

from invdesign.core import Array, Corpus
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.matched_pairs import matched_pairs
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.hamming import hamming
from invdesign.domains.sequences.io.corpus import aav
from invdesign.io.corpora import make_corpus
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.prepare import build_vae, fit_latent_space
from invdesign.latent.space import LatentSpace
from invdesign.surrogate import exact_gp, smoothed_gp
from invdesign.vae.build import aligned_vae, sequence_vae
from invdesign.vae.neighbourhoods import Neighbourhoods
from invdesign.vae.training import Recipe, train

CLOSENESS = (0.0, 0.1, 0.3, 0.5, 1.0)
N_NEAR, N_RECONSTRUCTED, HIDDEN = 10, 300, 0.2
AAV = Recipe(
    build=partial(aligned_vae, d=32, width=64, n_filters=4), epochs=8, batch=128, beta=0.05, held_out=500, device="cpu"
)
PAIRS = Recipe(
    build=partial(sequence_vae, d=32, n_properties=8, embedding=48, width=96),
    epochs=10,
    batch=64,
    learning_rate=4e-3,
    warmup=50,
    beta=0.05,
    held_out=500,
    device="cpu",
)


def main() -> None:
    """Measure one part and add its figures to those beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("part", choices=("aav", "pairs"))
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences/ and molecules/")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measure = _measure_aav if arguments.part == "aav" else _measure_pairs
    found: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for closeness in CLOSENESS:
        rows = found.setdefault(arguments.part, {})
        if str(closeness) not in rows:
            rows[str(closeness)] = measure(arguments.data, closeness)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")
            print(arguments.part, closeness, json.dumps(rows[str(closeness)]))


def _measure_aav(data: Path, closeness: float, *, n: int = 3000, n_labels: int = 300) -> dict[str, float]:
    """Rank correlation on the upper 40 % of AAV variants of surrogates of labels from the lower 60 %."""
    known = aav(data / "sequences" / "aav.csv.gz")
    y = next(iter(known.properties.values()))
    rows = np.random.default_rng(0).permutation(len(known))[:n]
    corpus = make_corpus(tuple(known.designs[i] for i in rows), name="aav")
    y = y[rows]
    space, figures = _fit(Sequences("protein", length="fixed"), corpus, AAV, hamming, closeness)
    Z = space.encode(corpus.designs)
    limit = np.quantile(y, 0.6)
    low, high = np.flatnonzero(y <= limit), np.flatnonzero(y > limit)
    for name, surrogate in (("as measured", exact_gp), ("smoothed", smoothed_gp)):
        correlations = []
        for seed in range(2):
            chosen = np.random.default_rng(seed).choice(low, n_labels, replace=False)
            labels = torch.from_numpy(y[chosen, None])
            model = surrogate(Z[torch.from_numpy(chosen)], labels, d=space.d)
            correlations.append(_rank_correlation(model, Z[torch.from_numpy(high)], y[high]))
        figures[f"rank correlation, labels {name}"] = round(float(np.mean(correlations)), 4)
    return figures


def _measure_pairs(data: Path, closeness: float, *, n: int = 3000, max_length: int = 28) -> dict[str, float]:
    """Recall of matched molecular pairs that were hidden from the training, among the nearest latents."""
    with gzip.open(data / "molecules" / "zinc250k.smi.gz", "rt") as file:
        known = [smiles for smiles in file.read().split() if len(smiles) <= max_length]
    order = np.random.default_rng(0).permutation(len(known))
    designs = dict.fromkeys(Chem.CanonSmiles(known[i]) for i in itertools.islice(order, n))
    corpus = make_corpus(tuple(designs), name="zinc")
    return _fit(Molecules(), corpus, PAIRS, matched_pairs, closeness)[1]


def _fit(
    domain: Any, corpus: Corpus[str], recipe: Recipe, find: Any, closeness: float
) -> tuple[LatentSpace[str, Any], dict[str, float]]:
    """Return a latent space trained with four fifths of the links, and recall of the others and reconstruction."""
    links = find(domain, corpus)
    is_hidden = np.random.default_rng(1).random(len(links)) < HIDDEN
    encoding = domain.fit(corpus.designs)
    batch = encoding.encode(corpus.designs)
    recipe = replace(recipe, neighbours=find, closeness=closeness)
    vae = build_vae(recipe, encoding)
    targets = auxiliary_targets(encoding, corpus, int(vae.architecture()["n_properties"]))
    start = time.process_time()
    training = train(
        vae, batch, recipe, targets=targets, neighbourhoods=Neighbourhoods.of(links[~is_hidden], len(corpus))
    )
    seconds = round(time.process_time() - start, 1)
    space = fit_latent_space(domain, encoding, training.vae, corpus, batch)
    new = [corpus.designs[i] for i in training.held_out[:N_RECONSTRUCTED]]
    back = space.decode(space.encode(new))
    return space, {
        "links": len(links),
        "exact reconstruction": float(np.mean([a == b for a, b in zip(new, back, strict=True)])),
        "recall of hidden links": _recall(space.encode(corpus.designs).numpy(), links[is_hidden]),
        "training CPU s": seconds,
    }


def _recall(Z: Array, links: Array) -> float:
    """Share of links whose second design is among the ten nearest of the first, or the other way round."""
    points = torch.from_numpy(Z)
    first, second = torch.from_numpy(links).T
    distances = torch.cdist(points[torch.cat([first, second])], points)
    own = torch.cat([first, second])
    distances[torch.arange(len(own)), own] = torch.inf
    nearest = distances.topk(N_NEAR, largest=False).indices
    is_found = (nearest == torch.cat([second, first])[:, None]).any(1)
    return round(float((is_found[: len(first)] | is_found[len(first) :]).double().mean()), 4)


def _rank_correlation(model: Any, Z: torch.Tensor, y: Array) -> float:
    with torch.no_grad():
        predicted = model.posterior(Z).mean[:, 0].numpy()
    return float(spearmanr(predicted, y).statistic)


if __name__ == "__main__":
    main()
