"""Validators for designs of any domain: novelty, uniqueness, latent density, and windows on the values of an oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from invdesign.core import Check, DesignSpace, InvdesignError, Oracle
from invdesign.io.design_files import read_designs


def novel(
    designs: Sequence[Any], *, excluded_keys: Collection[str], against: str = "corpus", key: Callable[[Any], str] = str
) -> list[Check]:
    """Check that a design is not among those that are excluded.

    Args:
        designs: `n` designs.
        excluded_keys: Keys of the excluded designs; a set, for speed.
        against: Name of the excluded designs, e.g. `"corpus"`; the checks are called `novel_<against>`.
        key: The domain's `key`.

    Example:
        >>> [check.passed for check in novel(["CCO", "CCN"], excluded_keys={"CCO"})]
        [False, True]
    """
    checks = []
    for design in designs:
        is_excluded = key(design) in excluded_keys
        checks.append(Check(f"novel_{against}", not is_excluded, f"in the {against}" if is_excluded else ""))
    return checks


def novel_to_file(
    designs: Sequence[Any], *, path: str | Path, domain: DesignSpace[Any], against: str | None = None
) -> list[Check]:
    """Check that a design is not in a file, which is read once and cached.

    Args:
        designs: `n` designs.
        path: File in a format that the domain reads.
        domain: Domain that reads the file.
        against: Name of the excluded designs (see `novel`); by default the file's name up to its first dot.

    Raises:
        InvdesignError: There is no such file.
    """
    file = Path(path)
    if not file.exists():
        raise InvdesignError(f"novel_to_file: cannot read {file}: no such file. Check the path")
    known: Any = domain
    excluded_keys = _read_keys(known, file.resolve(), file.stat().st_mtime_ns)
    return novel(designs, excluded_keys=excluded_keys, against=against or file.name.split(".")[0], key=domain.key)


def unique(designs: Sequence[Any], *, key: Callable[[Any], str] = str) -> list[Check]:
    """Check that a design is the first of its key in the list.

    Args:
        designs: `n` designs.
        key: The domain's `key`.
    """
    first: dict[str, int] = {}
    checks = []
    for i, design in enumerate(designs):
        j = first.setdefault(key(design), i)
        checks.append(Check("unique", j == i, "" if j == i else f"the same as number {j + 1}"))
    return checks


def min_plausibility(percentiles: Sequence[float], *, min: float = 1.0) -> list[Check]:
    """Check that a design is not less plausible in its latent space than nearly all real designs.

    Args:
        percentiles: Percentage (0 to 100) of held-out designs with a lower plausibility, for each design; NaN fails.
        min: Lowest percentile that passes.
    """
    return [
        Check("plausibility", bool(p >= min), f"percentile {p:.1f} of held-out designs, at least {min:g}")
        for p in percentiles
    ]


def property_window(
    designs: Sequence[Any], *, oracle: Oracle, name: str, min: float = -math.inf, max: float = math.inf
) -> list[Check]:
    """Check that the value of an oracle of one property lies in a window; with a cheap oracle it serves as a screen.

    Args:
        designs: `n` designs.
        oracle: Returns `n` values; NaN fails.
        name: Name of the property and of the check.
        min: Smallest value that passes.
        max: Largest value that passes.

    Raises:
        InvdesignError: The oracle returns another number of values.

    Example:
        >>> property_window(["CC", "CCC"], oracle=lambda d: [len(x) for x in d], name="size", max=2)[1].detail
        '3, allowed -inf to 2'
    """
    if not len(designs):
        return []
    values = np.asarray(oracle(designs), dtype=np.float64)
    if values.size != len(designs):
        raise InvdesignError(
            f"property_window {name!r}: expected {len(designs)} values, got an array of shape {values.shape}. Use an "
            "oracle of one property"
        )
    return [
        Check(name, bool(min <= value <= max), f"{value:.4g}, allowed {min:g} to {max:g}")
        for value in values.reshape(-1)
    ]


@lru_cache(maxsize=16)
def _read_keys(domain: Any, path: Path, modified: int) -> frozenset[str]:
    """Read the keys of a file; its time of modification is part of the cache key."""
    return frozenset(domain.key(design) for design in read_designs(domain, path).designs)
