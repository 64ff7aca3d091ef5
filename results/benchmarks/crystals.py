"""Benchmark of the crystal VAE on perov_5, mp_20 or carbon_24, by the definitions of CDVAE (arXiv:2110.06197).

The benchmark measures held-out reconstruction (StructureMatcher, stol .5, angle_tol 10, ltol .3; one latent, one
decoding; a structurally or compositionally invalid prediction is not a match), samples by source (the prior, the
density of real designs, the posteriors of the corpus), crystals per second, and for perov_5 property optimization.
Without a test file a tenth of the training file is held out.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from pymatgen.core.structure import Structure
from scipy.stats import spearmanr, wasserstein_distance

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.crystal import from_text, to_text
from invdesign.domains.crystals.io.corpus import carbon_24, mp_20, perov_5
from invdesign.domains.crystals.model.encoding import cell_numbers
from invdesign.domains.crystals.model.features import features
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE, crystal_token_vae
from invdesign.domains.crystals.model.vae import crystal_vae
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.oracles.computed import energy_above_hull, measured_table
from invdesign.domains.crystals.sanity import has_no_symmetry, is_compositional, is_structural
from invdesign.domains.crystals.symmetry.canonical import crystal_of, structure_of
from invdesign.domains.crystals.symmetry.matching import first_matches, has_match, rms
from invdesign.latent.prepare import prepare
from invdesign.latent.space import LatentSpace, Source
from invdesign.search.ascent import climb
from invdesign.surrogate import sparse_gp, tanimoto_gp
from invdesign.vae.training import Recipe

LOADERS = {"perov_5": perov_5, "mp_20": mp_20, "carbon_24": carbon_24}
GRAPH_RECIPES = {
    "perov_5": Recipe(
        partial(crystal_vae, d=48, n_graph=8, n_properties=1, n_candidates=32),
        epochs=65,
        batch=128,
        beta=0.1,
        target_rate=75,
        held_out=300,
        information_epochs=20,
    ),
    "mp_20": Recipe(
        partial(crystal_vae, d=96, width=256, n_properties=3, n_candidates=16),
        epochs=80,
        batch=128,
        beta=0.06,
        beta_warmup=0.1,
        held_out=400,
        information_epochs=10,
    ),
    "carbon_24": Recipe(
        partial(crystal_vae, n_properties=1, n_candidates=16),
        epochs=80,
        batch=128,
        beta=0.15,
        beta_warmup=0.1,
        held_out=200,
    ),
}
TOKENS = partial(crystal_token_vae, anchors=16, is_rotated=True, n_substitutions=2, wide_share=0.25, beam=16)
TOKEN_RECIPES = {
    "perov_5": Recipe(
        partial(TOKENS, n_properties=1),
        epochs=60,
        batch=128,
        beta=0.2,
        held_out=300,
        information_epochs=15,
    ),
    "mp_20": Recipe(
        partial(TOKENS, d=128, embedding=96, width=192, fall=8.0, n_properties=3),
        epochs=60,
        batch=128,
        beta=0.25,
        held_out=400,
        information_epochs=10,
    ),
}
RECIPES = {"graph": GRAPH_RECIPES, "tokens": TOKEN_RECIPES}
# Targets of the property head; the first one is optimized.
TARGETS = {
    "perov_5": ("heat_ref",),
    "mp_20": ("formation_energy_per_atom", "band_gap", "e_above_hull"),
    "carbon_24": ("energy_per_atom",),
}
WORKERS = 1
# Tokens at which the crystals are divided for the distortion by length.
LENGTHS = (10, 15, 20, 30)
# Figures of the balance of rate and distortion that are reported.
BALANCE = ("rate", "distortion", "neg_elbo", "information", "gap", "reconstruction", "active_units", "quality")
# Designs -> mean and standard deviation of a property.
Predict = Callable[[Sequence[Crystal]], tuple[np.ndarray, np.ndarray]]
# CDVAE's 5th, 10th and 15th percentile of heat_ref in perov_5 [eV/atom].
THRESHOLDS = (0.4392, 0.6120, 0.7365)
# Length of a step of the descent as a fraction of the box's half-length, and weight of the density [eV/atom].
STEP_SIZE, DENSITY_WEIGHT = 0.007, 0.1
# Largest energies above the hull [eV/atom] of a stable and of a metastable crystal.
STABLE, METASTABLE = 0.0, 0.1


def reconstruction(space: LatentSpace[Any, Any], path: Path, *, needs_neutral: bool) -> dict[str, Any]:
    """Measure the fraction of a file's crystals that are reconstructed and the distances of their atoms."""
    raw = [Structure.from_str(text, fmt="cif") for text in pd.read_csv(path)["cif"]]
    designs = [crystal_of(structure) for structure in raw]
    decoded = space.decode(space.encode(designs))
    distances = []
    for structure, out in zip(raw, decoded, strict=True):
        if out is not None and is_structural(out) and (not needs_neutral or is_compositional(out)):
            distances.append(rms(structure, out))
        else:
            distances.append(np.nan)
    pairs = [(a, b) for a, b in zip(designs, decoded, strict=True) if b is not None]
    return {
        "crystals": len(raw),
        "match": float(np.isfinite(distances).mean()),
        "rmse": float(np.nanmean(distances)),
        "ceiling": float(np.mean([not needs_neutral or is_compositional(design) for design in designs])),
        "same_space_group": sum(a.space_group == b.space_group for a, b in pairs) / len(raw),
        "same_composition": sum(a.formula == b.formula for a, b in pairs) / len(raw),
    }


