"""Small pieces of the crystal model: networks, waves, numbers as bins, and the noise that it learns by."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from invdesign.domains.crystals.model.encoding import Layout

N_BINS = 48
# Within its bin a number is Laplacian with this share of the bin as its scale.
SHARPNESS = 0.05
WAVES = (1.0, 2.0, 4.0)


def mlp(n_in: int, width: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, width), nn.SiLU(), nn.Linear(width, n_out))


def waves(u: Tensor) -> Tensor:
    """Sines and cosines of numbers that count modulo one: `... x j` to `... x 6 j`."""
    angles = 2 * math.pi * u
    return torch.cat([f(k * angles) for k in WAVES for f in (torch.sin, torch.cos)], -1)


def rate(bins: Tensor, places: Tensor, value: Tensor) -> Tensor:
    """Log-probability (nats, up to a constant) of numbers counted in bins: which bin, and where within it."""
    bin_number = value.floor().clamp(0, N_BINS - 1).long()[..., None]
    chosen = bins.log_softmax(-1).gather(-1, bin_number)[..., 0]
    within = value - bin_number[..., 0]
    off = (within - torch.sigmoid(places.gather(-1, bin_number)[..., 0])).abs()
    return chosen - off / SHARPNESS


def read(bins: Tensor, places: Tensor) -> Tensor:
    """The likeliest number, counted in bins."""
    bin_number = bins.argmax(-1, keepdim=True)
    return (bin_number + torch.sigmoid(places.gather(-1, bin_number)))[..., 0]


def disturbed(
    x: Tensor,
    layout: Layout,
    n_free: Tensor,
    n_elements: int,
    *,
    step: float = 0.04,
    anew: float = 0.15,
    strain: float = 0.04,
    swapped: float = 0.1,
) -> Tensor:
    """Rows whose numbers and elements were changed at random: what the model must be able to say, not learn by heart.

    Args:
        x: rows.
        layout: of the rows.
        n_free: free coordinates of every site (`n_sites + 1`).
        n_elements: in the vocabulary.
        step: standard deviation of the changes of free coordinates, in half of the crystals.
        anew: share of free coordinates that are drawn anew.
        strain: standard deviation of the changes of logarithms of lengths.
        swapped: share of crystals of which one orbit gets another element.
    """
    x = x.clone()
    orbits, n = layout.orbits(x), len(x)
    site = orbits[..., 0].long()
    u = orbits[..., 2:]
    moved = u + step * torch.randn_like(u) * (torch.rand(n, 1, 1, device=x.device) < 0.5)
    moved = torch.where(torch.rand_like(u) < anew, torch.rand_like(u), moved) % 1.0
    is_free = torch.arange(3, device=x.device) < n_free[site][..., None]
    u.copy_(torch.where(is_free, moved, u))
    cell = layout.cell(x)
    cell[:, :3] += strain * (torch.randn(n, 1, device=x.device) + 0.5 * torch.randn(n, 3, device=x.device))
    cell[:, 3:] += strain * torch.randn(n, 3, device=x.device)
    rows = (torch.rand(n, device=x.device) < swapped).nonzero()[:, 0]
    length = (site[rows] > 0).sum(1)
    which = (torch.rand(len(rows), device=x.device) * length).long()
    orbits[rows, which, 1] = torch.randint(1, n_elements + 1, (len(rows),), device=x.device).to(x.dtype)
    return x
