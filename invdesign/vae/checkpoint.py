"""Checkpoints: the state of a training on disk, from which it continues as if it had never stopped."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invdesign.core import InvdesignError
from invdesign.vae.store import read_tensors, write_tensors

logger = logging.getLogger(__name__)


def write_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    meta: Mapping[str, Any],
    best: Mapping[str, Tensor] | None,
) -> None:
    """Write parameters, the best parameters so far, the optimizer and the random state into one file, atomically.

    Args:
        path: The file.
        model: The model as it is.
        optimizer: Its optimizer.
        meta: JSON; its `signature` identifies the training.
        best: Parameters of the best validation.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (best or {}).items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    write_tensors(path, tensors, meta)


def remove_if_damaged(path: Path) -> None:
    """Remove a checkpoint that cannot be read, with a warning, so that the training starts from the beginning."""
    if not path.exists():
        return
    try:
        read_tensors(path)
    except (InvdesignError, ValueError) as error:
        logger.warning("%s: the checkpoint is damaged (%s); the training starts from the beginning", path, error)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def read_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, signature: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor] | None]:
    """Load a checkpoint into a model, its optimizer and the random number generators.

    Returns:
        The JSON that was written with it, and the best parameters.

    Raises:
        InvdesignError: The file is damaged, or belongs to another training.
    """
    tensors, meta = read_tensors(path)
    if meta["signature"] != signature:
        stored, current = _flatten(meta["signature"]), _flatten(signature)
        names = sorted(stored | current)
        changed = [f"{k}: {stored.get(k)!r} -> {current.get(k)!r}" for k in names if stored.get(k) != current.get(k)]
        raise InvdesignError(
            f"checkpoint {path}: expected the settings that it was written with, got others ({'; '.join(changed)}). "
            "Give those settings, or remove the file to train from the start"
        )
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, name = key.split(".")
            state.setdefault(int(i), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    return meta, best or None


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat
