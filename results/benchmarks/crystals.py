"""Benchmark: the crystal VAE on perov_5, mp_20 or carbon_24, by the definitions of CDVAE (arXiv:2110.06197).

Measured: held-out reconstruction (StructureMatcher, stol .5, angle_tol 10, ltol .3; one latent, one decode; a prediction
that is structurally or compositionally invalid is no match), samples of the mixture fitted to the aggregate posterior
(validity, uniqueness, novelty, share of P1 at symprec .1), crystals per second, and for perov_5 property optimization.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spglib
import torch
from smact.screening import smact_validity

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.corpus import carbon_24, mp_20, perov_5
from invdesign.domains.crystals.graph import least_distance
from invdesign.domains.crystals.matching import firsts, is_known, rms
from invdesign.domains.crystals.oracles import measured_table
from invdesign.domains.crystals.symmetry import structure_of
from invdesign.domains.crystals.vae import crystal_vae
from invdesign.latent.density import mixture
from invdesign.latent.prepare import prepare
from invdesign.latent.space import LatentSpace
from invdesign.search.ascent import climb
from invdesign.vae.train import Recipe

LOADERS = {"perov_5": perov_5, "mp_20": mp_20, "carbon_24": carbon_24}
RECIPES = {
    "perov_5": Recipe(partial(crystal_vae, n_properties=1), epochs=120, batch=128, beta=0.05, beta_warmup=0.2, held_out=300),
    "mp_20": Recipe(partial(crystal_vae, d=128, width=256, n_properties=3), epochs=70, batch=128, beta=0.05, beta_warmup=0.2, held_out=400),
    "carbon_24": Recipe(partial(crystal_vae), epochs=60, batch=128, beta=0.05, beta_warmup=0.2, held_out=200),
}
# What a property head is taught: the first one is optimized.
TAUGHT = {"perov_5": ("heat_ref",), "mp_20": ("formation_energy_per_atom", "band_gap", "e_above_hull"), "carbon_24": ()}
# CDVAE's 5th, 10th and 15th percentile of perov_5's heat_ref, eV/atom.
THRESHOLDS = (0.4392, 0.6120, 0.7365)


def is_structural(crystal: Crystal) -> bool:
    """Least pair distance of 0.5 A at least, volume of 0.1 A^3 at least."""
    return least_distance(crystal) >= 0.5 and structure_of(crystal).volume >= 0.1


def is_compositional(crystal: Crystal) -> bool:
    """SMACT's charge neutrality and electronegativity test, oxidation states of its set `smact14`."""
    return bool(smact_validity(structure_of(crystal).composition.reduced_formula, oxidation_states_set="smact14"))


def reconstruction(space: LatentSpace[Any, Any], designs: Sequence[Crystal], *, needs_neutral: bool) -> dict[str, Any]:
    """Share of crystals that come back, and how far off their atoms are."""
    decoded = space.decode(space.encode(designs))
    found = []
    for design, out in zip(designs, decoded, strict=True):
        is_valid = out is not None and is_structural(out) and (not needs_neutral or is_compositional(out))
        found.append(rms(design, out) if is_valid else np.nan)
    ceiling = np.mean([not needs_neutral or is_compositional(design) for design in designs])
    pairs = [(a, b) for a, b in zip(designs, decoded, strict=True) if b is not None]
    return {
        "crystals": len(designs),
        "match": float(np.isfinite(found).mean()),
        "rmse": float(np.nanmean(found)),
        "ceiling": float(ceiling),
        "same_space_group": sum(a.space_group == b.space_group for a, b in pairs) / len(designs),
        "same_composition": sum(a.formula == b.formula for a, b in pairs) / len(designs),
    }


def samples(space: LatentSpace[Any, Any], corpus: Corpus[Crystal], n: int) -> dict[str, Any]:
    """What draws from the mixture decode to."""
    torch.manual_seed(0)
    start = time.perf_counter()
    decoded = space.decode(space.density.sample(n))  # type: ignore[attr-defined]
    seconds = time.perf_counter() - start
    designs = [d for d in decoded if d is not None]
    structural = np.array([is_structural(d) for d in designs])
    compositional = np.array([is_compositional(d) for d in designs])
    valid = [d for d, ok in zip(designs, structural, strict=True) if ok]
    start = time.perf_counter()
    distinct = [valid[i] for i in np.unique(firsts(valid))]
    known = is_known(distinct, corpus.designs)
    novelty_seconds = time.perf_counter() - start
    groups = [_space_group(d) for d in valid]
    return {
        "samples": n,
        "decoded_per_second": n / seconds,
        "structural": float(structural.sum() / n),
        "compositional": float(compositional.sum() / n),
        "unique": len(distinct) / max(1, len(valid)),
        "novel_of_unique": float(1 - known.mean()),
        "p1": float(np.mean([g == 1 for g in groups])),
        "space_groups": len(set(groups)),
        "group_as_claimed": float(np.mean([g == d.space_group for g, d in zip(groups, valid, strict=True)])),
        "novelty_seconds": novelty_seconds,
    }