def samples(
    space: LatentSpace[Any, Any],
    corpus: Corpus[Crystal],
    test_designs: Sequence[Crystal],
    n: int,
    *,
    source: Source,
    seed: int,
    n_compared: int,
) -> dict[str, Any]:
    """Decode draws from a source and measure their sanity, uniqueness and novelty.

    A draw without a valid decoding counts as structurally invalid; the other measures are fractions of the decoded
    crystals. Uniqueness and novelty (StructureMatcher) are those of the first `n_compared` of them. `nonsense_greedy`
    is the fraction of draws that are nonsense, or no crystal, without candidates and nearby points.
    """
    torch.manual_seed(seed)
    Z = space.draw(n, source)
    start = time.perf_counter()
    designs = [d for d in space.decode(Z) if d is not None]
    seconds = time.perf_counter() - start
    sanity = {name: values for name, values in space.domain.quality(designs).items()}
    greedy = [d for d in _without_candidates(space).decode(Z) if d is not None]
    n_sane = sum(1 - space.domain.quality(greedy)["nonsense"])
    start = time.perf_counter()
    compared = designs[:n_compared]
    distinct = [compared[i] for i in np.unique(first_matches(compared, workers=WORKERS))]
    is_in_corpus = has_match(distinct, corpus.designs, workers=WORKERS)
    novelty_seconds = time.perf_counter() - start
    neutral = [d for d, is_valid in zip(designs, sanity["compositionally valid"], strict=True) if is_valid]
    volumes = np.array([cell_numbers(space.encoding.vocabulary, d)[0] * 3 for d in designs])
    return {
        "source": source,
        "samples": n,
        "seed": seed,
        "decoded": len(designs) / n,
        "decoded_per_second": n / seconds,
        "structural": float(sanity["structurally valid"].sum() / n),
        "too_near": float(sanity["too near"].mean()),
        "compositional": float(sanity["compositionally valid"].mean()),
        "p1": float(sanity["P1"].mean()),
        "nonsense": float(sanity["nonsense"].mean()),
        "nonsense_greedy": float(1 - n_sane / n),
        "compared": len(compared),
        "unique": len(distinct) / max(1, len(compared)),
        "novel_of_unique": float(1 - is_in_corpus.mean()),
        "space_groups": len({d.space_group for d in designs}),
        "volume_within_20_percent_of_composition": float((np.abs(np.expm1(volumes)) <= 0.2).mean()),
        "emd_density": _earth_movers_distance(neutral, test_designs, lambda d: structure_of(d).density),
        "emd_n_elements": _earth_movers_distance(neutral, test_designs, lambda d: len(d.counts)),
        "novelty_seconds": novelty_seconds,
    }


