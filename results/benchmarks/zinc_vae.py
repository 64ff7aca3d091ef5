"""Benchmark: the shipped VAE of molecules on held-out ZINC250k molecules; or its training.

Measured are the exact reconstruction of canonical SMILES (decoded from the mean of the posterior), with stereo marks
and without them; validity, uniqueness and novelty of prior samples; the drug-likeness of prior samples and of draws
near real molecules; and molecules per second from SMILES to latent and from latent to canonical SMILES.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rdkit import Chem

from invdesign.core import Corpus, Encoding, Progress
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.oracles import qed, sa_score
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.density import prior
from invdesign.latent.prepare import Pretrained, encode_corpus, prepare, recipe_json, write_model
from invdesign.latent.space import LatentSpace
from invdesign.vae.build import sequence_vae
from invdesign.vae.losses import WeightedTerm
from invdesign.vae.training import Recipe, Training, split, train

DOMAIN = Molecules(n_merges=800)
# A large beta first orders the latent space by similarity; a small beta then improves reconstruction and keeps the
# order.
STAGES = tuple(
    Recipe(
        build=partial(sequence_vae, d=64, n_properties=32, beam=2),
        epochs=epochs,
        beta=beta,
        terms={"properties": WeightedTerm(weight=property_weight)},
        validate_every=500,
    )
    for epochs, beta, property_weight in ((6, 0.2, 1.5), (5, 0.04, 1.0))
)
N_TIMED = 2000


def remove_stereo(smiles: str | None) -> str | None:
    """Return canonical SMILES without stereo marks."""
    mol = None if smiles is None else Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    Chem.RemoveStereochemistry(mol)
    flat: str = Chem.MolToSmiles(mol)
    return flat


def measure(space: LatentSpace[Any, Any], corpus: Corpus[Any], *, n_samples: int) -> dict[str, Any]:
    """Return the figures of the model, as JSON."""
    recipe = space.card["recipe"]
    _, rows = split(len(corpus), held_out=int(recipe["held_out"]), seed=int(recipe["seed"]))
    held_out = [corpus.designs[i] for i in rows]
    Z = space.encode(held_out)
    reconstructed = space.decode(Z)
    flat = [remove_stereo(design) for design in held_out]
    has_stereo = [any(mark in design for mark in "@/\\") for design in held_out]
    exact = [a == b for a, b in zip(held_out, reconstructed, strict=True)]
    torch.manual_seed(0)
    samples = space.decode(torch.randn(n_samples, space.d, dtype=torch.float64))
    near = space.decode(space.draw(1000))
    valid = [s for s in samples if s is not None]
    distinct = set(valid)
    step = space.decode(Z[:1000] + 0.25 * torch.randn(len(Z[:1000]), space.d, dtype=torch.float64))
    return {
        "held_out": len(held_out),
        "reconstruction": float(np.mean(exact)),
        "reconstruction_without_stereo": float(
            np.mean([a == remove_stereo(b) for a, b in zip(flat, reconstructed, strict=True)])
        ),
        "reconstruction_of_those_with_stereo_marks": float(np.mean(np.array(exact)[np.array(has_stereo)])),
        "share_with_stereo_marks": float(np.mean(has_stereo)),
        "n_samples": n_samples,
        "validity": len(valid) / n_samples,
        "uniqueness": len(distinct) / len(valid),
        "novelty": len(distinct - set(corpus.designs)) / len(distinct),
        "unchanged_after_a_step_of_0.25": float(np.mean([a == b for a, b in zip(held_out[:1000], step, strict=True)])),
        "drug_likeness": {
            "held_out": drug_likeness(held_out[:1000]),
            "prior": drug_likeness(valid[:1000]),
            "near_real_molecules": drug_likeness([s for s in near if s is not None]),
        },
        "throughput": [time_space(space, held_out[:N_TIMED], threads) for threads in (1, 2)],
    }


def drug_likeness(designs: list[str]) -> dict[str, float]:
    """Return the means of QED and of the synthetic accessibility score."""
    return {"qed": float(np.nanmean(qed(designs))), "sa": float(np.nanmean(sa_score(designs)))}


def time_space(space: LatentSpace[Any, Any], designs: list[str], threads: int) -> dict[str, float]:
    """Return molecules per second: end to end, and of the network alone."""
    torch.set_num_threads(threads)
    x = space.encoding.encode(designs)
    Z = space.encode(designs[:200])
    times = [time.perf_counter()]
    Z = space.encode(designs)
    times.append(time.perf_counter())
    space.decode(Z)
    times.append(time.perf_counter())
    with torch.no_grad():
        for part in x.split(500):
            space.vae.posterior(part)
        times.append(time.perf_counter())
        for part in (Z * space.scale + space.shift).float().split(500):
            space.vae.generate(part)
    times.append(time.perf_counter())
    names = ("encode", "decode", "encode_network", "decode_network")
    rates = {name: round(len(designs) / s) for name, s in zip(names, np.diff(times), strict=True)}
    return {"threads": threads, **rates}


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    like = figures["drug_likeness"]
    lines = [
        "# The shipped molecule VAE on ZINC250k",
        "",
        f"`{figures['command']}` on {figures['machine']}; load average of the machine {figures['load']:.1f}.",
        "",
        "| figure | value | target |",
        "|---|---|---|",
        f"| exact reconstruction, without stereo marks, {figures['held_out']:,} held-out molecules "
        f"| {figures['reconstruction_without_stereo']:.2%} | >= 90 % |",
        f"| exact reconstruction with stereo marks | {figures['reconstruction']:.2%} | |",
        f"| the same, of the {figures['share_with_stereo_marks']:.0%} that have stereo marks "
        f"| {figures['reconstruction_of_those_with_stereo_marks']:.2%} | |",
        f"| validity of {figures['n_samples']:,} prior samples | {figures['validity']:.2%} | >= 99 % |",
        f"| uniqueness | {figures['uniqueness']:.2%} | >= 99 % |",
        f"| novelty | {figures['novelty']:.2%} | |",
        f"| unchanged by a random step of 0.25 sd | {figures['unchanged_after_a_step_of_0.25']:.1%} | |",
        f"| QED: held out, prior samples, draws near real molecules | {like['held_out']['qed']:.3f}, "
        f"{like['prior']['qed']:.3f}, {like['near_real_molecules']['qed']:.3f} | |",
        f"| SA score: the same | {like['held_out']['sa']:.2f}, {like['prior']['sa']:.2f}, "
        f"{like['near_real_molecules']['sa']:.2f} | |",
        f"| size of the model folder | {figures['megabytes']:.1f} MB | <= 10 MB |",
        "",
        "Molecules per second, end to end (SMILES to latent, latent to canonical SMILES) and of the network alone:",
        "",
        "| threads | encode | decode | encode, network | decode, network |",
        "|---|---|---|---|---|",
    ]
    for row in figures["throughput"]:
        rates = " | ".join(f"{row[k]:,}" for k in ("encode", "decode", "encode_network", "decode_network"))
        lines.append(f"| {row['threads']} | {rates} |")
    return "\n".join(lines) + "\n"


def fit(corpus: Corpus[Any], folder: Path, *, cache: Path, progress: Progress) -> None:
    """Train in resumable stages, and write the model folder."""
    encoding = DOMAIN.fit(corpus.designs)
    batch = encode_corpus(encoding, corpus, cache=cache, progress=progress)
    torch.manual_seed(STAGES[0].seed)
    vae = sequence_vae(encoding, d=64, n_properties=32, beam=2)
    targets = auxiliary_targets(encoding, corpus, 32, progress=progress)
    for i, recipe in enumerate(STAGES):
        training = train(
            vae, batch, recipe, targets=targets, checkpoint=folder / f"stage{i}.safetensors", progress=progress
        )
    publish(folder, encoding, corpus, batch, training, progress=progress)
    for checkpoint in folder.glob("stage*.safetensors"):
        checkpoint.unlink()


def publish(
    folder: Path,
    encoding: Encoding[str, Any],
    corpus: Corpus[Any],
    batch: Any,
    training: Training,
    *,
    progress: Progress,
) -> None:
    """Write the model folder with the recipe of every stage."""
    card = {
        "command": "python results/benchmarks/zinc_vae.py --train FOLDER",
        "stages": [recipe_json(recipe) for recipe in STAGES],
    }
    write_model(folder, DOMAIN, encoding, corpus, batch, STAGES[-1], training, half=True, card=card, progress=progress)


def plain_progress() -> Progress:
    """Return a progress callback that prints one line every 30 seconds."""
    last = [0.0]

    def progress(stage: str, done: int, total: int) -> None:
        if time.monotonic() - last[0] > 30:
            last[0] = time.monotonic()
            print(f"{stage}: {done:,} of {total:,}", flush=True)

    return progress


def main() -> None:
    """Train a model into a folder, or measure a model and write the figures next to this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, help="zinc250k.smi.gz (default: download)")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="train a model and write it to this folder")
    parser.add_argument("--model", default="zinc250k", help="name of a shipped model, or a folder")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    corpus = zinc250k(arguments.corpus, cache=arguments.cache, progress=plain_progress())
    if arguments.train:
        fit(corpus, arguments.train, cache=arguments.cache, progress=plain_progress())
        return
    model = Pretrained(arguments.model)
    space = prepare(Molecules(), None, model, fit_density=prior)
    load = os.getloadavg()[0]
    figures = measure(space, corpus, n_samples=arguments.samples)
    folder = model.path(DOMAIN.name)
    figures |= {
        "command": "python results/benchmarks/zinc_vae.py",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, torch {torch.__version__}",
        "load": load,
        "megabytes": sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
        "model": space.card["sha256"],
        "corpus": corpus.sha256,
    }
    arguments.out.write_text(json.dumps(figures, indent=1) + "\n")
    arguments.out.with_suffix(".md").write_text(table(figures))
    print(table(figures))


if __name__ == "__main__":
    main()
