"""Building blocks of the crystal model: networks, Fourier features, binned numbers and data augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from invdesign.domains.crystals.model.encoding import Layout

N_BINS = 48
# Scale of the Laplace distribution of a number within its bin, as a fraction of the bin width.
SHARPNESS = 0.05
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
    n_elements: int,
    *,
    step: float = 0.04,
    resample_rate: float = 0.15,
    strain: float = 0.04,
    substitution_rate: float = 0.1,
) -> Tensor:
    """Return rows with random changes of coordinates, cells and elements: data augmentation for training.

    The augmentation prevents memorization of a small corpus.

    Args:
        x: Rows, `n x layout.n_columns`.
        layout: Layout of the rows.
        n_free: Number of free coordinates of each site, `n_sites + 1`; site 0 is none.
        n_elements: Number of elements in the vocabulary.
        step: Standard deviation of the changes of free coordinates, in half of the crystals.
        resample_rate: Probability that a free coordinate is drawn again from [0, 1).
        strain: Standard deviation of the changes of the logarithms of lengths.
        substitution_rate: Probability that one orbit of a crystal gets another element.

    Returns:
        Changed copy of the rows, `n x layout.n_columns`.
    """
    x = x.clone()
    orbits, n = layout.orbits(x), len(x)
    site = orbits[..., 0].long()
    u = orbits[..., 2:]
    moved = u + step * torch.randn_like(u) * (torch.rand(n, 1, 1, device=x.device) < 0.5)
    moved = torch.where(torch.rand_like(u) < resample_rate, torch.rand_like(u), moved) % 1.0
    is_free = torch.arange(3, device=x.device) < n_free[site][..., None]
    u.copy_(torch.where(is_free, moved, u))
    cell = layout.cell(x)
    cell[:, :3] += strain * (torch.randn(n, 1, device=x.device) + 0.5 * torch.randn(n, 3, device=x.device))
    cell[:, 3:] += strain * torch.randn(n, 3, device=x.device)
    rows = (torch.rand(n, device=x.device) < substitution_rate).nonzero()[:, 0]
    n_orbits = (site[rows] > 0).sum(1)
    chosen = (torch.rand(len(rows), device=x.device) * n_orbits).long()
    orbits[rows, chosen, 1] = torch.randint(1, n_elements + 1, (len(rows),), device=x.device).to(x.dtype)
    return x