@torch.no_grad()
def distortion_by_length(space: LatentSpace[Any, Any], designs: Sequence[Crystal]) -> dict[str, Any]:
    """Return -log p(x | z) at the posterior means of crystals [nats], by the number of their tokens (or orbits)."""
    x = space.encoding.encode(designs)
    lost = -space.vae.log_likelihood(x, space.vae.posterior(x).loc).cpu().numpy()
    sizes: Any = space.vae.sizes(x)
    found = {}
    for low, high in pairwise((0, *LENGTHS, 10_000)):
        is_inside = (sizes.numpy() > low) & (sizes.numpy() <= high)
        if is_inside.any():
            found[f"{low + 1} to {high}"] = {"n": int(is_inside.sum()), "nats": float(lost[is_inside].mean())}
    return found


def stability(
    designs: Sequence[Crystal], corpus: Corpus[Crystal], path: Path, *, hull: Path, n_draws: int
) -> dict[str, Any]:
    """Relax crystals by CHGNet and measure how many of the draws are metastable, unique and novel.

    Args:
        designs: Crystals that were decoded from the draws.
        corpus: Training crystals.
        path: File of the relaxations, one a line.
        hull: Table of the competing phases, see `hull_of`.
        n_draws: Number of draws, of which the shares are fractions; a draw that decodes to no crystal counts in none.
    """
    return summarize_stability(evaluate_stability(designs, corpus, path, hull=hull), n_draws)


def evaluate_stability(designs: Sequence[Crystal], corpus: Corpus[Crystal], path: Path, *, hull: Path) -> pd.DataFrame:
    """Relax crystals by CHGNet and compare them with a hull, with each other and with the training crystals.

    An energy above the hull is that of the relaxed crystal. Unique (no match among earlier crystals) and novel (no
    match in the training files, StructureMatcher) are measured on relaxed crystals. Each relaxation is appended to a
    file, and a measurement that was stopped continues there.

    Args:
        designs: Crystals.
        corpus: Training crystals.
        path: File of the relaxations, one a line.
        hull: Table of the competing phases, see `hull_of`.

    Returns:
        A row for each crystal that could be relaxed, with its place among the designs as index.
    """
    rows = pd.DataFrame(relax(designs, path))
    rows = rows[rows["relaxed"].notna()].copy()
    crystals = [from_text(text) for text in rows["relaxed"]]
    energies = rows["energy"].to_numpy(dtype=float)
    rows["above"] = energy_above_hull(crystals, references=hull, energy=lambda _: energies)
    rows["is_metastable"] = rows["above"] <= METASTABLE
    rows["is_below"] = rows["above"] < -METASTABLE
    rows["is_unique"] = first_matches(crystals, workers=WORKERS) == np.arange(len(crystals))
    rows["is_novel"] = ~has_match(crystals, corpus.designs, workers=WORKERS)
    rows["is_p1"] = [has_no_symmetry(crystal) for crystal in crystals]
    rows["is_found"] = rows["is_metastable"] & rows["is_unique"] & rows["is_novel"]
    return rows


