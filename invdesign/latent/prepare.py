"""Preparation of a latent space: train a VAE or load one, as an explicit and cached stage."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from torch import Tensor

from invdesign.core import (
    B,
    Corpus,
    D,
    DesignSpace,
    Domain,
    Encoding,
    FitDensity,
    InvdesignError,
    Progress,
    silent,
)
from invdesign.core.capabilities import describe_alphabet
from invdesign.io.atomic import probe, remove_unfinished
from invdesign.io.locks import hold
from invdesign.io.stored_designs import StoredDesigns
from invdesign.latent.auxiliary_targets import auxiliary_targets
from invdesign.latent.condition_alignment import align_conditions, fit_condition_maps
from invdesign.latent.conditions import Conditions, KnownConditions, fit_conditions
from invdesign.latent.density import mixture
from invdesign.latent.density_cache import fit_cached
from invdesign.latent.diagnosis import diagnose
from invdesign.latent.geometry import geometry_of
from invdesign.latent.leakage import measure_leakage
from invdesign.latent.moments import posterior_moments, standardization
from invdesign.latent.space import LatentSpace
from invdesign.latent.stored_encoding import MAX_LEARNT, encode_stored, fit_encoding
from invdesign.latent.training_keys import TrainingKeys, corpus_keys, keys_from_tensors, keys_to_tensors, training_keys
from invdesign.vae.base import VAE
from invdesign.vae.build import linear_vae
from invdesign.vae.conditioning import conditioning_of
from invdesign.vae.information import information_content
from invdesign.vae.neighbourhoods import Neighbourhoods
from invdesign.vae.processes import current_processes
from invdesign.vae.store import FORMAT, build_stored, load_model, read_tensors, save_model, write_tensors
from invdesign.vae.stored_tokens import StoredTokens
from invdesign.vae.training import Recipe, Training, all_terms, term_settings, train

logger = logging.getLogger(__name__)
DAMAGE = (InvdesignError, OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError)
"""Errors that reading a damaged file of the cache can raise."""
SHIPPED = Path(__file__).parents[1] / "domains"
SETTINGS_WITHOUT_EFFECT = (
    "build",
    "terms",
    "condition",
    "independence",
    "decode_under",
    "neighbours",
    "closeness",
    "device",
    "max_minutes",
    "checkpoint_minutes",
    "information_epochs",
)
"""Fields of a recipe that do not decide the parameters, or that `recipe_json` writes in its own form."""
ALIGNED_TOGETHER = 500
"""Designs encoded at once for the alignment of conditions."""
MAX_SAMPLE = 10_000
MAX_REFERENCE = 2000
MAX_INFORMATION = 100_000
"""Designs of a corpus on disk on which the information content is measured."""


@dataclass(frozen=True)
class Pretrained:
    """A trained model: one that ships with its domain, or a folder."""

    folder: str | Path
    """Name of a shipped model, e.g. `"zinc250k"`, or a folder with `model.json` and `model.safetensors`."""
    decode_under: Mapping[str, str] = field(default_factory=dict)
    """Value of each label of a conditional model under which designs are decoded; by default the most frequent one."""

    def path(self, domain: str) -> Path:
        """Return the folder of the model; the shipped models of the domain come first.

        Args:
            domain: Name of the domain.

        Raises:
            InvdesignError: There is no such model.
        """
        models = SHIPPED / domain / "models"
        for folder in (models / str(self.folder), Path(self.folder)):
            if (folder / "model.json").is_file():
                return folder
        shipped = ", ".join(sorted(p.parent.name for p in models.glob("*/model.json"))) or "none"
        raise InvdesignError(
            f"model {str(self.folder)!r}: expected a shipped model of {domain} ({shipped}) or a folder with a "
            "model.json, got neither. Check the name, or train a model: invdesign train"
        )


def find_model(name: str | Path) -> Path:
    """Return the folder of a model: one that ships with any domain, by its name, or the folder itself.

    Raises:
        InvdesignError: There is no such model.
    """
    shipped = {path.parent.name: path.parent for path in SHIPPED.glob("*/models/*/model.json")}
    folder = shipped.get(str(name), Path(name))
    if not (folder / "model.json").is_file():
        raise InvdesignError(
            f"model {str(name)!r}: expected a shipped model ({', '.join(sorted(shipped)) or 'none'}) or a folder with "
            "a model.json, got neither. Check the name"
        )
    return folder


def prepare(
    domain: Domain[D, B],
    corpus: Corpus[D] | None,
    vae: Recipe | Pretrained,
    *,
    fit_density: FitDensity = mixture,
    cache: Path | None = None,
    progress: Progress = silent,
) -> LatentSpace[D, B]:
    """Return a latent space: train a VAE, or load it from the cache or from where it is stored.

    Processes that were started by torchrun and have joined (see `vae.processes`) train together: each calls this
    function, and the first one writes the model.

    A trained model is cached by the checksum of its corpus, its domain and its recipe. A training that was stopped
    continues from its checkpoint. Two processes never train the same model: the second one waits for the first.

    Args:
        domain: The kind of designs.
        corpus: What to train on; a pretrained model needs none.
        vae: A recipe, or a trained model.
        fit_density: Fits log p(z) on the latents of real designs.
        cache: Folder for models and encoded corpora; by default the user's cache.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: A recipe without a corpus, or a model that is missing, damaged, or of another domain.

    Example:
        >>> from invdesign.domains.molecules import Molecules
        >>> latent_space = prepare(Molecules(), None, Pretrained("zinc250k"))
        >>> latent_space.decode(latent_space.encode(["CC(=O)Nc1ccc(O)cc1"]))
        ['CC(=O)Nc1ccc(O)cc1']
    """
    cache = cache or platformdirs.user_cache_path("invdesign")
    if isinstance(vae, Pretrained):
        latent_space = load_latent_space(vae.path(domain.name), domain, fit_density=fit_density, cache=cache)
        return latent_space.under(vae.decode_under) if vae.decode_under else latent_space
    if corpus is None or not len(corpus):
        raise InvdesignError(
            "vae: expected a corpus to train on, got none. Give one, or a trained model (vae=molecules/zinc250k)"
        )
    name = model_key(domain, corpus, vae)
    folder = cache / "models" / name
    processes = current_processes()
    kept = None
    with suppress(*DAMAGE):
        kept = load_latent_space(folder, domain, recipe=vae, fit_density=fit_density, cache=cache)
    if processes.agree(kept is not None) and kept is not None:
        return kept
    problem = cache_problem(cache)
    if problem and processes.count > 1:
        raise InvdesignError(f"{problem}. Several processes train together only with a cache that can be written")
    if problem:
        logger.warning("%s. The model is trained without a cache and will be trained again next time", problem)
        with tempfile.TemporaryDirectory(prefix="invdesign-") as temporary:
            fit_model(domain, corpus, vae, Path(temporary), progress=progress)
            return load_latent_space(Path(temporary), domain, recipe=vae, fit_density=fit_density)

    def wait() -> None:
        progress("another process trains this model", 0, 1)

    locks = cache / "locks"
    locks.mkdir(exist_ok=True)
    # The first of several processes owns the folder; the others train with it, and follow when it has the lock.
    with hold(locks / f"{name}.lock", wait=wait) if processes.rank == 0 else nullcontext():
        processes.wait()
        return _load_or_train(domain, corpus, vae, folder, fit_density=fit_density, cache=cache, progress=progress)


def _load_or_train(
    domain: Domain[D, B],
    corpus: Corpus[D],
    recipe: Recipe,
    folder: Path,
    *,
    fit_density: FitDensity,
    cache: Path,
    progress: Progress,
) -> LatentSpace[D, B]:
    """Return the latent space of a folder of the cache, which this process owns; it is trained where it is missing."""
    processes = current_processes()
    try:
        return load_latent_space(folder, domain, recipe=recipe, fit_density=fit_density, cache=cache)
    except DAMAGE as error:
        if folder.is_dir() and any(folder.glob("model.*")):
            logger.warning("%s: the cached model is damaged (%s); it is trained again", folder, error)
    if processes.rank == 0:
        remove_unfinished(cache)
        for path in (folder, folder / "model.json", folder / "model.safetensors"):
            _remove_obstacle(path, is_folder=path == folder)
    processes.wait()
    fit_model(domain, corpus, recipe, folder, cache=cache, progress=progress)
    return load_latent_space(folder, domain, recipe=recipe, fit_density=fit_density, cache=cache)


def shipped_encodings(domain: Domain[D, B]) -> dict[str, Encoding[D, B]]:
    """Return the encodings of the models that ship with a domain, by name; no model is loaded.

    Args:
        domain: The kind of designs.
    """
    found = sorted((SHIPPED / domain.name / "models").glob("*/model.json"))
    cards = {path.parent.name: json.loads(path.read_text("utf-8")) for path in found}
    return {name: domain.restore(card["encoding"]) for name, card in cards.items()}


def cache_problem(cache: Path) -> str:
    """Return why a cache cannot be used, e.g. a full disk; an empty string where it can."""
    try:
        probe(cache / "models")
    except InvdesignError as error:
        return f"--cache {error}"
    return ""


def _remove_obstacle(path: Path, *, is_folder: bool) -> None:
    """Remove what lies in the place of a file or folder of the cache."""
    if path.is_dir() and not path.is_symlink() and not is_folder:
        shutil.rmtree(path)
    elif path.is_symlink() or (path.is_file() and is_folder):
        path.unlink()


def model_key(domain: Domain[D, B], corpus: Corpus[D], recipe: Recipe) -> str:
    """Return the name of a model in the cache: a checksum of all that decides its parameters."""
    is_linear = getattr(recipe.build, "func", recipe.build) is linear_vae
    content = {
        "format": FORMAT,
        "corpus": corpus.sha256,
        "domain": domain.name,
        "settings": domain.settings(),
        "recipe": recipe_json(recipe),
        # Linear models once ignored families; those in a cache are not used.
        **({"held out": "families"} if corpus.families and is_linear else {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:24]


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as JSON: the builder, and every setting on which the parameters depend."""
    build: Any = recipe.build
    function = getattr(build, "func", build)
    settings = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name not in SETTINGS_WITHOUT_EFFECT}
    return {
        "build": f"{function.__module__}.{function.__qualname__}",
        "architecture": dict(getattr(build, "keywords", {})),
        "terms": term_settings(all_terms(recipe)),
        **settings,
        **({"condition": list(recipe.condition)} if recipe.condition else {}),
        **({"neighbours": _describe_function(recipe.neighbours)} if recipe.neighbours is not None else {}),
    }


