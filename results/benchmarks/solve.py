"""Benchmark: crystals of mp_20's test file from their powder patterns and formulas; training crystals from mp_20_train.

    python results/benchmarks/solve.py --train mp_20_train.csv.gz --test mp_20_test.csv.gz --crystals 200

Patterns are those of pymatgen's XRDCalculator (Cu K alpha, 5 to 90 degrees), measured in a simulated laboratory: width,
zero shift, strain, texture, background and counting noise. A candidate matches by StructureMatcher with the tolerances
of the literature. A killed run continues.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pymatgen.analysis.diffraction.xrd import XRDCalculator

from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal, Crystals
from invdesign.domains.crystals.io.corpus import mp_20
from invdesign.domains.crystals.model.descriptor_tables import element_table
from invdesign.domains.crystals.model.token_vae import CrystalTokenVAE, crystal_token_vae
from invdesign.domains.crystals.powder.diffraction import Grid
from invdesign.domains.crystals.powder.latent_proposals import decode_formula, latent_proposals
from invdesign.domains.crystals.powder.measured import PowderPattern, prepare_pattern
from invdesign.domains.crystals.powder.solve import Effort, Solution, solve
from invdesign.domains.crystals.powder.substitution import LATENT, Proposal, TemplateLibrary
from invdesign.domains.crystals.powder.view import PatternView, formula_inputs
from invdesign.domains.crystals.powder.view_training import ViewSettings, train_view
from invdesign.domains.crystals.symmetry.canonical import structure_of
from invdesign.domains.crystals.symmetry.matching import match, rms
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.vae.training import Recipe, train

WAVELENGTH = 1.54184
N_TEMPLATES = 150
TARGETS = ("formation_energy_per_atom", "band_gap", "e_above_hull")
RECIPE = Recipe(
    partial(crystal_token_vae, d=96, embedding=96, width=192, fall=8.0, n_properties=3),
    epochs=30,
    batch=128,
    beta=0.2,
    held_out=300,
    information_epochs=0,
)
STAGES = {
    "scale only": Effort(is_fitted=False, n_refined=0),
    "and cells": Effort(n_refined=0),
    "and coordinates": Effort(),
}
SEED = 2026


def main() -> None:
    """Train what is missing, measure crystals that were not measured, and write the figures beside this file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/solve"))
    parser.add_argument("--crystals", type=int, default=200, help="test crystals, drawn at random (default 200)")
    parser.add_argument("--stages", type=int, default=20, help="of these, those on which every stage is measured")
    parser.add_argument("--epochs", type=int, default=ViewSettings.epochs, help="passes of the training of the view")
    parser.add_argument("--changed", type=int, default=ViewSettings.n_changed, help="changed copies to train it on")
    parser.add_argument("--latents", type=int, default=48, help="latents drawn for a pattern; 0 for none (default 48)")
    parser.add_argument("--missed", action="store_true", help="also decode latents of similar formulas for the missed")
    parser.add_argument("--view", type=int, default=0, help="latents drawn by the trained view for the missed; 0: none")
    arguments = parser.parse_args()
    corpus = mp_20([arguments.train], cache=arguments.cache)
    test = mp_20([arguments.test], cache=arguments.cache)
    settings = ViewSettings(epochs=arguments.epochs, n_changed=arguments.changed)
    vae, view = train_models(corpus, arguments.cache, settings) if arguments.latents else (None, None)
    library = TemplateLibrary(tuple(corpus.designs))
    rows = np.random.default_rng(SEED).permutation(len(test))[: arguments.crystals]
    store = arguments.cache / f"solve-{arguments.latents}.jsonl"
    done = {row["test row"]: row for row in map(json.loads, store.read_text().splitlines())} if store.is_file() else {}
    for i, row in enumerate(rows.tolist()):
        if row not in done:
            has_stages = i < arguments.stages
            found = measure(test.designs[row], row, library, vae, view, arguments.latents, has_stages=has_stages)
            done[row] = {"test row": row, **found}
            with store.open("a") as file:
                file.write(json.dumps(done[row]) + "\n")
        print(f"{i + 1} of {len(rows)}: {done[row]['formula']}", flush=True)
    summary = summarize([done[row] for row in rows.tolist()])
    if arguments.missed:
        missed = [row for row in rows.tolist() if not done[row]["all"]["rank"]]
        summary["missed"] = measure_missed([test.designs[row] for row in missed], corpus, library, arguments.cache)
    if arguments.view:
        missed = [row for row in rows.tolist() if not done[row]["all"]["rank"]]
        vae, view = train_models(corpus, arguments.cache, settings)
        summary["view of the missed"] = measure_view(missed, test, library, vae, view, arguments.view)
    summary["machine"] = {"processor": platform.machine(), "torch": torch.__version__, "load": os.getloadavg()[0]}
    text = json.dumps(summary, indent=1)
    print(text)
    Path(__file__).with_suffix(".json").write_text(text + "\n")


