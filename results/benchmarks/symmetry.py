"""Benchmark: symmetries as linear maps of latent spaces.

    python results/benchmarks/symmetry.py --data DATA

Each section writes its figures into symmetry.json beside this file; a finished one is not run again. Models are trained
where the cache has none.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from invdesign.campaign import Campaign, Task
from invdesign.core import Corpus, Domain, Objective
from invdesign.domains.crystals import Crystals
from invdesign.domains.crystals.model.token_vae import crystal_token_vae
from invdesign.domains.crystals.prototypes.ionic import ionic
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.io.corpus import six6
from invdesign.domains.sequences.peptides import peptides
from invdesign.io.corpora import make_corpus
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.runs.analogues import Pairs, find_pairs, fit_symmetry
from invdesign.runs.properties import LabelledSpace
from invdesign.vae.build import aligned_vae, linear_vae, sequence_vae
from invdesign.vae.training import Recipe

OUT = Path(__file__).with_suffix(".json")
CACHE = platformdirs.user_cache_path("invdesign")
LENGTH = 12

SALTS = Recipe(
    partial(crystal_token_vae, beam=8),
    epochs=40,
    min_epochs=60,
    batch=128,
    beta=0.2,
    target_distortion=1.5,
    held_out=400,
    information_epochs=0,
)
"""Crystals of `ionic` written as tokens."""


def labelled(domain: Domain[Any, Any], corpus: Corpus[Any], vae: Recipe | Pretrained) -> LabelledSpace:
    """Return a latent space with its corpus; nothing is measured in it."""
    space = prepare(domain, corpus, vae, cache=CACHE)
    campaign = Campaign(domain, Task([Objective("none")], len), vae)
    return LabelledSpace(space, campaign, corpus.designs, {}, corpus)


def figures(given: LabelledSpace, change: str) -> dict[str, Any]:
    """Return the figures of a change."""
    return fit_symmetry(given.latent_space, find_pairs(given, change)).facts()


@cache
def strands(data: Path, model: str) -> LabelledSpace:
    """Return the space of all 8-mers: positions encoded as a sum, or letter by letter."""
    corpus = six6(data / "sequences" / "SIX6_REF_R1_8mers.txt.gz")
    builders = {
        "aligned": aligned_vae,
        "linear": linear_vae,
        "autoregressive": partial(sequence_vae, d=16, embedding=32, width=64),
    }
    recipe = Recipe(builders[model], epochs=2, held_out=2000, beta=0.05, information_epochs=0)
    return labelled(Sequences("dna", length="fixed"), corpus, recipe)


def complement(data: Path, *, model: str) -> dict[str, Any]:
    """Return the figures of the reverse complement of 8-mers."""
    return figures(strands(data, model), "reverse complement")


def unrelated(data: Path) -> dict[str, Any]:
    """Return the figures of 8-mers paired at random: there is no symmetry."""
    given = strands(data, "aligned")
    draw = np.random.default_rng(0)
    chosen = [given.designs[i] for i in draw.choice(len(given.designs), 4000, replace=False)]
    pairs = Pairs("unrelated", chosen, [chosen[i] for i in draw.permutation(len(chosen))], "file")
    return fit_symmetry(given.latent_space, pairs).facts()


def rotation(_: Path, *, d: int) -> dict[str, Any]:
    """Return the figures of the rotation of peptides of 12 letters, the first ones of built-in peptides."""
    long = peptides(n=20_000).designs
    starts = dict.fromkeys(design[:LENGTH] for design in long if len(design) >= LENGTH)
    corpus = make_corpus(tuple(starts), name="starts")
    recipe = Recipe(partial(aligned_vae, d=d), min_epochs=5, held_out=1000, beta=0.05, information_epochs=0)
    return figures(labelled(Sequences(length=LENGTH), corpus, recipe), "rotate")


@cache
def salts() -> LabelledSpace:
    """Return the space of 6,000 ionic crystals written as tokens."""
    return labelled(Crystals(), ionic(6000, cache=CACHE), SALTS)


def substitution(_: Path, *, change: str) -> dict[str, Any]:
    """Return the figures of a substitution of elements in ionic crystals."""
    return figures(salts(), change)


def halogen(data: Path, *, change: str) -> dict[str, Any]:
    """Return the figures of another halogen in molecules of ZINC, with the shipped model."""
    corpus = zinc250k(path=data / "molecules" / "zinc250k.smi.gz", cache=CACHE)
    return figures(labelled(Molecules(), corpus, Pretrained("zinc250k")), change)


SECTIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "8-mers, aligned: reverse complement": partial(complement, model="aligned"),
    "8-mers, linear: reverse complement": partial(complement, model="linear"),
    "8-mers, aligned: unrelated pairs": unrelated,
    "8-mers, autoregressive: reverse complement": partial(complement, model="autoregressive"),
    "peptides of 12, aligned: rotate": partial(rotation, d=96),
    "peptides of 12, aligned, d = 256: rotate": partial(rotation, d=256),
    "ionic: Cl -> Br": partial(substitution, change="Cl -> Br"),
    "ionic: S -> Se": partial(substitution, change="S -> Se"),
    "ionic: O -> S": partial(substitution, change="O -> S"),
    "ZINC: Cl -> Br": partial(halogen, change="Cl -> Br"),
    "ZINC: F -> Cl": partial(halogen, change="F -> Cl"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with sequences/ and molecules/")
    parser.add_argument("--only", default="", help="sections whose name starts so")
    arguments = parser.parse_args()
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name, measure in SECTIONS.items():
        if name in found or not name.startswith(arguments.only):
            continue
        started = time.monotonic()
        found[name] = {**measure(arguments.data), "seconds": round(time.monotonic() - started)}
        OUT.write_text(json.dumps(found, indent=1) + "\n")
        print(name, found[name])


if __name__ == "__main__":
    main()
