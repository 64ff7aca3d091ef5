"""Vectors as text, exactly: base64 of little-endian float64."""

from __future__ import annotations

import base64

import numpy as np
import torch
from torch import Tensor


def tensor_to_text(z: Tensor) -> str:
    """Return a vector of float64 as base64 text.

    Example:
        >>> tensor_from_text(tensor_to_text(torch.tensor([0.5, -1.0], dtype=torch.float64)))
        tensor([ 0.5000, -1.0000], dtype=torch.float64)
    """
    return base64.b64encode(z.detach().cpu().numpy().astype("<f8").tobytes()).decode("ascii")


def tensor_from_text(text: str) -> Tensor:
    """Return the vector that `tensor_to_text` described."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), dtype="<f8").astype(np.float64))