def _describe_function(function: Any) -> dict[str, Any]:
    """Return a bound function as JSON: its dotted path and its settings."""
    inner = getattr(function, "func", function)
    settings = {key: str(value) for key, value in getattr(function, "keywords", {}).items()}
    return {"function": f"{inner.__module__}.{inner.__qualname__}", "settings": settings}


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
    """Train a VAE and write its folder: parameters, encoding, standardization, a sample of latents, diagnosis.

    Args:
        domain: The kind of designs.
        corpus: Its measured properties are targets of a property head, its weights those of sampling.
        recipe: Settings.
        folder: Folder of the model, and of its checkpoint during the training.
        cache: Folder of the encoded corpus.
        half: Whether to store float16.
        card: Further content of `model.json`.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The corpus does not fit the domain, or the folder cannot be written.
    """
    progress("learning the vocabulary", 0, 1)
    encoding = fit_encoding(domain, corpus)
    batch = encode_corpus(encoding, corpus, cache=cache, progress=progress)
    conditions = fit_conditions(corpus, recipe.condition) if recipe.condition else None
    vae = build_vae(recipe, encoding, conditions)
    weights = None if corpus.weights is None else torch.from_numpy(np.asarray(corpus.weights, dtype=np.float64))
    rows = None if conditions is None else conditions.rows(corpus.labels)
    n_properties = int(vae.architecture().get("n_properties", 0))
    training = train(
        vae,
        batch,
        recipe,
        targets=auxiliary_targets(encoding, corpus, n_properties, condition=rows, progress=progress),
        weights=weights,
        families=corpus.families,
        condition=rows,
        neighbourhoods=find_neighbourhoods(domain, corpus, recipe, progress=progress),
        checkpoint=folder / "checkpoint.safetensors",
        progress=progress,
    )
    if rows is not None:
        parts = (batch[start : start + ALIGNED_TOGETHER] for start in range(0, len(batch), ALIGNED_TOGETHER))
        align_conditions(training.vae, parts, rows, corpus.properties)
    information = measure_information(encoding, batch, recipe, folder, progress=progress)
    processes = current_processes()
    if processes.rank == 0:
        write_model(
            folder,
            domain,
            encoding,
            corpus,
            batch,
            recipe,
            training,
            information=information,
            half=half,
            card=card,
            progress=progress,
        )
        for name in ("checkpoint", "information"):
            (folder / f"{name}.safetensors").unlink(missing_ok=True)
    processes.wait()
    return training