def train_models(corpus: Corpus[Crystal], folder: Path, settings: ViewSettings) -> tuple[CrystalTokenVAE, PatternView]:
    """Return the VAE of the training crystals and the view of patterns and formulas, trained or from their folder."""
    vae, rows = train_vae(corpus, folder)
    return vae, train_view(vae, rows, folder / "view", settings=settings, progress=_print_progress)


def train_vae(corpus: Corpus[Crystal], folder: Path) -> tuple[CrystalTokenVAE, torch.Tensor]:
    """Return the VAE of the training crystals, trained or from its folder, and the encoded crystals."""
    encoding = Crystals().fit(corpus.designs)
    rows = encoding.encode(corpus.designs)
    torch.manual_seed(RECIPE.seed)
    vae = crystal_token_vae(encoding, d=96, embedding=96, width=192, fall=8.0, n_properties=len(TARGETS))
    properties = {name: corpus.properties[name] for name in TARGETS}
    labelled = Corpus(corpus.designs, properties, None, corpus.rejected, corpus.name, corpus.sha256)
    targets = auxiliary_targets(encoding, labelled, len(TARGETS))
    folder.mkdir(parents=True, exist_ok=True)
    train(vae, rows, RECIPE, targets=targets, checkpoint=folder / "vae.safetensors", progress=_print_progress)
    return vae, rows


@torch.no_grad()
def measure_missed(
    missed: Sequence[Crystal], corpus: Corpus[Crystal], library: TemplateLibrary, folder: Path
) -> dict[str, Any]:
    """Return how often crystals decoded at the latents of similar formulas, as the formula, contain the right one."""
    vae, rows = train_vae(corpus, folder)
    latents = torch.cat([vae.posterior(part).loc for part in rows.split(500)])
    known = _describe_formulas(vae, corpus.designs)
    generator = torch.Generator().manual_seed(0)
    n_right, sizes = 0, []
    for crystal in missed:
        near = torch.cdist(_describe_formulas(vae, [crystal]), known)[0].topk(40, largest=False).indices
        noise = 0.5 * torch.randn(8, vae.d, generator=generator)
        z = torch.cat([latents[near], latents[near[:8]] + noise])
        proposals = decode_formula(vae, z, crystal.counts, library)[:120]
        n_right += any(match(crystal, proposal.crystal) for proposal in proposals)
        sizes.append(len(proposals))
    return {"crystals": len(missed), "right among the proposals": n_right, "proposals": float(np.mean(sizes))}


def measure_view(
    missed: Sequence[int],
    test: Corpus[Crystal],
    library: TemplateLibrary,
    vae: CrystalTokenVAE,
    view: PatternView,
    n_latents: int,
) -> dict[str, Any]:
    """Return what latents of the view of pattern and formula add for crystals that no known structure explains."""
    n_right, sizes, ranks, rate_of = 0, [], [], []
    for row in missed:
        crystal = test.designs[row]
        measured = prepare_pattern(simulate(crystal, row))
        drawn = latent_proposals(vae, view, measured, crystal.counts, library, n=n_latents)
        n_right += any(match(crystal, proposal.crystal) for proposal in drawn)
        sizes.append(len(drawn))
        together = solve(measured, [*library.proposals(crystal.counts, N_TEMPLATES), *drawn], library, n=20)
        ranks.append(rate(crystal, together[:10])["rank"])
        rate_of.append(sum(solution.origin == LATENT for solution in together[:10]))
    return {
        "crystals": len(missed),
        "latents": n_latents,
        "right among the proposals": n_right,
        "proposals": float(np.mean(sizes)),
        "match@1": sum(rank == 1 for rank in ranks),
        "match@10": sum(1 <= rank <= 10 for rank in ranks),
        "of the ten best from latents": float(np.mean(rate_of)),
    }


