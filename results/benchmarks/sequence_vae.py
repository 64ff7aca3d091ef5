"""Benchmark: variants of measured proteins that a VAE was not trained on, encoded and decoded.

Measured, with one recipe for all sets: the share of 2,000 held-out variants that decode, from the mean of their
posterior, to exactly themselves; the same from a draw of their posterior; by number of mutations; single letters.
Beside it stands the share that would come back if the wild type were answered whatever is asked for. On the same
variants: how well naturalness, which never sees a label, and the surrogate rank the measured values, beside ridge
regression on one-hot.
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
from invdesign.domains.sequences.naturalness.frequency_models import pairwise, site_independent
from invdesign.domains.sequences.io.corpus import AAV2, AVGFP, aav, gfp
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.oracles.regression_oracle import predicted
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
# What a surrogate of a campaign is fitted to at most.
N_GP = 1000
# As conf/vae/aligned.yaml and conf/vae/sequences.yaml have them; the seed is one that nothing was chosen on.
COMMON = Recipe(aligned_vae, epochs=5, beta=0.05, beta_warmup=0.2, held_out=2000, seed=1, device="cpu")
RECIPES = {
    "aligned": COMMON,
    "sequences": replace(
        COMMON, build=partial(sequence_vae, encoder="convolution", decoder="convolution", depth=4), epochs=20
    ),
}


def main() -> None:
    """Train and measure what was asked for, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of gfp_full.csv.gz and aav.csv.gz")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--vae", choices=RECIPES, default="aligned")
    parser.add_argument("--epochs", type=float, help="other than the recipe's")
    parser.add_argument("--d", type=int, help="latent dimensions other than the recipe's")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES[arguments.vae]
    if arguments.epochs:
        recipe = replace(recipe, epochs=arguments.epochs)
    if arguments.d:
        recipe = replace(recipe, build=partial(recipe.build, d=arguments.d))
    figures = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for name in arguments.sets:
        load, file, wild_type = SETS[name]
        title = f"{name}, {arguments.vae}" + (f", d={arguments.d}" if arguments.d else "")
        figures[title] = measured(load(arguments.data / file), wild_type, recipe)
        print(title, json.dumps(figures[title]), flush=True)
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


def measured(corpus: Corpus[str], wild_type: WildType, recipe: Recipe) -> Mapping[str, Any]:
    """Train on all but the held-out variants, and say how many of these come back."""
    domain = Sequences(length="fixed", wild_type=wild_type).fit(corpus.designs)
    batch = domain.to_batch(corpus.designs)
    torch.manual_seed(recipe.seed)
    vae = recipe.build(domain)
    assert isinstance(vae, VAE)
    started = time.process_time()
    training = train(vae, batch, recipe)
    spent = time.process_time() - started
    x = batch[torch.from_numpy(training.held_out)]
    own = domain.to_batch([wild_type.sequence])
    with torch.no_grad():
        posterior = training.vae.posterior(x)
        is_back = _same(x, training.vae.generate(posterior.loc))
        torch.manual_seed(100 + recipe.seed)
        is_back_drawn = _same(x, training.vae.generate(posterior.sample()))
        letters = float((training.vae.generate(posterior.loc)[:, : x.shape[1]] == x).float().mean())
    n_mutations = (x != own).sum(1)
    groups = {"0-3": (0, 3), "4-6": (4, 6), "7-10": (7, 10), "11-28": (11, 28)}
    by_mutations = {
        name: {"n": int(chosen.sum()), "exact": round(float(is_back[chosen].float().mean()), 4)}
        for name, (low, high) in groups.items()
        if (chosen := (n_mutations >= low) & (n_mutations <= high)).any()
    }
    last = training.validations[-1]
    return {
        "designs": len(corpus),
        "held_out": len(x),
        "parameters": sum(p.numel() for p in vae.parameters()),
        "d": vae.d,
        "epochs": recipe.epochs,
        "exact": round(float(is_back.float().mean()), 4),
        "exact_from_draws": round(float(is_back_drawn.float().mean()), 4),
        "letters": round(letters, 5),
        "exact_by_mutations": by_mutations,
        "exact_if_wild_type": round(float((n_mutations == 0).float().mean()), 4),
        "nats": {"log_likelihood": round(last.log_likelihood, 3), "kl": round(last.kl, 1)},
        "cpu_seconds": round(spent),
        "rank_correlation": rank(corpus, wild_type, domain, training.vae, training.held_out),
    }


def rank(
    corpus: Corpus[str], wild_type: WildType, domain: Sequences, vae: VAE, held_out: np.ndarray
) -> Mapping[str, float]:
    """Spearman's correlation with the measured values of the held-out variants, of scores and of regressions."""
    (y,) = corpus.properties.values()
    kept = np.setdiff1d(np.arange(len(y)), held_out)
    known, new = [corpus.designs[i] for i in kept], [corpus.designs[i] for i in held_out]
    few = np.random.default_rng(0).choice(len(kept), N_GP, replace=False)
    some = [known[i] for i in few]

    def ridge(designs: list[str], values: np.ndarray) -> np.ndarray:
        encoder = Encoder.of(designs)
        model = fit_ridge(encoder.numbers(designs)[0], values, len(encoder.pairs))
        # A letter that was seen nowhere has no effect, neither good nor bad.
        found = predicted(encoder, model, new)
        return np.where(np.isfinite(found), found, np.nanmedian(found))

    def latents(designs: list[str]) -> Tensor:
        with torch.no_grad():
            return vae.posterior(domain.to_batch(designs)).loc.double()

    def process(designs: list[str], values: np.ndarray, *, has_latent_kernel: bool) -> np.ndarray:
        Z = latents(designs)
        shift, scale = Z.mean(0), Z.std(0)
        X, X_new = (
            torch.cat([(latents(part) - shift) / scale, torch.from_numpy(domain.features(part))], 1)
            for part in (designs, new)
        )
        u = torch.from_numpy((values - values.mean()) / values.std())[:, None]
        facts = descriptors(letters_of("protein"))
        model = site_gp(
            X,
            u,
            d=vae.d,
            n_letters=20,
            descriptors=facts,
            has_latent_kernel=has_latent_kernel,
            max_points=N_GP,
        )
        with torch.no_grad():
            return model.posterior(X_new[:, None]).mean.reshape(-1).numpy()

    scores = {
        "naturalness of the VAE": log_probability(new, domain=domain, vae=vae, samples=16),
        "naturalness, letters by themselves": site_independent(known, wild_type=wild_type)(new),
        "naturalness, pairs of letters": pairwise(known, wild_type=wild_type)(new),
        f"surrogate on letters, {N_GP:,} variants": process(some, y[kept][few], has_latent_kernel=False),
        f"surrogate on letters and latents, {N_GP:,} variants": process(some, y[kept][few], has_latent_kernel=True),
        f"ridge on one-hot, {N_GP:,} variants": ridge(some, y[kept][few]),
        "ridge on one-hot, all others": ridge(known, y[kept]),
    }
    return {name: round(float(spearmanr(found, y[held_out]).statistic), 3) for name, found in scores.items()}


def _same(x: Tensor, y: Tensor) -> Tensor:
    return (x == y[:, : x.shape[1]]).all(1)


if __name__ == "__main__":
    main()
