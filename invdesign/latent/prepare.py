"""Room of the map: the explicit stage that trains a VAE, or loads one, and makes a latent space of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from torch import Tensor

from invdesign.core import B, Corpus, D, Domain, FitDensity, InvdesignError, Progress, silent
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.density import mixture
from invdesign.latent.space import LatentSpace
from invdesign.vae.base import VAE
from invdesign.vae.diagnostics import diagnose
from invdesign.vae.store import load_model, read_tensors, save_model, write_tensors
from invdesign.vae.training import Recipe, Training, train

SHIPPED = Path(__file__).parents[1] / "domains"
NOT_THE_MODEL = ("build", "device", "max_minutes", "checkpoint_minutes")
N_SAMPLE = 10_000


@dataclass(frozen=True)
class Pretrained:
    """A model that exists: the name of one that ships with its domain, or a folder.

    Args:
        folder: e.g. `"zinc250k"`, or a folder with `model.json` and `model.safetensors`.
    """

    folder: str | Path

    def where(self, domain: Domain[Any, Any]) -> Path:
        """The folder, looked for among the shipped models of the domain first.

        Raises:
            InvdesignError: there is no such model.
        """
        models = SHIPPED / domain.name / "models"
        for folder in (models / str(self.folder), Path(self.folder)):
            if (folder / "model.json").is_file():
                return folder
        shipped = sorted(p.parent.name for p in models.glob("*/model.json"))
        raise InvdesignError(
            f"no model {str(self.folder)!r}: it is none of the shipped ones ({', '.join(shipped) or 'none'}) and no "
            "folder with a model.json; check the name, or train one: invdesign train"
        )


def prepare(
    domain: Domain[D, B],
    corpus: Corpus[D] | None,
    vae: Recipe | Pretrained,
    *,
    fit_density: FitDensity = mixture,
    cache: Path | None = None,
    progress: Progress = silent,
) -> LatentSpace[D, B]:
    """The latent space of a campaign: trained, or taken from where it was kept.

    A trained model is kept in the cache under the checksum of its corpus, its domain and its recipe; a training that
    was stopped goes on from its checkpoint.

    Args:
        domain: what the designs are; need not be fitted.
        corpus: what to train on; a shipped model needs none.
        vae: a recipe, or a model that exists.
        fit_density: fits log p(z) on the latents of real designs.
        cache: folder for models and encoded corpora; by default the user's cache.
        progress: called with `(stage, done, total)`.

    Raises:
        InvdesignError: a recipe without a corpus, a model that is missing, damaged, or of another domain.
    """
    if isinstance(vae, Pretrained):
        return load_space(vae.where(domain), domain, vae, fit_density=fit_density)
    if corpus is None or not len(corpus):
        raise InvdesignError(
            "a VAE cannot be trained without a corpus; give one, or a model that exists (vae=molecules/zinc250k)"
        )
    cache = cache or platformdirs.user_cache_path("invdesign")
    folder = cache / "models" / model_key(domain, corpus, vae)
    if not (folder / "model.json").is_file():
        fit_model(domain, corpus, vae, folder, cache=cache, progress=progress)
    return load_space(folder, domain, vae, fit_density=fit_density)


def model_key(domain: Domain[D, B], corpus: Corpus[D], recipe: Recipe) -> str:
    """The name of a model in the cache: a checksum of all that decides its parameters."""
    content = {"corpus": corpus.sha256, "domain": domain.state(), "recipe": recipe_json(recipe)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON: what builds the model, and every setting of the training that its parameters depend on."""
    build: Any = recipe.build
    function = getattr(build, "func", build)
    settings = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in NOT_THE_MODEL}
    return {
        "build": f"{function.__module__}.{function.__qualname__}",
        "architecture": dict(getattr(build, "keywords", {})),
        **settings,
    }


