"""Validators for designs of any kind: novelty, uniqueness, density, and windows on what an oracle says."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Check, Domain, InvdesignError, Oracle


def novel(
    designs: Sequence[Any], *, known: Collection[str], against: str = "corpus", key: Callable[[Any], str] = str
) -> list[Check]:
    """The design is not among those that are known.

    Args:
        designs: `n` designs.
        known: keys of what is known; a set, for speed.
        against: what is known, e.g. `"corpus"`; the checks are called `novel_<against>`.
        key: the domain's `key`.
    """
    return [
        Check(f"novel_{against}", key(design) not in known, f"in the {against}" if key(design) in known else "")
        for design in designs
    ]


def novel_to_file(
    designs: Sequence[Any], *, path: str | Path, domain: Domain[Any, Any], against: str | None = None
) -> list[Check]:
    """The design is not in a file of the user's that the domain can read; the file is read once."""
    place = Path(path)
    if not place.exists():
        raise InvdesignError(f"cannot check novelty against {place}: no such file. Check the path")
    known = _keys(domain.read, domain.key, place.resolve(), place.stat().st_mtime_ns)
    return novel(designs, known=known, against=against or place.name.split(".")[0], key=domain.key)


def unique(designs: Sequence[Any], *, key: Callable[[Any], str] = str) -> list[Check]:
    """The design is the first of its key in the list."""
    first: dict[str, int] = {}
    checks = []
    for i, design in enumerate(designs):
        place = first.setdefault(key(design), i)
        checks.append(Check("unique", place == i, "" if place == i else f"the same as number {place + 1}"))
    return checks


def dense(percentiles: Sequence[float], *, min: float = 1.0) -> list[Check]:
    """The design lies where real designs lie.

    Args:
        percentiles: per design the share (0 to 100) of the corpus with a lower log-density.
        min: the lowest percentile that passes.
    """
    return [
        Check("density", bool(p >= min), f"percentile {p:.1f} of the corpus, at least {min:g}") for p in percentiles
    ]


def within(
    designs: Sequence[Any], *, oracle: Oracle, name: str, min: float = -math.inf, max: float = math.inf
) -> list[Check]:
    """What an oracle of one property says lies in a window; a cheap oracle makes a screen of it.

    Args:
        designs: `n` designs.
        oracle: answers `n` numbers; NaN fails.
        name: of the property and of the check.
        min: smallest value that passes.
        max: largest value that passes.
    """
    if not len(designs):
        return []
    values = np.asarray(oracle(designs), dtype=np.float64)
    if values.size != len(designs):
        raise InvdesignError(f"within {name!r}: expected {len(designs)} values, got an array of {values.shape}")
    return [
        Check(name, bool(min <= value <= max), f"{value:.4g}, allowed {min:g} to {max:g}")
        for value in values.reshape(-1)
    ]


@lru_cache(maxsize=16)
def _keys(read: Callable[[Path], Any], key: Callable[[Any], str], path: Path, changed: int) -> frozenset[str]:
    return frozenset(key(design) for design in read(path).designs)
