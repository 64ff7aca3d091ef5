"""Benchmark: profiles of counts: reconstruction, map, audit, and the linear model beside the VAE.

    python results/benchmarks/profiles.py

The corpus is the built-in, synthetic one: five programs of genes, samples of different depth.
"""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from sklearn.metrics import roc_auc_score

from invdesign.atlas import fit_auditor, fit_projection, thin
from invdesign.atlas.linear_twin import compare_with_linear
from invdesign.domains.profiles import Profile, Profiles
from invdesign.domains.profiles.corpus import programs
from invdesign.domains.profiles.oracles import log_ratio
from invdesign.domains.profiles.vae import profile_vae
from invdesign.latent.prepare import prepare
from invdesign.vae.training import Recipe

OUT = Path(__file__).with_suffix(".json")
N_TEST, N_SWAPPED, N_MAPPED, N_MEASURED = 400, 3, 1000, 300


def swap(profile: Profile, draw: np.random.Generator) -> Profile:
    """Return a sample in which the counts of three pairs of genes were exchanged, as by wrong labels."""
    values = list(profile.values)
    for _ in range(N_SWAPPED):
        i, j = draw.choice(len(values), 2, replace=False)
        values[i], values[j] = values[j], values[i]
    return Profile(profile.names, tuple(values))


def main() -> None:
    started = time.monotonic()
    domain, corpus = Profiles(), programs()
    recipe = Recipe(profile_vae, min_epochs=40, batch=64, beta=1.0, beta_warmup=0.2, held_out=400)
    space = prepare(domain, corpus, recipe, cache=platformdirs.user_cache_path("invdesign"))
    fresh = list(programs(N_TEST, seed=1).designs)
    decoded = [design for design in space.decode(space.encode(fresh)) if design is not None]
    alike = [domain.resemblances([a], [b])[0, 0] for a, b in zip(fresh, decoded, strict=True)]
    auditor = fit_auditor(space, corpus)
    swapped = [swap(profile, np.random.default_rng(i)) for i, profile in enumerate(fresh)]
    p_real, p_swapped = auditor.p_values(fresh), auditor.p_values(swapped)
    Z = space.encode([corpus.designs[i] for i in thin(len(corpus), N_MAPPED)]).numpy()
    frozen = fit_projection(Z, "tsne")
    measured = fresh[:N_MEASURED]
    ratio = partial(log_ratio, up=["gene_001", "gene_002"], down=["gene_004", "gene_005"])
    torch.manual_seed(0)
    compared = compare_with_linear(space, corpus.designs, measured, ratio(measured))
    found: dict[str, Any] = {
        "designs": len(corpus),
        "features": len(corpus.designs[0].names),
        "new samples": N_TEST,
        "Bray-Curtis similarity of decoded new samples": float(np.mean(alike)),
        "audit: AUROC": float(roc_auc_score([0] * N_TEST + [1] * N_TEST, 1 - np.concatenate([p_real, p_swapped]))),
        "audit: real samples flagged at 5 %": float(np.mean(p_real <= 0.05)),
        "map: trustworthiness": frozen.trustworthiness,
        "map: continuity": frozen.continuity,
        "VAE and linear": {c.name: [c.vae, c.linear] for c in compared},
        "seconds": round(time.monotonic() - started),
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
