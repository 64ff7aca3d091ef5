"""Benchmark: directions of a latent space and sensitivities of designs, against the figures they are to reach.

    python results/benchmarks/atlas_moves.py --zinc zinc250k.smi.gz --gb1 gb1_4site.csv.gz

Each section writes its figures into atlas_moves.json beside this file, one after the other; a finished one is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invdesign.atlas.directions import fit_direction
from invdesign.atlas.dose_response import measure_response
from invdesign.atlas.moves import Goal, chain, choose, decode_towards, nearest
from invdesign.atlas.sensitivities import decoder_rates, latent_gradient, substitution_effects
from invdesign.campaign import Campaign, Task
from invdesign.campaign.round_model import predict
from invdesign.core import Array, Corpus, Objective
from invdesign.core.capabilities import computed_properties, features, scaffold_of
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.oracles import qed
from invdesign.domains.sequences import Sequences
from invdesign.domains.sequences.alphabet import letters_of
from invdesign.domains.sequences.descriptors import descriptors
from invdesign.domains.sequences.oracles.ehrlich import ehrlich_letters, make_ehrlich
from invdesign.domains.sequences.oracles.lookup_oracles import sequence_table
from invdesign.latent.prepare import Pretrained, prepare
from invdesign.runs.moves import try_direction
from invdesign.runs.properties import LabelledSpace
from invdesign.surrogate import motif_gp, site_gp, tanimoto_gp
from invdesign.surrogate.diagnostics import spearman
from invdesign.surrogate.robust_fit import fit_robustly
from invdesign.vae.build import sequence_vae
from invdesign.vae.tokens import UNKNOWN
from invdesign.vae.training import Recipe, split

OUT = Path(__file__).with_suffix(".json")
N_REFERENCE, N_TEST, N_CHAINED, N_PERMUTED = 3000, 500, 40, 100


@cache
def zinc(path: str) -> tuple[LabelledSpace, list[str]]:
    """Return the shipped model with training molecules, and molecules that it was not trained on."""
    corpus = zinc250k(path=path)
    trained, held_out = split(len(corpus), held_out=5000, seed=0)
    draw = np.random.default_rng(0)
    space = prepare(Molecules(), None, Pretrained("zinc250k"))
    designs = [corpus.designs[i] for i in draw.choice(trained, N_REFERENCE, replace=False)]
    test = [corpus.designs[i] for i in draw.choice(held_out, N_TEST, replace=False)]
    campaign = Campaign(Molecules(), Task([Objective("qed")], qed), Pretrained("zinc250k"))
    return LabelledSpace(space, campaign, designs, {}), test


def straight(path: str, name: str, sign: int) -> dict[str, Any]:
    """Move 500 held-out molecules by one unit: right sign, and coverage of the 90 % interval of the curve."""
    labelled, test = zinc(path)
    tried = try_direction(labelled, labelled.property(name), [], sign=sign)
    i = int(np.flatnonzero(tried.response.doses == sign)[0])
    low, high = tried.response.interval()[i]
    domain = labelled.latent_space.domain
    measure = tried.property.measure
    space, scaffold = labelled.latent_space, scaffold_of(domain)
    moved = measure_response(space, test, tried.direction, tried.model, [float(sign)], measure, scaffold=scaffold)
    change = moved.change[0][np.isfinite(moved.change[0])]
    return {
        "n": len(change),
        "method": tried.direction.method,
        "gain": tried.model.gain,
        "reach": tried.model.reach,
        "mean_change_units": float(moved.mean[0] / tried.direction.unit),
        "right_sign": float(moved.right_sign()[0]),
        "in_90": float(np.mean((change >= low) & (change <= high))),
        "valid": float(moved.is_valid.mean()),
        "keeps_scaffold": float(np.nanmean(moved.keeps)),
        "sd_units": float(change.std() / tried.direction.unit),
        "correlation": tried.direction.correlation,
    }


def chained(path: str, requests: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Move 40 held-out molecules by one unit of each property, in four hops."""
    labelled, test = zinc(path)
    properties = [labelled.property(name) for name, _ in requests]
    goals = []
    for p, (_, sign) in zip(properties, requests, strict=True):
        tried = try_direction(labelled, p, [o for o in properties if o is not p], sign=sign)
        goals.append(Goal(tried.direction, sign * tried.direction.unit, p.measure, tried.model))
    signs, misses = [], []
    for design in test[:N_CHAINED]:
        steps = chain(labelled.latent_space, design, goals)
        found = nearest(steps)
        signs.append([g.amount * (found.values[g.name] - steps[0].values[g.name]) > 0 for g in goals])
        misses.append(found.miss)
    return {
        "n": N_CHAINED,
        "right_signs": float(np.mean([all(row) for row in signs])),
        "median_miss_units": float(np.median(misses)),
    }


