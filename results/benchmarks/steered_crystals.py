"""Benchmark: campaigns that steer the token model of mp_20 to metastable crystals by CHGNet.

    python results/benchmarks/steered_crystals.py --train mp_20_train.csv.gz mp_20_pilot_train.csv.gz --cache CACHE
        --draws CACHE/relaxations_mp_20_tokens.prior.jsonl --hull CACHE/relaxations_mp_20_tokens.hull.csv

The draws and the hull are those of `crystals.py mp_20 --relaxed 500`. A campaign starts from the last of these draws,
with their energies, and asks for energies within .1 eV/atom of the hull on both sides. The hull that it sees has the
phases of the training files alone; crystals are evaluated, as the draws are, with those of the test file too. The control
relaxes random mutations of training crystals that pass the screens of the campaign. Relaxations and rounds that were
made are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from crystals import METASTABLE, TOKEN_RECIPES, evaluate_stability, relax, summarize_stability
from pymatgen.core.composition import Composition

from invdesign import Campaign, CampaignRun, Seeding
from invdesign.config.compose import compose
from invdesign.config.instantiate import build
from invdesign.core import Corpus
from invdesign.domains.crystals import Crystal
from invdesign.domains.crystals.crystal import from_text
from invdesign.domains.crystals.mutations import mutate
from invdesign.domains.crystals.oracles import mlip
from invdesign.domains.crystals.oracles.computed import energy_above_hull
from invdesign.domains.crystals.sanity import has_no_symmetry
from invdesign.domains.crystals.validators import near_hull, neutrality
from invdesign.runs.resources import Resources

OUT = Path(__file__).with_suffix(".json")
CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "near_hull.yaml"
PROPERTY = "near_hull"
Proposed = list[tuple[Crystal, str]]
"""Crystals with their origins."""
PROPOSALS = {"both": (), "latent": ("mutations=null",), "mutations": ("mutations.fraction=1.0",)}
N_SEEDS, BATCH, N_BEST = 60, 20, 10
SCREEN = (-0.05, 0.15)
"""Energies above the hull [eV/atom] before the relaxation that pass the screen, chosen on the prior draws."""


def compute_above_hull(designs: Sequence[Crystal], *, path: Path, references: Path) -> np.ndarray:
    """Return energies above the hull (`n`) [eV/atom] of relaxed crystals; NaN for one that cannot be relaxed.

    Args:
        designs: Crystals.
        path: File of the relaxations, to which new ones are appended.
        references: Table of the competing phases.
    """
    energies = np.array([row.get("energy", np.nan) for row in relax(designs, path)])
    return energy_above_hull(designs, references=references, energy=lambda _: energies)


def read_draws(path: Path) -> list[Crystal]:
    """Return the crystals of a file of relaxations, in its order."""
    return [from_text(json.loads(line)["design"]) for line in path.read_text().splitlines()]


def make_campaign(
    train: Sequence[Path],
    cache: Path,
    draws: Path,
    seed_designs: Sequence[Crystal],
    settings: Sequence[str],
    *,
    is_screened: bool,
) -> Campaign[Any, Any]:
    """Return the shipped campaign `near_hull` on mp_20 with the token model, seed designs and relaxations on disk.

    Args:
        train: Training files of mp_20.
        cache: Folder of the corpus, the model and the relaxations.
        draws: File of the relaxations of the seed designs.
        seed_designs: Crystals to start from.
        settings: Settings of the campaign.
        is_screened: Whether crystals far from the hull before a relaxation are dropped (`SCREEN`).
    """
    composed = compose(
        str(CAMPAIGN),
        [
            "corpus=crystals/mp_20",
            "~corpus.n",
            f"corpus.path=[{','.join(str(path.resolve()) for path in train)}]",
            f"corpus.cache={cache.resolve()}",
            "corpus.workers=1",
            "vae=crystals/tokens",
            # The screens of the draws' model are light: strict ones refuse most intermetallics, which count here.
            "validators=crystals/default",
            f"batch={BATCH}",
            f"objectives.{PROPERTY}.goal=[{-METASTABLE},{METASTABLE}]",
            "search.oversample=10",
            "search.acquire.beta=0.25",
            *settings,
        ],
    )
    campaign: Campaign[Any, Any] = build(composed.values, composed.where, name=PROPERTY).campaign
    values = compute_above_hull(seed_designs, path=draws, references=mlip.PHASES)
    seeds = Corpus(tuple(seed_designs), {PROPERTY: values})
    oracle = partial(compute_above_hull, path=locate_relaxations(cache), references=mlip.PHASES)
    screens = list(campaign.filters.screens or ())
    if is_screened:
        low, high = SCREEN
        screens.append(partial(near_hull, references=mlip.PHASES, energy=mlip.energy_per_atom, min=low, max=high))
    return replace(
        campaign,
        filters=replace(campaign.filters, screens=screens),
        task=replace(campaign.task, oracle=oracle),
        vae=replace(TOKEN_RECIPES["mp_20"], information_epochs=0),
        seeding=Seeding(seeds=lambda: seeds),
    )


def mutate_training_crystals(corpus: Corpus[Crystal], campaign: Campaign[Any, Any], n: int, seed: int) -> list[Crystal]:
    """Return random mutations of training crystals that pass the screens of a campaign, distinct and not in the corpus.

    A mutation has as many substitutions as those of the campaign's largest trust region.
    """
    torch.manual_seed(seed)
    known = {campaign.domain.key(design) for design in corpus.designs}
    found: list[Crystal] = []
    while len(found) < n:
        parents = [corpus.designs[i] for i in torch.randint(len(corpus), (n,)).tolist()]
        for parent in parents:
            child = mutate([parent], 1, radius=3)[0]
            key = campaign.domain.key(child)
            is_screened = all(screen([child])[0].passed for screen in campaign.filters.screens or ())
            if key not in known and is_screened and len(found) < n:
                known.add(key)
                found.append(child)
    return found


def describe_diversity(designs: Sequence[Crystal], corpus: Corpus[Crystal]) -> dict[str, Any]:
    """Return how many formulas, structure types and elements crystals have, and the shares that training crystals have.

    A structure type is a space group, a formula without elements, and the occupied Wyckoff positions.
    """
    if not designs:
        return {}
    n = len(designs)
    formulas = Counter(design.formula for design in designs)
    types = Counter(map(structure_type, designs))
    known_formulas = {design.formula for design in corpus.designs}
    known_types = {structure_type(design) for design in corpus.designs}
    elements = Counter(element for design in designs for element in design.counts)
    systems = Counter("-".join(sorted(design.counts)) for design in designs)
    return {
        "n": n,
        "formulas": len(formulas),
        "chemical_systems": len(systems),
        "structure_types": len(types),
        "space_groups": len({design.space_group for design in designs}),
        "elements": len(elements),
        "share_of_commonest_type": types.most_common(1)[0][1] / n,
        "commonest_elements": {element: count / n for element, count in elements.most_common(8)},
        "formula_in_training": sum(design.formula in known_formulas for design in designs) / n,
        "type_in_training": sum(structure_type(design) in known_types for design in designs) / n,
        "atoms": float(np.mean([design.n_atoms for design in designs])),
        "compounds": float(np.mean([check.passed for check in neutrality(designs, allow_alloys=False)])),
    }


def structure_type(design: Crystal) -> tuple[Any, ...]:
    """Return space group, formula without elements, and occupied Wyckoff positions."""
    positions = tuple(sorted(orbit.letter for orbit in design.orbits))
    return design.space_group, Composition(design.formula).anonymized_formula, positions


def compare(rows: pd.DataFrame, n: int, reference: tuple[int, int]) -> dict[str, Any]:
    """Return shares of crystals, and their ratio to those of the draws with a 95 % interval.

    The interval is that of the logarithm of a ratio of two independent shares (Katz et al. 1978,
    doi:10.2307/2530610). Crystals of one campaign depend on each other, so that it is too narrow.
    """
    n_found = int((rows["is_found"] & ~rows["is_below"]).sum())
    k, m = reference
    ratio = (n_found / n) / (k / m)
    deviation = np.sqrt(1 / max(n_found, 1) - 1 / n + 1 / k - 1 / m)
    return {
        **summarize_stability(rows, n),
        "ratio_to_draws": ratio,
        "interval": [float(ratio * np.exp(-1.96 * deviation)), float(ratio * np.exp(1.96 * deviation))],
    }


def describe_draws(draws: Sequence[Crystal], corpus: Corpus[Crystal], path: Path, hull: Path) -> dict[str, Any]:
    """Return the shares of the prior draws, and those of the draws that pass the screen of the campaign."""
    rows = evaluate_stability(draws, corpus, path, hull=hull)
    is_strict = rows["is_found"] & ~rows["is_below"]
    n_strict = int(is_strict.sum())
    low, high = SCREEN
    unrelaxed = energy_above_hull(draws, references=mlip.PHASES, energy=mlip.energy_per_atom)
    is_near = pd.Series((unrelaxed >= low) & (unrelaxed <= high))
    is_compound = pd.Series([check.passed for check in neutrality(draws, allow_alloys=False)])
    is_both = is_near & is_compound
    reference = (n_strict, len(draws))
    return {
        "metastable": n_strict,
        "all": compare(rows, len(draws), reference),
        "that pass the screen": compare(rows[is_near[rows.index]], int(is_near.sum()), reference),
        "compounds": compare(rows[is_compound[rows.index]], int(is_compound.sum()), reference),
        "compounds that pass the screen": compare(rows[is_both[rows.index]], int(is_both.sum()), reference),
        "diversity": describe_diversity(draws, corpus),
        "diversity_of_metastable": describe_diversity([draws[i] for i in rows.index[is_strict]], corpus),
    }


def run_campaign(campaign: Campaign[Any, Any], folder: Path, cache: Path, budget: int) -> Proposed:
    """Return the proposed crystals with their origins; a run that was stopped continues."""
    with CampaignRun.open(folder, campaign, resources=Resources(cache=cache, progress=print_progress)) as run:
        run.run(budget=budget)
        return [(c.design, c.origin) for c in run.state.history if c.round > 0]


def evaluate(
    pairs: Proposed, rows: pd.DataFrame, corpus: Corpus[Crystal], reference: tuple[int, int]
) -> dict[str, Any]:
    """Return the shares of all crystals, of the last half and of each origin, their diversity and the best ones."""
    designs, origins = [design for design, _ in pairs], [origin for _, origin in pairs]
    half = len(designs) // 2
    label = pd.Series(origins)[rows.index]
    groups = {"all": (rows, len(designs)), "last half": (rows[rows.index >= half], len(designs) - half)}
    groups |= {name: (rows[label == name], origins.count(name)) for name in sorted(set(origins))}
    is_strict = rows["is_found"] & ~rows["is_below"]
    strict = [designs[i] for i in rows.index[is_strict]]
    return {
        **{name: compare(part, n, reference) for name, (part, n) in groups.items()},
        "p1_of_designs": float(np.mean([has_no_symmetry(design) for design in designs])),
        "diversity": describe_diversity(designs, corpus),
        "diversity_of_metastable": describe_diversity(strict, corpus),
        "nearest_to_the_hull": describe_best(designs, rows[is_strict]),
    }


def describe_best(designs: Sequence[Crystal], rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the crystals nearest to the hull, one of each formula."""
    found: dict[str, dict[str, Any]] = {}
    for i in rows["above"].abs().sort_values().index:
        design = designs[i]
        found.setdefault(
            design.formula,
            {
                "formula": design.formula,
                "space_group": design.space_group,
                "relaxed_space_group": from_text(rows.at[i, "relaxed"]).space_group,
                "above_hull": float(rows.at[i, "above"]),
                "displacement": float(rows.at[i, "displacement"]),
                "design": rows.at[i, "design"],
            },
        )
    return list(found.values())[:N_BEST]


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--draws", type=Path, required=True, help="relaxations of prior draws by crystals.py")
    parser.add_argument("--hull", type=Path, required=True, help="table of the phases by crystals.py")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--proposals", choices=sorted(PROPOSALS), nargs="*", default=["both"])
    parser.add_argument("--budget", type=int, default=160, help="relaxations of a campaign (default 160)")
    parser.add_argument("--control", type=int, default=0, help="random mutations of training crystals to relax")
    parser.add_argument("--quota", type=int, help="largest number of designs of one formula type in a batch")
    parser.add_argument("--without-screen", action="store_true", help="relax crystals far from the hull too")
    parser.add_argument("--compounds", action="store_true", help="screen out alloys too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def main() -> None:
    """Run campaigns and the control that are missing, and write the figures beside this file."""
    arguments = parse_arguments()
    torch.set_num_threads(1)
    draws = read_draws(arguments.draws)
    stored: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    make = partial(
        make_campaign,
        arguments.train,
        arguments.cache,
        arguments.draws,
        draws[-N_SEEDS:],
        is_screened=not arguments.without_screen,
    )
    settings = [f"seed={arguments.seed}"]
    if arguments.compounds:
        settings.append("validators.neutrality.allow_alloys=false")
    campaign = make(settings)
    if arguments.quota:
        settings += [f"batch_diversity.quota={arguments.quota}", "batch_diversity.group.function=formula_type"]
    assert campaign.corpus is not None
    corpus = campaign.corpus()
    parts = ["unscreened" if arguments.without_screen else "screened", f"seed {arguments.seed}"]
    parts += [f"quota {arguments.quota}"] if arguments.quota else []
    parts += ["compounds"] if arguments.compounds else []
    proposed: dict[str, Proposed] = {}
    for proposals in arguments.proposals:
        name = ", ".join([proposals, *parts])
        folder = arguments.cache / "steered" / name.replace(", ", "_").replace(" ", "")
        steered = make([*settings, *PROPOSALS[proposals]])
        proposed[name] = run_campaign(steered, folder, arguments.cache, arguments.budget)
    if arguments.control:
        mutants = mutate_training_crystals(corpus, campaign, arguments.control, arguments.seed)
        control = [part for part in parts if not part.startswith("quota")]
        proposed[", ".join(["mutations of training crystals", *control])] = [(mutant, "mutation") for mutant in mutants]
    if "prior draws" not in stored:
        stored["prior draws"] = describe_draws(draws, corpus, arguments.draws, arguments.hull)
    reference = (stored["prior draws"]["metastable"], len(draws))
    for name, pairs in proposed.items():
        rows = evaluate_stability(
            [design for design, _ in pairs], corpus, locate_relaxations(arguments.cache), hull=arguments.hull
        )
        stored[name] = {**evaluate(pairs, rows, corpus, reference), "load": os.getloadavg()[0]}
        print(name, json.dumps(stored[name]["all"]), flush=True)
        arguments.out.write_text(json.dumps(stored, indent=1) + "\n")


def locate_relaxations(cache: Path) -> Path:
    """Return the file of all relaxations but those of the draws."""
    return cache / "relaxations_steered.jsonl"


def print_progress(stage: str, done: int, total: int) -> None:
    """Print each stage once it is complete."""
    if total and done == total:
        print(f"{time.process_time():.0f} s: {stage}, {done:,}", flush=True)


if __name__ == "__main__":
    main()