def summarize_stability(rows: pd.DataFrame, n_draws: int) -> dict[str, Any]:
    """Return shares of draws from the rows of `evaluate_stability`.

    An energy far below the hull says that phases are missing in it: such crystals are counted apart, and are not
    metastable by the strict measure.
    """
    is_stable = (rows["above"] <= STABLE) & rows["is_unique"] & rows["is_novel"]
    volume_change = rows["volume_change"].abs()
    return {
        "draws": n_draws,
        "relaxed": len(rows),
        "converged": int(rows["is_converged"].sum()) / n_draws,
        "metastable": float(rows["is_metastable"].sum() / n_draws),
        "unique": float(rows["is_unique"].sum() / n_draws),
        "novel": float(rows["is_novel"].sum() / n_draws),
        "metastable_unique_novel": float(rows["is_found"].sum() / n_draws),
        "far_below_the_hull": float(rows["is_below"].sum() / n_draws),
        "metastable_unique_novel_strict": float((rows["is_found"] & ~rows["is_below"]).sum() / n_draws),
        "stable_unique_novel": float(is_stable.sum() / n_draws),
        "above_hull": {f"{q} %": float(np.nanpercentile(rows["above"], q)) for q in (10, 25, 50, 75, 90)},
        "p1": float(rows["is_p1"].mean()),
        "displacement": {"mean": float(rows["displacement"].mean()), "median": float(rows["displacement"].median())},
        "volume_change": float(volume_change.median()),
        "volume_within_20_percent_of_relaxed": float((volume_change <= 0.2).mean()),
        "seconds_a_relaxation": float(rows["seconds"].mean()),
    }


def hull_of(designs: Sequence[Crystal], path: Path) -> Path:
    """Return a table of CHGNet's energies of the training files (`mlip.PHASES`) and of further crystals."""
    if not path.is_file():
        phases = pd.read_csv(mlip.PHASES)
        energies = mlip.energy_per_atom(designs)
        further = pd.DataFrame({"formula": [d.formula for d in designs], "energy_per_atom": energies}).dropna()
        lowest = pd.concat([phases, further]).groupby("formula", as_index=False)["energy_per_atom"].min()
        path.parent.mkdir(parents=True, exist_ok=True)
        lowest.to_csv(path, index=False)
    return path


def relax(designs: Sequence[Crystal], path: Path) -> list[dict[str, Any]]:
    """Return the relaxation of each crystal; those that are not in the file are computed and appended to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.is_file() else []
    done = {row["design"]: row for row in map(json.loads, lines)}
    for i, design in enumerate(designs):
        text = to_text(design)
        if text in done:
            continue
        start = time.process_time()
        relaxation = mlip.relax_structure(design)
        row: dict[str, Any] = {"design": text, "relaxed": None, "seconds": time.process_time() - start}
        if relaxation is not None:
            row |= {
                "relaxed": to_text(crystal_of(relaxation.structure)),
                "energy": relaxation.energy,
                "displacement": relaxation.displacement,
                "volume_change": relaxation.volume_change,
                "is_converged": relaxation.is_converged,
            }
        done[text] = row
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        _print_progress("relaxations", i + 1, len(designs))
    return [done[to_text(design)] for design in designs]


def _without_candidates(space: LatentSpace[Any, Any]) -> LatentSpace[Any, Any]:
    """Return the latent space with greedy decoding, one attempt at each point."""
    vae: Any = copy.deepcopy(space.vae)
    if isinstance(vae, CrystalTokenVAE):
        vae.sequence.beam = 1
    else:
        vae.n_candidates = 0
    return replace(space, vae=vae, retries=0)


def _earth_movers_distance(
    generated: Sequence[Crystal], real: Sequence[Crystal], measure: Callable[[Crystal], float]
) -> float:
    """Return the earth mover's distance between the values of 1,000 samples and of 1,000 real crystals."""
    first, second = ([measure(d) for d in designs[:1000]] for designs in (generated, real))
    return float(wasserstein_distance(first, second))


