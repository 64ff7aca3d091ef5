"""Benchmark: the crystal VAE on perov_5, mp_20 or carbon_24, by the definitions of CDVAE (arXiv:2110.06197).

Measured: held-out reconstruction (StructureMatcher, stol .5, angle_tol 10, ltol .3; one latent, one decode; a
prediction that is structurally or compositionally invalid is no match), samples of the aggregate posterior, as it is
and widened (validity, uniqueness, novelty, share of P1 at symprec .1, earth mover's distances to the test file),
crystals per second, and for perov_5 property optimization. Without a test file a tenth of the training file is kept out.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import spglib
import torch
from pymatgen.core import Structure
from scipy.stats import spearmanr, wasserstein_distance
from smact.screening import smact_validity

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.io.corpus import carbon_24, mp_20, perov_5
from invdesign.domains.crystals.model.features import features
from invdesign.domains.crystals.model.graph import min_distance
from invdesign.domains.crystals.symmetry.matching import firsts, is_known, rms
from invdesign.domains.crystals.oracles.computed import measured_table
from invdesign.domains.crystals.symmetry.canonical import crystal_of, structure_of
from invdesign.domains.crystals.model.vae import crystal_vae
from invdesign.latent.prepare import prepare
from invdesign.latent.space import LatentSpace
from invdesign.surrogate import tanimoto_gp
from invdesign.vae.training import Recipe

LOADERS = {"perov_5": perov_5, "mp_20": mp_20, "carbon_24": carbon_24}
RECIPES = {
    "perov_5": Recipe(
        partial(crystal_vae, n_properties=1), epochs=120, batch=128, beta=0.05, beta_warmup=0.2, held_out=300
    ),
    "mp_20": Recipe(
        partial(crystal_vae, d=128, width=256, n_properties=3),
        epochs=140,
        batch=128,
        beta=0.05,
        beta_warmup=0.2,
        held_out=400,
    ),
    "carbon_24": Recipe(
        partial(crystal_vae, n_properties=1), epochs=80, batch=128, beta=0.05, beta_warmup=0.2, held_out=200
    ),
}
# What a property head is taught: the first one is optimized.
TAUGHT = {
    "perov_5": ("heat_ref",),
    "mp_20": ("formation_energy_per_atom", "band_gap", "e_above_hull"),
    "carbon_24": ("energy_per_atom",),
}
WORKERS = 2
# CDVAE's 5th, 10th and 15th percentile of perov_5's heat_ref, eV/atom.
THRESHOLDS = (0.4392, 0.6120, 0.7365)


def is_structural(crystal: Crystal) -> bool:
    """Least pair distance of 0.5 A at least, volume of 0.1 A^3 at least."""
    return min_distance(crystal) >= 0.5 and structure_of(crystal).volume >= 0.1


def is_compositional(crystal: Crystal) -> bool:
    """SMACT's charge neutrality and electronegativity test, oxidation states of its set `smact14`."""
    return bool(smact_validity(structure_of(crystal).composition.reduced_formula, oxidation_states_set="smact14"))


def reconstruction(space: LatentSpace[Any, Any], path: Path, *, needs_neutral: bool) -> dict[str, Any]:
    """Share of a file's crystals that come back, and how far off their atoms are, compared with the file itself."""
    raw = [Structure.from_str(text, fmt="cif") for text in pd.read_csv(path)["cif"]]
    designs = [crystal_of(structure) for structure in raw]
    decoded = space.decode(space.encode(designs))
    found = []
    for structure, out in zip(raw, decoded, strict=True):
        is_valid = out is not None and is_structural(out) and (not needs_neutral or is_compositional(out))
        found.append(rms(structure, out) if is_valid else np.nan)
    pairs = [(a, b) for a, b in zip(designs, decoded, strict=True) if b is not None]
    return {
        "crystals": len(raw),
        "match": float(np.isfinite(found).mean()),
        "rmse": float(np.nanmean(found)),
        "ceiling": float(np.mean([not needs_neutral or is_compositional(design) for design in designs])),
        "same_space_group": sum(a.space_group == b.space_group for a, b in pairs) / len(raw),
        "same_composition": sum(a.formula == b.formula for a, b in pairs) / len(raw),
    }


