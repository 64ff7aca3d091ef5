"""A second view of the latent space of crystals: the posterior of a latent given a powder pattern and a formula.

The space itself is that of a trained VAE and stays as it is. A network reads the pattern, the formula, or both, and
returns a mixture of normals: several crystals can have the same formula and similar patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from invdesign.core import Array
from invdesign.domains.crystals.model.descriptor_tables import element_table
from invdesign.domains.crystals.powder.diffraction import angles, lorentz_polarization
from invdesign.domains.crystals.powder.measured import Measured

MIN_S, MAX_S, N_POINTS = 0.06, 0.92, 640
"""Range of 1/d [1/angstrom] that the network reads, and its points."""
INVERSE_D = np.linspace(MIN_S, MAX_S, N_POINTS)
SMOOTHING = 0.2
"""Width with which a measured pattern is broadened before it is read [degrees]."""
CHANNELS = (24, 48, 64, 96, 128)
N_SHARES = 6
"""Sorted shares of the elements that describe the ratios of a formula."""


@dataclass(frozen=True, eq=False)
class Views:
    """Patterns and formulas of `n` crystals; either may be missing."""

    pattern: Tensor
    """Intensities without Lorentz and polarization factor on `INVERSE_D`, `n x 2 x N_POINTS`; the second channel is 1
    where the pattern was measured, and both are 0 where it is missing."""
    formula: Tensor
    """Shares of the elements and the sorted shares, `n x (n_elements + N_SHARES)`; 0 where missing."""

    def __getitem__(self, rows: Tensor) -> Views:
        """Return some rows."""
        return Views(self.pattern[rows], self.formula[rows])


class PatternView(nn.Module):
    """Posterior of a latent given a powder pattern, a formula, or both.

    Args:
        elements: Elements of the vocabulary of the space.
        d: Latent dimensions.
        width: Hidden units.
        n_components: Normals of the mixture.
    """

    element_facts: Tensor

    def __init__(self, elements: Sequence[str], d: int, *, width: int = 384, n_components: int = 4) -> None:
        super().__init__()
        self.elements, self.d, self.n_components = tuple(elements), d, n_components
        layers: list[nn.Module] = []
        for n_in, n_out in zip((2, *CHANNELS[:-1]), CHANNELS, strict=True):
            layers += [nn.Conv1d(n_in, n_out, 7, stride=2, padding=3), nn.GroupNorm(4, n_out), nn.SiLU()]
        self.read_pattern = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(CHANNELS[-1] * (N_POINTS // 2 ** len(CHANNELS)), width), nn.SiLU()
        )
        facts = element_table(self.elements)
        self.register_buffer("element_facts", facts, persistent=False)
        n_formula = len(self.elements) + N_SHARES + facts.shape[1]
        self.read_formula = nn.Sequential(nn.Linear(n_formula, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.join = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.SiLU(), nn.Dropout(0.1), nn.Linear(2 * width, width), nn.SiLU()
        )
        self.out = nn.Linear(width, n_components * (1 + 2 * d))

    def forward(self, views: Views) -> MixtureSameFamily:
        """Return the posteriors of `n` crystals."""
        shares = views.formula[:, : len(self.elements)]
        formula = self.read_formula(torch.cat([views.formula, shares @ self.element_facts], 1))
        hidden = self.join(torch.cat([self.read_pattern(views.pattern), formula], 1))
        weights, center, spread = self.out(hidden).split(
            [self.n_components, self.n_components * self.d, self.n_components * self.d], dim=1
        )
        shape = (len(hidden), self.n_components, self.d)
        parts = Normal(center.view(shape), spread.view(shape).clamp(-5, 2).exp(), validate_args=False)
        mixing = Categorical(logits=weights, validate_args=False)
        return MixtureSameFamily(mixing, Independent(parts, 1, validate_args=False), validate_args=False)

    def views_of(self, measured: Measured | None, counts: Mapping[str, int] | None) -> Views:
        """Return the input for one measured pattern and one formula, either of which may be None."""
        pattern = np.zeros((2, N_POINTS)) if measured is None else pattern_input(measured)
        formula = torch.zeros(1, len(self.elements) + N_SHARES)
        if counts is not None:
            formula = formula_inputs(self.elements, [counts])
        return Views(torch.from_numpy(pattern[None]).float(), formula)


def pattern_input(measured: Measured) -> Array:
    """Return a measured pattern as the network reads it, `2 x N_POINTS`: it does not depend on the wavelength."""
    at = angles(INVERSE_D, measured.wavelength)
    is_inside = (at >= measured.grid.first) & (at <= measured.max_angle)
    # Peaks are broadened so that no peak falls between two points.
    smooth = measured.grid.broaden(measured.intensity[None], SMOOTHING)[0]
    raw = np.interp(np.nan_to_num(at), measured.grid.angles, smooth)
    factor = lorentz_polarization(INVERSE_D, measured.wavelength)
    strength = np.where(is_inside, raw / np.maximum(factor, 1e-6), 0.0)
    return np.stack([normalize(strength), is_inside.astype(float)])


def normalize(strength: Array) -> Array:
    """Return the square roots of intensities, the largest 1 in each row: weak peaks matter too."""
    peak = np.maximum(strength.max(-1, keepdims=True), 1e-12)
    scaled: Array = np.sqrt(np.maximum(strength, 0.0) / peak)
    return scaled


def formula_inputs(elements: Sequence[str], formulas: Sequence[Mapping[str, int]]) -> Tensor:
    """Return formulas as the network reads them; elements that the vocabulary lacks have no column of their own."""
    number = {element: i for i, element in enumerate(elements)}
    rows = torch.zeros(len(formulas), len(elements) + N_SHARES)
    for row, counts in zip(rows, formulas, strict=True):
        total = sum(counts.values())
        for element, n in counts.items():
            if element in number:
                row[number[element]] = n / total
        for i, n in enumerate(sorted(counts.values(), reverse=True)[:N_SHARES]):
            row[len(elements) + i] = n / total
    return rows