def optimization(
    space: LatentSpace[Any, Any],
    corpus: Corpus[Crystal],
    test: Corpus[Crystal],
    tables: Sequence[Path],
    n_starts: int,
    *,
    is_gradient: bool = True,
    first: int = 0,
) -> dict[str, Any]:
    """Run CDVAE's property optimization: 11 crystals along a path from each test crystal, of which the best counts.

    The path is one of gradient descent in the latent space, of which 10 points are decoded. Where `is_gradient` is
    false, each of 10 steps decodes 64 displacements of several sizes around the latent of each crystal, drops invalid
    crystals, evaluates the others by a surrogate fitted to the training crystals, and continues with the best one.

    Valid crystals of the path are evaluated by the table of all files; those that are in no file by a second surrogate,
    fitted to the test file, which is not used along the path. The error of the second surrogate on the training file is
    reported.
    """
    name = TARGETS["perov_5"][0]
    predict_test = _fit_surrogate(test, name)
    predictions = predict_test(corpus.designs)[0]
    error = predictions - corpus.properties[name]
    starts = test.designs[first : first + n_starts]
    if is_gradient:
        path = _descend_by_gradient(space, starts, corpus, name)
    else:
        predict_training = _fit_surrogate(corpus, name)
        path = _descend(space, starts, lambda designs: np.add(*predict_training(designs)))
    heats = np.stack([_evaluate(designs, predict_test, tables, name) for designs in path])
    best = heats.min(0)
    end = [path[int(row)][i] for i, row in enumerate(heats.argmin(0))]
    return {
        **{f"sr{5 * (i + 1)}": float((best <= limit).mean()) for i, limit in enumerate(THRESHOLDS)},
        "starts": n_starts,
        "starts_already": [float((heats[0] <= limit).mean()) for limit in THRESHOLDS],
        "judge_rmse": float(np.sqrt(np.mean(error**2))),
        "judge_rank_correlation": float(spearmanr(predictions, corpus.properties[name]).statistic),
        "best_not_in_training": float(1 - has_match(end, corpus.designs).mean()),
        "best_by_the_tables": float(np.isfinite(_look_up(end, tables, name)).mean()),
        "distinct_best": len({Crystals().key(design) for design in end}),
        "distinct_compositions_of_best": len({design.formula for design in end}),
        "median_along": [float(np.median(row)) for row in heats],
    }


def _fit_surrogate(corpus: Corpus[Crystal], name: str) -> Predict:
    """Fit a Gaussian process with a Tanimoto kernel on the features of a corpus to a property.

    Returns:
        Function of designs that returns mean and standard deviation of the property (`n` each).
    """

    def inputs(designs: Sequence[Crystal]) -> torch.Tensor:
        F = torch.from_numpy(features(designs))
        return torch.cat([torch.zeros(len(F), 1, dtype=torch.float64), F], 1)

    measured = torch.from_numpy(corpus.properties[name])[:, None]
    model = tanimoto_gp(inputs(corpus.designs), measured, d=1, is_noise_fitted=True)

    def predict(designs: Sequence[Crystal]) -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            posteriors: list[Any] = [model.posterior(part.unsqueeze(1)) for part in inputs(designs).split(500)]
        mean = torch.cat([posterior.mean.reshape(-1) for posterior in posteriors])
        variance = torch.cat([posterior.variance.reshape(-1) for posterior in posteriors])
        return mean.numpy(), variance.sqrt().numpy()

    return predict


