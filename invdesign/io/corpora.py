"""Corpora with the checksum of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from invdesign.core import Array, Corpus, D, Rejection, ValueUsage


def make_corpus(
    designs: tuple[D, ...],
    *,
    properties: Mapping[str, Array] | None = None,
    weights: Array | None = None,
    rejected: tuple[Rejection, ...] = (),
    errors: Mapping[str, Array] | None = None,
    bounds: Mapping[str, Array] | None = None,
    names: tuple[str, ...] = (),
    usage: tuple[ValueUsage, ...] = (),
    families: tuple[str, ...] = (),
    labels: Mapping[str, tuple[str, ...]] | None = None,
    name: str,
    to_text: Callable[[D], str] = str,
) -> Corpus[D]:
    """Return a corpus with the sha256 of its content: designs, weights, properties with their errors and bounds.

    Args:
        designs: `n` distinct designs.
        properties: Measured properties by name, each of length `n`, NaN where unknown.
        weights: `n` sampling weights, or None for equal ones.
        rejected: Rows of the file that were rejected.
        errors: Standard errors of the properties by name, each of length `n`, NaN where not known.
        bounds: Censoring of the properties by name, each of length `n`; see `Corpus.bounds`.
        names: `n` names that the user gave the designs, or nothing.
        usage: Account of the measured values.
        families: `n` families that are held out together, or nothing.
        labels: Labels by name, each of length `n`, empty where unknown.
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
    errors = {key: values for key, values in (errors or {}).items() if np.isfinite(values).any()}
    bounds = {key: values for key, values in (bounds or {}).items() if np.any(values)}
    for kind, columns in (("errors", errors), ("bounds", bounds)):
        for key in sorted(columns):
            content.update(f"\n\0{kind} {key}\0".encode() + np.asarray(columns[key], dtype="<f8").tobytes())
    if families:
        content.update(("\n\0families\0" + "\n".join(families)).encode())
    for key in sorted(labels or {}):
        content.update((f"\n\0label {key}\0" + "\n".join((labels or {})[key])).encode())
    return Corpus(
        designs,
        properties,
        weights,
        rejected,
        name,
        content.hexdigest(),
        errors,
        bounds,
        names if any(names) else (),
        usage,
        families,
        dict(labels or {}),
    )