def fit_model(
    domain: Domain[D, B],
    corpus: Corpus[D],
    recipe: Recipe,
    folder: Path,
    *,
    cache: Path | None = None,
    half: bool = False,
    card: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a VAE and write its folder: parameters, domain, standardization, a sample of real latents, diagnosis.

    Args:
        domain: need not be fitted.
        corpus: its measured properties are what a property head learns from, its weights what is drawn more often.
        recipe: the settings.
        folder: where the model goes, and its checkpoint while it is trained.
        cache: where the encoded corpus is kept.
        half: store float16.
        card: more to be written into `model.json`.
        progress: called with `(stage, done, total)`.
    """
    progress("learning the vocabulary", 0, 1)
    fitted = domain.fit(corpus.designs)
    batch = encoded(fitted, corpus, cache=cache, progress=progress)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vae = recipe.build(fitted)
    if not isinstance(vae, VAE):
        raise InvdesignError(f"recipe: build must answer a VAE, got {type(vae).__name__}")
    weights = None if corpus.weights is None else torch.from_numpy(np.asarray(corpus.weights, dtype=np.float64))
    training = train(
        vae,
        batch,
        recipe,
        labels=auxiliary_targets(fitted, corpus, int(vae.architecture().get("n_properties", 0)), progress=progress),
        weights=weights,
        checkpoint=folder / "checkpoint.safetensors",
        progress=progress,
    )
    write_model(folder, fitted, corpus, batch, recipe, training, half=half, card=card, progress=progress)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return training


def write_model(
    folder: Path,
    domain: Domain[D, B],
    corpus: Corpus[D],
    batch: Any,
    recipe: Recipe,
    training: Training,
    *,
    half: bool = False,
    card: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> None:
    """Diagnose a trained VAE and write its folder.

    Args:
        folder: where the model goes.
        domain: fitted to the corpus.
        corpus: what was trained on.
        batch: the corpus, encoded.
        recipe: the settings it was trained with.
        training: what came of them.
        half: store float16.
        card: more to be written into `model.json`.
        progress: called with `(stage, done, total)`.
    """
    vae = training.vae
    rows = np.sort(np.random.default_rng(recipe.seed).permutation(len(corpus))[:N_SAMPLE])
    with torch.no_grad():
        posteriors = [
            vae.posterior(batch[torch.from_numpy(part)]) for part in np.array_split(rows, len(rows) // 500 + 1)
        ]
    mean = torch.cat([p.loc for p in posteriors]).double()
    sd = torch.cat([p.scale for p in posteriors]).double()
    shift, scale = mean.mean(0), mean.std(0).clamp_min(1e-6)
    held_out = [corpus.designs[i] for i in training.held_out]
    found = diagnose(
        vae, domain, held_out, shift=shift, scale=scale, known=corpus.designs, seed=recipe.seed, progress=progress
    )
    about = {
        **(card or {}),
        "domain": domain.state(),
        "recipe": recipe_json(recipe),
        "corpus": {"name": corpus.name, "sha256": corpus.sha256, "designs": len(corpus)},
        "hints": sorted(corpus.properties),
        "training": {"steps": training.steps, "stopped": training.stopped, "seconds": training.validations[-1].seconds},
        "diagnosis": found.to_json(),
    }
    extra = {
        "shift": shift,
        "scale": scale,
        "sample": ((mean - shift) / scale).half(),
        "sample_sd": (sd / scale).half(),
    }
    save_model(folder, vae, about, half=half, extra=extra)


def encoded(domain: Domain[D, B], corpus: Corpus[D], *, cache: Path | None, progress: Progress = silent) -> Any:
    """The corpus as one batch, kept in the cache by the content of corpus and domain where it is a plain tensor."""
    text = json.dumps([corpus.sha256, domain.state()], sort_keys=True, default=str)
    path = cache / "encoded" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors" if cache else None
    if path is not None and path.is_file() and corpus.sha256:
        kept = read_tensors(path)[0]["batch"]
        return kept if kept.is_floating_point() else kept.long()
    blocks = []
    for start in range(0, len(corpus), 2000):
        progress("encoding the corpus", start, len(corpus))
        blocks.append(domain.to_batch(corpus.designs[start : start + 2000]))
    if not all(isinstance(block, Tensor) for block in blocks):
        return domain.to_batch(corpus.designs)
    batch = torch.cat(blocks)  # type: ignore[arg-type]
    if path is not None and corpus.sha256:
        kept = batch if batch.is_floating_point() else batch.to(torch.int32)
        write_tensors(path, {"batch": kept}, {"corpus": corpus.name})
    return batch


def load_space(
    folder: Path, domain: Domain[D, B], vae: Recipe | Pretrained, *, fit_density: FitDensity = mixture
) -> LatentSpace[D, B]:
    """The latent space of a model folder, after its checksum was verified.

    Raises:
        InvdesignError: the folder is damaged, or its model is of another domain or architecture.
    """

    def build(card: dict[str, Any]) -> VAE:
        restored = domain.restore(card["domain"])
        return vae.build(restored) if isinstance(vae, Recipe) else restored.model(card["architecture"])  # type: ignore[return-value]

    model, card, extra = load_model(folder, build)
    sample, sample_sd = extra["sample"].double(), extra["sample_sd"].double()
    density = fit_density(sample, sample_sd)
    with torch.no_grad():
        reference_log_densities = torch.cat([density(part) for part in sample.split(1000)]).sort().values
    return LatentSpace(
        domain.restore(card["domain"]),
        model,
        extra["shift"].double(),
        extra["scale"].double(),
        density,
        sample,
        sample_sd,
        reference_log_densities,
        card,
    )