def _descend_by_gradient(
    space: LatentSpace[Any, Any],
    starts: Sequence[Crystal],
    corpus: Corpus[Crystal],
    name: str,
    *,
    n_decoded: int = 10,
    n_steps: int = 100,
    step_size: float = STEP_SIZE,
    density_weight: float = DENSITY_WEIGHT,
) -> list[list[Crystal]]:
    """Return the crystals along paths of gradient descent, starts first, each replaced by the one before if invalid.

    A Gaussian process on the latents of the training crystals predicts the property; mean, standard deviation and the
    negative logarithm of the density for each dimension are minimized.
    """
    model: Any = sparse_gp(space.encode(corpus.designs), -torch.from_numpy(corpus.properties[name])[:, None], d=space.d)

    def value(X: torch.Tensor) -> torch.Tensor:
        posterior = model.posterior(X)
        utility = posterior.mean.reshape(-1) - posterior.variance.reshape(-1).sqrt()
        density: torch.Tensor = -0.5 * X.reshape(-1, space.d).square().mean(1)
        return utility + density_weight * density

    bounds = torch.tensor([[-4.0], [4.0]], dtype=torch.float64).expand(2, space.d)
    path = climb(value, space.encode(starts), bounds, n_steps=n_steps, step_size=step_size)
    crystals = [list(starts)]
    for k in range(1, n_decoded + 1):
        decoded = space.decode(path[round(k * n_steps / n_decoded)])
        crystals.append(
            [
                new if new is not None and is_structural(new) and is_compositional(new) else old
                for new, old in zip(decoded, crystals[-1], strict=True)
            ]
        )
    return crystals


def _descend(
    space: LatentSpace[Any, Any],
    starts: Sequence[Crystal],
    predict: Callable[[Sequence[Crystal]], np.ndarray],
    *,
    n_stages: int = 10,
    n_near: int = 64,
) -> list[list[Crystal]]:
    """Return the crystals along the paths, starts first; each step minimizes the prediction among nearby crystals."""
    torch.manual_seed(0)
    current = list(starts)
    path, score = [current], predict(current)
    sizes = torch.tensor([0.1, 0.2, 0.4, 0.8], dtype=torch.float64)
    for _ in range(n_stages):
        size = sizes[torch.randint(len(sizes), (len(current), n_near, 1))]
        Z = space.encode(current)[:, None] + size * torch.randn(len(current), n_near, space.d, dtype=torch.float64)
        decoded: list[Any] = space.decode(Z.reshape(-1, space.d))
        rows = [i for i, d in enumerate(decoded) if d is not None and is_structural(d) and is_compositional(d)]
        values = np.full(len(decoded), np.inf)
        values[rows] = predict([decoded[i] for i in rows])
        predictions = values.reshape(len(current), n_near)
        best = predictions.argmin(1)
        is_better = predictions.min(1) < score
        current = [decoded[i * n_near + best[i]] if is_better[i] else current[i] for i in range(len(current))]
        score = np.minimum(score, predictions.min(1))
        path.append(current)
    return path


def _evaluate(designs: Sequence[Crystal], predict: Predict, tables: Sequence[Path], name: str) -> np.ndarray:
    """Return the property (`n`) from the tables, or the prediction for designs that are in none."""
    measured = _look_up(designs, tables, name)
    return np.where(np.isfinite(measured), measured, predict(designs)[0])


def _look_up(designs: Sequence[Crystal], tables: Sequence[Path], name: str) -> np.ndarray:
    """Return the property (`n`) from the tables; NaN for designs that are in none."""
    found = np.full(len(designs), np.nan)
    for table in tables:
        measured = np.asarray(measured_table(designs, path=table, column=name)).ravel()
        found = np.where(np.isfinite(measured), measured, found)
    return found


