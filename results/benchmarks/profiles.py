"""Benchmark: profiles of counts and of values: reconstruction, map, audit, and the linear model beside the VAE.

    python results/benchmarks/profiles.py [--data FOLDER]

Three tables: the built-in, synthetic one (five programs of genes); the 3-mer counts of 3,963 16S rRNA genes, read from
sequences/rrna16s_aligned.fasta.gz in FOLDER; and 30 measured sizes and shapes of the nuclei of 569 tumours (Wisconsin,
1995, public domain, built into scikit-learn). Each section writes its figures into profiles.json beside this file; a
finished one is not run again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from invdesign import Campaign, initialize, make_engine, prepare, run, start
from invdesign.atlas import fit_auditor, fit_projection, thin
from invdesign.atlas.frozen import FrozenProjection
from invdesign.atlas.linear_twin import compare_with_linear
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.core import Array, Corpus
from invdesign.domains.profiles import Profile, Profiles
from invdesign.domains.profiles.corpus import programs
from invdesign.domains.profiles.oracles import log_ratio
from invdesign.domains.profiles.vae import profile_vae
from invdesign.execution.in_process import InProcess
from invdesign.io.corpora import make_corpus
from invdesign.report.comparison import bootstrap_interval
from invdesign.vae.training import Recipe

OUT = Path(__file__).with_suffix(".json")
PICTURE = OUT.parents[1] / "pictures" / "profiles.svg"
CACHE = platformdirs.user_cache_path("invdesign")
N_TEST, N_SWAPPED, N_MAPPED, N_MEASURED = 400, 3, 1000, 300
RECIPE = Recipe(profile_vae, min_epochs=40, batch=64, beta=1.0, beta_warmup=0.2, held_out=400)
BUDGET, N_SEEDS, RUNS = 60, 20, 3
COLORS = ("#3567b5", "#d97a1e", "#2f8f5b", "#b23a48", "#7b5ea7", "#8a6d3b")
SIZE, MARGIN = 420, 12


@dataclass(frozen=True)
class Table:
    """Profiles to train on, and others."""

    domain: Profiles
    """The kind of profiles."""
    corpus: Corpus[Profile]
    """Profiles to train on."""
    fresh: Sequence[Profile]
    """Profiles that the model does not see."""
    measure: Callable[[Sequence[Profile]], Array]
    """A property of the profiles."""
    groups: Sequence[str] = ()
    """Group of each profile of the corpus, for the picture; none for no picture."""


def gene_programs(_: Path | None) -> Table:
    """Return the built-in corpus, and new samples of the same world."""
    ratio = partial(log_ratio, up=["gene_001", "gene_002"], down=["gene_004", "gene_005"])
    return Table(Profiles(), programs(), programs(N_TEST, seed=1).designs, ratio)


def three_mers(data: Path | None) -> Table:
    """Return the 3-mer counts of 16S rRNA genes; the property is the balance of GC-rich and AT-rich 3-mers."""
    assert data is not None
    words = ["".join(letters) for letters in product("ACGT", repeat=3)]
    with gzip.open(data / "sequences" / "rrna16s_aligned.fasta.gz", "rt") as file:
        records = [part.split("\n", 1) for part in file.read().split(">")[1:]]
    found: dict[Profile, str] = {}
    for title, letters in records:
        gene = "".join(letters.split()).upper().replace("U", "T")
        gene = "".join(letter for letter in gene if letter in "ACGT")
        counts = dict.fromkeys(words, 0)
        for i in range(len(gene) - 2):
            counts[gene[i : i + 3]] += 1
        found.setdefault(Profiles().make(words, list(counts.values())), title.split(";")[1] if ";" in title else "")
    ratio = partial(log_ratio, up=["GCG", "CGC", "GGC"], down=["ATA", "TAT", "AAT"])
    return _split(Profiles(), list(found), ratio, list(found.values()))


def tumours(_: Path | None) -> Table:
    """Return measured nuclei; the property is the diagnosis, 1 for a benign tumour."""
    known = load_breast_cancer()
    domain = Profiles("values")
    scaled = known.data / known.data.std(0)
    profiles = [domain.make(known.feature_names.tolist(), row) for row in scaled.tolist()]
    benign = {domain.key(profile): float(y) for profile, y in zip(profiles, known.target, strict=True)}
    diagnosis = lambda designs: np.array([benign[domain.key(design)] for design in designs])  # noqa: E731
    return _split(domain, profiles, diagnosis)


def _split(
    domain: Profiles,
    profiles: Sequence[Profile],
    measure: Callable[[Sequence[Profile]], Array],
    groups: Sequence[str] = (),
) -> Table:
    rows = np.random.default_rng(0).permutation(len(profiles))
    n_test = min(N_TEST, len(rows) // 4)
    kept = sorted(rows[n_test:])
    corpus = make_corpus(tuple(profiles[i] for i in kept), name="table", to_text=domain.to_text)
    return Table(domain, corpus, [profiles[i] for i in rows[:n_test]], measure, [groups[i] for i in kept if groups])


def swap(profile: Profile, draw: np.random.Generator) -> Profile:
    """Return a sample in which the values of three pairs of features were exchanged, as by wrong labels."""
    values = list(profile.values)
    for _ in range(N_SWAPPED):
        i, j = draw.choice(len(values), 2, replace=False)
        values[i], values[j] = values[j], values[i]
    return Profile(profile.names, tuple(values))


def measure(table: Table) -> dict[str, Any]:
    """Return the figures of a table."""
    started = time.process_time()
    domain, corpus = table.domain, table.corpus
    space = prepare(domain, corpus, RECIPE, cache=CACHE)
    fresh = list(table.fresh)
    decoded = [design for design in space.decode(space.encode(fresh)) if design is not None]
    alike = [domain.resemblances([a], [b])[0, 0] for a, b in zip(fresh, decoded, strict=True)]
    auditor = fit_auditor(space, corpus)
    swapped = [swap(profile, np.random.default_rng(i)) for i, profile in enumerate(fresh)]
    p_real, p_swapped = auditor.p_values(fresh), auditor.p_values(swapped)
    rows = thin(len(corpus), N_MAPPED)
    frozen = fit_projection(space.encode([corpus.designs[i] for i in rows]).numpy(), "tsne")
    if table.groups:
        PICTURE.write_text(draw_map(frozen, [table.groups[i] for i in rows]))
    measured = fresh[:N_MEASURED]
    torch.manual_seed(0)
    y = table.measure(measured)
    compared = compare_with_linear(space, corpus.designs, measured, y)
    n = len(fresh)
    return {
        "designs": len(corpus),
        "features": len(corpus.designs[0].names),
        "new samples": n,
        f"{domain.resemblance} of decoded new samples": float(np.mean(alike)),
        "audit: AUROC": float(roc_auc_score([0] * n + [1] * n, 1 - np.concatenate([p_real, p_swapped]))),
        "audit: real samples flagged at 5 %": float(np.mean(p_real <= 0.05)),
        "map: trustworthiness": frozen.trustworthiness,
        "map: continuity": frozen.continuity,
        "VAE and linear": {c.name: [c.vae, c.linear] for c in compared},
        "CPU seconds": round(time.process_time() - started),
        "load": os.getloadavg()[0],
    }


def draw_map(frozen: FrozenProjection, groups: Sequence[str]) -> str:
    """Return a map of profiles as SVG, coloured by their most frequent groups."""
    points = frozen.points - frozen.points.min(0)
    points = MARGIN + points / points.max() * (SIZE - 2 * MARGIN)
    names = [name for name, _ in Counter(groups).most_common(len(COLORS))]
    color = dict(zip(names, COLORS, strict=False))
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{color.get(group, "#c8c8c8")}"/>'
        for (x, y), group in zip(points, groups, strict=True)
    ]
    keys = [
        f'<circle cx="{SIZE + 10}" cy="{20 + 20 * i}" r="4" fill="{color.get(name, "#c8c8c8")}"/>'
        f'<text x="{SIZE + 22}" y="{24 + 20 * i}">{escape(name)}</text>'
        for i, name in enumerate([*names, "others"])
    ]
    size = f'viewBox="0 0 {SIZE + 180} {SIZE}" width="{SIZE + 180}" height="{SIZE}"'
    style = '<style>text{font:13px sans-serif;fill:#333}</style><rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join([*dots, *keys])}</svg>\n'


def search(data: Path) -> dict[str, Any]:
    """Return the best balance found in 60 calls from 20 genes, with and without mutated profiles."""
    table = three_mers(data)
    path = CACHE / "three_mers.csv"
    table.domain.write(table.corpus.designs, path)
    found: dict[str, list[float]] = {}
    for seed, mutations in product(range(RUNS), ("null", "profiles/default")):
        settings = [
            "base=profiles", "corpus=profiles/table", f"corpus.path={path}", f"mutations={mutations}", f"seed={seed}",
            f"budget={BUDGET}", f"n_seeds={N_SEEDS}", "baseline=false", "vae.min_epochs=20", "vae.information_epochs=0",
            "oracle.log_ratio.up=[GCG,CGC,GGC]", "oracle.log_ratio.down=[ATA,TAT,AAT]",
        ]  # fmt: skip
        composed = compose(None, settings)
        campaign: Campaign[Profile, Any] = build(composed.values, composed.where, name="search").campaign
        campaign = replace(campaign, corpus=lambda: table.corpus)
        engine = make_engine(campaign, prepare(campaign.domain, table.corpus, campaign.vae, cache=CACHE))
        state = run(engine, start(engine, initialize(engine, table.corpus)), executor=InProcess)
        best = float(np.nanmax([candidate.y[0] for candidate in state.history]))
        found.setdefault("with mutations" if mutations != "null" else "without", []).append(best)
    difference = np.array(found["with mutations"]) - np.array(found["without"])
    low, high = bootstrap_interval(difference)
    return {
        "calls": BUDGET,
        "best of all genes": float(table.measure(table.corpus.designs).max()),
        **found,
        "difference": float(difference.mean()),
        "interval": [low, high],
        "load": os.getloadavg()[0],
    }


SECTIONS: dict[str, Callable[[Path | None], Table]] = {
    "gene programs": gene_programs,
    "3-mers of 16S rRNA genes": three_mers,
    "nuclei of tumours": tumours,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with sequences/")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name, read in SECTIONS.items():
        if name in found or (read is three_mers and arguments.data is None):
            continue
        found[name] = measure(read(arguments.data))
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        print(name, json.dumps(found[name], indent=1), flush=True)
    if arguments.data is not None and "search" not in found:
        found["search"] = search(arguments.data)
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        print("search", json.dumps(found["search"], indent=1), flush=True)


if __name__ == "__main__":
    main()
