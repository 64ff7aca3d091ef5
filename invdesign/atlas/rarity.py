"""Rarity of the parts of a design: how often real designs have them with the same surroundings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Int64

from invdesign.core import Array, D, DesignSpace
from invdesign.core.capabilities import places

MIN_COUNT = 2
"""Occurrences below which surroundings are not kept: most are seen once, and weigh as much as unseen ones."""
NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Rarity:
    """Number of real designs that have each part with its surroundings."""

    checksums: Int64[np.ndarray, " k"]
    """Checksums of the surroundings in ascending order."""
    counts: Int64[np.ndarray, " k"]
    """Designs that have them."""
    n: int
    """Designs that were counted."""

    def rate(self, surroundings: Sequence[Sequence[str]]) -> list[Array]:
        """Return for each part of a design the nats of its surroundings, from near to wide: -log of their share.

        Args:
            surroundings: Of each part.
        """
        if not surroundings:
            return []
        flat = _checksums(text for part in surroundings for text in part)
        at = np.minimum(np.searchsorted(self.checksums, flat), max(0, len(self.checksums) - 1))
        found = np.where(self.checksums[at] == flat, self.counts[at], 0) if len(self.checksums) else 0 * flat
        nats = np.log(self.n + 1) - np.log(found + 0.5)
        return np.split(nats, np.cumsum([len(part) for part in surroundings])[:-1])


def fit_rarity(domain: DesignSpace[D], designs: Iterable[D]) -> Rarity:
    """Count the parts of real designs.

    Args:
        domain: The kind of designs; without parts (see `Anatomy`) nothing is counted.
        designs: Real designs.
    """
    seen = [_parts(domain, design) for design in designs]
    checksums, counts = np.unique(np.concatenate([NOTHING, *seen]), return_counts=True)
    return _keep_frequent(checksums, counts, len(seen))


def fit_rarities(domain: DesignSpace[D], designs: Sequence[D], folds: Int[np.ndarray, " n"]) -> list[Rarity]:
    """Count the parts of real designs several times, each time without the designs of one fold.

    Args:
        domain: The kind of designs.
        designs: `n` real designs.
        folds: Number of the fold of each design, from 0.
    """
    seen = [_parts(domain, design) for design in designs]
    checksums, numbers = np.unique(np.concatenate([NOTHING, *seen]), return_inverse=True)
    fold_of_part = np.repeat(folds, [len(parts) for parts in seen])
    total = np.bincount(numbers, minlength=len(checksums))
    rarities = []
    for fold in range(int(folds.max(initial=-1)) + 1):
        own = np.bincount(numbers[fold_of_part == fold], minlength=len(checksums))
        rarities.append(_keep_frequent(checksums, total - own, int((folds != fold).sum())))
    return rarities


def _parts(domain: DesignSpace[D], design: D) -> Int64[np.ndarray, " k"]:
    """Return the checksums of the surroundings of a design, each once."""
    return np.unique(_checksums(text for part in places(domain, design) for text in part.surroundings))


def _keep_frequent(checksums: Int64[np.ndarray, " k"], counts: Int64[np.ndarray, " k"], n: int) -> Rarity:
    kept = counts >= MIN_COUNT
    return Rarity(checksums[kept], counts[kept].astype(np.int64), n)


def _checksums(texts: Iterable[str]) -> Int64[np.ndarray, " k"]:
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), dtype="<i8").astype(np.int64)
