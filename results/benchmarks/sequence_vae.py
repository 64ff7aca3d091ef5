"""Benchmark: variants of measured proteins that a VAE was not trained on, encoded and decoded.

Measured, with one recipe for all sets: the share of 2,000 held-out variants that decode, from the mean of their
posterior, to exactly themselves; the same from a draw of their posterior; by number of mutations; single letters.
Beside it stands the share that would come back if the wild type were answered whatever is asked for.
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

import torch
from torch import Tensor

from invdesign.core import Corpus
from invdesign.domains.sequences import Sequences, WildType
from invdesign.domains.sequences.corpus import AAV2, AVGFP, aav, gfp
from invdesign.vae.base import VAE
from invdesign.vae.build import aligned_vae, sequence_vae
from invdesign.vae.train import Recipe, train

SETS: dict[str, tuple[Callable[..., Corpus[str]], str, WildType]] = {
    "gfp": (gfp, "gfp_full.csv.gz", AVGFP),
    "aav": (aav, "aav.csv.gz", AAV2),
}
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
    }


def _same(x: Tensor, y: Tensor) -> Tensor:
    return (x == y[:, : x.shape[1]]).all(1)


if __name__ == "__main__":
    main()
