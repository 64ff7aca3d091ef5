"""Corpora with the checksum of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from invdesign.core import Array, Corpus, D, Rejection


def make_corpus(
    designs: tuple[D, ...],
    *,
    properties: Mapping[str, Array] | None = None,
    weights: Array | None = None,
    rejected: tuple[Rejection, ...] = (),
    name: str,
    to_text: Callable[[D], str] = str,
) -> Corpus[D]:
    """A corpus with the checksum of its content: designs, properties and weights, but neither name nor rejections."""
    content = hashlib.sha256("\n".join(map(to_text, designs)).encode())
    for key in sorted(properties or {}):
        content.update(f"\n\0{key}\0".encode() + np.asarray((properties or {})[key], dtype="<f8").tobytes())
    if weights is not None:
        content.update(b"\n\0weights\0" + np.asarray(weights, dtype="<f8").tobytes())
    return Corpus(designs, dict(properties or {}), weights, rejected, name, content.hexdigest())
