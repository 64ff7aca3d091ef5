"""Room of VAEs: the state of a training on disk, from which it goes on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from invdesign.core import InvdesignError
from invdesign.vae.store import read_tensors, write_tensors


def write_checkpoint(
    path: Path, model: nn.Module, adam: torch.optim.Optimizer, meta: Mapping[str, Any], best: dict[str, Tensor] | None
) -> None:
    """Write parameters, the best ones so far, the optimizer and the random numbers into one file, atomically.

    Args:
        path: the file.
        model: as it stands.
        adam: its optimizer.
        meta: JSON; its `signature` says what training this is.
        best: parameters of the best validation.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in (best or {}).items()}
    for i, state in adam.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    write_tensors(path, tensors, meta)


def read_checkpoint(
    path: Path, model: nn.Module, adam: torch.optim.Optimizer, signature: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor] | None]:
    """Put a model, its optimizer and the random numbers back to where they were.

    Returns:
        The JSON that was written with them, and the best parameters.

    Raises:
        InvdesignError: the file is damaged, or of another training.
    """
    tensors, meta = read_tensors(path)
    if meta["signature"] != signature:
        was, now = _flat(meta["signature"]), _flat(signature)
        changed = [f"{k}: {was.get(k)!r} -> {now.get(k)!r}" for k in sorted(was | now) if was.get(k) != now.get(k)]
        raise InvdesignError(
            f"checkpoint {path} belongs to another training ({'; '.join(changed)}); "
            "give the settings it was begun with, or remove the file to begin anew"
        )
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, name = key.split(".")
            state.setdefault(int(i), {})[name] = value
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
    best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
    return meta, best or None


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {key: value}
    return flat