def main() -> None:
    """Train on one data set, evaluate on its test file, and write the results beside this file."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(LOADERS))
    parser.add_argument("--vae", choices=sorted(RECIPES), default="tokens")
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--test", type=Path, help="test file (default: a tenth of the training file)")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--samples", type=int, default=2000, help="number of draws from each source")
    parser.add_argument("--seed", type=int, default=2027, help="seed of the draws; no setting was chosen on it")
    parser.add_argument(
        "--compared", type=int, default=1000, help="number of samples whose uniqueness and novelty are measured"
    )
    parser.add_argument(
        "--out", type=Path, help="file of the figures (default: crystals_NAME_VAE.json beside this file)"
    )
    parser.add_argument("--relaxed", type=int, default=0, help="number of draws of the prior to relax by CHGNet")
    parser.add_argument("--optimize", action="store_true", help="also run property optimization (perov_5)")
    parser.add_argument(
        "--only-optimize", action="store_true", help="run property optimization alone, and print its figures"
    )
    arguments = parser.parse_args()
    if arguments.name not in RECIPES[arguments.vae]:
        parser.error(f"expected --vae graph for {arguments.name}")
    load, recipe = LOADERS[arguments.name], RECIPES[arguments.vae][arguments.name]
    if arguments.test is None:
        load = partial(load, is_pinned=False)
        arguments.train, arguments.test = _split(arguments.train, arguments.cache)
    corpus = load(arguments.train, cache=arguments.cache, workers=1)
    test = load([arguments.test], cache=arguments.cache, workers=1)
    targets = {name: corpus.properties[name] for name in TARGETS[arguments.name]}
    corpus = Corpus(corpus.designs, targets, None, corpus.rejected, corpus.name, corpus.sha256)
    space = prepare(Crystals(), corpus, recipe, cache=arguments.cache, progress=_print_progress)
    if arguments.only_optimize:
        print(json.dumps(optimization(space, corpus, test, [*arguments.train, arguments.test], 100), indent=1))
        return
    has_charges = arguments.name != "carbon_24"
    results = {
        "trained_on": len(corpus),
        "training": space.card["training"],
        "reconstruction": reconstruction(space, arguments.test, needs_neutral=has_charges),
        "distortion_by_length": {
            "training file": distortion_by_length(space, corpus.designs[::10]),
            "test file": distortion_by_length(space, test.designs[:1000]),
        },
        "diagnosis": {name: space.card["diagnosis"][name] for name in BALANCE},
        "samples": [
            samples(
                space,
                corpus,
                test.designs,
                arguments.samples,
                source=source,
                seed=arguments.seed,
                n_compared=arguments.compared,
            )
            for source in get_args(Source)
        ],
        "machine": {"processor": platform.machine(), "torch": torch.__version__, "threads": torch.get_num_threads()},
    }
    if arguments.relaxed:
        file = arguments.cache / f"relaxations_{arguments.name}_{arguments.vae}"
        hull = hull_of(test.designs, file.with_suffix(".hull.csv"))
        torch.manual_seed(arguments.seed)
        drawn = [d for d in space.decode(space.draw(arguments.relaxed, "prior")) if d is not None]
        results["stability"] = {
            "prior": stability(drawn, corpus, file.with_suffix(".prior.jsonl"), hull=hull, n_draws=arguments.relaxed),
            "test file": stability(
                test.designs[: arguments.relaxed],
                corpus,
                file.with_suffix(".test.jsonl"),
                hull=hull,
                n_draws=min(len(test), arguments.relaxed),
            ),
        }
    if arguments.optimize:
        results["optimization"] = optimization(space, corpus, test, [*arguments.train, arguments.test], 100)
    text = json.dumps(results, indent=1)
    print(text)
    (arguments.out or Path(__file__).with_name(f"crystals_{arguments.name}_{arguments.vae}.json")).write_text(
        text + "\n"
    )


def _split(paths: Sequence[Path], folder: Path) -> tuple[list[Path], Path]:
    """Write files of nine tenths of the rows and of the rest."""
    rows = pd.concat([pd.read_csv(path) for path in paths]).sample(frac=1, random_state=0)
    n = len(rows) // 10
    folder.mkdir(parents=True, exist_ok=True)
    train, test = folder / f"{paths[0].stem}_most.csv", folder / f"{paths[0].stem}_rest.csv"
    rows[n:].to_csv(train, index=False)
    rows[:n].to_csv(test, index=False)
    return [train], test


def _print_progress(stage: str, done: int, total: int) -> None:
    if total and done % max(1, total // 10) < 20:
        print(f"{stage}: {done:,} of {total:,}", flush=True)


if __name__ == "__main__":
    main()
