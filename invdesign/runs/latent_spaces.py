"""The map of a run: trained or taken from the cache, copied, tuned, and a sample of it for the report's pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file, save_file

from invdesign.campaign import Campaign
from invdesign.core import Corpus, InvdesignError, Progress, round_seed
from invdesign.io.atomic import write_atomically
from invdesign.latent.prepare import Pretrained, load_space, model_key, prepare
from invdesign.latent.space import LatentSpace
from invdesign.ledger import Ledger
from invdesign.vae.store import save_model

MAP = "map.safetensors"
N_MAPPED = 2000


def make(
    campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path, progress: Progress
) -> LatentSpace[Any, Any]:
    """The latent space of a campaign, trained or taken from the cache."""
    return prepare(campaign.domain, corpus, campaign.vae, fit_density=campaign.density, cache=cache, progress=progress)


def copy(campaign: Campaign[Any, Any], corpus: Corpus[Any] | None, cache: Path, out: Path) -> Path:
    """The model of a campaign in a folder of the user's, where `vae=folder vae.folder=...` finds it.

    Raises:
        InvdesignError: the folder exists, or cannot be written.
    """
    vae = campaign.vae
    if isinstance(vae, Pretrained):
        model = vae.where(campaign.domain)
    else:
        assert corpus is not None
        model = cache / "models" / model_key(campaign.domain, corpus, vae)
    try:
        shutil.copytree(model, out)
    except OSError as error:
        raise InvdesignError(f"{out}: cannot be written ({error.strerror or error}); choose a new folder") from error
    return out


def write_sample(space: LatentSpace[Any, Any], folder: Path) -> None:
    """A sample of the corpus on the map, for the report's pictures."""
    if (folder / MAP).is_file():
        return
    Z = space.sample[:N_MAPPED].contiguous()
    with torch.no_grad():
        tensors = {"latents": Z.numpy(), "log_density": space.log_density(Z).numpy()}
    write_atomically(folder / MAP, lambda path: save_file(tensors, path))


def read_sample(folder: Path) -> tuple[Any, Any]:
    """Latents and log-densities of that sample, None where it was not written."""
    if not (folder / MAP).is_file():
        return None, None
    tensors = load_file(folder / MAP)
    return tensors["latents"], tensors["log_density"]


def save(space: LatentSpace[Any, Any], folder: Path) -> None:
    """A tuned map, at full precision, so that a resumed run sees what an uninterrupted one does."""
    extra = {"shift": space.shift, "scale": space.scale, "sample": space.sample, "sample_sd": space.sample_sd}
    save_model(folder, space.vae, dict(space.card), extra=extra)


def tuned(ledger: Ledger[Any, Any], campaign: Campaign[Any, Any], folder: Path) -> LatentSpace[Any, Any] | None:
    """The map that a run tuned last, None where it tuned none."""
    name = ledger.meta("map_folder")
    if name is None:
        return None
    fit_density = getattr(campaign.finetune, "keywords", {}).get("fit_density", campaign.density)
    return load_space(folder / name, campaign.domain, Pretrained(folder / name), fit_density=fit_density)


def draw(space: LatentSpace[Any, Any], n: int, *, seed: int) -> list[Any]:
    """Distinct designs decoded from `n` draws from where real designs lie."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(round_seed(seed, 0, "sample"))
        Z = space.draw(n)
    found = {space.domain.key(design): design for design in space.decode(Z) if design is not None}
    return list(found.values())