def samples(
    space: LatentSpace[Any, Any],
    corpus: Corpus[Crystal],
    tested: Sequence[Crystal],
    n: int,
    *,
    widening: float,
    n_compared: int,
) -> dict[str, Any]:
    """What draws from the aggregate posterior decode to, each moved by a share of the spread of all latents.

    Where a draw decodes to nothing that can be, it counts as structurally invalid. The first decodes alone, without the
    nearby points that `LatentSpace.decode` tries next, are counted beside it. Uniqueness and novelty are those of the
    first `n_compared` valid ones: crystals of one formula are compared pair by pair.
    """
    torch.manual_seed(0)
    spread = torch.linalg.cholesky(torch.cov(space.sample.T) + 1e-6 * torch.eye(space.d, dtype=torch.float64))
    noise = torch.randn(n, space.d, dtype=torch.float64) @ spread.T
    Z = (space.draw(n) + widening * noise) / (1 + widening**2) ** 0.5
    start = time.perf_counter()
    decoded = space.decode(Z)
    seconds = time.perf_counter() - start
    designs = [d for d in decoded if d is not None]
    valid = [d for d in designs if is_structural(d)]
    at_once = [d for d in replace(space, retries=0).decode(Z) if d is not None]
    kept = [d for d in valid if is_compositional(d)]
    start = time.perf_counter()
    compared = valid[:n_compared]
    distinct = [compared[i] for i in np.unique(firsts(compared, workers=WORKERS))]
    known = is_known(distinct, corpus.designs, workers=WORKERS)
    novelty_seconds = time.perf_counter() - start
    groups = [_space_group(d) for d in valid]
    return {
        "samples": n,
        "widening": widening,
        "decoded_per_second": n / seconds,
        "structural": len(valid) / n,
        "structural_at_once": sum(map(is_structural, at_once)) / n,
        "compositional": sum(is_compositional(d) for d in designs) / n,
        "compositional_of_decoded": sum(is_compositional(d) for d in designs) / max(1, len(designs)),
        "emd_density": _apart(kept, tested, lambda d: structure_of(d).density),
        "emd_n_elements": _apart(kept, tested, lambda d: len(d.counts)),
        "compared": len(compared),
        "unique": len(distinct) / max(1, len(compared)),
        "novel_of_unique": float(1 - known.mean()),
        "p1": float(np.mean([g == 1 for g in groups])),
        "space_groups": len(set(groups)),
        "group_as_claimed": float(np.mean([g == d.space_group for g, d in zip(groups, valid, strict=True)])),
        "novelty_seconds": novelty_seconds,
    }


def _apart(made: Sequence[Crystal], real: Sequence[Crystal], measure: Callable[[Crystal], float]) -> float:
    """Earth mover's distance between the values of 1,000 samples and of 1,000 real crystals."""
    return float(wasserstein_distance(*([measure(d) for d in designs[:1000]] for designs in (made, real))))


def _space_group(crystal: Crystal) -> int:
    structure = structure_of(crystal, primitive=True)
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=0.1)
    return 1 if found is None else int(found.number)


def optimization(
    space: LatentSpace[Any, Any],
    corpus: Corpus[Crystal],
    tested: Corpus[Crystal],
    tables: Sequence[Path],
    n_starts: int,
) -> dict[str, Any]:
    """CDVAE's property optimization: 11 crystals along an ascent from each of the test crystals, the best one judged.

    The ascent is made of aligned steps: moves of several sizes around each crystal are decoded, the invalid dropped,
    the rest believed by a surrogate fitted to the training crystals, and the most promising one is the next. The judge
    is the table of all crystals in the files; what no file holds is judged by a surrogate fitted to the test file,
    which the ascent never saw, and its error on the training file is stated.
    """
    name = TAUGHT["perov_5"][0]
    guide = _surrogate(corpus, name)
    judge = _surrogate(tested, name)
    error = validate_answer(corpus.designs)[0] - corpus.properties[name]
    path = _ascend(space, tested.designs[:n_starts], lambda designs: np.add(*guide(designs)))
    heats = np.stack([_judged(designs, judge, tables, name) for designs in path])
    best = heats.min(0)
    end = [path[int(row)][i] for i, row in enumerate(heats.argmin(0))]
    return {
        **{f"sr{5 * (i + 1)}": float((best <= limit).mean()) for i, limit in enumerate(THRESHOLDS)},
        "starts": n_starts,
        "starts_already": [float((heats[0] <= limit).mean()) for limit in THRESHOLDS],
        "judge_rmse": float(np.sqrt(np.mean(error**2))),
        "judge_rank_correlation": float(spearmanr(validate_answer(corpus.designs)[0], corpus.properties[name]).statistic),
        "best_not_in_training": float(1 - is_known(end, corpus.designs).mean()),
        "median_along": [float(np.median(row)) for row in heats],
    }


