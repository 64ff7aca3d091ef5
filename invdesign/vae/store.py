"""Models and tensors on disk: safetensors and JSON with checksums, never pickle."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from invdesign.core import Encoding, InvdesignError
from invdesign.io.atomic import write_bytes
from invdesign.vae.base import VAE

FORMAT = 4


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON into one safetensors file that carries the checksum of both.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    content = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(meta, sort_keys=True)
    write_bytes(path, save(content, metadata={"meta": text, "sha256": _digest(content, text)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the JSON that `write_tensors` wrote.

    Raises:
        InvdesignError: The file is missing, truncated or altered.
    """
    remedy = "Remove it, so that it is made again"
    if not path.is_file():
        raise InvdesignError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # Copies: a mapped file that is truncated later would end the process.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise InvdesignError(f"{path}: expected a whole safetensors file ({error}). {remedy}") from error
    text = header.get("meta", "")
    if header.get("sha256") != _digest(tensors, text):
        raise InvdesignError(f"{path}: the content does not match its checksum: damaged or altered. {remedy}")
    meta: dict[str, Any] = json.loads(text)
    return tensors, meta


def save_model(
    folder: Path, vae: VAE, meta: Mapping[str, Any], *, half: bool = False, extra: Mapping[str, Tensor] | None = None
) -> None:
    """Write `model.safetensors` and `model.json` (class, architecture, checksum, and what the caller adds).

    Args:
        folder: The folder of the model, made if missing.
        vae: The model.
        meta: JSON; the keys `format`, `class`, `architecture` and `sha256` are set here.
        half: Whether to store the parameters as float16.
        extra: Further tensors, e.g. a sample of latents, stored as they are.

    Raises:
        InvdesignError: The disk is full or the folder cannot be written.
    """
    tensors = {f"model.{name}": value.detach().cpu() for name, value in vae.state_dict().items()}
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    tensors |= {f"extra.{name}": value.detach().cpu() for name, value in (extra or {}).items()}
    content = save({name: value.contiguous().clone() for name, value in tensors.items()})
    card = {
        **meta,
        "format": FORMAT,
        "class": f"{type(vae).__module__}.{type(vae).__qualname__}",
        "architecture": vae.architecture(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    card["card_sha256"] = _card_digest(card)
    write_bytes(folder / "model.safetensors", content)
    write_bytes(folder / "model.json", json.dumps(card, indent=1, sort_keys=True).encode())


def load_model(folder: Path, build: Callable[[dict[str, Any]], VAE]) -> tuple[VAE, dict[str, Any], dict[str, Tensor]]:
    """Return a model written by `save_model`, after its checksum is verified.

    Args:
        folder: The folder with `model.safetensors` and `model.json`.
        build: Returns an untrained model for the JSON of `model.json`; see `build_stored`.

    Returns:
        The model (in evaluation mode, float32), the JSON, and the extra tensors.

    Raises:
        InvdesignError: A file is missing, damaged, altered, or does not fit the model.
    """
    card, content = _read(folder / "model.json"), _read(folder / "model.safetensors")
    try:
        meta = json.loads(card)
    except ValueError as error:
        raise InvdesignError(
            f"{folder / 'model.json'}: expected JSON ({error}). Restore the folder from its source"
        ) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        version = meta.get("format") if isinstance(meta, dict) else None
        raise InvdesignError(
            f"{folder / 'model.json'}: expected a model of format {FORMAT}, got {version!r}. Train it again"
        )
    if "card_sha256" in meta and meta["card_sha256"] != _card_digest(meta):
        raise InvdesignError(
            f"{folder / 'model.json'}: the content does not match its checksum: damaged or altered. Restore the folder "
            "from its source, or train again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if meta.get("sha256") != digest:
        raise InvdesignError(
            f"{folder / 'model.safetensors'}: expected sha256 {meta.get('sha256')}, got {digest}: damaged or altered. "
            "Restore the folder from its source, or train again"
        )
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise InvdesignError(
            f"{folder / 'model.safetensors'}: expected a safetensors file ({error}). Restore the folder from its source"
        ) from error
    vae = build(meta)
    stored = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    extra = {name.removeprefix("extra."): t for name, t in tensors.items() if name.startswith("extra.")}
    try:
        vae.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in stored.items()})
    except RuntimeError as error:
        raise InvdesignError(f"{folder}: the parameters do not fit the architecture in model.json ({error})") from error
    return vae.eval(), meta, extra


def build_stored(card: Mapping[str, Any], encoding: Encoding[Any, Any]) -> VAE:
    """Return an untrained model of the class and the architecture that a `model.json` names.

    Args:
        card: JSON of a stored model.
        encoding: The encoding that the model was trained with.

    Raises:
        InvdesignError: The class is not a VAE of this package: a file may not name code of others.
    """
    path = str(card.get("class", ""))
    module, _, name = path.rpartition(".")
    model = None
    if module.startswith("invdesign.") and all(part.isidentifier() for part in path.split(".")):
        try:
            model = getattr(importlib.import_module(module), name, None)
        except ImportError:
            model = None
    if not (isinstance(model, type) and issubclass(model, VAE)):
        raise InvdesignError(
            f"model.json: expected the class of a VAE of invdesign, got {path!r}. For a model class of your own give "
            "the recipe that built it"
        )
    return model.from_architecture(card["architecture"], encoding)


def _card_digest(card: Mapping[str, Any]) -> str:
    """Return the checksum of a card without its own checksum."""
    content = {key: value for key, value in card.items() if key != "card_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvdesignError(
            f"{path}: cannot be read ({error.strerror}). A model is a folder with model.json and model.safetensors"
        ) from error


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        # NumPy writes the rows in order whatever the strides are; those of a single number can be anything.
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
