"""Smoothing of utilities over the graph of nearest designs, before a surrogate is fitted."""

from __future__ import annotations

import torch
from botorch.models.model import Model
from jaxtyping import Float
from torch import Tensor

from invdesign.core import InvdesignError
from invdesign.surrogate.gp import ConditionedGP, IndependentGPs
from invdesign.surrogate.models import auto


def smoothed_gp(
    X: Float[Tensor, "n c"],
    U: Float[Tensor, "n m"],
    *,
    d: int,
    k: int = 8,
    strength: float = 0.3,
    n_descriptors: int = 0,
    max_exact_points: int = 2000,
    noise_floor: float = 1e-4,
) -> Model:
    """Fit `auto` to utilities that are smoothed over the graph of nearest designs in the latent space.

    A noisy measurement then counts less where its neighbours disagree. Cross-validation smooths and fits again without
    the designs that it predicts.

    Args:
        X: `n x (d + f + p)` inputs: latents, features, descriptors.
        U: `n x m` utilities.
        d: Number of latent columns.
        k: Nearest designs of each that it is linked to.
        strength: Weight of the differences to the neighbours against that to the own value; 0 for no smoothing.
        n_descriptors: Number of descriptors `p`, the last columns; the campaign sets it.
        max_exact_points: Largest number of rows for the exact GP on latents.
        noise_floor: Smallest noise variance.

    References:
        Kirjner et al., Improving Protein Optimization with Smoothed Fitness Landscapes, arXiv:2307.00494 (GGS).
    """
    smooth = smooth_on_graph(X[:, :d], U, k=k, strength=strength)
    model = auto(
        X, smooth, d=d, n_descriptors=n_descriptors, max_exact_points=max_exact_points, noise_floor=noise_floor
    )
    parts = model.models if isinstance(model, IndependentGPs) else [model]
    for part in parts:
        if isinstance(part, ConditionedGP):
            part.has_learned_kernel = True  # each of its values depends on the others
    return model


def smooth_on_graph(
    Z: Float[Tensor, "n d"], U: Float[Tensor, "n m"], *, k: int = 8, strength: float = 0.3
) -> Float[Tensor, "n m"]:
    """Return the utilities F that minimize |U - F|^2 + strength / k tr(F' L F), with the Laplacian L of the graph.

    Args:
        Z: Latents of `n` designs.
        U: Their utilities, all known.
        k: Nearest designs of each that it is linked to.
        strength: Weight of the differences to the neighbours.

    Raises:
        InvdesignError: `k` or `strength` is out of range.
    """
    if k < 1 or strength < 0:
        raise InvdesignError(f"smoothed_gp: expected k >= 1 and strength >= 0, got k={k}, strength={strength}")
    n = len(Z)
    if n < 3 or not strength:
        return U
    near = torch.cdist(Z, Z).fill_diagonal_(torch.inf).topk(min(k, n - 1), largest=False).indices
    W = torch.zeros(n, n, dtype=U.dtype, device=U.device).scatter_(1, near, 1.0)
    W = torch.maximum(W, W.T)
    system = torch.diag(1 + strength / k * W.sum(1)) - strength / k * W
    center = U.mean(0)
    smooth: Tensor = center + torch.linalg.solve(system, U - center)
    return smooth
