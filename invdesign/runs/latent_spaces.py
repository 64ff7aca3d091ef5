"""The latent space of a run: trained or cached, copied, fine-tuned, and a sample of it for the report."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from invdesign.campaign import Campaign
from invdesign.core import Array, Corpus, InvdesignError, Progress, round_seed
from invdesign.latent.prepare import Pretrained, load_latent_space, model_key, prepare
from invdesign.latent.rate_sweep import RateCurve, rate_sweep
from invdesign.latent.space import LatentSpace, Source
from invdesign.latent.training_keys import keys_to_tensors
from invdesign.vae.store import read_tensors, save_model, write_tensors
from invdesign.vae.training import Recipe

logger = logging.getLogger(__name__)
SAMPLE = "latents.safetensors"
MAX_SAMPLE = 2000


def prepare_latent_space(
    campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path, progress: Progress
) -> LatentSpace[Any, Any]:
    """Return the latent space of a campaign, trained or loaded from the cache."""
    return prepare(campaign.domain, corpus, campaign.vae, fit_density=campaign.density, cache=cache, progress=progress)


def is_prepared(campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path) -> bool:
    """Return whether the latent space of a campaign is there, so that it need not be trained."""
    if isinstance(campaign.vae, Pretrained):
        return True
    if corpus is None or not isinstance(campaign.vae, Recipe):
        return False
    return (cache / "models" / model_key(campaign.domain, corpus, campaign.vae) / "model.json").is_file()


def sweep_rates(
    campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, rates: Sequence[float], cache: Path, progress: Progress
) -> RateCurve:
    """Return the rate-distortion curve of a campaign's VAE (see `rate_sweep`).

    Raises:
        InvdesignError: The VAE is a trained model, or there is no corpus.
    """
    if isinstance(campaign.vae, Pretrained) or corpus is None:
        found = "no corpus" if corpus is None else "a trained model"
        raise InvdesignError(
            f"rate sweep: expected a recipe and a corpus to train on, got {found}. Choose a recipe, e.g. "
            "vae=molecules/small"
        )
    return rate_sweep(campaign.domain, corpus, campaign.vae, rates, cache=cache, progress=progress)


def copy_model(campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path, out: Path) -> Path:
    """Copy the model of a campaign into a new folder, where `vae=folder vae.folder=...` finds it.

    Raises:
        InvdesignError: The folder exists, or cannot be written.
    """
    try:
        shutil.copytree(model_folder(campaign, corpus, cache), out)
    except OSError as error:
        raise InvdesignError(f"{out}: cannot be written ({error.strerror or error}). Choose a new folder") from error
    return out


def model_folder(campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path) -> Path:
    """Return the folder of a campaign's model: that of a trained model, or the one in the cache."""
    vae = campaign.vae
    if isinstance(vae, Pretrained):
        return vae.path(campaign.domain.name)
    assert corpus is not None
    return cache / "models" / model_key(campaign.domain, corpus, vae)


def write_sample(latent_space: LatentSpace[Any, Any], folder: Path) -> None:
    """Write latents and log-densities of a sample of the corpus, for the report's pictures."""
    path = folder / SAMPLE
    if path.is_file():
        with suppress(InvdesignError, KeyError, ValueError):
            read_tensors(path)
            return
    Z = latent_space.sample[:MAX_SAMPLE].contiguous()
    with torch.no_grad():
        tensors = {"latents": Z, "log_density": latent_space.log_density(Z)}
    write_tensors(path, tensors, {})


def read_sample(folder: Path) -> tuple[Array | None, Array | None]:
    """Return latents and log-densities of that sample; None where it was not written."""
    path = folder / SAMPLE
    if not path.exists():
        return None, None
    try:
        tensors, _ = read_tensors(path)
        return tensors["latents"].numpy(), tensors["log_density"].numpy()
    except (InvdesignError, KeyError, ValueError) as error:
        logger.warning("%s: no picture of the latent space: %s", path, error)
        return None, None


def save_finetuned(latent_space: LatentSpace[Any, Any], folder: Path) -> None:
    """Write a fine-tuned latent space in full precision, so that a resumed run equals an uninterrupted one."""
    card = {
        **latent_space.card,
        "domain": latent_space.domain.name,
        "encoding": latent_space.encoding.state(),
    }
    extra = {
        "shift": latent_space.shift,
        "scale": latent_space.scale,
        "sample": latent_space.sample,
        "sample_sd": latent_space.sample_sd,
        "reference": latent_space.reference_plausibilities,
        **keys_to_tensors(latent_space.training_keys),
    }
    if latent_space.known_conditions is not None:
        extra["conditions"] = latent_space.known_conditions.table
        if latent_space.known_conditions.maps is not None:
            extra["condition_maps"] = latent_space.known_conditions.maps
    save_model(folder, latent_space.vae, card, extra=extra)


def stored_sha256(folder: Path) -> str:
    """Return the hash of a stored latent space, as its card states it; empty where there is no readable card."""
    try:
        return str(json.loads((folder / "model.json").read_text("utf-8"))["sha256"])
    except (OSError, ValueError, KeyError):
        return ""


def load_finetuned(campaign: Campaign[Any, Any], folder: Path, cache: Path) -> LatentSpace[Any, Any]:
    """Return a fine-tuned latent space; its density is kept in the cache.

    Raises:
        InvdesignError: The folder is missing or damaged.
    """
    settings = getattr(campaign.finetuning.finetune, "keywords", {})
    fit_density = settings.get("fit_density", campaign.density)
    return load_latent_space(folder, campaign.domain, fit_density=fit_density, cache=cache)


def draw_designs(latent_space: LatentSpace[Any, Any], n: int, *, source: Source = "prior", seed: int) -> list[Any]:
    """Return the distinct designs that `n` draws of a source decode to (see `LatentSpace.draw`)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(seed, 0, "sample"))
        Z = latent_space.draw(n, source)
    found = {latent_space.domain.key(design): design for design in latent_space.decode(Z) if design is not None}
    return list(found.values())