def find_neighbourhoods(
    domain: Domain[D, B], corpus: Corpus[D], recipe: Recipe, *, progress: Progress = silent
) -> Neighbourhoods | None:
    """Return the links between the designs of a corpus; None where the recipe asks for none.

    Raises:
        InvdesignError: No designs are linked.
    """
    if recipe.neighbours is None:
        return None
    progress("finding neighbours", 0, 1)
    return Neighbourhoods.of(recipe.neighbours(domain, corpus), len(corpus))


def build_vae(recipe: Recipe, encoding: Encoding[Any, Any], conditions: Conditions | None = None) -> VAE:
    """Return an untrained model, whose default condition is the most frequent one.

    Args:
        recipe: Builds it.
        encoding: The encoding of the corpus.
        conditions: Labels that it reads.

    Raises:
        InvdesignError: What is built is no VAE, or can read no conditions.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        vae = recipe.build(encoding)
        if not isinstance(vae, VAE):
            raise InvdesignError(f"recipe: build must return a VAE, got {type(vae).__name__}")
        if conditions is None:
            return vae
        vae = vae.with_condition(conditions.n)
    reader = conditioning_of(vae)
    assert reader is not None
    reader.default.copy_(conditions.row({}))
    return vae


def measure_information(
    encoding: Encoding[D, B], batch: Any, recipe: Recipe, folder: Path, *, progress: Progress = silent
) -> float | None:
    """Return the information content of a corpus [nats]; None where the recipe or the kind of designs allows none.

    Args:
        encoding: The encoding of the corpus.
        batch: The encoded corpus.
        recipe: Recipe of the VAE.
        folder: Folder of the checkpoint.
        progress: Called with `(stage, done, total)`.
    """
    if recipe.information_epochs == 0:
        return None
    if isinstance(batch, StoredTokens):
        batch = batch.sample(MAX_INFORMATION)
    with torch.random.fork_rng(devices=[]):
        vae = recipe.build(encoding)
    if not (encoding.shape.n_tokens or (isinstance(vae, VAE) and vae.is_autoregressive)):
        return None
    checkpoint = folder / "information.safetensors"
    epochs = recipe.information_epochs
    return information_content(encoding, batch, recipe, epochs=epochs, checkpoint=checkpoint, progress=progress)


def write_model(
    folder: Path,
    domain: Domain[D, B],
    encoding: Encoding[D, B],
    corpus: Corpus[D],
    batch: Any,
    recipe: Recipe,
    training: Training,
    *,
    information: float | None = None,
    half: bool = False,
    card: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> None:
    """Diagnose a trained VAE and write its folder.

    Args:
        folder: Folder of the model.
        domain: Identifies designs.
        encoding: The encoding of the corpus.
        corpus: The designs that were trained on.
        batch: The encoded corpus, on any device.
        recipe: Settings of the training.
        training: Result of the training; its model may be on any device.
        information: Information content of the designs [nats], where it was measured.
        half: Whether to store float16.
        card: Further content of `model.json`.
        progress: Called with `(stage, done, total)`.

    Raises:
        InvdesignError: The folder cannot be written.
    """
    held_out = [corpus.designs[i] for i in training.held_out]
    latent_space = fit_latent_space(
        domain, encoding, training.vae, corpus, batch, condition=recipe.condition, seed=recipe.seed
    )
    reference = held_out[:MAX_REFERENCE] or corpus.designs[:MAX_REFERENCE]
    latent_space = latent_space.with_reference(reference)
    diagnosis = diagnose(
        latent_space,
        held_out,
        known=corpus_keys(domain, corpus),
        information=information,
        seed=recipe.seed,
        progress=progress,
    )
    meta = {
        **(card or {}),
        "domain": domain.name,
        "encoding": encoding.state(),
        "recipe": recipe_json(recipe),
        "corpus": {"name": corpus.name, "sha256": corpus.sha256, "designs": len(corpus), **_parts_measured(corpus)},
        "auxiliary_targets": sorted(corpus.properties),
        "training": {"steps": training.steps, "stopped": training.stopped, "seconds": training.validations[-1].seconds},
        "diagnosis": diagnosis.to_json(),
    }
    known = latent_space.known_conditions
    if known is not None:
        progress("leakage test", 0, 1)
        meta["condition"] = {**known.conditions.to_json(), "decode_under": known.conditions.complete({})}
        meta["leakage"] = asdict(measure_leakage(latent_space, corpus, seed=recipe.seed))
    extra = {
        "shift": latent_space.shift,
        "scale": latent_space.scale,
        "sample": latent_space.sample.half(),
        "sample_sd": latent_space.sample_sd.half(),
        "reference": latent_space.reference_plausibilities,
        **keys_to_tensors(training_keys(domain, corpus)),
    }
    if known is not None:
        extra["conditions"] = known.table.half()
        if known.maps is not None:
            extra["condition_maps"] = known.maps
    save_model(folder, training.vae, meta, half=half, extra=extra)


def _parts_measured(corpus: Corpus[Any]) -> dict[str, Any]:
    """Return of how many designs a corpus on disk is measured; nothing for one in memory."""
    if not isinstance(corpus.designs, StoredDesigns):
        return {}
    parts = {"vocabulary": MAX_LEARNT, "information content": MAX_INFORMATION, "density": MAX_SAMPLE}
    return {"parts": {name: min(n, len(corpus)) for name, n in parts.items()}}


def fit_latent_space(
    domain: DesignSpace[D],
    encoding: Encoding[D, B],
    vae: VAE,
    corpus: Corpus[D],
    batch: Any,
    *,
    condition: Sequence[str] = (),
    seed: int = 0,
    fit_density: FitDensity = mixture,
) -> LatentSpace[D, B]:
    """Return the latent space of a trained model, standardized on a sample of the corpus, without a reference.

    Args:
        domain: Identifies designs.
        encoding: The encoding of the corpus.
        vae: The trained model, on any device.
        corpus: The designs that it was trained on.
        batch: The encoded corpus, on any device.
        condition: Labels of the corpus that the model reads.
        seed: Seed of the sample.
        fit_density: Fits log p(z) on the latents of real designs.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(corpus))[:MAX_SAMPLE])
    parts = (batch[torch.from_numpy(part)] for part in np.array_split(rows, len(rows) // 500 + 1))
    known = None
    if condition:
        conditions = fit_conditions(corpus, condition)
        keys = [domain.key(design) for design in corpus.designs]
        known = KnownConditions.of(conditions, keys, conditions.rows(corpus.labels))
    mean, sd = posterior_moments(vae, parts, None if known is None else known.conditions.rows(corpus.labels)[rows])
    shift, scale = standardization(vae, mean)
    sample, sample_sd = (mean - shift) / scale, sd / scale
    if known is not None:
        measured = {name: np.asarray(values)[rows] for name, values in corpus.properties.items()}
        of_rows = known.conditions.rows(corpus.labels)[rows]
        known = replace(known, maps=fit_condition_maps(sample, of_rows, measured))
        sample = known.align(sample, of_rows)
    density = fit_density(sample, sample_sd)
    nothing = torch.zeros(0, dtype=torch.float64)
    return LatentSpace(
        domain,
        encoding,
        vae,
        shift,
        scale,
        density,
        sample,
        sample_sd,
        nothing,
        geometry=geometry_of(vae),
        known_conditions=known,
    )


def encode_corpus(
    encoding: Encoding[D, B], corpus: Corpus[D], *, cache: Path | None, progress: Progress = silent
) -> Any:
    """Return the corpus as one batch; where it is a tensor, it is cached by the content of corpus and encoding.

    A corpus on disk is encoded into shards on disk.
    """
    if isinstance(corpus.designs, StoredDesigns):
        return encode_stored(encoding, corpus, cache=cache, progress=progress)
    text = json.dumps([corpus.sha256, encoding.state()], sort_keys=True, default=str)
    path = cache / "encoded" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.safetensors" if cache else None
    if path is not None and corpus.sha256:
        cached = _read_encoded(path, len(corpus))
        if cached is not None:
            return cached if cached.is_floating_point() else cached.long()
    blocks: list[Any] = []
    for start in range(0, len(corpus), 2000):
        progress("encoding the corpus", start, len(corpus))
        blocks.append(encoding.encode(corpus.designs[start : start + 2000]))
    if not all(isinstance(block, Tensor) for block in blocks):
        return encoding.encode(corpus.designs)
    batch = torch.cat(blocks)
    if path is not None and corpus.sha256:
        stored = batch if batch.is_floating_point() else batch.to(torch.int32)
        _remove_obstacle(path, is_folder=False)
        try:
            write_tensors(path, {"batch": stored}, {"corpus": corpus.name})
        except InvdesignError as error:
            logger.warning("the encoded corpus is not cached: %s", error)
    return batch


def _read_encoded(path: Path, n: int) -> Tensor | None:
    """Return an encoded corpus of the cache; None where there is none or it is damaged, so that it is encoded again."""
    if not path.is_file():
        return None
    try:
        batch = read_tensors(path)[0]["batch"]
    except DAMAGE as error:
        logger.warning("%s: the encoded corpus is damaged (%s); it is encoded again", path, error)
        return None
    return batch if len(batch) == n else None


def load_latent_space(
    folder: Path,
    domain: Domain[D, B],
    *,
    recipe: Recipe | None = None,
    fit_density: FitDensity = mixture,
    cache: Path | None = None,
) -> LatentSpace[D, B]:
    """Return the latent space of a model folder, after its checksum is verified.

    Args:
        folder: Folder with `model.json` and `model.safetensors`.
        domain: The kind of designs.
        recipe: Its `build` makes the untrained model; by default the class that `model.json` names.
        fit_density: Fits log p(z) on the latents of real designs.
        cache: Folder in which the fitted density is kept; None keeps nothing.

    Raises:
        InvdesignError: The folder is damaged, or its model is of another domain or architecture.
    """
    encodings: list[Encoding[D, B]] = []

    def build(card: dict[str, Any]) -> VAE:
        if card.get("domain") != domain.name:
            raise InvdesignError(f"{folder}: expected a model of {domain.name}, got one of {card.get('domain')}")
        encodings.append(domain.restore(card["encoding"]))
        if recipe is None:
            return build_stored(card, encodings[0])
        return build_vae(recipe, encodings[0], Conditions.from_json(card["condition"]) if recipe.condition else None)

    vae, card, extra = load_model(folder, build)
    sample, sample_sd = extra["sample"].double(), extra["sample_sd"].double()
    density = fit_cached(fit_density, sample, sample_sd, cache)
    keys = keys_from_tensors(extra)
    known = None
    if "conditions" in extra and isinstance(keys, TrainingKeys):
        conditions = Conditions.from_json(card["condition"])
        maps = extra["condition_maps"].double() if "condition_maps" in extra else None
        known = KnownConditions(conditions, keys, extra["conditions"].float(), maps)
    latent_space = LatentSpace(
        domain,
        encodings[0],
        vae,
        extra["shift"].double(),
        extra["scale"].double(),
        density,
        sample,
        sample_sd,
        extra["reference"].double(),
        {**card, "writes": describe_alphabet(encodings[0])},
        geometry=geometry_of(vae),
        training_keys=keys,
        known_conditions=known,
    )
    return latent_space.under(recipe.decode_under) if recipe is not None and recipe.decode_under else latent_space
