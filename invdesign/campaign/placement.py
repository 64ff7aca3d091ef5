"""Latents of measured designs, without a place for those that the model cannot write."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from invdesign.core import D
from invdesign.core.capabilities import placement_errors
from invdesign.latent.space import LatentSpace


@dataclass(frozen=True, eq=False)
class Placement:
    """Latents of designs, and why some have none."""

    Z: Tensor
    """`n x d` latents; NaN where the model cannot write the design."""
    log_density: Tensor
    """`n`, log p(z) of real designs; NaN without a latent."""
    percentile: Tensor
    """`n`, percentage of held-out designs with a lower plausibility; NaN without a latent."""
    errors: tuple[str, ...]
    """Why a design has no latent; empty where it has one."""


def describe_errors(errors: Sequence[str], *, n_reasons: int = 3) -> str:
    """Return how many designs have no latent and the most frequent reasons; empty where all have one.

    Args:
        errors: Why each design has no latent; empty where it has one.
        n_reasons: Largest number of reasons to name.

    Example:
        >>> describe_errors(["", "the corpus had no [Pt]", "the corpus had no [Pt]"])
        '2 of 3 designs cannot be written by the model (2 x the corpus had no [Pt])'
    """
    reasons = Counter(error for error in errors if error)
    if not reasons:
        return ""
    shown = "; ".join(f"{n:,} x {reason}" for reason, n in reasons.most_common(n_reasons))
    more = f"; {len(reasons) - n_reasons} other reasons" if len(reasons) > n_reasons else ""
    return f"{reasons.total():,} of {len(errors):,} designs cannot be written by the model ({shown}{more})"


def place(latent_space: LatentSpace[D, Any], designs: Sequence[D]) -> Placement:
    """Return the latents of designs that are used whatever they are: seed designs, and what a laboratory made.

    A design with letters, elements or a length that the model cannot write is encoded as another one. The latent would
    be that of the other design, so it has none: a surrogate may use its features, and no search starts from it.

    Args:
        latent_space: The latent space.
        designs: Designs.
    """
    errors = placement_errors(latent_space.encoding, designs)
    rows = [i for i, error in enumerate(errors) if not error]
    own = [designs[i] for i in rows]
    Z = torch.full((len(designs), latent_space.d), math.nan, dtype=torch.float64)
    log_density, percentile = torch.full((2, len(designs)), math.nan, dtype=torch.float64)
    if own:
        Z[rows] = latent_space.encode(own)
        log_density[rows] = latent_space.log_density(Z[rows])
        percentile[rows] = latent_space.percentile(latent_space.plausibility(own, Z[rows]))
    return Placement(Z, log_density, percentile, tuple(errors))