def together(path: str, requests: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """Move 500 held-out molecules by one unit of each property at once, in a single move."""
    labelled, test = zinc(path)
    properties = [labelled.property(name) for name, _ in requests]
    goals = []
    for p, (_, sign) in zip(properties, requests, strict=True):
        tried = try_direction(labelled, p, [other for other in properties if other is not p], sign=sign)
        goals.append(Goal(tried.direction, sign * tried.direction.unit, p.measure, tried.model))
    decodings, before_all = decode_towards(test, labelled.latent_space, goals)
    found = choose(decodings, goals, before_all)
    pairs = [(a, b) for a, b in zip(test, found, strict=True) if b is not None]
    before, after = ([pair[k] for pair in pairs] for k in (0, 1))
    right = np.ones(len(pairs), dtype=bool)
    for p, (_, sign) in zip(properties, requests, strict=True):
        right &= sign * (p.measure(after) - p.measure(before)) > 0
    return {"n": len(pairs), "right_signs": float(right.mean())}


def permuted(path: str) -> dict[str, Any]:
    """Return how often permuted values, and true ones of as many molecules, are declared to have a direction."""
    labelled, _ = zinc(path)
    designs = labelled.designs[:500]
    Z = labelled.latent_space.encode(designs).numpy()
    y = computed_properties(labelled.latent_space.domain)["logp"].measure(designs)
    draws = [np.random.default_rng(i).permutation(np.asarray(y)) for i in range(N_PERMUTED)]
    found = [fit_direction("permuted", Z, values, seed=i).is_found for i, values in enumerate(draws)]
    return {"n": N_PERMUTED, "molecules": 500, "no_direction": 1 - float(np.mean(found))}


def ehrlich_sites(_path: str) -> dict[str, Any]:
    """Precision at k for the sites of the motif that is missing, on Ehrlich functions whose truth is known.

    A design lacks two letters of one motif. 192 mutants of it with one to three changes are measured; the k = 2 sites
    with the largest predicted gain are compared with the sites where a change raises the true value.
    """
    domain, exact = Sequences(kind=ehrlich_letters(20), length=15), []
    for seed in range(10):
        function = make_ehrlich(20, 15, 2, 4, 4, seed=seed)
        draw = np.random.default_rng(seed)
        design = _with_gaps(function, draw)
        effects = substitution_effects(domain, design, lambda x: np.nan_to_num(function.evaluate(x)))
        truth = {i for i, s in enumerate(effects) if s.gain > 0}
        designs = sorted({_mutate(design, function.letters, draw) for _ in range(600)})
        y = function.evaluate(designs)
        rows = draw.permutation(np.flatnonzero(np.isfinite(y)))[:192]
        designs, y = [designs[i] for i in rows], np.log(y[rows] + 0.1)
        inputs = _features(domain.fit([design]))
        Y = torch.from_numpy(y)[:, None]
        model = fit_robustly(partial(motif_gp, n_letters=20), inputs(designs), Y, d=0).model
        predicted = [s.gain for s in substitution_effects(domain, design, _mean(model, inputs))]
        exact.append(_precision(predicted, truth))
    return {
        "n": 10,
        "measured": 192,
        "precision": float(np.mean(exact)),
        "by_seed": exact,
    }


def gb1_singles(path: str) -> dict[str, Any]:
    """Rank correlation of predicted and measured effects of single mutations after 192 measured variants of GB1."""
    table = partial(sequence_table, path=path, column="fitness", sequence_column="variant")
    domain, letters = Sequences(length=4), letters_of("protein")
    corpus = _library(3000, seed=0)
    recipe = Recipe(partial(sequence_vae, d=16, embedding=32, width=64), epochs=20, batch=64, beta=0.05, held_out=100)
    space = prepare(domain, corpus, recipe)
    exact, slopes = [], []
    for seed in range(5):
        variants = _library(400, seed=100 + seed).designs
        y = np.asarray(table(variants), dtype=np.float64)
        rows = np.flatnonzero(np.isfinite(y))[:192]
        designs, y = [variants[i] for i in rows], np.log(y[rows].clip(0.001))
        best = designs[int(y.argmax())]
        inputs = _features(space.encoding)
        surrogate = partial(site_gp, n_letters=20, descriptors=descriptors(letters))
        model = fit_robustly(surrogate, inputs(designs), torch.from_numpy(y)[:, None], d=0).model
        changes = [c for s in substitution_effects(domain, best, _mean(model, inputs)) for c in s.changes]
        measured = np.log(np.asarray(table([c.design for c in changes])).clip(0.001))
        known = torch.from_numpy(np.isfinite(measured))
        predicted = torch.tensor([c.effect for c in changes])
        exact.append(spearman(predicted[known], torch.from_numpy(measured)[known]))
        rates = _letter_rates(space, designs, y, best)
        places = [_site(best, c.design) for c in changes]
        own = torch.tensor([rates[i][letters.index(c.design[i])] for i, c in zip(places, changes, strict=True)])
        slopes.append(spearman(own[known], torch.from_numpy(measured)[known]))
    return {
        "n": 5,
        "labels": 192,
        "rank": float(np.mean(exact)),
        "by_seed": exact,
        "rank_jacobian": float(np.mean(slopes)),
    }


def deleted_atoms(path: str) -> dict[str, Any]:
    """Share of molecules whose predicted log P falls more without the most attributed atoms than without others.

    The surrogate reads fingerprints of 500 molecules. Of the atoms that can be removed the three with the largest
    attribution are removed one by one, and three random ones; molecules with fewer than six such atoms are left out.
    """
    labelled, test = zinc(path)
    domain = labelled.latent_space.domain
    designs = labelled.designs[:500]
    y = np.asarray(computed_properties(domain)["logp"].measure(designs))
    inputs = _features(labelled.latent_space.encoding)
    model = fit_robustly(tanimoto_gp, inputs(designs), torch.from_numpy(y)[:, None], d=0).model
    measure, draw = _mean(model, inputs), np.random.default_rng(0)
    more: dict[str, list[bool]] = {"all changes": [], "changes of element alone": []}
    for design in test[:100]:
        places = substitution_effects(domain, design, measure)
        removed = {i: c.effect for i, s in enumerate(places) for c in s.changes if c.name.endswith("removed")}
        if len(removed) < 6:
            continue
        others = draw.choice(list(removed), 3, replace=False)
        for name, listed in more.items():
            kept = [
                [c.effect for c in s.changes if listed is more["all changes"] or "removed" not in c.name]
                for s in places
            ]
            attribution = {i: np.mean(kept[i]) if kept[i] else np.inf for i in removed}
            top = sorted(removed, key=lambda i: attribution[i])[:3]
            more[name].append(np.mean([removed[i] for i in top]) < np.mean([removed[i] for i in others]))
    return {"n": len(more["all changes"]), **{name: float(np.mean(rows)) for name, rows in more.items()}}


def _library(n: int, *, seed: int) -> Corpus[str]:
    letters = letters_of("protein")
    rows = np.random.default_rng(seed).integers(len(letters), size=(n, 4))
    designs = tuple(sorted({"".join(letters[i] for i in row) for row in rows}))
    return Corpus(designs, name="library", sha256=f"library-{n}-{seed}")


def _features(encoding: Any) -> Callable[[Sequence[Any]], torch.Tensor]:
    """Return what makes inputs of a surrogate that reads features alone."""
    return lambda x: torch.from_numpy(features(encoding, x))


def _mean(model: Any, inputs: Callable[[Sequence[Any]], torch.Tensor]) -> Callable[[Sequence[Any]], Array]:
    """Return what predicts designs."""
    return lambda x: predict(model, inputs(x))[0][:, 0].numpy()


def _letter_rates(space: Any, designs: Sequence[str], y: Array, design: str) -> Array:
    """Return how fast the log-probability of each letter of a design rises with the surrogate on the latents."""
    Z = space.encode(designs).numpy()
    gradient = latent_gradient(Z, y, space.encode([design])[0].numpy())
    return decoder_rates(space, design, gradient)[: len(design), UNKNOWN + 1 :]


def _with_gaps(function: Any, draw: np.random.Generator) -> str:
    """Return the optimum of a function with two letters of one motif replaced."""
    best = function.optimum()
    while True:
        text = list(best)
        for i in draw.choice(len(text), 2, replace=False):
            text[i] = function.letters[int(draw.integers(20))]
        changed = "".join(text)
        presence = np.sort(function.motif_presence([changed])[0])
        if presence[0] == 0.5 and presence[-1] == 1:
            return changed


def _mutate(design: str, letters: str, draw: np.random.Generator) -> str:
    text = list(design)
    for i in draw.choice(len(text), int(draw.integers(1, 4)), replace=False):
        text[i] = letters[int(draw.integers(len(letters)))]
    return "".join(text)


def _precision(scores: Sequence[float] | Array, truth: set[int]) -> float:
    top = np.argsort(-np.asarray(scores))[: len(truth)]
    return float(np.mean([int(i) in truth for i in top]))


def _site(first: str, second: str) -> int:
    return next(i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b)


SECTIONS: dict[str, tuple[Callable[[str], dict[str, Any]], str]] = {
    "deleted atoms": (deleted_atoms, "zinc"),
    "ehrlich": (ehrlich_sites, "zinc"),
    "+logp": (partial(straight, name="logp", sign=1), "zinc"),
    "-logp": (partial(straight, name="logp", sign=-1), "zinc"),
    "+logp -tpsa": (partial(together, requests=(("logp", 1), ("tpsa", -1))), "zinc"),
    "permuted": (permuted, "zinc"),
    "gb1": (gb1_singles, "gb1"),
    **{
        f"hops: {' '.join(('+' if s > 0 else '-') + n for n, s in w)}": (partial(chained, requests=w), "zinc")
        for w in ((("qed", 1),), (("logp", 1), ("tpsa", -1)), (("qed", 1), ("logp", -1)))
    },
    **{
        f"{'+' if s > 0 else '-'}{p}": (partial(straight, name=p, sign=s), "zinc")
        for p in ("tpsa", "qed")
        for s in (1, -1)
    },
}


def main() -> None:
    """Run the sections that are asked for, and write their figures after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zinc", help="zinc250k.smi.gz")
    parser.add_argument("--gb1", help="gb1_4site.csv.gz")
    arguments = parser.parse_args()
    known: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    for name, (run, data) in SECTIONS.items():
        if name in known:
            continue
        start = time.process_time()
        found = run(str(getattr(arguments, data) or ""))
        known[name] = {**found, "cpu_seconds": round(time.process_time() - start, 1)}
        print(name, json.dumps(known[name]), flush=True)
        OUT.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
