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
    """Return a corpus with the sha256 of its content: designs, properties and weights, not name and rejections.

    Args:
        designs: `n` distinct designs.
        properties: Measured properties by name, each of length `n`, NaN where unknown.
        weights: `n` sampling weights, or None for equal ones.
        rejected: Rows of the file that were rejected.
        name: Name of the corpus.
        to_text: Text of a design, for the checksum.

    Example:
        >>> make_corpus(("a", "b"), name="one").sha256 == make_corpus(("a", "b"), name="other").sha256
        True
    """
    properties = dict(properties or {})
    content = hashlib.sha256("\n".join(map(to_text, designs)).encode())
    for key in sorted(properties):
        content.update(f"\n\0{key}\0".encode() + np.asarray(properties[key], dtype="<f8").tobytes())
    if weights is not None:
        content.update(b"\n\0weights\0" + np.asarray(weights, dtype="<f8").tobytes())
    return Corpus(designs, properties, weights, rejected, name, content.hexdigest())
