"""Benchmark: reconstruction and ranking of held-out variants of measured proteins by a VAE.

The results, with one recipe for all sets, are the fraction of 2,000 held-out variants that are decoded exactly from the
mean of their posterior; the same from a sample of their posterior; by number of mutations; and by single letters. The
baseline is the fraction for a decoder that always returns the wild type. On the same variants, the rank correlations
with the measured values are computed for naturalness, which uses no label, for the surrogate, and for ridge regression
on one-hot.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from invdesign.core import Corpus
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.domain import SequenceEncoding
from invdesign.domains.sequences.io.corpus import AAV2, AVGFP, aav, gfp
from invdesign.domains.sequences.naturalness.frequency_models import pairwise, site_independent
from invdesign.domains.sequences.oracles.regression_oracle import predict
from invdesign.domains.sequences.oracles.regressors import Encoder, fit_ridge
from invdesign.surrogate import site_gp
from invdesign.vae.base import VAE
from invdesign.vae.build import aligned_vae, sequence_vae
from invdesign.vae.likelihood import log_probability
from invdesign.vae.training import Recipe, train

SETS: dict[str, tuple[Callable[..., Corpus[str]], str, WildType]] = {
    "gfp": (gfp, "gfp_full.csv.gz", AVGFP),
    "aav": (aav, "aav.csv.gz", AAV2),
}
# Maximum number of designs that the surrogate of a campaign is fitted to.
N_GP = 1000
# The recipe of conf/vae/sequences/aligned.yaml, with a seed on which no setting was chosen.
COMMON = Recipe(aligned_vae, epochs=5, beta=0.05, beta_warmup=0.2, held_out=2000, seed=1, device="cpu")
RECIPES = {
    "aligned": COMMON,
    "sequences": replace(
        COMMON, build=partial(sequence_vae, encoder="convolution", decoder="convolution", depth=4), epochs=20
    ),
}


def main() -> None:
    """Run the benchmark and write its results next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of gfp_full.csv.gz and aav.csv.gz")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--vae", choices=RECIPES, default="aligned")
    parser.add_argument("--epochs", type=float, help="replaces the recipe's")
    parser.add_argument("--d", type=int, help="number of latent dimensions, replaces the recipe's")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES[arguments.vae]
    if arguments.epochs:
        recipe = replace(recipe, epochs=arguments.epochs)
    if arguments.d:
        build: Any = recipe.build
        recipe = replace(recipe, build=partial(build, d=arguments.d))
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.sets:
        load, file, wild_type = SETS[name]
        title = f"{name}, {arguments.vae}" + (f", d={arguments.d}" if arguments.d else "")
        results[title] = measure(load(arguments.data / file), wild_type, recipe)
        print(title, json.dumps(results[title]), flush=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def measure(corpus: Corpus[str], wild_type: WildType, recipe: Recipe) -> Mapping[str, Any]:
    """Train on all but the held-out variants, and return how many of these are reconstructed."""
    encoding = Sequences(length="fixed", wild_type=wild_type).fit(corpus.designs)
    batch = encoding.encode(corpus.designs)
    torch.manual_seed(recipe.seed)
    vae = recipe.build(encoding)
    assert isinstance(vae, VAE)
    start = time.process_time()
    training = train(vae, batch, recipe)
    cpu_seconds = time.process_time() - start
    x = batch[torch.from_numpy(training.held_out)]
    own = encoding.encode([wild_type.sequence])
    with torch.no_grad():
        posterior = training.vae.posterior(x)
        is_exact = _same(x, training.vae.generate(posterior.loc))
        torch.manual_seed(100 + recipe.seed)
        is_exact_from_sample = _same(x, training.vae.generate(posterior.sample()))
        letters = float((training.vae.generate(posterior.loc)[:, : x.shape[1]] == x).float().mean())
    n_mutations = (x != own).sum(1)
    groups = {"0-3": (0, 3), "4-6": (4, 6), "7-10": (7, 10), "11-28": (11, 28)}
    by_mutations = {}
    for name, (low, high) in groups.items():
        in_group = (n_mutations >= low) & (n_mutations <= high)
        if in_group.any():
            exact = round(float(is_exact[in_group].float().mean()), 4)
            by_mutations[name] = {"n": int(in_group.sum()), "exact": exact}
    last = training.validations[-1]
    return {
        "designs": len(corpus),
        "held_out": len(x),
        "parameters": sum(p.numel() for p in vae.parameters()),
        "d": vae.d,
        "epochs": recipe.epochs,
        "exact": round(float(is_exact.float().mean()), 4),
        "exact_from_draws": round(float(is_exact_from_sample.float().mean()), 4),
        "letters": round(letters, 5),
        "exact_by_mutations": by_mutations,
        "exact_if_wild_type": round(float((n_mutations == 0).float().mean()), 4),
        "nats": {"log_likelihood": round(last.log_likelihood, 3), "kl": round(last.kl, 1)},
        "cpu_seconds": round(cpu_seconds),
        "rank_correlation": rank_correlations(corpus, wild_type, encoding, training.vae, training.held_out),
    }


def rank_correlations(
    corpus: Corpus[str], wild_type: WildType, encoding: SequenceEncoding, vae: VAE, held_out: np.ndarray
) -> Mapping[str, float]:
    """Return Spearman's correlations of scores and regressions with the measured values of the held-out variants."""
    (y,) = corpus.properties.values()
    training = np.setdiff1d(np.arange(len(y)), held_out)
    designs, new = [corpus.designs[i] for i in training], [corpus.designs[i] for i in held_out]
    few = np.random.default_rng(0).choice(len(training), N_GP, replace=False)
    subset, labels = [designs[i] for i in few], y[training][few]

    def ridge(designs: list[str], values: np.ndarray) -> np.ndarray:
        encoder = Encoder.fit(designs)
        model = fit_ridge(encoder.encode(designs)[0], values, len(encoder.pairs))
        # Designs without a prediction have the median.
        predictions = predict(encoder, model, new)
        return np.where(np.isfinite(predictions), predictions, np.nanmedian(predictions))

    def latents(designs: list[str]) -> Tensor:
        with torch.no_grad():
            return vae.posterior(encoding.encode(designs)).loc.double()

    def gaussian_process(designs: list[str], values: np.ndarray, *, has_latent_kernel: bool) -> np.ndarray:
        Z = latents(designs)
        shift, scale = Z.mean(0), Z.std(0)
        X, X_new = (
            torch.cat([(latents(part) - shift) / scale, torch.from_numpy(encoding.features(part))], 1)
            for part in (designs, new)
        )
        u = torch.from_numpy((values - values.mean()) / values.std())[:, None]
        table = descriptors(letters_of("protein"))
        model = site_gp(
            X, u, d=vae.d, n_letters=20, descriptors=table, has_latent_kernel=has_latent_kernel, max_points=N_GP
        )
        with torch.no_grad():
            posterior: Any = model.posterior(X_new[:, None])
            mean: np.ndarray = posterior.mean.reshape(-1).numpy()
        return mean

    scores = {
        "naturalness of the VAE": log_probability(new, encoding=encoding, vae=vae, samples=16),
        "naturalness, letters by themselves": site_independent(designs, wild_type=wild_type)(new),
        "naturalness, pairs of letters": pairwise(designs, wild_type=wild_type)(new),
        f"surrogate on letters, {N_GP:,} variants": gaussian_process(subset, labels, has_latent_kernel=False),
        f"surrogate on letters and latents, {N_GP:,} variants": gaussian_process(
            subset, labels, has_latent_kernel=True
        ),
        f"ridge on one-hot, {N_GP:,} variants": ridge(subset, labels),
        "ridge on one-hot, all others": ridge(designs, y[training]),
    }
    return {name: round(float(spearmanr(values, y[held_out]).statistic), 3) for name, values in scores.items()}


def _same(x: Tensor, y: Tensor) -> Tensor:
    return (x == y[:, : x.shape[1]]).all(1)


if __name__ == "__main__":
    main()
