"""Benchmark: the shipped VAE of molecules on held-out ZINC250k molecules; or its training.

Measured are the balance of the latent space (rate, distortion, -ELBO, information content) with the exact
reconstruction of canonical SMILES from the mean of the posterior; samples of the prior, of the density and of the
posteriors of real molecules, and midpoints of random pairs, each by validity, novelty, sanity and Frechet ChemNet
distance (package `fcd`, extra `bench`); the AUROC of plausibility for nonsense; the semantics of neighbours; and
molecules per second from SMILES to latent and from latent to canonical SMILES.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from rdkit import Chem

from invdesign.core import Corpus, Progress
from invdesign.domains.molecules import Molecules
from invdesign.domains.molecules.corpus import zinc250k
from invdesign.domains.molecules.oracles import logp, qed, tpsa
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.density import prior
from invdesign.latent.prepare import Pretrained, encode_corpus, prepare, recipe_json, write_model
from invdesign.latent.semantics import (
    auroc,
    neighbour_correlation,
    neighbour_r2,
    principal_components,
    structure_distances,
)
from invdesign.latent.space import LatentSpace, Source
from invdesign.vae.base import VAE
from invdesign.vae.build import sequence_vae
from invdesign.vae.information import information_content
from invdesign.vae.losses import WeightedTerm
from invdesign.vae.models.unconditional import unconditional
from invdesign.vae.store import read_tensors
from invdesign.vae.tokens import END, PAD, UNKNOWN
from invdesign.vae.training import Recipe, split, train

DOMAIN = Molecules(representation="smiles", n_merges=500)
# The first stage learns to reconstruct; the second lowers the rate, so that the space between molecules fills.
STAGES = tuple(
    Recipe(
        build=partial(sequence_vae, d=64, width=320, n_properties=32, beam=4, prior="flow"),
        epochs=epochs,
        learning_rate=learning_rate,
        target_rate=target_rate,
        beta=beta,
        terms={"properties": WeightedTerm(weight=0.2)},
        validate_every=500,
    )
    for epochs, learning_rate, target_rate, beta in ((12, 2e-3, 36.0, 0.1), (3, 1e-3, 30.0, 0.4))
)
INFORMATION_EPOCHS = 4.0
N_TIMED = 2000
BALANCE = ("rate", "distortion", "neg_elbo", "n_draws", "information", "gap", "active_units")
# Nonsense that version 0.1.0 decoded from its prior, from midpoints, and within .5 sd of real molecules.
NONSENSE = Path(__file__).with_name("zinc_vae_nonsense.smi")


def remove_stereo(smiles: str | None) -> str | None:
    """Return canonical SMILES without stereo marks."""
    mol = None if smiles is None else Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    Chem.RemoveStereochemistry(mol)
    flat: str = Chem.MolToSmiles(mol)
    return flat


def measure(
    space: LatentSpace[Any, Any], corpus: Corpus[Any], *, n_samples: int, language: Path | None
) -> dict[str, Any]:
    """Return the figures of the model, as JSON."""
    recipe = space.card["recipe"]
    train_rows, rows = split(len(corpus), held_out=int(recipe["held_out"]), seed=int(recipe["seed"]))
    held_out = [corpus.designs[i] for i in rows]
    known = {corpus.designs[i] for i in train_rows}
    reconstructed = space.decode(space.encode(held_out))
    flat = [remove_stereo(design) for design in held_out]
    decoded = draw_sources(space, held_out, n_samples)
    if language is not None:
        decoded["language model"] = sample_language_model(language, corpus, n_samples)
    return {
        "held_out": len(held_out),
        "reconstruction": float(np.mean([a == b for a, b in zip(held_out, reconstructed, strict=True)])),
        "reconstruction_without_stereo": float(
            np.mean([a == remove_stereo(b) for a, b in zip(flat, reconstructed, strict=True)])
        ),
        "balance": {name: space.card["diagnosis"][name] for name in BALANCE},
        "held_out_quality": mean_quality(held_out),
        "sources": {name: rate_samples(designs, held_out, known) for name, designs in decoded.items()},
        "plausibility": rate_plausibility(space, held_out, decoded),
        "semantics": rate_semantics(space, held_out[:2000]),
        "throughput": [time_space(space, held_out[:N_TIMED], threads) for threads in (1, 2)],
    }


def draw_sources(space: LatentSpace[Any, Any], held_out: list[str], n: int) -> dict[str, list[str | None]]:
    """Return the designs decoded from the prior, the density and the corpus, and midpoints of random pairs."""
    torch.manual_seed(1)
    decoded = {source: space.decode(space.draw(n, source)) for source in get_args(Source)}
    Z = space.encode(held_out)
    half = len(Z) // 2
    return {**decoded, "midpoints": space.decode((Z[:half] + Z[half : 2 * half]) / 2)}


@torch.no_grad()
def sample_language_model(path: Path, corpus: Corpus[Any], n: int) -> list[str | None]:
    """Return molecules drawn, token by token, from the autoregressive model that measures the information content.

    Args:
        path: Its checkpoint, which a training keeps as `FOLDER-language.safetensors`.
        corpus: The corpus that it was trained on.
        n: Number of draws.
    """
    encoding = DOMAIN.fit(corpus.designs)
    model = unconditional(STAGES[0].build(encoding), encoding).eval()
    stored = read_tensors(path)[0]
    model.load_state_dict({k.removeprefix("best."): v for k, v in stored.items() if k.startswith("best.")})
    torch.manual_seed(1)
    drawn: list[str | None] = []
    for start in range(0, n, 1000):
        rows = torch.full((min(1000, n - start), encoding.length), PAD)
        is_open = torch.ones(len(rows), dtype=torch.bool)
        for step in range(encoding.length):
            x = torch.cat([rows[:, :step], torch.full((len(rows), 1), UNKNOWN)], 1)
            logits = model.decoder.logits(x, torch.zeros(len(rows), model.d))[:, step]
            logits[:, [PAD, UNKNOWN]] = -torch.inf
            token = torch.distributions.Categorical(logits=logits).sample()
            rows[:, step] = torch.where(is_open, token, PAD)
            is_open &= token != END
            if not is_open.any():
                break
        drawn += encoding.decode(rows)
    return drawn


def rate_samples(designs: list[str | None], held_out: list[str], known: set[str]) -> dict[str, Any]:
    """Return validity, uniqueness, novelty, sanity and the Frechet ChemNet distance to held-out molecules."""
    valid = [s for s in designs if s is not None]
    distinct = set(valid)
    return {
        "n": len(designs),
        "validity": len(valid) / len(designs),
        "uniqueness": len(distinct) / len(valid),
        "novelty": len(distinct - known) / len(distinct),
        "fcd": chemnet_distance(valid, held_out),
        **mean_quality(valid),
    }


def chemnet_distance(designs: list[str], reference: list[str]) -> float | None:
    """Return the Frechet ChemNet distance (doi:10.1021/acs.jcim.8b00234); None without the package `fcd`."""
    try:
        from fcd import get_fcd
    except ImportError:
        return None
    return float(get_fcd(designs, reference, device="cpu"))


def mean_quality(designs: list[str]) -> dict[str, float]:
    """Return the means of the measures of sanity."""
    return {name: float(np.nanmean(values)) for name, values in DOMAIN.quality(designs).items()}


def rate_plausibility(
    space: LatentSpace[Any, Any], held_out: list[str], decoded: dict[str, list[str | None]]
) -> dict[str, Any]:
    """Return the AUROC of plausibility for nonsense: of version 0.1.0, and of this model's own samples."""
    real = space.plausibility(held_out[:2000], space.encode(held_out[:2000])).tolist()
    old = NONSENSE.read_text().split()
    own = [s for s in (*decoded["prior"], *decoded["midpoints"]) if s is not None]
    is_nonsense = DOMAIN.quality(own)["nonsense"] == 1
    values = space.plausibility(own, space.encode(own)).numpy()
    return {
        "nonsense_of_0.1.0": {"n": len(old), "auroc": auroc(space.plausibility(old, space.encode(old)).tolist(), real)},
        "own_nonsense": {"n": int(is_nonsense.sum()), "auroc": auroc(values[is_nonsense], real)},
        "own_nonsense_against_own_sane": auroc(values[is_nonsense], values[~is_nonsense]),
    }


