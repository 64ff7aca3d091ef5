"""Molecules for the fingerprints of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Array, InvdesignError, Progress, silent
from invdesign.domains.molecules.environments import shipped_environments
from invdesign.domains.molecules.from_fingerprint import FingerprintDecoder
from invdesign.domains.molecules.near_fingerprint import approach
from invdesign.io.tables import write_table

MIN_BITS = 64


@dataclass(frozen=True)
class DecodedFingerprint:
    """A molecule for a fingerprint."""

    smiles: str | None
    """Canonical SMILES without stereo; None where none was found."""
    similarity: float
    """Tanimoto similarity of the counts, 1 for exactly this fingerprint; NaN without a molecule."""

    @property
    def is_exact(self) -> bool:
        """Whether the molecule has exactly this fingerprint."""
        return self.similarity == 1.0


def read_fingerprints(path: Path) -> Array:
    """Return the fingerprints of a .npy file, or of a table of numbers with or without a header: `n x bits`.

    Raises:
        InvdesignError: The file cannot be read, or holds no counts.
    """
    try:
        rows = np.load(path, allow_pickle=False) if path.suffix == ".npy" else _read_table(path)
    except (OSError, ValueError) as error:
        raise InvdesignError(
            f"{path}: expected fingerprints as .npy or as a table of numbers, got a file that cannot be read ({error})"
        ) from error
    found: Array = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if found.ndim != 2 or found.shape[1] < MIN_BITS or not np.isfinite(found).all() or found.min() < 0:
        raise InvdesignError(
            f"{path}: expected rows of at least {MIN_BITS} counts of at least 0, got an array of shape {found.shape}. "
            "Write one Morgan count fingerprint a row"
        )
    return found


def decode_fingerprints(
    fingerprints: Array,
    *,
    radius: int = 3,
    known: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> list[DecodedFingerprint]:
    """Return a molecule for each fingerprint: exactly one that has it, or else one that is near to it.

    Args:
        fingerprints: Morgan count fingerprints without chirality, `n x bits`.
        radius: Their radius [bonds], 2 or 3.
        known: Molecules from which a near one is searched where no molecule has the fingerprint; none is without them.
        seed: Seed of that search.
        progress: Called with ("decoding fingerprints", done, n).

    Raises:
        InvdesignError: The radius is neither 2 nor 3.
    """
    if radius not in (2, 3):
        raise InvdesignError(f"fingerprints: expected a radius of 2 or 3, got {radius}")
    n_bits = fingerprints.shape[1]
    decoder = FingerprintDecoder(shipped_environments(), radius=radius, n_bits=n_bits)
    found = []
    for i, row in enumerate(fingerprints):
        progress("decoding fingerprints", i, len(fingerprints))
        smiles = decoder.decode(row)
        if smiles is not None:
            found.append(DecodedFingerprint(smiles, 1.0))
        elif len(known):
            found.append(DecodedFingerprint(*approach(row, known, radius=radius, seed=seed)))
        else:
            found.append(DecodedFingerprint(None, float("nan")))
    progress("decoding fingerprints", len(fingerprints), len(fingerprints))
    return found


def write_decoded(found: Sequence[DecodedFingerprint], path: Path) -> Path:
    """Write the molecules as a table.

    Raises:
        InvdesignError: The file cannot be written.
    """
    columns: dict[str, list[Any]] = {
        "smiles": [each.smiles or "" for each in found],
        "tanimoto": [each.similarity for each in found],
        "exact": [each.is_exact for each in found],
    }
    return write_table(columns, path)


def _read_table(path: Path) -> Array:
    text = path.read_text("utf-8")
    first = text.split("\n", 1)[0].replace(",", " ").split()
    is_header = any(not _is_number(word) for word in first)
    separator = "," if "," in text[:10_000] else None
    rows: Array = np.loadtxt(text.splitlines(), delimiter=separator, skiprows=int(is_header), ndmin=2)
    return rows


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
