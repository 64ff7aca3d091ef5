"""Wrap-around of a sphere: branches of data that are far apart in structure and near on its far side."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from invdesign.core import Array
from invdesign.latent.geometry import Euclidean, LatentGeometry

FAR, MIDDLE = (0.9, 1.0), (0.4, 0.6)
"""Quantiles of the structure distances of pairs that are far apart, and of ordinary ones."""
MARGIN = 0.9
"""Latent distance of far pairs, as a multiple of that of ordinary ones, below which data wrap around."""
MIN_DESIGNS = 30


def far_pair_ratio(Z: Float64[Tensor, "n d"], F: Float[np.ndarray, "n f"], geometry: LatentGeometry) -> float:
    """Return the median latent distance of pairs that are far apart in structure, divided by that of ordinary pairs.

    Where the latents keep the order of distances it is above 1. Below 1 the ends of the data meet.

    Args:
        Z: Latents of `n` designs.
        F: Their structure features.
        geometry: Geometry of the latents.
    """
    upper = np.triu_indices(len(Z), 1)
    structure = torch.cdist(torch.from_numpy(F), torch.from_numpy(F)).numpy()[upper]
    latent: Array = geometry.distance(Z, Z).numpy()[upper]

    def median_between(low: float, high: float) -> float:
        a, b = np.quantile(structure, [low, high])
        return float(np.median(latent[(structure >= a) & (structure <= b)]))

    return median_between(*FAR) / max(median_between(*MIDDLE), 1e-12)


def warn_of_wrapping(Z: Float64[Tensor, "n d"], F: Float[np.ndarray, "n f"], geometry: LatentGeometry) -> list[str]:
    """Return a warning where the data wrap around a sphere; none in a Euclidean space, which has no far side.

    Args:
        Z: Latents of `n` designs.
        F: Their structure features; `n x 0` where there are none.
        geometry: Geometry of the latents.
    """
    if isinstance(geometry, Euclidean) or len(Z) < MIN_DESIGNS or not F.shape[1]:
        return []
    ratio = far_pair_ratio(Z, F, geometry)
    if ratio >= MARGIN:
        return []
    return [
        f"wrap-around: designs that are farthest apart in structure lie {ratio:.2f} times as far apart on the sphere "
        "as ordinary pairs, so that branches meet on its far side and neighbours may be strangers. Use a Euclidean "
        "space (vae.build.prior=normal) or more latents (vae.build.d)"
    ]