def rate_semantics(space: LatentSpace[Any, Any], designs: list[str]) -> dict[str, Any]:
    """Return neighbour correlation with the Tanimoto distance, and nearest-neighbour R2 of properties beside PCA."""
    Z = space.encode(designs).numpy()
    F = DOMAIN.fingerprints(designs)
    components = principal_components(F, space.d)
    properties = {"logP": logp(designs), "QED": qed(designs), "TPSA": tpsa(designs)}
    return {
        "designs": len(designs),
        "neighbour_correlation": neighbour_correlation(Z, structure_distances(F)),
        "neighbour_correlation_pca": neighbour_correlation(components, structure_distances(F)),
        "r2": {name: neighbour_r2(Z, y) for name, y in properties.items()},
        "r2_pca": {name: neighbour_r2(components, y) for name, y in properties.items()},
    }


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
            space.vae.generate(space.vae.prior.from_base(part))
    times.append(time.perf_counter())
    names = ("encode", "decode", "encode_network", "decode_network")
    rates = {name: round(len(designs) / s) for name, s in zip(names, np.diff(times), strict=True)}
    return {"threads": threads, **rates}


def table(figures: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    balance, plausibility, semantics = figures["balance"], figures["plausibility"], figures["semantics"]
    old, own = plausibility["nonsense_of_0.1.0"], plausibility["own_nonsense"]
    lines = [
        "# The shipped molecule VAE on ZINC250k",
        "",
        f"`{figures['command']}` on {figures['machine']}; load average of the machine {figures['load']:.1f}.",
        "",
        "| figure | value | target | 0.1.0 |",
        "|---|---|---|---|",
        f"| exact reconstruction of {figures['held_out']:,} held-out molecules | {figures['reconstruction']:.2%} "
        "| >= 85 % | 92.8 % |",
        f"| rate; distortion [nats] | {balance['rate']:.1f}; {balance['distortion']:.1f} | | 112; .6 |",
        f"| -ELBO, {balance['n_draws']} draws [nats] | {balance['neg_elbo']:.1f} | | 111 |",
        f"| information content [nats] | {balance['information']:.1f} | | |",
        f"| gap [nats] | {balance['gap']:.1f} | <= 8 | 84 |",
        f"| AUROC of plausibility, {old['n']:,} nonsense designs of 0.1.0 against held-out ones | {old['auroc']:.3f} "
        "| >= .97 | .82 |",
        f"| the same, {own['n']:,} nonsense designs of this model | {own['auroc']:.3f} | >= .97 | |",
        f"| the same against this model's sane samples | {plausibility['own_nonsense_against_own_sane']:.3f} | | |",
        "| rank correlation with Tanimoto distance, 50 nearest of each (PCA of fingerprints) "
        f"| {semantics['neighbour_correlation']:.2f} ({semantics['neighbour_correlation_pca']:.2f}) | | |",
        "| nearest-neighbour R2 (PCA of fingerprints): logP, QED, TPSA | "
        + ", ".join(f"{semantics['r2'][k]:.2f} ({semantics['r2_pca'][k]:.2f})" for k in semantics["r2"])
        + " | | |",
        f"| size of the model folder | {figures['megabytes']:.1f} MB | <= 20 MB | 5.5 MB |",
        "",
        "Samples by source. Nonsense is a radical, a ring of over 6 atoms, or an SA score above 4.5. FCD is against the "
        f"{figures['held_out']:,} held-out molecules.",
        "",
        "| source | n | valid | unique | novel | QED | SA | large ring | nonsense | FCD |",
        "|---|---|---|---|---|---|---|---|---|---|",
        _row("held-out molecules", {"n": figures["held_out"], **figures["held_out_quality"]}),
    ]
    lines += [_row(source, row) for source, row in figures["sources"].items()]
    lines += [
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


def _row(source: str, row: dict[str, Any]) -> str:
    shares = " | ".join(f"{row[k]:.1%}" if k in row else "" for k in ("validity", "uniqueness", "novelty"))
    fcd = "" if row.get("fcd") is None else f"{row['fcd']:.2f}"
    means = f"{row['QED']:.3f} | {row['SA']:.2f} | {row['large ring']:.1%} | {row['nonsense']:.1%}"
    return f"| {source} | {row['n']:,} | {shares} | {means} | {fcd} |"


def fit(corpus: Corpus[Any], folder: Path, *, cache: Path, progress: Progress) -> None:
    """Train in resumable stages, measure the information content, and write the model folder."""
    encoding = DOMAIN.fit(corpus.designs)
    batch = encode_corpus(encoding, corpus, cache=cache, progress=progress)
    torch.manual_seed(STAGES[0].seed)
    vae = STAGES[0].build(encoding)
    assert isinstance(vae, VAE)
    targets = auxiliary_targets(encoding, corpus, 32, progress=progress)
    for i, recipe in enumerate(STAGES):
        checkpoint = folder / f"stage{i}.safetensors"
        training = train(vae, batch, recipe, targets=targets, checkpoint=checkpoint, progress=progress)
    language = folder / "language.safetensors"
    information = information_content(
        encoding, batch, STAGES[0], epochs=INFORMATION_EPOCHS, checkpoint=language, progress=progress
    )
    card = {
        "command": "python results/benchmarks/zinc_vae.py --train FOLDER",
        "stages": [recipe_json(recipe) for recipe in STAGES],
    }
    write_model(
        folder,
        DOMAIN,
        encoding,
        corpus,
        batch,
        STAGES[-1],
        training,
        information=information,
        half=True,
        card=card,
        progress=progress,
    )
    language.rename(folder.with_name(f"{folder.name}-language.safetensors"))
    for checkpoint in folder.glob("stage*.safetensors"):
        checkpoint.unlink()


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
    parser.add_argument("--language", type=Path, metavar="FILE", help="rate samples of this language model too")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    corpus = zinc250k(arguments.corpus, cache=arguments.cache, progress=plain_progress())
    if arguments.train:
        fit(corpus, arguments.train, cache=arguments.cache, progress=plain_progress())
        return
    model = Pretrained(arguments.model)
    space = prepare(Molecules(), None, model, fit_density=prior)
    load = os.getloadavg()[0]
    figures = measure(space, corpus, n_samples=arguments.samples, language=arguments.language)
    folder = model.path(DOMAIN.name)
    figures |= {
        "command": f"python results/benchmarks/zinc_vae.py --samples {arguments.samples}"
        + (" --language FILE" if arguments.language else ""),
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
