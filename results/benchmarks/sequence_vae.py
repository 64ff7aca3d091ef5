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
from collections.abc import Callable, Mapping, Sequence
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
from invdesign.latent.prepare import fit_latent_space
from invdesign.surrogate import site_gp
from invdesign.vae.base import VAE
from invdesign.vae.build import aligned_vae, sequence_vae
from invdesign.vae.information import information_content
from invdesign.vae.likelihood import log_evidence, log_probability
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
    # The recipe of conf/vae/sequences/variants.yaml; the domain writes lists of mutations.
    "variants": replace(
        COMMON,
        build=partial(sequence_vae, beam=4, prior="flow"),
        epochs=14,
        batch=128,
        beta=0.2,
        beta_warmup=0.0,
        target_distortion=1.5,
        validate_every=400,
    ),
}
N_DRAWS = 2000
INFORMATION_EPOCHS = 6.0
N_ELBO = 1000


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
        representation: Any = "mutations" if arguments.vae == "variants" else "letters"
        domain = Sequences(length="fixed", wild_type=wild_type, representation=representation)
        results[title] = measure(load(arguments.data / file), domain, recipe)
        print(title, json.dumps(results[title]), flush=True)
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


def measure(corpus: Corpus[str], domain: Sequences, recipe: Recipe) -> Mapping[str, Any]:
    """Train on all but the held-out variants; return how many of these are reconstructed, and the balance in nats."""
    wild_type = domain.wild_type
    assert wild_type is not None
    encoding = domain.fit(corpus.designs)
    batch = encoding.encode(corpus.designs)
    torch.manual_seed(recipe.seed)
    vae = recipe.build(encoding)
    assert isinstance(vae, VAE)
    start = time.process_time()
    training = train(vae, batch, recipe)
    cpu_seconds = time.process_time() - start
    x = batch[torch.from_numpy(training.held_out)]
    held_out = [corpus.designs[i] for i in training.held_out]

    def decode(z: Tensor) -> list[str | None]:
        base = training.vae.prior.to_base(z).double()
        return latent_space.decode((base - latent_space.shift) / latent_space.scale)

    latent_space = fit_latent_space(domain, encoding, training.vae, corpus, batch, seed=recipe.seed)
    with torch.no_grad():
        posterior = training.vae.posterior(x)
        decoded = decode(posterior.loc)
        torch.manual_seed(100 + recipe.seed)
        is_exact_from_sample = _same(held_out, decode(posterior.sample()))
        evidence = [log_evidence(training.vae, part, samples=64) for part in x[:N_ELBO].split(250)]
        prior = latent_space.decode(latent_space.draw(N_DRAWS, "prior"))
        half = len(x) // 2
        midpoints = decode((posterior.loc[:half] + posterior.loc[half : 2 * half]) / 2)
    is_exact = _same(held_out, decoded)
    pairs = [(a, b) for a, b in zip(held_out, decoded, strict=True) if b is not None]
    letters = float(np.mean([x == y for a, b in pairs for x, y in zip(a, b, strict=True)]))
    n_mutations = count_mutations(held_out, wild_type)
    groups = {"0-3": (0, 3), "4-6": (4, 6), "7-10": (7, 10), "11-28": (11, 28)}
    by_mutations = {}
    for name, (low, high) in groups.items():
        in_group = (n_mutations >= low) & (n_mutations <= high)
        if in_group.any():
            exact = round(float(is_exact[in_group].mean()), 4)
            by_mutations[name] = {"n": int(in_group.sum()), "exact": exact}
    last = training.validations[-1]
    return {
        "designs": len(corpus),
        "held_out": len(x),
        "parameters": sum(p.numel() for p in vae.parameters()),
        "d": vae.d,
        "epochs": recipe.epochs,
        "exact": round(float(is_exact.mean()), 4),
        "exact_from_draws": round(float(is_exact_from_sample.mean()), 4),
        "letters": round(letters, 5),
        "exact_by_mutations": by_mutations,
        "exact_if_wild_type": round(float((n_mutations == 0).mean()), 4),
        "nats": {
            "log_likelihood": round(last.log_likelihood, 3),
            "kl": round(last.kl, 1),
            "neg_elbo": round(-float(torch.cat(evidence).mean()), 2),
            "information": round(information_content(encoding, batch, recipe, epochs=INFORMATION_EPOCHS), 2),
        },
        "samples": {
            name: rate_samples(designs, corpus.designs, held_out, wild_type)
            for name, designs in (("held out", held_out), ("prior", prior), ("midpoints", midpoints))
        },
        "cpu_seconds": round(cpu_seconds),
        "rank_correlation": rank_correlations(corpus, wild_type, encoding, training.vae, training.held_out),
    }


def rate_samples(
    designs: Sequence[str | None], corpus: Sequence[str], held_out: Sequence[str], wild_type: WildType
) -> Mapping[str, float]:
    """Return validity, uniqueness, novelty, number of mutations and naturalness of samples.

    Naturalness is log p of the site-independent model of the training variants, relative to the wild type.
    """
    valid = [design for design in designs if design is not None]
    known = set(corpus) - set(held_out)
    natural = site_independent(sorted(known), wild_type=wild_type)
    n_mutations = count_mutations(valid, wild_type)
    return {
        "valid": round(len(valid) / len(designs), 4),
        "unique": round(len(set(valid)) / len(valid), 4),
        "novel": round(float(np.mean([design not in known for design in valid])), 4),
        "mutations": round(float(n_mutations.mean()), 2),
        "mutations_sd": round(float(n_mutations.std()), 2),
        "naturalness": round(float(np.mean(natural(valid))), 2),
    }


def count_mutations(designs: Sequence[str], wild_type: WildType) -> np.ndarray:
    """Return the number of substitutions of each design."""
    own = wild_type.sequence
    return np.array([sum(a != b for a, b in zip(design, own, strict=True)) for design in designs])


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


def _same(designs: Sequence[str], decoded: Sequence[str | None]) -> np.ndarray:
    return np.array([a == b for a, b in zip(designs, decoded, strict=True)])


if __name__ == "__main__":
    main()
