"""Properties of profiles that are computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from invdesign.core import Array, InvdesignError
from invdesign.domains.profiles.domain import Profile


def log_ratio(
    designs: Sequence[Profile], *, up: Sequence[str], down: Sequence[str] = (), pseudocount: float = 0.5
) -> Array:
    """Return log2 of the mean of some features over the mean of others: a signature, or a balance of taxa.

    A ratio within one profile does not depend on its depth.

    Args:
        designs: `n` profiles.
        up: Features of the numerator.
        down: Features of the denominator; by default all others.
        pseudocount: Added to both means, so that a feature may be absent.

    Raises:
        InvdesignError: A feature is unknown.

    References:
        Morton et al., Establishing microbial composition measurement standards with reference frames, Nat. Commun.
        2019, doi:10.1038/s41467-019-10656-5.

    Example:
        >>> log_ratio([Profile(("A", "B"), (31.5, 3.5))], up=["A"]).tolist()
        [3.0]
    """
    found = []
    for design in designs:
        unknown = sorted({*up, *down} - set(design.names))
        if unknown:
            raise InvdesignError(
                f"log_ratio: expected features of the profiles, got {', '.join(unknown[:5])}. Correct up and down"
            )
        of = dict(zip(design.names, design.values, strict=True))
        others = list(down) or [name for name in design.names if name not in set(up)]
        first, second = (float(np.mean([of[name] for name in names])) + pseudocount for names in (up, others))
        found.append(float(np.log2(first / second)) if first > 0 and second > 0 else np.nan)
    return np.array(found)


def evenness(designs: Sequence[Profile]) -> Array:
    """Return Shannon's entropy of the shares over that of equal shares, from 0 to 1; NaN where a value is negative.

    References:
        Pielou, J. Theor. Biol. 1966, doi:10.1016/0022-5193(66)90013-0.

    Example:
        >>> evenness([Profile(("A", "B"), (5.0, 5.0)), Profile(("A", "B"), (5.0, 0.0))]).tolist()
        [1.0, 0.0]
    """
    found = []
    for design in designs:
        X = np.array(design.values)
        if X.min() < 0 or not X.sum() > 0:
            found.append(np.nan)
            continue
        shares = X[X > 0] / X.sum()
        found.append(abs(float((shares * np.log(shares)).sum())) / float(np.log(max(2, len(X)))))
    return np.array(found)
