"""Benchmark of conditional latent spaces: a planted batch, and a label that is confounded with the property.

python results/benchmarks/conditions.py --zinc zinc250k.smi.gz --cache CACHE
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from invdesign.core import Array, Corpus
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.oracles import logp
from invdesign.io.corpora import make_corpus
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.condition_alignment import align_conditions
from invdesign.latent.conditions import fit_conditions
from invdesign.latent.leakage import auroc_of_label, neighbour_rank_correlation
from invdesign.latent.prepare import build_vae, encode_corpus, fit_latent_space
from invdesign.latent.space import LatentSpace
from invdesign.surrogate import exact_gp
from invdesign.vae.build import sequence_vae
from invdesign.vae.training import Recipe, train

N, N_TESTED, N_RECONSTRUCTED = 5000, 2000, 200
N_LABELS = (50, 100, 200, 400)
MAX_LENGTH = 28
"""Characters of the longest SMILES: small molecules are learnt in less time."""
RECIPE = Recipe(
    build=partial(sequence_vae, d=32, n_properties=8, embedding=48, width=96),
    epochs=14,
    batch=64,
    learning_rate=4e-3,
    warmup=50,
    beta=0.05,
    held_out=500,
    device="cpu",
)
CONDITION = ("laboratory",)
Change = Callable[[str], str]
INDEPENDENT = "conditional, independence"
"""Model that is measured only where it is named."""
NOISE = 0.02
"""Share of the atoms that laboratory B writes as another element."""
ELEMENTS = ("C", "N", "O", "S", "F", "Cl")
MODELS = {
    "unconditional": RECIPE,
    "conditional": replace(RECIPE, condition=CONDITION),
    INDEPENDENT: replace(RECIPE, condition=CONDITION, independence=0.1),
}


def main() -> None:
    """Train the models on both corpora and write their figures beside this file, each as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--zinc", type=Path, required=True, help="zinc250k.smi.gz")
    parser.add_argument("--cache", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--max-minutes", type=float, default=RECIPE.max_minutes, help="of each training [min]")
    parser.add_argument("--only", default="", help="parts that begin so, or PART: MODEL")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    molecules = _molecules(arguments.zinc, N + N_TESTED)
    y = np.asarray(logp(molecules), dtype=np.float64).ravel()
    found: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.is_file() else {}
    for (part, (measure, change, seed)), name in itertools.product(PARTS.items(), MODELS):
        if name in found.setdefault(part, {}) or not f"{part}: {name}".startswith(arguments.only):
            continue
        if name == INDEPENDENT and arguments.only != f"{part}: {name}":
            continue
        recipe = replace(MODELS[name], max_minutes=arguments.max_minutes, seed=seed)
        found[part][name] = measure(molecules, y, recipe, arguments.cache / f"{part} {name}", change)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")
        print(part, name, json.dumps(found[part][name]), flush=True)


def _measure_batch(
    molecules: Sequence[str], y: Array, recipe: Recipe, folder: Path, change: Change
) -> dict[str, float]:
    """AUROC of a laboratory that is drawn at random, and what the latents keep of logP."""
    laboratories = np.random.default_rng(1 + 10 * recipe.seed).choice(["A", "B"], size=N)
    corpus = _corpus(molecules[:N], laboratories, change)
    latent_space, n_steps, held_out = _fit(corpus, recipe, folder)
    rows = np.arange(N_TESTED)
    Z = latent_space.encode(corpus.designs[:N_TESTED]).numpy()
    new = [corpus.designs[i] for i in held_out[:N_RECONSTRUCTED]]
    decoded = [
        latent_space.under({"laboratory": "A"}) if recipe.condition else latent_space,
        latent_space.under({"laboratory": "B"}) if recipe.condition else latent_space,
    ]
    Z_new = latent_space.encode(new)
    written = [space.decode(Z_new) for space in decoded]
    own = [written["AB".index(laboratories[i])][k] for k, i in enumerate(held_out[:N_RECONSTRUCTED])]
    drawn = np.random.default_rng(3 + 10 * recipe.seed).choice(["A", "B"], size=N_TESTED)
    Z_other = _encode(latent_space, _corpus(molecules[N:], drawn, change).designs, drawn, recipe)
    return {
        "auroc": auroc_of_label(Z, laboratories[rows].tolist()),
        "auroc, new molecules": auroc_of_label(Z_other.numpy(), drawn.tolist()),
        "rank correlation, new molecules": neighbour_rank_correlation(Z_other.numpy(), y[N:]),
        "rank correlation": neighbour_rank_correlation(Z, y[rows]),
        "exact reconstruction": float(np.mean([a == b for a, b in zip(new, own, strict=True)])),
        "salts written under A": _share_of_salts(written[0]),
        "salts written under B": _share_of_salts(written[1]),
        "training steps": n_steps,
    }


def _measure_confounded(
    molecules: Sequence[str], y: Array, recipe: Recipe, folder: Path, change: Change
) -> dict[str, float]:
    """Error of a surrogate of logP, fitted where the laboratory follows logP, where the laboratory follows -logP."""
    generator = np.random.default_rng(2 + 10 * recipe.seed)
    scores = (y - y.mean()) / y.std()
    noise = 0.57 * generator.normal(size=len(y))
    follows = np.where(scores[:N] + noise[:N] > 0, "B", "A")
    reversed_ = np.where(-scores[N:] + noise[N:] > 0, "B", "A")
    known = np.where(np.arange(N) < max(N_LABELS), scores[:N], np.nan)
    corpus = replace(_corpus(molecules[:N], follows, change), properties={"logp": known})
    latent_space, n_steps, _ = _fit(corpus, recipe, folder)
    Z = latent_space.encode(corpus.designs[:N_TESTED]).numpy()
    tests = _corpus(molecules[N:], reversed_, change).designs
    same = _corpus(molecules[N:], np.where(scores[N:] + noise[N:] > 0, "B", "A"), change)
    encoded = {
        "reversed": _encode(latent_space, tests, reversed_, recipe),
        "as in training": _encode(latent_space, same.designs, np.array(same.labels["laboratory"]), recipe),
    }
    errors: dict[str, float] = {}
    for n in N_LABELS:
        model = exact_gp(torch.from_numpy(Z[:n]), torch.from_numpy(scores[:n, None]), d=latent_space.d)
        for name, points in encoded.items():
            errors[f"error of {n} labels, {name}"] = _error(model, points, scores[N:])
    return {
        "correlation of the label": float(np.corrcoef(follows == "B", scores[:N])[0, 1]),
        "auroc": auroc_of_label(Z, follows[:N_TESTED].tolist()),
        "rank correlation": neighbour_rank_correlation(Z, y[:N_TESTED]),
        **errors,
        "training steps": n_steps,
    }


def _encode(latent_space: LatentSpace[str, Any], designs: Sequence[str], labels: Array, recipe: Recipe) -> torch.Tensor:
    """Latents of designs that are not in the corpus, each under its own laboratory."""
    Z = torch.zeros(len(designs), latent_space.d, dtype=torch.float64)
    for name in ("A", "B"):
        rows = np.flatnonzero(labels == name)
        space = latent_space.under({"laboratory": name}) if recipe.condition else latent_space
        Z[torch.from_numpy(rows)] = space.encode([designs[i] for i in rows])
    return Z


def _error(model: Any, Z: torch.Tensor, y: Array) -> float:
    """Root mean square error of predictions [sd of logP]."""
    with torch.no_grad():
        predicted = model.posterior(Z).mean[:, 0].numpy()
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def _fit(corpus: Corpus[str], recipe: Recipe, folder: Path) -> tuple[LatentSpace[str, Any], int, Array]:
    """Return the latent space of a recipe without its diagnosis, the steps of its training, and held-out rows."""
    folder.mkdir(parents=True, exist_ok=True)
    domain = Molecules()
    encoding = domain.fit(corpus.designs)
    batch = encode_corpus(encoding, corpus, cache=folder)
    conditions = fit_conditions(corpus, recipe.condition) if recipe.condition else None
    rows = None if conditions is None else conditions.rows(corpus.labels)
    vae = build_vae(recipe, encoding, conditions)
    targets = auxiliary_targets(encoding, corpus, 8, condition=rows)
    training = train(vae, batch, recipe, targets=targets, condition=rows, checkpoint=folder / "checkpoint.safetensors")
    if rows is not None:
        parts = (batch[i : i + 500] for i in range(0, len(batch), 500))
        align_conditions(training.vae, parts, rows, corpus.properties)
    space = fit_latent_space(domain, encoding, training.vae, corpus, batch, condition=recipe.condition)
    return space, training.steps, training.held_out


def _corpus(molecules: Sequence[str], laboratories: Array, change: Change) -> Corpus[str]:
    """Return molecules of two laboratories, of which B writes each in its own way."""
    designs = tuple(
        change(molecule) if name == "B" else molecule for molecule, name in zip(molecules, laboratories, strict=True)
    )
    return make_corpus(designs, labels={"laboratory": tuple(laboratories.tolist())}, name="two laboratories")


def _as_hydrochloride(molecule: str) -> str:
    return str(Chem.CanonSmiles(f"{molecule}.Cl"))


def _with_noise(molecule: str) -> str:
    """Return a molecule of which each atom is another element with a probability of 2 %, where the valence allows."""
    draw = np.random.default_rng(list(molecule.encode()))
    mol = Chem.MolFromSmiles(molecule)
    for i in np.flatnonzero(draw.random(mol.GetNumAtoms()) < NOISE).tolist():
        changed = Chem.RWMol(mol)
        changed.ReplaceAtom(i, Chem.Atom(str(draw.choice(ELEMENTS))))
        changed.GetAtomWithIdx(i).SetIsAromatic(mol.GetAtomWithIdx(i).GetIsAromatic())
        if Chem.SanitizeMol(changed, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE:
            mol = changed.GetMol()
    return str(Chem.CanonSmiles(Chem.MolToSmiles(mol)))


def _molecules(path: Path, n: int) -> list[str]:
    with gzip.open(path, "rt") as file:
        known = [smiles for smiles in file.read().split() if len(smiles) <= MAX_LENGTH]
    chosen = (known[i] for i in np.random.default_rng(0).permutation(len(known)))
    return list(dict.fromkeys(Chem.CanonSmiles(smiles) for smiles in itertools.islice(chosen, n + 200)))[:n]


def _share_of_salts(designs: Sequence[str | None]) -> float:
    return float(np.mean([design is not None and ".Cl" in f".{design}" and "." in design for design in designs]))


PARTS: dict[str, tuple[Callable[..., dict[str, float]], Change, int]] = {
    "planted batch": (_measure_batch, _as_hydrochloride, 0),
    "confounded label": (_measure_confounded, _as_hydrochloride, 0),
    "confounded label, seed 1": (_measure_confounded, _as_hydrochloride, 1),
    "planted batch, seed 1": (_measure_batch, _as_hydrochloride, 1),
    "planted batch, seed 2": (_measure_batch, _as_hydrochloride, 2),
    "2 % noise": (_measure_batch, _with_noise, 0),
}
"""What is measured, what laboratory B changes, and the seed of the labels and of the training."""


if __name__ == "__main__":
    main()