def _surrogate(corpus: Corpus[Crystal], name: str) -> Any:
    """Mean and standard deviation of a property, from a Tanimoto process on the features of a corpus."""

    def inputs(designs: Sequence[Crystal]) -> torch.Tensor:
        F = torch.from_numpy(features(designs))
        return torch.cat([torch.zeros(len(F), 1, dtype=torch.float64), F], 1)

    measured = torch.from_numpy(corpus.properties[name])[:, None]
    model = tanimoto_gp(inputs(corpus.designs), measured, d=1, is_noise_fitted=True)

    def believed(designs: Sequence[Crystal]) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            found = [model.posterior(part.unsqueeze(1)) for part in inputs(designs).split(500)]
        mean, variance = (torch.cat([getattr(f, word).reshape(-1) for f in found]) for word in ("mean", "variance"))
        return mean.numpy(), variance.sqrt().numpy()

    return believed


def _ascend(
    space: LatentSpace[Any, Any], starts: Sequence[Crystal], believed: Any, *, n_stages: int = 10, n_near: int = 64
) -> list[list[Crystal]]:
    """The crystals along the ascents, starts first; each step goes to the least believed property of those nearby."""
    torch.manual_seed(0)
    now = list(starts)
    path, score = [now], believed(now)
    sizes = torch.tensor([0.1, 0.2, 0.4, 0.8], dtype=torch.float64)
    for _ in range(n_stages):
        size = sizes[torch.randint(len(sizes), (len(now), n_near, 1))]
        Z = space.encode(now)[:, None] + size * torch.randn(len(now), n_near, space.d, dtype=torch.float64)
        decoded = space.decode(Z.reshape(-1, space.d))
        rows = [i for i, d in enumerate(decoded) if d is not None and is_structural(d) and is_compositional(d)]
        found = np.full(len(decoded), np.inf)
        found[rows] = believed([decoded[i] for i in rows])
        found = found.reshape(len(now), n_near)
        best = found.argmin(1)
        is_better = found.min(1) < score
        now = [decoded[i * n_near + best[i]] if is_better[i] else now[i] for i in range(len(now))]
        score = np.minimum(score, found.min(1))
        path.append(now)
    return path


def _judged(designs: Sequence[Crystal], judge: Any, tables: Sequence[Path], name: str) -> np.ndarray:
    heats = validate_answer(designs)[0]
    for table in tables:
        measured = np.asarray(measured_table(designs, path=table, column=name)).ravel()
        heats = np.where(np.isfinite(measured), measured, heats)
    return heats


def main() -> None:
    """Train on one set, measure on its test file, and write the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(LOADERS))
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, help="a tenth of the training file where there is none")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--compared", type=int, default=10_000, help="samples whose uniqueness and novelty is told")
    arguments = parser.parse_args()
    load, recipe = LOADERS[arguments.name], RECIPES[arguments.name]
    if arguments.test is None:
        load = partial(load, is_pinned=False)
        arguments.train, arguments.test = _split(arguments.train, arguments.cache)
    corpus = load(arguments.train, cache=arguments.cache, workers=1)
    tested = load([arguments.test], cache=arguments.cache, workers=1)
    taught = {name: corpus.properties[name] for name in TAUGHT[arguments.name]}
    corpus = Corpus(corpus.designs, taught, None, corpus.rejected, corpus.name, corpus.sha256)
    space = prepare(Crystals(), corpus, recipe, cache=arguments.cache, progress=_say)
    has_charges = arguments.name != "carbon_24"
    found = {
        "trained_on": len(corpus),
        "training": space.card["training"],
        "reconstruction": reconstruction(space, arguments.test, needs_neutral=has_charges),
        "samples": [
            samples(space, corpus, tested.designs, arguments.samples, widening=width, n_compared=arguments.compared)
            for width in (0.0, 0.2)
        ],
        "machine": {"processor": platform.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()},
    }
    if arguments.name == "perov_5":
        found["optimization"] = optimization(space, corpus, tested, [*arguments.train, arguments.test], 100)
    text = json.dumps(found, indent=1)
    print(text)
    Path(__file__).with_name(f"crystals_{arguments.name}.json").write_text(text + "\n")


def _split(paths: Sequence[Path], folder: Path) -> tuple[list[Path], Path]:
    """Files of nine tenths of the rows and of the rest."""
    rows = pd.concat([pd.read_csv(path) for path in paths]).sample(frac=1, random_state=0)
    n = len(rows) // 10
    folder.mkdir(parents=True, exist_ok=True)
    train, test = folder / f"{paths[0].stem}_most.csv", folder / f"{paths[0].stem}_rest.csv"
    rows[n:].to_csv(train, index=False)
    rows[:n].to_csv(test, index=False)
    return [train], test


def _say(stage: str, done: int, total: int) -> None:
    if total and done % max(1, total // 10) < 20:
        print(f"{stage}: {done:,} of {total:,}", flush=True)


if __name__ == "__main__":
    main()