def _space_group(crystal: Crystal) -> int:
    structure = structure_of(crystal, primitive=True)
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=0.1)
    return 1 if found is None else int(found.number)


def optimization(space: LatentSpace[Any, Any], starts: Sequence[Crystal], tables: Sequence[Path]) -> dict[str, Any]:
    """CDVAE's property optimization: 11 decodes along an ascent from each test crystal, the best valid one judged.

    The property head, taught with the training crystals alone, is climbed with the density inside a box. The judge is the
    table of all crystals in the files; designs that no file holds do not count (a judge that answers for all of them would
    only raise the shares).
    """
    low, high = space.sample.amin(0), space.sample.amax(0)

    def value(Z: torch.Tensor) -> torch.Tensor:
        hint = space.vae.predict((Z * space.scale + space.shift).float())
        return -hint[..., 0, 0].double() + 0.01 * space.log_density(Z[..., 0, :])

    path = climb(value, space.encode(starts), torch.stack([low, high]), n_steps=100, step=0.03)
    judged = np.full((11, len(starts)), np.nan)
    for row, step in enumerate(range(0, 101, 10)):
        decoded = space.decode(path[step])
        valid = [i for i, d in enumerate(decoded) if d is not None and is_structural(d) and is_compositional(d)]
        judge = partial(measured_table, column="heat_ref")
        heats = np.stack([np.asarray(judge([decoded[i] for i in valid], path=table)).ravel() for table in tables])
        judged[row, valid] = np.nanmin(np.where(np.isfinite(heats), heats, np.inf), axis=0)
    judged = np.where(np.isfinite(judged), judged, np.nan)
    best = np.array([np.nanmin(c) if np.isfinite(c).any() else np.inf for c in judged.T])
    return {
        **{f"sr{5 * (i + 1)}": float((best <= limit).mean()) for i, limit in enumerate(THRESHOLDS)},
        "starts": len(starts),
        "judged_share": float(np.isfinite(judged).mean()),
    }


def main() -> None:
    """Train on one set, measure on its test file, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(LOADERS))
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, help="without it the crystals held out of training are measured")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--samples", type=int, default=10_000)
    arguments = parser.parse_args()
    load, recipe = LOADERS[arguments.name], RECIPES[arguments.name]
    corpus = load(arguments.train, cache=arguments.cache, workers=1)
    taught = {name: corpus.properties[name] for name in TAUGHT[arguments.name]}
    corpus = Corpus(corpus.designs, taught, None, corpus.rejected, corpus.name, corpus.sha256)
    start = time.process_time()
    space = prepare(
        Crystals(), corpus, recipe, fit_density=partial(mixture, n_components=64), cache=arguments.cache, progress=_say
    )
    trained = time.process_time() - start
    tests = load([arguments.test], cache=arguments.cache, workers=1).designs if arguments.test else corpus.designs[-500:]
    has_charges = arguments.name != "carbon_24"
    found = {
        "trained_on": len(corpus),
        "training_cpu_seconds": trained,
        "training": space.card["training"],
        "reconstruction": reconstruction(space, tests, needs_neutral=has_charges),
        "samples": samples(space, corpus, arguments.samples),
        "machine": {"processor": platform.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()},
    }
    if arguments.name == "perov_5" and arguments.test:
        found["optimization"] = optimization(space, tests[:100], [*arguments.train, arguments.test])
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.test:
        Path(__file__).with_name(f"crystals_{arguments.name}.json").write_text(text + "\n")


def _say(stage: str, done: int, total: int) -> None:
    if total and done % max(1, total // 10) < 20:
        print(f"{stage}: {done:,} of {total:,}", flush=True)


if __name__ == "__main__":
    main()
