"""Building blocks of the crystal model: networks, Fourier features, binned numbers and data augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from invdesign.domains.crystals.model.encoding import Layout

N_BINS = 48
# Scale of the Laplace distribution of a number within its bin, as a fraction of the bin width.
SHARPNESS = 0.3
WAVES = (1.0, 2.0, 4.0)


def mlp(n_in: int, width: int, n_out: int) -> nn.Sequential:
    """Return a perceptron with one hidden layer of `width` SiLU units."""
    return nn.Sequential(nn.Linear(n_in, width), nn.SiLU(), nn.Linear(width, n_out))


def fourier_features(u: Tensor) -> Tensor:
    """Return sines and cosines of numbers with period 1.

    Args:
        u: Numbers, `... x j`.

    Returns:
        Features, `... x 6 j`: sine and cosine at each of the frequencies `WAVES`.
    """
    angles = 2 * math.pi * u
    return torch.cat([f(k * angles) for k in WAVES for f in (torch.sin, torch.cos)], -1)


def binned_log_likelihood(bins: Tensor, places: Tensor, value: Tensor) -> Tensor:
    """Return the log-likelihood of numbers under a categorical over bins and a Laplace within the bin.

    Args:
        bins: Logits of the bins, `... x N_BINS`.
        places: Logits of the location within each bin, `... x N_BINS`.
        value: Numbers in units of bins, `...`.

    Returns:
        Log-likelihood [nats] up to a constant, `...`.
    """
    bin_number = value.floor().clamp(0, N_BINS - 1).long()[..., None]
    log_probability = bins.log_softmax(-1).gather(-1, bin_number)[..., 0]
    within = value - bin_number[..., 0]
    deviation = (within - torch.sigmoid(places.gather(-1, bin_number)[..., 0])).abs()
    return log_probability - deviation / SHARPNESS


def binned_mode(bins: Tensor, places: Tensor) -> Tensor:
    """Return the most likely number in units of bins, `...`, given logits as in `binned_log_likelihood`."""
    bin_number = bins.argmax(-1, keepdim=True)
    return (bin_number + torch.sigmoid(places.gather(-1, bin_number)))[..., 0]


def perturb(
    x: Tensor,
    layout: Layout,
    n_free: Tensor,
    similar: Tensor,
    *,
    step: float = 0.03,
    strain: float = 0.02,
    n_substitutions: int = 1,
    substitution_rate: float = 0.3,
    wide_share: float = 0.0,
    widening: float = 4.0,
) -> Tensor:
    """Return rows with small random changes of coordinates and cells and with similar elements: data augmentation.

    The augmentation prevents memorization of a small corpus. The changed crystals are ones that could exist, because
    the prior of the model covers them too: the volume follows the elements, as cells are relative to the composition.

    Args:
        x: Rows, `n x layout.n_columns`.
        layout: Layout of the rows.
        n_free: Number of free coordinates of each site, `n_sites + 1`; site 0 is none.
        similar: Numbers of similar elements for each element, `(n_elements + 1) x m`; element 0 is none.
        step: Standard deviation of the changes of free coordinates, in half of the crystals.
        strain: Standard deviation of the changes of the shape of a cell; the changes of its scale are half as large.
        n_substitutions: Number of substitutions.
        substitution_rate: Probability of each: one element of a crystal is replaced on all its orbits.
        wide_share: Fraction of the crystals whose changes of numbers are `widening` times as large.
        widening: Factor of the larger changes.

    Returns:
        Changed copy of the rows, `n x layout.n_columns`.
    """
    x = x.clone()
    orbits, n = layout.orbits(x), len(x)
    site = orbits[..., 0].long()
    u = orbits[..., 2:]
    is_wide = (torch.rand(n, 1, device=x.device) < wide_share).to(x)
    scale = 1 + (widening - 1) * is_wide
    is_moved = ((torch.rand(n, 1, device=x.device) < 0.5) | (is_wide > 0)).to(x)
    moved = (u + (step * scale * is_moved)[..., None] * torch.randn_like(u)) % 1.0
    is_free = torch.arange(3, device=x.device) < n_free[site][..., None]
    u.copy_(torch.where(is_free, moved, u))
    cell = layout.cell(x)
    cell[:, :1] += strain / 2 * torch.randn(n, 1, device=x.device)
    cell[:, 1:] += strain * scale * torch.randn(n, 5, device=x.device)
    for _ in range(n_substitutions):
        _substitute(orbits, similar, substitution_rate)
    return x


def _substitute(orbits: Tensor, similar: Tensor, rate: float) -> None:
    """Replace the element of a random orbit, on all orbits that have it, in a fraction of the crystals; in place."""
    n_orbits = (orbits[..., 0] > 0).sum(1)
    rows = (torch.rand(len(orbits), device=orbits.device) < rate).nonzero()[:, 0]
    element = orbits[rows, :, 1].long()
    chosen = (torch.rand(len(rows), device=orbits.device) * n_orbits[rows]).long()
    replaced = element.gather(1, chosen[:, None])
    choice = torch.randint(similar.shape[1], (len(rows), 1), device=orbits.device)
    replacement = similar[replaced[:, 0]].gather(1, choice)
    orbits[rows, :, 1] = torch.where(element == replaced, replacement, element).to(orbits.dtype)
