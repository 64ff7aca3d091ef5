"""Room of VAEs: models and checkpoints on disk, as safetensors and JSON with checksums; never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.io.atomic import write_bytes
from invdesign.vae.base import VAE

FORMAT = 1


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON into one safetensors file that carries the checksum of both."""
    content = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    text = json.dumps(meta, sort_keys=True)
    write_bytes(path, save(content, metadata={"meta": text, "sha256": _digest(content, text)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        InvdesignError: when the file is missing, cut short, or altered.
    """
    remedy = "remove it, so that it is made anew"
    if not path.is_file():
        raise InvdesignError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InvdesignError(f"{path}: not a whole safetensors file ({error}); {remedy}") from error
    text = header.get("meta", "")
    if header.get("sha256") != _digest(tensors, text):
        raise InvdesignError(f"{path}: the content does not match its checksum: damaged or altered; {remedy}")
    return tensors, json.loads(text)


def save_model(
    folder: Path, vae: VAE, meta: Mapping[str, Any], *, half: bool = False, extra: Mapping[str, Tensor] | None = None
) -> None:
    """Write `model.safetensors` and `model.json` (architecture, checksum, and what the caller adds).

    Args:
        folder: made if missing.
        vae: the model.
        meta: JSON; the keys `format`, `architecture` and `sha256` are ours.
        half: store the parameters as float16.
        extra: further tensors, e.g. a sample of latents, stored as they are.
    """
    tensors = {f"model.{name}": value.detach().cpu() for name, value in vae.state_dict().items()}
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    tensors |= {f"extra.{name}": value.detach().cpu() for name, value in (extra or {}).items()}
    content = save({name: value.contiguous().clone() for name, value in tensors.items()})
    card = {
        **meta,
        "format": FORMAT,
        "architecture": vae.architecture(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_bytes(folder / "model.safetensors", content)
    write_bytes(folder / "model.json", json.dumps(card, indent=1, sort_keys=True).encode())


def load_model(folder: Path, build: Callable[[dict[str, Any]], VAE]) -> tuple[VAE, dict[str, Any], dict[str, Tensor]]:
    """Read a model written by `save_model`, after checking that it is whole and unaltered.

    Args:
        folder: where `model.safetensors` and `model.json` lie.
        build: from the JSON of `model.json` to an untrained model of that architecture.

    Returns:
        The model (in evaluation mode, float32), the JSON, and the extra tensors.

    Raises:
        InvdesignError: when a file is missing, damaged, altered, or does not fit the model.
    """
    card, content = _read(folder / "model.json"), _read(folder / "model.safetensors")
    try:
        meta = json.loads(card)
    except ValueError as error:
        raise InvdesignError(
            f"{folder / 'model.json'}: not JSON ({error}); restore the folder from its source"
        ) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InvdesignError(f"{folder / 'model.json'}: format {FORMAT} expected; the model is of another version")
    found = hashlib.sha256(content).hexdigest()
    if meta.get("sha256") != found:
        raise InvdesignError(
            f"{folder / 'model.safetensors'}: sha256 {meta.get('sha256')} expected, {found} found: damaged or altered; "
            "restore the folder from its source, or train anew"
        )
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    vae = build(meta)
    stored = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    extra = {name.removeprefix("extra."): t for name, t in tensors.items() if name.startswith("extra.")}
    try:
        vae.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in stored.items()})
    except RuntimeError as error:
        raise InvdesignError(f"{folder}: the parameters do not fit the architecture in model.json ({error})") from error
    return vae.eval(), meta, extra


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvdesignError(
            f"{path}: cannot be read ({error.strerror}); a model is a folder with both files"
        ) from error


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