def _describe_formulas(vae: CrystalTokenVAE, crystals: Sequence[Crystal]) -> torch.Tensor:
    """Return vectors that are near for formulas of like ratios and elements."""
    elements = vae.language.vocabulary.elements
    x = formula_inputs(elements, [crystal.counts for crystal in crystals])
    shares, ratios = x[:, : len(elements)], x[:, len(elements) :]
    return torch.cat([shares @ element_table(elements), 3 * ratios, shares], 1)


def simulate(crystal: Crystal, seed: int) -> PowderPattern:
    """Return a pattern of a crystal as a laboratory measures it."""
    rng = np.random.default_rng(seed)
    peaks = XRDCalculator(WAVELENGTH).get_pattern(structure_of(crystal), two_theta_range=(5, 90))
    angles = np.arange(5, 90, 0.02)
    grid = Grid(5.0, 0.02, len(angles))
    strain, zero, width = rng.normal(0, 5e-4), rng.normal(0, 0.02), 0.06 + abs(rng.normal(0, 0.05))
    at = np.asarray(peaks.x)
    moved = at - 2 * np.degrees(np.tan(np.radians(at / 2))) * strain + zero
    texture = np.exp(rng.normal(0, 0.1, len(at)))
    pattern = grid.broaden(grid.deposit(moved[None], np.asarray(peaks.y) * texture), width)[0]
    expected = 100 * pattern / pattern.max() + 5 * np.exp(-angles / 30) + 1
    return PowderPattern(angles, rng.poisson(np.maximum(expected, 0) * 50) / 50, WAVELENGTH)


def measure(
    crystal: Crystal,
    seed: int,
    library: TemplateLibrary,
    vae: CrystalTokenVAE | None,
    view: PatternView | None,
    n_latents: int,
    *,
    has_stages: bool,
) -> dict[str, Any]:
    """Return which candidates match the crystal, by where they come from and by stage."""
    measured = prepare_pattern(simulate(crystal, seed))
    start = time.process_time()
    known = library.proposals(crystal.counts, N_TEMPLATES)
    drawn: list[Proposal] = []
    if vae is not None and view is not None:
        drawn = latent_proposals(vae, view, measured, crystal.counts, library, n=n_latents)
    found: dict[str, Any] = {"formula": crystal.formula, "space_group": crystal.space_group, "known": len(known)}
    together = solve(measured, [*known, *drawn], library, n=20)
    found["seconds"] = time.process_time() - start
    found["all"] = rate(crystal, together[:10])
    if drawn:
        found["known structures"] = rate(crystal, [s for s in together if s.origin != LATENT][:10])
        found["latent space alone"] = rate(crystal, solve(measured, drawn, library, n=10))
    if has_stages:
        for name, effort in STAGES.items():
            found[name] = rate(crystal, solve(measured, known, library, n=10, effort=effort))
    return found


def rate(crystal: Crystal, solutions: Sequence[Solution]) -> dict[str, Any]:
    """Return the rank of the first candidate that matches (0 for none), its distance, and the best agreement."""
    for rank, solution in enumerate(solutions, start=1):
        if match(crystal, solution.crystal):
            return {"rank": rank, "rms": rms(crystal, solution.crystal), "agreement": solutions[0].agreement}
    return {"rank": 0, "rms": None, "agreement": solutions[0].agreement if solutions else 0.0}


def summarize(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the share of crystals that the first candidate, and one of ten, matches."""
    summary: dict[str, Any] = {
        "crystals": len(rows),
        "without a known structure of the ratios": sum(not row["known"] for row in rows),
        "cpu_seconds": float(np.mean([row["seconds"] for row in rows])),
    }
    for name in ("all", "known structures", "latent space alone", *STAGES):
        ranks = np.array([row[name]["rank"] for row in rows if name in row])
        distances = [row[name]["rms"] for row in rows if name in row and row[name]["rms"] is not None]
        if len(ranks):
            at = {f"match@{n}": float(((ranks > 0) & (ranks <= n)).mean()) for n in (1, 5, 10)}
            summary[name] = {"n": len(ranks), **at, "rms": float(np.mean(distances)) if distances else None}
    return summary


def _print_progress(stage: str, done: int, total: int) -> None:
    if total and done % max(1, total // 40) == 0:
        print(f"{stage}: {done:,} of {total:,}", flush=True)


if __name__ == "__main__":
    main()
